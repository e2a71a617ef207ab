// A clock that stands still until a test moves it.
#pragma once

#include <vector>

#include "base/clock.h"

namespace tokeninventory::testing {

// Thread-safe.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time now = absl::FromUnixSeconds(1'800'000'000)) : now_(now) {}

  absl::Time Now() override {
    MutexLock lock(mutex_);
    return now_;
  }

  void Set(absl::Time now) {
    MutexLock lock(mutex_);
    now_ = now;
  }
  void Advance(absl::Duration by) {
    MutexLock lock(mutex_);
    now_ += by;
  }

  // Looks at the fake time often instead of being told: waiters hold locks that
  // this class knows nothing of.
  void WaitUntil(Mutex& mutex, CondVar& condition, absl::Time deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (Now() >= deadline) return;
    condition.WaitFor(mutex, std::chrono::milliseconds(2));
  }

 private:
  Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory::testing
