// Time as an argument: everything that asks for the time or waits for it does
// so through a Clock, so that tests step it.
#pragma once

#include "absl/time/time.h"
#include "base/mutex.h"

namespace tokeninventory {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // The wall clock. May jump in both directions.
  virtual absl::Time Now() = 0;

  // Waits on `condition` until it is notified or `deadline` has come on this
  // clock. Returns spuriously: call it in a loop that looks at both.
  virtual void WaitUntil(Mutex& mutex, CondVar& condition, absl::Time deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;

  // The machine's clock; lives for ever.
  static Clock* Real();
};

}  // namespace tokeninventory
