// A few threads behind a bounded queue.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace tokeninventory {

// Thread-safe. The destructor runs what is queued, then joins.
class ThreadPool {
 public:
  ThreadPool(std::size_t threads, std::size_t queue_capacity);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Never blocks. False when the queue is full or the pool is stopping; `work`
  // is then not run.
  [[nodiscard]] bool TryRun(std::function<void()> work);

 private:
  void RunWorker();

  const std::size_t queue_capacity_;
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;  // constant after construction
};

}  // namespace tokeninventory
