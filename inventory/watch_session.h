// One watcher: a cursor into the change log, and at most one message under way
// to its client. Knows no gRPC, so that threads and tests can drive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "inventory/watch_group.h"
#include "inventory/watch_view.h"
#include "tokeninventory/v1/watch.pb.h"

namespace tokeninventory {

class WatchHub;

// Where a session's messages go. Finish and Abort are called with the session's lock
// held: an implementation must not call the session back from within. After Finish the
// session never calls it again.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  // Sends one message; the session's OnWriteDone says when the next may come. Called
  // without a lock: whoever is told that it is done need not wait for it to return.
  // Abort may come meanwhile, and before.
  virtual void Write(const WatchMessage& message) = 0;
  // Ends the stream; not while a message is under way.
  virtual void Finish(const absl::Status& status) = 0;
  // Makes a message that is under way fail soon.
  virtual void Abort() = 0;
};

// Thread-safe. Owned by the hub until it is finished, and by its reactor.
//
// Locks: a session's before those of the hub, the group, the feed and the inventory.
class WatchSession : public std::enable_shared_from_this<WatchSession> {
 public:
  enum class Start { kInitialState, kNow, kAfterRevision };

  struct Options {
    std::shared_ptr<const WatchView> view;
    Start start = Start::kNow;
    std::int64_t after_revision = 0;  // for kAfterRevision; of a client that sees the same
    absl::Duration progress_interval;
    // What to do when the log does not hold what follows the cursor: RESYNC sends
    // a reset and the initial state, all else ends the stream.
    v1::GapAction on_gap = v1::FAIL;
    // With kInitialState: the reset that goes before it.
    std::optional<v1::WatchReset::Reason> reset;
  };

  // `number`: no other session of the hub has it. `sink` lives until it was told to finish. From
  // `end_time` on the stream ends where the client can go on: behind a whole revision, not in an
  // initial state.
  WatchSession(WatchHub& hub, std::int64_t number, std::shared_ptr<WatchGroup> group,
               WatchSink& sink, const Options& options, absl::Time end_time);

  std::int64_t number() const { return number_; }

  // From the sink's side.
  void OnWriteDone(bool ok);
  void OnCancel();

  // The caller may now see these sources. Nothing of others is sent from here on but the uids
  // of what the client was told of them; what came into sight is told when all before it is.
  // However often it is called, also while the last change is still being told.
  void SetVisible(const SourceSet& visible);
  // Ends the stream before any further event, as soon as nothing is under way.
  void End(const absl::Status& status);

  // From the hub's side.

  // Looks at what time brings and does what can be done now. Returns when to be
  // called at the latest; never again once the stream has ended.
  absl::Time Poll(absl::Time now);
  // There may be something to send.
  void Wake(absl::Time now);
  // Asks the processor for what Wake looks at: of the session, and then of its sink.
  void Prefetch() const;
  void PrefetchSink() const;
  // It is this session's turn to send its initial state.
  void BeginInitialState();
  // Sends Progress as soon as all up to `revision` is told and nothing is under way.
  void TellProgress(std::int64_t revision, absl::Time now);
  // Ends the stream with a last Progress, as soon as nothing is under way.
  void Drain(const absl::Status& status);
  // Ends the stream if it is stalled: others need the room.
  void CutStalled();
  // The message that its client does not take, to be compared only; null when it is not
  // stalled.
  const void* StalledOn() const;
  // The log is needed behind this revision; the largest number when it is not.
  std::int64_t OldestCursor() const;

 private:
  // Holds the session's lock for a scope. The message that was decided on meanwhile, if any,
  // goes to the sink when the lock is free again: a transport may be done with it, and say so
  // from another thread, long before Write returns.
  class ABSL_SCOPED_LOCKABLE Turn {
   public:
    explicit Turn(WatchSession& session) ABSL_EXCLUSIVE_LOCK_FUNCTION(session.mutex_)
        : session_(session) {
      session_.mutex_.Lock();
    }
    ~Turn() ABSL_UNLOCK_FUNCTION();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    WatchSession& session_;
  };

