// Walks the fields of a serialised message without parsing it. Expects what
// SerializeToken writes: fields in number order, singular ones once.
#pragma once

#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace tokeninventory {

// Never reads beyond the bytes: damage ends the walk.
class FieldReader {
 public:
  explicit FieldReader(absl::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // Moves to the next field; false at the end, and on damage.
  bool Next() {
    begin_ = at_;
    if (at_ == end_) return false;
    std::uint64_t tag = 0;
    if (!ReadVarint(tag) || tag >> 32 != 0) return Stop();
    number_ = static_cast<int>(tag >> 3);
    payload_ = {};
    varint_ = 0;
    std::uint64_t size = 0;
    switch (tag & 7) {
      case 0:
        return ReadVarint(varint_) || Stop();
      case 1:
        size = 8;
        break;
      case 2:
        if (!ReadVarint(size)) return Stop();
        break;
      case 5:
        size = 4;
        break;
      default:
        return Stop();
    }
    if (size > static_cast<std::uint64_t>(end_ - at_)) return Stop();
    payload_ = absl::string_view(at_, size);
    at_ += size;
    return true;
  }

  // Moves to the field `number`; false when it is not there.
  bool Find(int number) {
    while (Next()) {
      if (number_ >= number) return number_ == number;
    }
    return false;
  }

  int number() const { return number_; }
  std::uint64_t varint() const { return varint_; }
  absl::string_view payload() const { return payload_; }  // fixed-size fields too
  // Where the next field begins.
  const char* position() const { return at_; }
  // The field, tag included.
  absl::string_view whole() const {
    return absl::string_view(begin_, static_cast<std::size_t>(at_ - begin_));
  }
  // False once it came upon damage.
  bool ok() const { return ok_; }

 private:
  bool Stop() {
    ok_ = false;
    at_ = end_;
    return false;
  }
  bool ReadVarint(std::uint64_t& value) {
    if (at_ != end_ && static_cast<signed char>(*at_) >= 0) {
      value = static_cast<unsigned char>(*at_++);
      return true;
    }
    // Field numbers from 16 on, and most lengths, are of two bytes.
    if (end_ - at_ >= 2 && static_cast<signed char>(at_[1]) >= 0) {
      value = (static_cast<unsigned char>(at_[0]) & 0x7Fu) |
              static_cast<std::uint64_t>(static_cast<unsigned char>(at_[1])) << 7;
      at_ += 2;
      return true;
    }
    std::uint64_t result = 0;
    for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at_++);
      result |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) {
        value = result;
        return true;
      }
    }
    return false;
  }

  const char* begin_ = nullptr;
  const char* at_;
  const char* end_;
  bool ok_ = true;
  int number_ = 0;
  std::uint64_t varint_ = 0;
  absl::string_view payload_;
};

// The payload of a `double` field; 0 for none.
inline double DoubleOf(absl::string_view payload) {
  double value = 0;
  if (payload.size() == sizeof(value)) std::memcpy(&value, payload.data(), sizeof(value));
  return value;
}

}  // namespace tokeninventory
