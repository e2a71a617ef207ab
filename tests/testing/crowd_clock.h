// A clock for several threads that wait on it: it moves to the soonest of their
// deadlines when all of them wait, so that hours pass in no time and nothing
// depends on how fast the machine is.
#pragma once

#include <algorithm>
#include <vector>

#include "base/clock.h"

namespace tokeninventory::testing {

// Thread-safe. Every thread that uses it holds a Member meanwhile, and all are made
// before the first of them waits.
class CrowdClock final : public Clock {
 public:
  explicit CrowdClock(absl::Time now = absl::FromUnixSeconds(1'800'000'000)) : now_(now) {}

  class Member {
   public:
    explicit Member(CrowdClock& clock) : clock_(clock) {
      MutexLock lock(clock_.mutex_);
      ++clock_.members_;
    }
    ~Member() {
      MutexLock lock(clock_.mutex_);
      --clock_.members_;
      clock_.MoveIfAllWait();
    }
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

   private:
    CrowdClock& clock_;
  };

  absl::Time Now() override {
    MutexLock lock(mutex_);
    return now_;
  }

  // Looks often whether the time has come instead of being told, as FakeClock does.
  void WaitUntil(Mutex& mutex, CondVar& condition, absl::Time deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    {
      MutexLock lock(mutex_);
      if (now_ >= deadline) return;
      waiting_.push_back(deadline);
      MoveIfAllWait();
    }
    while (Now() < deadline) {
      if (!condition.WaitFor(mutex, std::chrono::milliseconds(1))) continue;
      MutexLock lock(mutex_);
      const auto mine = std::find(waiting_.begin(), waiting_.end(), deadline);
      if (mine != waiting_.end()) waiting_.erase(mine);
      return;
    }
  }

 private:
  // Whose deadline comes is no longer waiting, though it may not know yet.
  void MoveIfAllWait() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (waiting_.empty() || waiting_.size() < static_cast<std::size_t>(members_)) return;
    const absl::Time moved = std::max(now_, *std::min_element(waiting_.begin(), waiting_.end()));
    now_ = moved;
    waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(),
                                  [moved](absl::Time deadline) { return deadline <= moved; }),
                   waiting_.end());
  }

  Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
  int members_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<absl::Time> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory::testing
