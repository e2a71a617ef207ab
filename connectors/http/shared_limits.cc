#include "connectors/http/shared_limits.h"

#include <algorithm>

namespace tokeninventory {

void SharedLimits::Note(const RateLimitReport& report, absl::Time now) {
  {
    MutexLock lock(mutex_);
    told_ = report.limits;
  }
  if (report.blocked_until) HoldUntil(*report.blocked_until, now);
}

void SharedLimits::HoldUntil(absl::Time until, absl::Time now) {
  MutexLock lock(mutex_);
  // Answers come out of order: an older one must not shorten the wait.
  if (until <= held_until_) return;
  held_until_ = until;
  held_at_ = now;
}

absl::Time SharedLimits::FreeAt(absl::Time now) {
  MutexLock lock(mutex_);
  if (now < held_at_) {
    held_until_ -= held_at_ - now;
    held_at_ = now;
  }
  return std::max(now, held_until_);
}

bool SharedLimits::told() {
  MutexLock lock(mutex_);
  return !told_.empty();
}

std::vector<v1::RateLimit> SharedLimits::last_told() {
  MutexLock lock(mutex_);
  return told_;
}

}  // namespace tokeninventory
