#include "inventory/watch_session.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/prefetch.h"
#include "inventory/cursor.h"
#include "inventory/errors.h"
#include "inventory/watch_hub.h"
#include "inventory/watch_message.h"

namespace tokeninventory {
namespace {

// How much of the log is read in one step.
constexpr std::int64_t kReadBytes = 1 << 20;
// Progress is sent a little early: the hub looks only now and then.
constexpr absl::Duration kProgressMargin = absl::Milliseconds(200);
// A session is polled at least this often, so that a write that is stuck is
// noticed although nobody is told when a write begins.
constexpr absl::Duration kPollInterval = absl::Seconds(5);
// So much of a sink, which may be less, is fetched ahead.
constexpr std::size_t kSinkBytes = 256;

absl::Status GoneError() { return absl::CancelledError("the client is gone"); }

absl::Status MaxAgeError() {
  return RetryableError(absl::StatusCode::kUnavailable, "MAX_AGE",
                        "the stream has reached its age; go on from the last resume_token",
                        absl::ZeroDuration());
}

using Revisions = std::vector<std::shared_ptr<const FeedRevision>>;

// The feed's form of a page of the log.
Revisions RevisionsOf(LogPage page) {
  Revisions revisions;
  std::shared_ptr<FeedRevision> current;
  for (LogEntry& entry : page.entries) {
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
  return revisions;
}

// Leaves out what is behind `bound`. True when there was some.
bool CutAt(std::int64_t bound, Revisions& revisions) {
  const std::size_t before = revisions.size();
  while (!revisions.empty() && revisions.back()->revision > bound) revisions.pop_back();
  return revisions.size() < before;
}

}  // namespace

WatchSession::WatchSession(WatchHub& hub, std::int64_t number, std::shared_ptr<WatchGroup> group,
                           WatchSink& sink, const Options& options, absl::Time end_time)
    : hub_(hub),
      sink_(sink),
      progress_interval_(options.progress_interval),
      end_time_(end_time),
      on_gap_(options.on_gap),
      group_(std::move(group)),
      number_(number),
      wanted_(options.view->visible()) {
  last_write_ = hub_.options().clock->Now();
  reset_ = options.reset;
  switch (options.start) {
    case Start::kInitialState:
      waiting_for_turn_ = true;
      break;
    case Start::kNow:
      next_ = LogPosition{hub_.options().inventory->Current()->revision() + 1, 0};
      progress_at_ = next_.revision - 1;
      break;
    case Start::kAfterRevision:
      next_ = LogPosition{options.after_revision + 1, 0};
      resume_ = ResumePoint{options.after_revision, group_->view().visible_hash()};
      break;
  }
}

WatchSession::Turn::~Turn() {
  const WatchMessage message = std::exchange(session_.to_write_, nullptr);
  if (message == nullptr) {
    session_.mutex_.Unlock();
    return;
  }
  // A message that is under way keeps the sink: Finish waits for it.
  WatchSink& sink = session_.sink_;
  MutexLock handing(session_.handing_);
  session_.mutex_.Unlock();
  sink.Write(message);
}

void WatchSession::AwaitHandedLocked() { MutexLock handed(handing_); }

void WatchSession::BeginInitialState() {
  Turn turn(*this);
  if (finished_) {  // while it waited
    hub_.ReturnInitialTurn();
    return;
  }
  if (waiting_for_turn_) {
    BeginInitialLocked();
  } else if (!TakeGrantTurnLocked()) {
    hub_.ReturnInitialTurn();
  }
  PumpLocked(hub_.options().clock->Now());
}

void WatchSession::BeginInitialLocked() {
  waiting_for_turn_ = false;
  initial_ = hub_.options().inventory->Current();
  initial_after_ = 0;
  next_ = LogPosition{initial_->revision() + 1, 0};
}

void WatchSession::MeetGapLocked(v1::WatchReset::Reason reason) {
  if (on_gap_ != v1::RESYNC) {
    FinishLocked(hub_.GapError(reason));
    return;
  }
  reset_ = reason;
  progress_at_.reset();  // the initial state ends with one
  ForgetPolicyChangesLocked();
  SetViewLocked(wanted_, wanted_);  // the client forgets all
  waiting_for_turn_ = true;
  if (!hub_.TakeInitialTurn(shared_from_this())) return;
  BeginInitialLocked();
  PumpInitialLocked();
}

void WatchSession::OnWriteDone(bool ok) {
  Turn turn(*this);
  writing_ = false;
  under_way_ = nullptr;
  if (std::exchange(stalled_, false)) hub_.OnStallOver(shared_from_this());
  const absl::Time now = hub_.options().clock->Now();
  last_write_ = now;
  if (ok && resume_under_way_) resume_ = resume_under_way_;
  if (!ok && !ending_) ending_ = GoneError();
  if (!ok) cancelled_ = true;
  PumpLocked(now);
}

void WatchSession::OnCancel() {
  Turn turn(*this);
  cancelled_ = true;
  if (!ending_) ending_ = GoneError();
  PumpLocked(hub_.options().clock->Now());
}

void WatchSession::Drain(const absl::Status& status) {
  Turn turn(*this);
  if (ending_) return;
  ending_ = status;
  last_progress_wanted_ = true;
  PumpLocked(hub_.options().clock->Now());
}

absl::Time WatchSession::Poll(absl::Time now) {
  Turn turn(*this);
  if (finished_) return absl::InfiniteFuture();
  last_write_ = std::min(last_write_, now);  // the clock may have been set back
  // Not later than a Progress could be due once the write under way is done.
  absl::Time next = now + std::min(kPollInterval, progress_interval_);
  if (writing_) {
    if (!stalled_ && now >= last_write_ + hub_.stalled_after()) {
      stalled_ = true;
      hub_.OnStall(shared_from_this());
    }
    const absl::Time cut_at = last_write_ + hub_.stall_timeout();
    if (now >= cut_at) {
      CutLocked();
      return next;
    }
    return std::min({next, cut_at, stalled_ ? cut_at : last_write_ + hub_.stalled_after()});
  }
  PumpLocked(now);
  if (end_time_ > now) next = std::min(next, end_time_);
  return std::min(next, last_write_ + progress_interval_ - kProgressMargin);
}

void WatchSession::End(const absl::Status& status) {
  Turn turn(*this);
  AwaitHandedLocked();
  if (!ending_) ending_ = status;
  last_progress_wanted_ = false;
  PumpLocked(hub_.options().clock->Now());
}

void WatchSession::Wake(absl::Time now) {
  Turn turn(*this);
  PumpLocked(now);
}

void WatchSession::Prefetch() const {
  PrefetchBytes({reinterpret_cast<const char*>(this), sizeof(*this)});
}

// The sink may be gone: its address is all that is used.
void WatchSession::PrefetchSink() const {
  PrefetchBytes({reinterpret_cast<const char*>(&sink_), kSinkBytes});
}

const void* WatchSession::StalledOn() const {
  MutexLock lock(mutex_);
  return stalled_ ? under_way_ : nullptr;
}

void WatchSession::CutStalled() {
  MutexLock lock(mutex_);
  if (stalled_) CutLocked();
}

// What was told whole is the client's: it may not know, for want of reading.
void WatchSession::CutLocked() {
  if (!ending_) {
    constexpr absl::string_view kMessage = "the client did not take a message in time";
    ending_ =
        resume_
            ? MakeError(absl::StatusCode::kResourceExhausted, "SLOW_CONSUMER", kMessage,
                        {{"resume_token", EncodeResumeToken(hub_.options().epoch, resume_->revision,
                                                            resume_->visible_hash)}})
            : MakeError(absl::StatusCode::kResourceExhausted, "SLOW_CONSUMER", kMessage);
  }
  if (!aborted_) sink_.Abort();
  aborted_ = true;
}

std::int64_t WatchSession::OldestCursor() const {
  MutexLock lock(mutex_);
  if (finished_ || waiting_for_turn_) return std::numeric_limits<std::int64_t>::max();
  return SkipLocked(next_).revision - 1;
}

bool WatchSession::AtRevisionEndLocked() const {
  return !waiting_for_turn_ && initial_ == nullptr && next_.index == 0;
}

void WatchSession::TellProgress(std::int64_t revision, absl::Time now) {
  Turn turn(*this);
  WantProgressLocked(revision);
  PumpLocked(now);
}

// The earliest that is wanted: one shows what the later ones would.
void WatchSession::WantProgressLocked(std::int64_t revision) {
  progress_at_ = std::min(progress_at_.value_or(revision), revision);
}

bool WatchSession::ProgressIsDueLocked() const {
  return progress_at_.has_value() && AtRevisionEndLocked() && next_.revision > *progress_at_;
}

void WatchSession::PumpLocked(absl::Time now) {
  if (finished_ || writing_) return;
  if (ending_) {
    // A thread that still makes a message will find the session finished.
    if (!cancelled_ && last_progress_wanted_ && AtRevisionEndLocked()) {
      last_progress_wanted_ = false;
      WriteProgressLocked(now);
      return;
    }
    FinishLocked(*ending_);
    return;
  }
  if (fetching_ || waiting_for_turn_) return;
  if (removal_) {
    PumpRemovalLocked();
  } else if (initial_ != nullptr) {
    PumpInitialLocked();
  } else {
    PumpChangesLocked(now);
  }
}

bool WatchSession::TakeFetchedLocked(std::int64_t view_number) {
  fetching_ = false;
  if (finished_) return false;
  if (!ending_ && !writing_ && view_number == view_number_) return true;
  PumpLocked(hub_.options().clock->Now());
  return false;
}

void WatchSession::PumpInitialLocked() {
  fetching_ = true;
  const bool accepted = hub_.RunScan([self = shared_from_this(), group = group_,
                                      view_number = view_number_, snapshot = initial_,
                                      after = initial_after_] {
    const WatchHub::Options& hub = self->hub_.options();
    // How fresh the sources are now, not when the snapshot was made.
    const v1::Progress progress = MakeProgress(*hub.inventory->Current(), group->view().visible(),
                                               *hub.feed, snapshot->revision(), hub.clock->Now());
    EncodedInitial part = group->view().EncodeInitial(*snapshot, after, hub.epoch, progress);
    Turn turn(*self);
    if (!self->TakeFetchedLocked(view_number)) return;
    self->initial_after_ = part.after;
    std::optional<std::int64_t> resume_revision;
    if (part.done) {
      resume_revision = snapshot->revision();
      self->initial_ = nullptr;
      self->hub_.ReturnInitialTurn();
    }
    WatchMessage message = std::move(part.message);
    if (self->reset_) {
      message = WithReset(*self->reset_, message);
      self->reset_.reset();
      self->resume_.reset();  // of no use any more
    }
    self->WriteLocked(std::move(message), resume_revision);
  });
  if (accepted) return;
  // The pool has room for all who may send an initial state at once, but other work
  // may have taken it.
  fetching_ = false;
  hub_.WakeSoon(shared_from_this());
}

void WatchSession::PumpChangesLocked(absl::Time now) {
  for (;;) {
    // Most often there is nothing, once a message is with its client: that is soon seen.
    const bool at_head = next_.revision > hub_.options().feed->head();
    if (!at_head) next_ = SkipLocked(next_);
    if (AtRevisionEndLocked() && PumpPolicyLocked()) return;
    if (now >= end_time_ && AtRevisionEndLocked()) {
      ending_ = MaxAgeError();
      WriteProgressLocked(now);
      return;
    }
    if (ProgressIsDueLocked()) {
      WriteProgressLocked(now);
      return;
    }
    if (at_head && !BoundLocked()) break;
    const ChangeFeed::Bounds bounds = hub_.options().feed->bounds();
    if (next_.revision <= bounds.oldest) {
      MeetGapLocked(v1::WatchReset::COMPACTED);
      return;
    }
    if (next_.revision <= bounds.memory_oldest) {
      FetchFromStoreLocked();
      return;
    }
    if (next_.revision > bounds.head) {
      if (!BoundLocked()) break;
      // The inventory was a moment ahead when the bound was set. What brings the feed there may
      // be of no interest to this view, and would wake nobody.
      hub_.WakeAtChange(shared_from_this());
      if (next_.revision > hub_.options().feed->head()) break;
    }
    if (BoundLocked()) {
      ScanMemoryLocked();
      return;
    }
    std::optional<EncodedChanges> made = group_->FindMade(next_);
    if (!made && group_->view().is_filtered()) {
      ScanMemoryLocked();
      return;
    }
    EncodedChanges changes = made ? *std::move(made) : group_->Read(next_);
    // Nothing read: it left the memory just now. Look again.
    if (changes.message == nullptr && changes.next == next_) continue;
    next_ = changes.next;
    if (changes.message != nullptr) {
      WriteChangesLocked(std::move(changes));
      return;
    }
  }
  const bool due = now >= last_write_ + progress_interval_ - kProgressMargin;
  if (due && AtRevisionEndLocked()) WriteProgressLocked(now);
}

// A filter may let nothing of a long stretch pass: not for a gRPC thread. What has a bound is
// nobody else's message.
void WatchSession::ScanMemoryLocked() {
  fetching_ = true;
  const bool accepted =
      hub_.RunScan([self = shared_from_this(), group = group_, view_number = view_number_,
                    from = next_, bound = BoundLocked()] {
        EncodedChanges changes;
        if (bound) {
          Revisions revisions = self->hub_.options().feed->Read(from, kReadBytes);
          CutAt(*bound, revisions);
          changes = group->view().EncodeChanges(revisions, from, self->hub_.options().epoch,
                                                /*ends_revision=*/true);
        } else {
          changes = group->Read(from);
        }
        Turn turn(*self);
        if (!self->TakeFetchedLocked(view_number)) return;
        self->next_ = changes.next;
        if (changes.message != nullptr) return self->WriteChangesLocked(std::move(changes));
        self->PumpLocked(self->hub_.options().clock->Now());
      });
  if (accepted) return;
  fetching_ = false;
  hub_.WakeSoon(shared_from_this());  // the pool is busy
}

void WatchSession::FetchFromStoreLocked() {
  fetching_ = true;
  const bool accepted =
      hub_.RunOnLogReader([self = shared_from_this(), group = group_, view_number = view_number_,
                           from = next_, bound = BoundLocked()](TokenStore& store) {
        absl::StatusOr<LogPage> page = store.ReadLog(from, kReadBytes);
        EncodedChanges changes;
        if (page.ok()) {
          bool ends_revision = page->ends_revision;
          Revisions revisions = RevisionsOf(*std::move(page));
          if (bound && CutAt(*bound, revisions)) ends_revision = true;
          changes = group->view().EncodeChanges(revisions, from, self->hub_.options().epoch,
                                                ends_revision);
        }
        Turn turn(*self);
        if (!self->TakeFetchedLocked(view_number)) return;
        const absl::Time now = self->hub_.options().clock->Now();
        if (absl::IsOutOfRange(page.status())) {
          self->MeetGapLocked(v1::WatchReset::COMPACTED);
          return;
        }
        if (!page.ok()) {
          self->FinishLocked(RetryableError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                                            "the change log cannot be read now", absl::Seconds(5)));
          return;
        }
        self->next_ = changes.next;
        if (changes.message != nullptr) {
          self->WriteChangesLocked(std::move(changes));
          return;
        }
        // More of this revision was promised, and there was none: Progress says so.
        if (from.index > 0 && self->next_.index == 0) {
          self->WantProgressLocked(self->next_.revision - 1);
        }
        self->PumpLocked(now);
      });
  if (accepted) return;
  fetching_ = false;
  hub_.WakeSoon(shared_from_this());
}

void WatchSession::WriteLocked(WatchMessage message, std::optional<std::int64_t> resume_revision) {
  writing_ = true;
  under_way_ = message.get();
  resume_under_way_.reset();
  if (resume_revision) {
    resume_under_way_ = ResumePoint{*resume_revision, group_->view().visible_hash()};
  }
  last_write_ = hub_.options().clock->Now();
  to_write_ = std::move(message);
}

void WatchSession::WriteChangesLocked(EncodedChanges changes) {
  std::optional<std::int64_t> resume_revision;
  if (changes.next.index == 0) resume_revision = changes.next.revision - 1;
  WriteLocked(std::move(changes.message), resume_revision);
}

void WatchSession::WriteProgressLocked(absl::Time now) {
  progress_at_.reset();
  next_ = SkipLocked(next_);
  WriteLocked(hub_.MakeProgressMessage(group_->view(), next_.revision - 1, now),
              next_.revision - 1);
}

void WatchSession::FinishLocked(const absl::Status& status) {
  if (initial_ != nullptr) {
    initial_ = nullptr;
    hub_.ReturnInitialTurn();
  }
  ForgetPolicyChangesLocked();
  sink_.Finish(status);
  finished_ = true;
  hub_.OnFinished(shared_from_this(), *group_);
}

}  // namespace tokeninventory
