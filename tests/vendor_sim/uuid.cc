#include "tests/vendor_sim/uuid.h"

#include <cstdlib>

namespace tokeninventory::vendor_sim {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsHyphenPosition(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

}  // namespace

std::string Uuid::ToString() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (IsHyphenPosition(text.size())) text.push_back('-');
    const std::uint64_t word = nibble < 16 ? high : low;
    text.push_back(kDigits[(word >> (60 - 4 * (nibble % 16))) & 0xF]);
  }
  return text;
}

std::optional<Uuid> Uuid::Parse(std::string_view text) {
  const bool hyphens = text.size() == 36;
  if (!hyphens && text.size() != 32) return std::nullopt;
  Uuid id;
  int nibble = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (hyphens && IsHyphenPosition(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int digit = HexDigit(text[i]);
    if (digit < 0) return std::nullopt;
    std::uint64_t& word = nibble < 16 ? id.high : id.low;
    word = (word << 4) | static_cast<std::uint64_t>(digit);
    ++nibble;
  }
  return id;
}

Uuid Uuid::FromLiteral(std::string_view text) {
  const std::optional<Uuid> id = Parse(text);
  if (!id) std::abort();
  return *id;
}

}  // namespace tokeninventory::vendor_sim
