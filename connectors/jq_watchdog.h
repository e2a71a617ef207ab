// Stops programs that do not end.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace tokeninventory {

// One thread that sleeps until the first deadline it knew of when it fell asleep, so that
// watching costs a lock and hardly ever a wake-up. Thread-safe.
class JqWatchdog {
 public:
  // Lives for ever.
  static JqWatchdog& Get();

  // Starts the thread, which Begin would do, and waits until it runs: for a process
  // that then gives up what a thread needs to come up.
  void Start();

  // `stop` is called once, on the watchdog's thread, if the watch is not ended
  // within `limit` of real time.
  std::uint64_t Begin(std::chrono::nanoseconds limit, void (*stop)(void*), void* argument);
  // After it, `stop` is not running and will not be called. True if it was.
  bool End(std::uint64_t id);

 private:
  static constexpr auto kNever = std::chrono::steady_clock::time_point::max();

  struct Watch {
    std::uint64_t id;
    std::chrono::steady_clock::time_point deadline;
    void (*stop)(void*);
    void* argument;
    bool stopped = false;
  };

  JqWatchdog() = default;
  void StartLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run();

  Mutex mutex_;
  CondVar wake_;
  CondVar came_up_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  // Until when the thread sleeps, or is about to.
  std::chrono::steady_clock::time_point wake_at_ ABSL_GUARDED_BY(mutex_) = kNever;
  std::uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::vector<Watch> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory
