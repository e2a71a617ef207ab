// How long things took: counts in ranges, as histograms of metrics want them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "absl/time/time.h"

namespace tokeninventory {

// Thread-safe, without a lock: two additions for each duration.
class DurationHistogram {
 public:
  static constexpr std::size_t kMostBounds = 15;

  // The ranges' upper bounds, which belong to them, rising; at most kMostBounds. What is longer
  // than the last is counted in a range of its own.
  explicit DurationHistogram(std::initializer_list<absl::Duration> bounds);

  // A negative one, from a clock that was set back, counts as zero.
  void Observe(absl::Duration duration);

  // One that is observed meanwhile may be in the counts and not yet in the sum.
  struct Reading {
    std::vector<absl::Duration> bounds;
    std::vector<std::int64_t> counts;  // one more than bounds: of each range, not added up
    absl::Duration sum;
  };
  Reading Read() const;

 private:
  const std::vector<std::int64_t> bounds_;  // nanoseconds
  std::array<std::atomic<std::int64_t>, kMostBounds + 1> counts_{};
  std::atomic<std::int64_t> sum_{0};  // nanoseconds
};

}  // namespace tokeninventory
