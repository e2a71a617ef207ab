#include "connectors/jq_watchdog.h"

#include <algorithm>

namespace tokeninventory {

JqWatchdog& JqWatchdog::Get() {
  static auto* const watchdog = new JqWatchdog;
  return *watchdog;
}

void JqWatchdog::Start() {
  MutexLock lock(mutex_);
  StartLocked();
  while (!running_) came_up_.Wait(mutex_);
}

void JqWatchdog::StartLocked() {
  if (started_) return;
  started_ = true;
  std::thread([this] { Run(); }).detach();
}

std::uint64_t JqWatchdog::Begin(std::chrono::nanoseconds limit, void (*stop)(void*),
                                void* argument) {
  MutexLock lock(mutex_);
  StartLocked();
  const std::uint64_t id = next_id_++;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  watches_.push_back({id, deadline, stop, argument});
  // Of many short watches of one limit only the first comes here.
  if (deadline < wake_at_) {
    wake_at_ = deadline;
    wake_.NotifyOne();
  }
  return id;
}

bool JqWatchdog::End(std::uint64_t id) {
  MutexLock lock(mutex_);
  for (Watch& watch : watches_) {
    if (watch.id != id) continue;
    const bool stopped = watch.stopped;
    watch = watches_.back();
    watches_.pop_back();
    return stopped;
  }
  return false;
}

void JqWatchdog::Run() {
  MutexLock lock(mutex_);
  running_ = true;
  came_up_.NotifyAll();
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    wake_at_ = kNever;
    for (Watch& watch : watches_) {
      if (watch.stopped) continue;
      if (now < watch.deadline) {
        wake_at_ = std::min(wake_at_, watch.deadline);
        continue;
      }
      watch.stopped = true;
      // Under the lock: End must not return while it runs.
      watch.stop(watch.argument);
    }
    if (wake_at_ == kNever) {
      wake_.Wait(mutex_);
    } else {
      wake_.WaitFor(mutex_, wake_at_ - now);
    }
  }
}

}  // namespace tokeninventory
