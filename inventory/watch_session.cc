#include "inventory/watch_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "inventory/errors.h"
#include "inventory/watch_hub.h"

namespace tokeninventory {
namespace {

// How much of the log is read in one step.
constexpr std::int64_t kReadBytes = 1 << 20;
// Progress is sent a little early: the hub looks only now and then.
constexpr absl::Duration kProgressMargin = absl::Milliseconds(200);

absl::Status CompactedError(std::int64_t oldest) {
  return MakeError(absl::StatusCode::kOutOfRange, "REVISION_COMPACTED",
                   "the change log no longer holds what follows; start from the initial state",
                   {{"oldest_revision", absl::StrCat(oldest)}});
}

}  // namespace

WatchSession::WatchSession(WatchHub& hub, WatchSink& sink, Options options)
    : hub_(hub), options_(std::move(options)), sink_(&sink) {
  const absl::Time now = hub_.options().clock->Now();
  MutexLock lock(mutex_);
  last_write_ = now;
  switch (options_.start) {
    case Start::kInitialState:
      waiting_for_turn_ = true;
      break;
    case Start::kNow:
      next_ = LogPosition{hub_.options().inventory->Current()->revision() + 1, 0};
      progress_wanted_ = true;
      break;
    case Start::kAfterRevision:
      next_ = LogPosition{options_.after_revision + 1, 0};
      break;
  }
}

void WatchSession::BeginInitialState() {
  MutexLock lock(mutex_);
  waiting_for_turn_ = false;
  initial_ = hub_.options().inventory->Current();
  next_ = LogPosition{initial_->revision() + 1, 0};
  if (sink_ == nullptr) {  // finished while it waited
    initial_ = nullptr;
    hub_.ReturnInitialTurn();
    return;
  }
  PumpLocked(hub_.options().clock->Now());
}

void WatchSession::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  const absl::Time now = hub_.options().clock->Now();
  last_write_ = now;
  if (!ok && !ending_) ending_ = absl::CancelledError("the client is gone");
  if (!ok) cancelled_ = true;
  PumpLocked(now);
}

void WatchSession::OnCancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  if (!ending_) ending_ = absl::CancelledError("the client is gone");
  PumpLocked(hub_.options().clock->Now());
}

void WatchSession::Drain(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (ending_) return;
  ending_ = status;
  progress_wanted_ = true;
  PumpLocked(hub_.options().clock->Now());
}

absl::Time WatchSession::Poll(absl::Time now) {
  MutexLock lock(mutex_);
  if (sink_ == nullptr) return absl::InfiniteFuture();
  if (writing_) {
    const absl::Time stalled_at = last_write_ + hub_.options().stall_timeout;
    if (stalled_at > now) return stalled_at;
    if (!ending_) {
      ending_ = MakeError(absl::StatusCode::kResourceExhausted, "SLOW_CONSUMER",
                          "the client did not take a message in time");
    }
    if (!aborted_) sink_->Abort();
    aborted_ = true;
    return absl::InfiniteFuture();
  }
  PumpLocked(now);
  return last_write_ + options_.progress_interval - kProgressMargin;
}

bool WatchSession::AtRevisionEndLocked() const {
  return !waiting_for_turn_ && initial_ == nullptr && next_.index == 0;
}

void WatchSession::PumpLocked(absl::Time now) {
  if (sink_ == nullptr || writing_) return;
  if (ending_) {
    // A thread that still makes a message will find the session finished.
    if (!cancelled_ && progress_wanted_ && AtRevisionEndLocked()) {
      WriteProgressLocked(now);
      return;
    }
    FinishLocked(*ending_);
    return;
  }
  if (fetching_ || waiting_for_turn_) return;
  if (initial_ != nullptr) {
    PumpInitialLocked();
  } else {
    PumpChangesLocked(now);
  }
}

