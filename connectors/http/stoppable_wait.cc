#include "connectors/http/stoppable_wait.h"

namespace tokeninventory {

bool WaitUntilOrStop(Clock& clock, absl::Time deadline, const std::stop_token& stop) {
  Mutex mutex;
  CondVar wake;
  const std::stop_callback on_stop(stop, [&] {
    // Under the lock, so that it does not fall between the look and the wait.
    MutexLock lock(mutex);
    wake.NotifyAll();
  });
  MutexLock lock(mutex);
  while (!stop.stop_requested()) {
    if (clock.Now() >= deadline) return true;
    clock.WaitUntil(mutex, wake, deadline);
  }
  return false;
}

}  // namespace tokeninventory
