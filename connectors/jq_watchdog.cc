#include "connectors/jq_watchdog.h"

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
  watches_.push_back({id, std::chrono::steady_clock::now() + limit, stop, argument});
  if (idle_) {
    idle_ = false;
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
  constexpr auto kStep = std::chrono::milliseconds(10);
  // Passes run many short programs: a thread that slept at once would be woken
  // for each of them.
  constexpr int kStepsBeforeSleep = 100;
  int empty_steps = 0;
  MutexLock lock(mutex_);
  running_ = true;
  came_up_.NotifyAll();
  for (;;) {
    if (empty_steps >= kStepsBeforeSleep) {
      idle_ = true;
      while (idle_) wake_.Wait(mutex_);
      empty_steps = 0;
    }
    wake_.WaitFor(mutex_, kStep);
    empty_steps = watches_.empty() ? empty_steps + 1 : 0;
    const auto now = std::chrono::steady_clock::now();
    for (Watch& watch : watches_) {
      if (watch.stopped || now < watch.deadline) continue;
      watch.stopped = true;
      // Under the lock: End must not return while it runs.
      watch.stop(watch.argument);
    }
  }
}

}  // namespace tokeninventory
