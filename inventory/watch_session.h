// One watcher: a cursor into the change log, and at most one message under way
// to its client. Knows no gRPC, so that threads and tests can drive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "inventory/watch_encoder.h"

namespace tokeninventory {

class WatchHub;

// Where a session's messages go. Called with the session's lock held: an
// implementation must not call the session back from within. After Finish the
// session never calls it again.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  // Sends one message; the session's OnWriteDone says when the next may come.
  virtual void Write(const WatchMessage& message) = 0;
  // Ends the stream; not while a message is under way.
  virtual void Finish(const absl::Status& status) = 0;
  // Makes a message that is under way fail soon.
  virtual void Abort() = 0;
};

// Thread-safe. Owned by the hub until it is finished, and by its reactor.
class WatchSession : public std::enable_shared_from_this<WatchSession> {
 public:
  enum class Start { kInitialState, kNow, kAfterRevision };

  struct Options {
    WatchScope scope;
    Start start = Start::kNow;
    std::int64_t after_revision = 0;  // for kAfterRevision
    absl::Duration progress_interval;
  };

  // `sink` lives until it was told to finish.
  WatchSession(WatchHub& hub, WatchSink& sink, Options options);

  // From the sink's side.
  void OnWriteDone(bool ok);
  void OnCancel();

  // From the hub's side: does what can be done now, and says when it wants to be
  // called at the latest.
  absl::Time Poll(absl::Time now);
  // It is this session's turn to send its initial state.
  void BeginInitialState();
  // Ends the stream with a last Progress, as soon as nothing is under way.
  void Drain(const absl::Status& status);

 private:
  void PumpLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PumpInitialLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PumpChangesLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FetchFromStoreLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteLocked(const WatchMessage& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteProgressLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AtRevisionEndLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  WatchHub& hub_;
  const Options options_;

  Mutex mutex_;
  WatchSink* sink_ ABSL_GUARDED_BY(mutex_);  // null once finished
  // Everything before it is told or does not concern this watcher.
  LogPosition next_ ABSL_GUARDED_BY(mutex_);
  // While the initial state is sent: what it shows, and how far it is.
  std::shared_ptr<const Snapshot> initial_ ABSL_GUARDED_BY(mutex_);
  std::int64_t initial_after_ ABSL_GUARDED_BY(mutex_) = 0;
  bool waiting_for_turn_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool fetching_ ABSL_GUARDED_BY(mutex_) = false;  // another thread makes the next message
  bool progress_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool aborted_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_write_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory
