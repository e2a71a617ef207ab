// The newest stretch of the change log, in memory, shared by all watchers.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "inventory/token_store.h"

namespace tokeninventory {

// One change as watchers need it.
struct FeedChange {
  LogChange change;
  std::vector<int> changed_fields;  // when a token was there before and after
};

// What one revision changed. Immutable once published.
struct FeedRevision {
  std::int64_t revision = 0;
  absl::Time commit_time;
  std::vector<FeedChange> changes;
  std::int64_t bytes = 0;  // of all tokens and notices in it
};

// Makes the watchers' form of a change.
FeedChange MakeFeedChange(LogChange change);

// Thread-safe. Written by the Ledger only.
class ChangeFeed {
 public:
  // Keeps at least one revision, and no more than about `memory_bytes`.
  explicit ChangeFeed(std::int64_t memory_bytes) : memory_bytes_(memory_bytes) {}

  // From the next Publish on. By any thread.
  void SetMemoryBytes(std::int64_t memory_bytes);

  // Sets where the store stands. Before the first Publish.
  void Start(const StoreHead& head);

  // Adds the next revision, then calls the listener.
  void Publish(std::shared_ptr<const FeedRevision> revision);

  // The store's log now begins after this revision.
  void SetOldestRevision(std::int64_t revision);

  // `listener` is called after each Publish; `oldest_cursor` tells behind which
  // revision the log is still needed. Both by the Ledger's thread. Set them before
  // the first Publish, or to nothing when the listener goes.
  void SetListener(std::function<void()> listener,
                   std::function<std::int64_t()> oldest_cursor = nullptr);

  // LogLimits::oldest_cursor, as the listener has it.
  std::int64_t OldestCursor() const;

  struct Bounds {
    std::int64_t oldest = 0;         // the store's log holds what is after it
    std::int64_t memory_oldest = 0;  // this feed holds what is after it
    std::int64_t head = 0;
  };
  Bounds bounds() const;
  // bounds().head, and waits for nobody.
  std::int64_t head() const { return head_.load(std::memory_order_acquire); }

  // When a revision was committed, or the oldest one in memory if it is older than
  // that. Nothing when there is none in memory from there on.
  std::optional<absl::Time> CommitTime(std::int64_t revision) const;

  // The revisions from `from` on, the first perhaps told in part, up to about
  // `max_bytes`. Empty when there are none, or when they are no longer in memory
  // (then `from.revision <= bounds().memory_oldest`).
  std::vector<std::shared_ptr<const FeedRevision>> Read(LogPosition from,
                                                        std::int64_t max_bytes) const;

 private:
  mutable Mutex mutex_;
  std::int64_t memory_bytes_ ABSL_GUARDED_BY(mutex_);
  Bounds bounds_ ABSL_GUARDED_BY(mutex_);
  std::atomic<std::int64_t> head_{0};  // of `bounds_`
  std::int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Contiguous: revisions memory_oldest + 1 … head.
  std::deque<std::shared_ptr<const FeedRevision>> revisions_ ABSL_GUARDED_BY(mutex_);
  mutable Mutex listener_mutex_;
  std::function<void()> listener_ ABSL_GUARDED_BY(listener_mutex_);
  std::function<std::int64_t()> oldest_cursor_ ABSL_GUARDED_BY(listener_mutex_);
};

}  // namespace tokeninventory
