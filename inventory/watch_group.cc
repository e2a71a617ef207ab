#include "inventory/watch_group.h"

namespace tokeninventory {
namespace {

constexpr std::int64_t kReadBytes = 2 << 20;

}  // namespace

WatchGroup::WatchGroup(std::shared_ptr<const WatchView> view, std::string epoch,
                       const ChangeFeed& feed, RecentMessages& recent)
    : view_(std::move(view)), epoch_(std::move(epoch)), feed_(feed), recent_(recent) {
  looked_ = feed_.head();
  quiet_ = {looked_ + 1, looked_ + 1};
}

EncodedChanges WatchGroup::Read(LogPosition from) {
  // Made under the lock: all who wait for it want the same message.
  MutexLock lock(mutex_);
  const std::int64_t head = feed_.head();
  if (std::optional<EncodedChanges> made = FindMadeLocked(from, head)) return *std::move(made);
  EncodedChanges changes = view_->EncodeChanges(feed_.Read(from, kReadBytes), from, epoch_,
                                                /*ends_revision=*/true);
  Made& made = made_[next_made_];
  next_made_ = (next_made_ + 1) % made_.size();
  made = Made{from, head, changes.next, changes.message != nullptr, 0};
  if (made.has_message) made.message = recent_.Keep(changes.message);
  return changes;
}

std::optional<EncodedChanges> WatchGroup::FindMade(LogPosition from) const {
  MutexLock lock(mutex_);
  return FindMadeLocked(from, feed_.head());
}

std::optional<EncodedChanges> WatchGroup::FindMadeLocked(LogPosition from,
                                                         std::int64_t head) const {
  for (const Made& made : made_) {
    if (made.head != head || made.from != from) continue;
    if (!made.has_message) return EncodedChanges{nullptr, made.next};
    if (WatchMessage message = recent_.Find(made.message)) {
      return EncodedChanges{std::move(message), made.next};
    }
  }
  return std::nullopt;
}

std::optional<EncodedChanges> WatchGroup::Look(std::int64_t head, bool touched) {
  std::int64_t first = 0;
  {
    MutexLock lock(mutex_);
    if (looked_ >= head) return std::nullopt;
    first = looked_ + 1;
  }
  EncodedChanges changes{nullptr, {touched ? first : head + 1, 0}};
  while (changes.message == nullptr && changes.next.revision <= head) {
    const LogPosition from = changes.next;
    changes = Read(from);
    if (changes.message == nullptr && changes.next == from) break;  // not in memory
  }
  MutexLock lock(mutex_);
  looked_ = head;
  if (changes.message != nullptr || changes.next.revision <= head) return changes;
  // The last range stays known until there is another: those who were woken by what
  // came between skip it before they read.
  if (quiet_.second != first) quiet_.first = first;
  quiet_.second = head + 1;
  return std::nullopt;
}

LogPosition WatchGroup::Skip(LogPosition position) const {
  if (position.index != 0) return position;
  MutexLock lock(mutex_);
  if (position.revision >= quiet_.first && position.revision < quiet_.second) {
    position.revision = quiet_.second;
  }
  return position;
}

}  // namespace tokeninventory
