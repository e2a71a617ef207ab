// The only source of chance in the simulator: the same seed gives the same values on every machine.
// The distributions of <random> do not promise that, so none is used.
//
// Thread-compatible: each owner has its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/vendor_sim/sim_time.h"
#include "tests/vendor_sim/uuid.h"

namespace tokeninventory::vendor_sim {

class Random {
 public:
  // `purpose` separates streams of one seed, so that more draws for one vendor move no other.
  Random(std::uint64_t seed, std::uint64_t purpose);

  std::uint64_t Next();

  // 0 … bound-1; 0 when bound is 0.
  std::uint64_t Below(std::uint64_t bound);

  // low … high, both included.
  std::int64_t Between(std::int64_t low, std::int64_t high);

  bool Percent(unsigned chance) { return Below(100) < chance; }

  // `items` must not be empty.
  template <typename T>
  const T& Pick(const std::vector<T>& items) {
    return items[static_cast<std::size_t>(Below(items.size()))];
  }

  // `length` letters and digits.
  std::string Alphanumeric(std::size_t length);

  // A random (version 4) id.
  Uuid RandomId();

  // A version 7 id, whose first 48 bits are the time, as Buildkite's newer records have.
  Uuid TimeOrderedId(TimePoint time);

 private:
  std::uint64_t state_;
};

}  // namespace tokeninventory::vendor_sim