void WatchSession::PumpInitialLocked() {
  fetching_ = true;
  const bool accepted =
      hub_.RunScan([self = shared_from_this(), snapshot = initial_, after = initial_after_] {
        const WatchHub::Options& hub = self->hub_.options();
        const v1::Progress progress = MakeProgress(*snapshot, hub.feed->bounds(), hub.clock->Now());
        EncodedInitial part =
            EncodeInitial(*snapshot, after, self->options_.scope, hub.epoch, progress);
        MutexLock lock(self->mutex_);
        self->fetching_ = false;
        if (self->sink_ == nullptr) return;
        if (self->ending_ || self->writing_) return self->PumpLocked(hub.clock->Now());
        self->initial_after_ = part.after;
        if (part.done) {
          self->initial_ = nullptr;
          self->hub_.ReturnInitialTurn();
        }
        self->WriteLocked(part.message);
      });
  // The pool has room for all who may send an initial state at once; if it is
  // full of other work, the hub's next round tries again.
  if (!accepted) fetching_ = false;
}

void WatchSession::PumpChangesLocked(absl::Time now) {
  if (progress_wanted_ && AtRevisionEndLocked()) {
    WriteProgressLocked(now);
    return;
  }
  for (;;) {
    const ChangeFeed::Bounds bounds = hub_.options().feed->bounds();
    if (next_.revision <= bounds.oldest) {
      FinishLocked(CompactedError(bounds.oldest));
      return;
    }
    if (next_.revision <= bounds.memory_oldest) {
      FetchFromStoreLocked();
      return;
    }
    if (next_.revision > bounds.head) break;
    EncodedChanges changes = hub_.ReadMemory(next_, options_.scope);
    // Nothing read: it left the memory just now. Look again.
    if (changes.message == nullptr && changes.next == next_) continue;
    next_ = changes.next;
    if (changes.message != nullptr) {
      WriteLocked(changes.message);
      return;
    }
  }
  const bool due = now >= last_write_ + options_.progress_interval - kProgressMargin;
  if (due && AtRevisionEndLocked()) WriteProgressLocked(now);
}

void WatchSession::FetchFromStoreLocked() {
  fetching_ = true;
  const bool accepted =
      hub_.RunOnLogReader([self = shared_from_this(), from = next_](TokenStore& store) {
        absl::StatusOr<LogPage> page = store.ReadLog(from, kReadBytes);
        EncodedChanges changes;
        if (page.ok()) {
          const bool ends_revision = page->ends_revision;
          std::vector<std::shared_ptr<const FeedRevision>> revisions;
          std::shared_ptr<FeedRevision> current;
          for (LogEntry& entry : page->entries) {
            if (current == nullptr || current->revision != entry.revision) {
              current = std::make_shared<FeedRevision>();
              current->revision = entry.revision;
              current->commit_time = entry.commit_time;
              // What is before the page is not there, but counts.
              current->changes.resize(static_cast<std::size_t>(entry.index));
              revisions.push_back(current);
            }
            current->changes.push_back(MakeFeedChange(std::move(entry.change)));
          }
          changes = EncodeChanges(revisions, from, self->options_.scope, self->hub_.options().epoch,
                                  ends_revision);
        }
        MutexLock lock(self->mutex_);
        self->fetching_ = false;
        if (self->sink_ == nullptr) return;
        const absl::Time now = self->hub_.options().clock->Now();
        if (self->ending_ || self->writing_) return self->PumpLocked(now);
        if (!page.ok()) {
          self->FinishLocked(
              page.status().code() == absl::StatusCode::kOutOfRange
                  ? CompactedError(self->hub_.options().feed->bounds().oldest)
                  : RetryableError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                                   "the change log cannot be read now", absl::Seconds(5)));
          return;
        }
        self->next_ = changes.next;
        if (changes.message != nullptr) {
          self->WriteLocked(changes.message);
          return;
        }
        // More of this revision was promised, and there was none: Progress says so.
        if (from.index > 0 && self->next_.index == 0) self->progress_wanted_ = true;
        self->PumpLocked(now);
      });
  if (!accepted) fetching_ = false;  // the hub's next round tries again
}

void WatchSession::WriteLocked(const WatchMessage& message) {
  writing_ = true;
  last_write_ = hub_.options().clock->Now();
  sink_->Write(message);
}

void WatchSession::WriteProgressLocked(absl::Time now) {
  progress_wanted_ = false;
  WriteLocked(hub_.MakeProgressMessage(next_.revision - 1, now));
}

void WatchSession::FinishLocked(const absl::Status& status) {
  if (initial_ != nullptr) {
    initial_ = nullptr;
    hub_.ReturnInitialTurn();
  }
  sink_->Finish(status);
  sink_ = nullptr;
  hub_.OnFinished(shared_from_this());
}

}  // namespace tokeninventory
