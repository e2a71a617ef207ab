#include "base/duration_histogram.h"

#include <algorithm>
#include <cassert>

namespace tokeninventory {
namespace {

std::vector<std::int64_t> Nanoseconds(std::initializer_list<absl::Duration> durations) {
  std::vector<std::int64_t> nanos;
  for (const absl::Duration duration : durations)
    nanos.push_back(absl::ToInt64Nanoseconds(duration));
  return nanos;
}

}  // namespace

DurationHistogram::DurationHistogram(std::initializer_list<absl::Duration> bounds)
    : bounds_(Nanoseconds(bounds)) {
  assert(bounds_.size() <= kMostBounds && std::is_sorted(bounds_.begin(), bounds_.end()));
}

void DurationHistogram::Observe(absl::Duration duration) {
  const std::int64_t nanos = std::max<std::int64_t>(absl::ToInt64Nanoseconds(duration), 0);
  const auto range = std::lower_bound(bounds_.begin(), bounds_.end(), nanos) - bounds_.begin();
  counts_[static_cast<std::size_t>(range)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(nanos, std::memory_order_relaxed);
}

DurationHistogram::Reading DurationHistogram::Read() const {
  Reading reading;
  for (const std::int64_t bound : bounds_) reading.bounds.push_back(absl::Nanoseconds(bound));
  for (std::size_t i = 0; i <= bounds_.size(); ++i) {
    reading.counts.push_back(counts_[i].load(std::memory_order_relaxed));
  }
  reading.sum = absl::Nanoseconds(sum_.load(std::memory_order_relaxed));
  return reading;
}

}  // namespace tokeninventory
