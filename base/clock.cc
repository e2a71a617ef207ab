#include "base/clock.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace tokeninventory {
namespace {

class RealClock final : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }

  void WaitUntil(Mutex& mutex, CondVar& condition, absl::Time deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return;
    // In steps, because the wall clock may be set while this waits.
    constexpr absl::Duration kLongestStep = absl::Seconds(1);
    condition.WaitFor(mutex, absl::ToChronoNanoseconds(std::min(left, kLongestStep)));
  }
};

}  // namespace

Clock* Clock::Real() {
  static auto* const clock = new RealClock;
  return clock;
}

}  // namespace tokeninventory
