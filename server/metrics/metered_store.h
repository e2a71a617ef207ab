// Counts what commits came to, around any store.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/duration_histogram.h"
#include "inventory/token_store.h"

namespace tokeninventory {

// Thread-safe.
struct CommitMeter {
  // Of all commits, those that failed too; writes that only ask whether the store can be written
  // are among them.
  DurationHistogram durations{
      absl::Milliseconds(1),   absl::Microseconds(2500), absl::Milliseconds(5),
      absl::Milliseconds(10),  absl::Milliseconds(25),   absl::Milliseconds(50),
      absl::Milliseconds(100), absl::Milliseconds(250),  absl::Milliseconds(500),
      absl::Seconds(1),        absl::Seconds(5)};
  std::atomic<std::int64_t> failures{0};
};

// As thread-safe as the store in it.
class MeteredStore final : public TokenStore {
 public:
  // `meter` lives longer than this.
  MeteredStore(std::unique_ptr<TokenStore> store, CommitMeter& meter)
      : store_(std::move(store)), meter_(meter) {}

  absl::StatusOr<StoreHead> Head() override { return store_->Head(); }
  absl::Status Load(LoadVisitor& visitor) override { return store_->Load(visitor); }
  absl::StatusOr<std::int64_t> Commit(std::int64_t expected_head,
                                      const CommitBatch& batch) override;
  absl::StatusOr<LogPage> ReadLog(LogPosition from, std::int64_t max_bytes) override {
    return store_->ReadLog(from, max_bytes);
  }
  absl::StatusOr<std::vector<LogEntry>> ReadHistory(std::int64_t row, std::int64_t before_revision,
                                                    int limit) override {
    return store_->ReadHistory(row, before_revision, limit);
  }
  absl::StatusOr<StoreHead> Compact(const LogLimits& limits) override {
    return store_->Compact(limits);
  }

 private:
  const std::unique_ptr<TokenStore> store_;
  CommitMeter& meter_;
};

}  // namespace tokeninventory
