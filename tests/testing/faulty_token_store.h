// A real store whose calls fail when a test says so.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "inventory/token_store.h"

namespace tokeninventory::testing {

// Thread-safe as the store that it wraps; the switches may be set by any thread.
class FaultyTokenStore final : public TokenStore {
 public:
  explicit FaultyTokenStore(std::unique_ptr<TokenStore> store) : store_(std::move(store)) {}

  // Lets `skip` commits pass, then fails `count` of them with `status`.
  void FailCommits(
      int count, int skip = 0,
      absl::Status status = absl::UnavailableError("the disk is full, says the test")) {
    MutexLock lock(mutex_);
    commit_status_ = std::move(status);
    commits_to_skip_ = skip;
    commits_to_fail_ = count;
  }
  // While true, ReadLog fails with UNAVAILABLE.
  void FailReadLog(bool fail) {
    MutexLock lock(mutex_);
    fail_read_log_ = fail;
  }
  // Commits that were tried and that were refused.
  int commits() const {
    MutexLock lock(mutex_);
    return commits_;
  }
  int failed_commits() const {
    MutexLock lock(mutex_);
    return failed_commits_;
  }
  // Of the last Compact.
  LogLimits last_limits() const {
    MutexLock lock(mutex_);
    return last_limits_;
  }
  int log_reads() const {
    MutexLock lock(mutex_);
    return log_reads_;
  }

  absl::StatusOr<StoreHead> Head() override { return store_->Head(); }
  absl::Status Load(LoadVisitor& visitor) override { return store_->Load(visitor); }
  absl::StatusOr<std::int64_t> Commit(std::int64_t expected_head,
                                      const CommitBatch& batch) override {
    {
      MutexLock lock(mutex_);
      ++commits_;
      if (commits_to_skip_ > 0) {
        --commits_to_skip_;
      } else if (commits_to_fail_ > 0) {
        --commits_to_fail_;
        ++failed_commits_;
        return commit_status_;
      }
    }
    return store_->Commit(expected_head, batch);
  }
  absl::StatusOr<LogPage> ReadLog(LogPosition from, std::int64_t max_bytes) override {
    {
      MutexLock lock(mutex_);
      ++log_reads_;
      if (fail_read_log_) return absl::UnavailableError("no log, says the test");
    }
    return store_->ReadLog(from, max_bytes);
  }
  absl::StatusOr<std::vector<LogEntry>> ReadHistory(std::int64_t row, std::int64_t before_revision,
                                                    int limit) override {
    return store_->ReadHistory(row, before_revision, limit);
  }
  absl::StatusOr<StoreHead> Compact(const LogLimits& limits) override {
    {
      MutexLock lock(mutex_);
      last_limits_ = limits;
    }
    return store_->Compact(limits);
  }

 private:
  const std::unique_ptr<TokenStore> store_;
  mutable Mutex mutex_;
  LogLimits last_limits_ ABSL_GUARDED_BY(mutex_);
  absl::Status commit_status_ ABSL_GUARDED_BY(mutex_);
  int commits_to_skip_ ABSL_GUARDED_BY(mutex_) = 0;
  int commits_to_fail_ ABSL_GUARDED_BY(mutex_) = 0;
  int commits_ ABSL_GUARDED_BY(mutex_) = 0;
  int failed_commits_ ABSL_GUARDED_BY(mutex_) = 0;
  int log_reads_ ABSL_GUARDED_BY(mutex_) = 0;
  bool fail_read_log_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace tokeninventory::testing
