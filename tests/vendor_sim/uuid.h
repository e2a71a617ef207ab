// A 128-bit id that costs 16 bytes: a simulator of a million tokens holds several million ids.
//
// Thread-compatible: a plain value.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tokeninventory::vendor_sim {

struct Uuid {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  // The usual lower-case form with hyphens.
  std::string ToString() const;

  // Reads 32 hexadecimal digits of either case, with the usual four hyphens or with none; anything
  // else is no id.
  static std::optional<Uuid> Parse(std::string_view text);

  // For ids that the program itself spells out; `text` must be a valid id.
  static Uuid FromLiteral(std::string_view text);

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

}  // namespace tokeninventory::vendor_sim

template <>
struct std::hash<tokeninventory::vendor_sim::Uuid> {
  std::size_t operator()(const tokeninventory::vendor_sim::Uuid& id) const {
    return static_cast<std::size_t>(id.high ^ (id.low * 0x9E3779B97F4A7C15ULL));
  }
};
