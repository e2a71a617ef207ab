// Writing protobuf's wire form by hand, for answers that are mostly bytes which
// are already serialised.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace tokeninventory::wire {

// Bytes that AppendVarint writes.
inline std::size_t VarintSize(std::uint64_t value) {
  std::size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

inline void AppendVarint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

// A varint field (also enums and bools); nothing for 0, as proto3 does.
inline void AppendVarintField(std::string& out, int field, std::uint64_t value) {
  if (value == 0) return;
  AppendVarint(out, static_cast<std::uint64_t>(field) << 3);
  AppendVarint(out, value);
}

// The tag and length of a length-delimited field whose bytes follow.
inline void AppendHeader(std::string& out, int field, std::size_t size) {
  AppendVarint(out, (static_cast<std::uint64_t>(field) << 3) | 2);
  AppendVarint(out, size);
}

// A string, bytes or message field, also when empty.
inline void AppendBytesField(std::string& out, int field, absl::string_view bytes) {
  AppendHeader(out, field, bytes.size());
  out.append(bytes.data(), bytes.size());
}

// Bytes that AppendBytesField writes.
inline std::size_t BytesFieldSize(int field, std::size_t size) {
  return VarintSize((static_cast<std::uint64_t>(field) << 3) | 2) + VarintSize(size) + size;
}

}  // namespace tokeninventory::wire
