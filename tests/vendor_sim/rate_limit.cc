#include "tests/vendor_sim/rate_limit.h"

namespace tokeninventory::vendor_sim {

RateLimit::Verdict RateLimit::Count(TimePoint now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // A clock that was set back must not leave a window that never ends.
  if (now >= window_end_ || now < window_end_ - window_) {
    window_end_ = now + window_;
    current_ = 0;
  }
  ++current_;
  const auto left = std::chrono::ceil<std::chrono::seconds>(window_end_ - now);
  return {limit_, current_, static_cast<int>(left.count())};
}

}  // namespace tokeninventory::vendor_sim