  // Rows that are being named as out of sight. They were told by `view`.
  struct Removal {
    std::shared_ptr<const Snapshot> snapshot;
    std::shared_ptr<const WatchView> view;
    LeavingRows rows;
    std::int64_t after = 0;
  };
  // Rows of sources that came into sight, as of `snapshot`. They are told when all up to its
  // revision is, and with the last of them the client sees `target`.
  struct Grant {
    std::shared_ptr<const Snapshot> snapshot;
    SourceSet target;
    std::int64_t after = 0;
    bool begun = false;
  };
  // Where a client can go on, and what for.
  struct ResumePoint {
    std::int64_t revision = 0;
    std::uint64_t visible_hash = 0;
  };

  void PumpLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MeetGapLocked(v1::WatchReset::Reason reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginInitialLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PumpInitialLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PumpChangesLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ScanMemoryLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FetchFromStoreLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What a thread that made a message for this session does with it, if it is still wanted.
  bool TakeFetchedLocked(std::int64_t view_number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Returns when the message that was decided on, if any, is with the sink.
  void AwaitHandedLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // At the end of the turn. `resume_revision`: of the resume token in it, which is of the present
  // view.
  void WriteLocked(WatchMessage message, std::optional<std::int64_t> resume_revision)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Who may see what (watch_session_policy.cc).
  void SetViewLocked(const SourceSet& visible, const SourceSet& known)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetPolicyChangesLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HideLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PumpRemovalLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteRemovalLocked(absl::string_view events) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Behind a whole revision: what the policy wants next. True when that is under way.
  bool PumpPolicyLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False when no turn is needed any more.
  bool TakeGrantTurnLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PumpGrantLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is behind this revision is for another view than the present one.
  std::optional<std::int64_t> BoundLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  LogPosition SkipLocked(LogPosition position) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void WriteChangesLocked(EncodedChanges changes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteProgressLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CutLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WantProgressLocked(std::int64_t revision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool ProgressIsDueLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AtRevisionEndLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // First what telling a change looks at: many sessions are told one after the other, and none
  // of them is in the processor's caches then.
  WatchHub& hub_;
  WatchSink& sink_;
  const absl::Duration progress_interval_;
  const absl::Time end_time_;
  const v1::GapAction on_gap_;

  mutable Mutex mutex_;
  Mutex handing_;  // held while the sink is given a message; taken with `mutex_` held
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;  // the sink is gone
  bool waiting_for_turn_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool fetching_ ABSL_GUARDED_BY(mutex_) = false;  // another thread makes the next message
  bool stalled_ ABSL_GUARDED_BY(mutex_) = false;   // the hub counts it
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool aborted_ ABSL_GUARDED_BY(mutex_) = false;
  bool last_progress_wanted_ ABSL_GUARDED_BY(mutex_) = false;  // before `ending_`
  bool grant_waits_ ABSL_GUARDED_BY(mutex_) = false;           // for its turn
  std::shared_ptr<WatchGroup> group_ ABSL_GUARDED_BY(mutex_);
  // Everything before it is told or does not concern this watcher.
  LogPosition next_ ABSL_GUARDED_BY(mutex_);
  WatchMessage to_write_ ABSL_GUARDED_BY(mutex_);            // when the lock is free
  const void* under_way_ ABSL_GUARDED_BY(mutex_) = nullptr;  // what is written, kept by the sink
  absl::Time last_write_ ABSL_GUARDED_BY(mutex_);
  // Of the newest resume token that the client has, and of the one under way.
  std::optional<ResumePoint> resume_ ABSL_GUARDED_BY(mutex_);
  std::optional<ResumePoint> resume_under_way_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  // Progress is wanted as soon as this revision is told.
  std::optional<std::int64_t> progress_at_ ABSL_GUARDED_BY(mutex_);
  // Up to here the log is read for what still leaves: the view's known() are more than it shows.
  std::optional<std::int64_t> leaving_until_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Removal> removal_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Grant> grant_ ABSL_GUARDED_BY(mutex_);
  // While the initial state is sent: what it shows, and how far it is.
  std::shared_ptr<const Snapshot> initial_ ABSL_GUARDED_BY(mutex_);
  std::int64_t initial_after_ ABSL_GUARDED_BY(mutex_) = 0;
  // Goes with the first message of the initial state.
  std::optional<v1::WatchReset::Reason> reset_ ABSL_GUARDED_BY(mutex_);

  const std::int64_t number_;
  // Rises with each other group: what was made for the last one is not sent.
  std::int64_t view_number_ ABSL_GUARDED_BY(mutex_) = 0;
  // What the caller may see. The group's view follows: it hides at once, and shows more once
  // that was told.
  SourceSet wanted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory
