#include "inventory/change_feed.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "inventory/token_bytes.h"

namespace tokeninventory {

FeedChange MakeFeedChange(LogChange change) {
  FeedChange feed;
  if (change.subject == LogSubject::kToken && !change.before.empty() && !change.after.empty()) {
    feed.changed_fields = ChangedFields(change.before, change.after);
  }
  feed.change = std::move(change);
  return feed;
}

void ChangeFeed::SetMemoryBytes(std::int64_t memory_bytes) {
  MutexLock lock(mutex_);
  memory_bytes_ = memory_bytes;
}

void ChangeFeed::Start(const StoreHead& head) {
  MutexLock lock(mutex_);
  bounds_ = Bounds{head.oldest_revision, head.revision, head.revision};
  head_ = head.revision;
}

void ChangeFeed::Publish(std::shared_ptr<const FeedRevision> revision) {
  {
    MutexLock lock(mutex_);
    bounds_.head = revision->revision;
    bytes_ += revision->bytes;
    revisions_.push_back(std::move(revision));
    while (bytes_ > memory_bytes_ && revisions_.size() > 1) {
      bytes_ -= revisions_.front()->bytes;
      bounds_.memory_oldest = revisions_.front()->revision;
      revisions_.pop_front();
    }
    head_.store(bounds_.head, std::memory_order_release);
  }
  MutexLock lock(listener_mutex_);
  if (listener_) listener_();
}

void ChangeFeed::SetOldestRevision(std::int64_t revision) {
  MutexLock lock(mutex_);
  bounds_.oldest = std::max(bounds_.oldest, revision);
}

void ChangeFeed::SetListener(std::function<void()> listener,
                             std::function<std::int64_t()> oldest_cursor) {
  MutexLock lock(listener_mutex_);
  listener_ = std::move(listener);
  oldest_cursor_ = std::move(oldest_cursor);
}

std::int64_t ChangeFeed::OldestCursor() const {
  MutexLock lock(listener_mutex_);
  return oldest_cursor_ ? oldest_cursor_() : std::numeric_limits<std::int64_t>::max();
}

ChangeFeed::Bounds ChangeFeed::bounds() const {
  MutexLock lock(mutex_);
  return bounds_;
}

std::optional<absl::Time> ChangeFeed::CommitTime(std::int64_t revision) const {
  MutexLock lock(mutex_);
  const std::int64_t first = bounds_.memory_oldest + 1;
  const auto index = static_cast<std::size_t>(std::max(revision, first) - first);
  if (index >= revisions_.size()) return std::nullopt;
  return revisions_[index]->commit_time;
}

std::vector<std::shared_ptr<const FeedRevision>> ChangeFeed::Read(LogPosition from,
                                                                  std::int64_t max_bytes) const {
  std::vector<std::shared_ptr<const FeedRevision>> found;
  MutexLock lock(mutex_);
  if (from.revision <= bounds_.memory_oldest) return found;
  std::int64_t bytes = 0;
  for (std::int64_t i = from.revision - bounds_.memory_oldest - 1;
       i < static_cast<std::int64_t>(revisions_.size()) && bytes < max_bytes; ++i) {
    found.push_back(revisions_[static_cast<std::size_t>(i)]);
    bytes += found.back()->bytes;
  }
  return found;
}

}  // namespace tokeninventory
