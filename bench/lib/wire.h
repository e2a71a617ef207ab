// Protobuf's wire format by hand, for messages of which a few fields are all that
// matters: https://protobuf.dev/programming-guides/encoding.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace tokeninventory::bench {

inline void AppendVarint(std::uint64_t value, std::string& to) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

inline void AppendNumber(int field, std::uint64_t value, std::string& to) {
  AppendVarint(static_cast<std::uint64_t>(field) << 3, to);
  AppendVarint(value, to);
}

// A string, bytes or a message.
inline void AppendBytes(int field, absl::string_view value, std::string& to) {
  AppendVarint(static_cast<std::uint64_t>(field) << 3 | 2, to);
  AppendVarint(value.size(), to);
  to.append(value.data(), value.size());
}

inline std::uint64_t TakeVarint(absl::string_view& from) {
  std::uint64_t value = 0;
  for (int shift = 0; !from.empty() && shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

// Calls `visit(field, bytes)` for each field of a message; `bytes` is empty for numbers.
template <typename Visit>
void ForEachField(absl::string_view message, Visit visit) {
  while (!message.empty()) {
    const std::uint64_t tag = TakeVarint(message);
    absl::string_view bytes;
    switch (tag & 7) {
      case 0:
        TakeVarint(message);
        break;
      case 1:
        message.remove_prefix(std::min<std::size_t>(8, message.size()));
        break;
      case 2: {
        const std::uint64_t size = TakeVarint(message);
        bytes = message.substr(0, size);
        message.remove_prefix(bytes.size());
        break;
      }
      default:
        message.remove_prefix(std::min<std::size_t>(4, message.size()));
    }
    visit(static_cast<int>(tag >> 3), bytes);
  }
}

}  // namespace tokeninventory::bench
