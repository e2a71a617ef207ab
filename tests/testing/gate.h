// Something that one thread waits for and another one opens.
#pragma once

#include <chrono>

#include "base/mutex.h"

namespace tokeninventory::testing {

// How long a test waits for another thread before it fails: for ever, but for
// a machine that hangs.
inline constexpr std::chrono::seconds kLongWait{60};

// Thread-safe. Once open, it stays open.
class Gate {
 public:
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    wake_.NotifyAll();
  }

  // False when it was not opened within kLongWait.
  [[nodiscard]] bool Await() {
    const auto deadline = std::chrono::steady_clock::now() + kLongWait;
    MutexLock lock(mutex_);
    while (!open_) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds::zero()) return false;
      wake_.WaitFor(mutex_, left);
    }
    return true;
  }

 private:
  Mutex mutex_;
  CondVar wake_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tokeninventory::testing
