// The watchers of one view. What is published is encoded once for all of them,
// and what has nothing for them wakes none.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "inventory/change_feed.h"
#include "inventory/watch_view.h"

namespace tokeninventory {

// The last messages made, of all groups: for those who come next to the same place.
// Thread-safe.
class RecentMessages {
 public:
  // Returns what finds it for a while.
  std::uint64_t Keep(WatchMessage message) {
    MutexLock lock(mutex_);
    messages_[next_ % messages_.size()].swap(message);  // freed outside the lock
    return next_++;
  }
  // Null when others were kept since.
  WatchMessage Find(std::uint64_t number) const {
    MutexLock lock(mutex_);
    return next_ - number <= messages_.size() ? messages_[number % messages_.size()] : nullptr;
  }

 private:
  mutable Mutex mutex_;
  std::array<WatchMessage, 16> messages_ ABSL_GUARDED_BY(mutex_);  // 1 MiB each, at most
  std::uint64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Thread-safe. Holds no message by itself.
class WatchGroup {
 public:
  // `feed` and `recent` live longer.
  WatchGroup(std::shared_ptr<const WatchView> view, std::string epoch, const ChangeFeed& feed,
             RecentMessages& recent);

  const WatchView& view() const { return *view_; }
  const std::shared_ptr<const WatchView>& shared_view() const { return view_; }

  // What the feed's memory tells from `from` on, as one message. `next` == `from`
  // and no message: it is not in memory.
  EncodedChanges Read(LogPosition from);

  // The same where it was made already; nothing else costs more than a look.
  std::optional<EncodedChanges> FindMade(LogPosition from) const;

  // From the hub, after each Publish: whether anything up to `head` is for this
  // view, and its beginning. `touched` false: none of it is of the view's source.
  // Nothing: the watchers who wait need not be woken, Skip takes them past it.
  std::optional<EncodedChanges> Look(std::int64_t head, bool touched);

  // `position`, or the first place behind it where there may be something, as far
  // as Look knows.
  LogPosition Skip(LogPosition position) const;

 private:
  // What was read, for whoever asks again.
  struct Made {
    LogPosition from;
    std::int64_t head = -1;
    LogPosition next;
    bool has_message = false;
    std::uint64_t message = 0;  // in `recent_`
  };

  std::optional<EncodedChanges> FindMadeLocked(LogPosition from, std::int64_t head) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<const WatchView> view_;
  const std::string epoch_;
  const ChangeFeed& feed_;
  RecentMessages& recent_;

  mutable Mutex mutex_;
  std::array<Made, 4> made_ ABSL_GUARDED_BY(mutex_);
  std::size_t next_made_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t looked_ ABSL_GUARDED_BY(mutex_);  // Look knows all up to it
  // The last revisions in a row that have nothing for this view: from, and before.
  std::pair<std::int64_t, std::int64_t> quiet_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory
