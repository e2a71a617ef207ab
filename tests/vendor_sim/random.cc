#include "tests/vendor_sim/random.h"

#include <chrono>

namespace tokeninventory::vendor_sim {
namespace {

// SplitMix64: tiny, well mixed, and fully specified.
std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15ULL;
constexpr std::uint64_t kVariant = 0x8000000000000000ULL;
constexpr std::uint64_t kVariantMask = 0x3FFFFFFFFFFFFFFFULL;

}  // namespace

Random::Random(std::uint64_t seed, std::uint64_t purpose)
    : state_(Mix(Mix(seed) + purpose * kStep)) {}

std::uint64_t Random::Next() {
  state_ += kStep;
  return Mix(state_);
}

std::uint64_t Random::Below(std::uint64_t bound) {
  // The bias of a plain remainder is below 2^-40 for the small bounds used here.
  return bound == 0 ? 0 : Next() % bound;
}

std::int64_t Random::Between(std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(Below(static_cast<std::uint64_t>(high - low) + 1));
}

std::string Random::Alphanumeric(std::size_t length) {
  static constexpr char kLetters[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  std::string text(length, ' ');
  for (char& c : text) c = kLetters[Below(sizeof(kLetters) - 1)];
  return text;
}

Uuid Random::RandomId() {
  Uuid id;
  id.high = (Next() & 0xFFFFFFFFFFFF0FFFULL) | 0x4000;
  id.low = (Next() & kVariantMask) | kVariant;
  return id;
}

Uuid Random::TimeOrderedId(TimePoint time) {
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  Uuid id;
  id.high = (static_cast<std::uint64_t>(millis) << 16) | 0x7000 | (Next() & 0xFFF);
  id.low = (Next() & kVariantMask) | kVariant;
  return id;
}

}  // namespace tokeninventory::vendor_sim
