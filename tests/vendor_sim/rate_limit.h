// A request budget per fixed window, as Buildkite and Opal describe theirs.
//
// Thread-safe. The clock is an argument.
#pragma once

#include <chrono>
#include <mutex>

#include "tests/vendor_sim/sim_time.h"

namespace tokeninventory::vendor_sim {

class RateLimit {
 public:
  struct Verdict {
    int limit = 0;
    // Requests in this window, this one included, those refused too.
    int current = 0;
    // Whole seconds until the window ends, at least 1.
    int reset_seconds = 0;

    bool exceeded() const { return current > limit; }
    int remaining() const { return exceeded() ? 0 : limit - current; }
  };

  RateLimit(int limit, std::chrono::seconds window) : limit_(limit), window_(window) {}

  // Counts one request. A window begins with the first request after the last one ended.
  Verdict Count(TimePoint now);

 private:
  const int limit_;
  const std::chrono::seconds window_;
  std::mutex mutex_;
  // Guarded by mutex_:
  int current_ = 0;
  TimePoint window_end_;
};

}  // namespace tokeninventory::vendor_sim
