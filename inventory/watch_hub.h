// All watchers: wakes them when something was published that concerns them or
// their time has come, and lends them threads for what must not run in a gRPC
// thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "base/thread_pool.h"
#include "inventory/change_feed.h"
#include "inventory/inventory.h"
#include "inventory/token_store.h"
#include "inventory/watch_group.h"
#include "inventory/watch_session.h"

namespace tokeninventory {

// Thread-safe. Destroy it after the last session finished.
//
// A commit costs the dispatcher one encoding for each view whose source it touches,
// and one call for each session that has something to send; none for the others.
class WatchHub {
 public:
  struct Options {
    // All live longer than the hub.
    Inventory* inventory = nullptr;
    ChangeFeed* feed = nullptr;
    TokenStore* store = nullptr;
    Clock* clock = nullptr;
    std::string epoch;
    int max_streams = 20'000;
    // A message under way for this long ends its stream.
    absl::Duration stall_timeout = absl::Seconds(60);
    // A stream is stalled when a message was under way for 5 s (a quarter of the
    // time-out if that is less). Of the messages that stalled streams hold, each of at
    // most about 1 MiB, so many are kept: streams that are stalled for longest with
    // others are ended. Those that hold one message together cost no more than one of
    // them, and may wait for the machine and not for their clients.
    int max_stalled_messages = 256;
    // Streams are ended at a random age of 0.8 to 1.2 times this.
    absl::Duration max_age = absl::Minutes(30);
  };
  // Those of the options that may change while streams are open.
  struct Limits {
    int max_streams = 0;
    absl::Duration stall_timeout;
    absl::Duration max_age;
  };

  explicit WatchHub(Options options);
  ~WatchHub();

  // Opens a session and starts it. RESOURCE_EXHAUSTED when there are too many,
  // UNAVAILABLE while draining, OUT_OF_RANGE (REVISION_COMPACTED,
  // REVISION_IN_FUTURE) when it cannot start where it wants to and does not resync:
  // `sink` is then not called.
  absl::StatusOr<std::shared_ptr<WatchSession>> Open(WatchSink& sink,
                                                     WatchSession::Options options);

  // From now on. Open streams keep their age, and stay when there are too many.
  void SetLimits(const Limits& limits);

  // Ends all sessions with a last Progress and UNAVAILABLE (SERVER_STOPPING),
  // and opens no more.
  void Drain();

  int stream_count() const;
  int stalled_stream_count() const;

  // The log is needed behind this revision by some session; the largest number
  // when there is none.
  std::int64_t OldestCursor() const;

  // Runs `work` on the log reader's thread, the only one that reads the store's
  // log. False when its queue is full.
  [[nodiscard]] bool RunOnLogReader(std::function<void(TokenStore&)> work);

  // Runs `work` on the scan pool, for what looks at many tokens. False when its
  // queue is full.
  [[nodiscard]] bool RunScan(std::function<void()> work) {
    return scan_pool_.TryRun(std::move(work));
  }

 private:
  friend class WatchSession;
  using SessionPointer = std::shared_ptr<WatchSession>;
  using SessionList = std::shared_ptr<const std::vector<SessionPointer>>;
  using SourceState = std::pair<std::string, v1::Source::State>;

  // The sessions of one view, by number. Those that were opened together are told together:
  // they are neighbours in memory, and often streams of one connection, which then sends what
  // they are told in fewer writes.
  struct Cohort {
    std::shared_ptr<WatchGroup> group;
    absl::btree_map<std::int64_t, SessionPointer> sessions;
    SessionList list;  // the same, once somebody asked; null again when they are others
  };
  struct Timer {
    absl::Time at;
    SessionPointer session;
    // For a heap whose top is the earliest.
    friend bool operator<(const Timer& a, const Timer& b) { return a.at > b.at; }
  };

  // For sessions.
  const Options& options() const { return options_; }
  absl::Duration stall_timeout() const { return stall_timeout_; }
  absl::Duration stalled_after() const;
  WatchMessage MakeProgressMessage(const WatchView& view, std::int64_t revision, absl::Time now);
  // The newest revision that a client may know: the inventory is a moment ahead of
  // the feed, and a list may have told its revision already.
  std::int64_t HeadRevision() const;
  // How a stream ends that does not resync.
  absl::Status GapError(v1::WatchReset::Reason reason) const;
  // Whether the session may send its initial state now; if not, it will be told.
  bool TakeInitialTurn(const SessionPointer& session);
  void ReturnInitialTurn();
  // Has the session woken in the dispatcher's next round.
  void WakeSoon(SessionPointer session);
  // Has the session woken when the feed has got further, whether or not its view is concerned.
  void WakeAtChange(SessionPointer session);
  void OnStall(SessionPointer session);
  void OnStallOver(const SessionPointer& session);
  void OnFinished(const SessionPointer& session, const WatchGroup& group);
  // Takes the session from one group to that of `view`. What is published from now on wakes it
  // as one of that.
  std::shared_ptr<WatchGroup> Regroup(const SessionPointer& session, const WatchGroup& from,
                                      std::shared_ptr<const WatchView> view);

  Cohort& CohortLocked(std::shared_ptr<const WatchView> view) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EnterCohortLocked(const SessionPointer& session, Cohort& cohort)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveCohortLocked(const SessionPointer& session, const WatchGroup& group)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunDispatcher();
  absl::Time NextRoundLocked(absl::Time now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Wakes those whom the revisions concern that were published since the last call.
  void TellChanges(absl::Time now);
  // Has every session send Progress when a source's state is another one.
  void TellStates(absl::Time now);
  void RunRound(absl::Time now);
  void CutStalled();
  void SetTimer(SessionPointer session, absl::Time at);
  std::vector<SessionPointer> Sessions() const;
  // Null when there are none any more.
  SessionList SessionsOf(const WatchGroup& group);
  static void WakeAll(const std::vector<SessionPointer>& sessions, absl::Time now);
  static std::vector<SourceState> StatesOf(const Snapshot& snapshot);

  const Options options_;
  // As Options says, but what SetLimits made of it.
  std::atomic<absl::Duration> stall_timeout_;
  RecentMessages recent_;

  // The last Progress made, for others at the same place at the same time.
  Mutex progress_mutex_;
  WatchMessage progress_ ABSL_GUARDED_BY(progress_mutex_);
  std::int64_t progress_publication_ ABSL_GUARDED_BY(progress_mutex_) = 0;
  std::int64_t progress_revision_ ABSL_GUARDED_BY(progress_mutex_) = 0;
  std::int64_t progress_head_ ABSL_GUARDED_BY(progress_mutex_) = 0;
  std::int64_t progress_oldest_ ABSL_GUARDED_BY(progress_mutex_) = 0;
  absl::Time progress_time_ ABSL_GUARDED_BY(progress_mutex_);

  mutable Mutex mutex_;
  CondVar wake_;
  bool published_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Cohort> cohorts_ ABSL_GUARDED_BY(mutex_);  // by key
  int max_streams_ ABSL_GUARDED_BY(mutex_);
  absl::Duration max_age_ ABSL_GUARDED_BY(mutex_);
  int stream_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t opened_count_ ABSL_GUARDED_BY(mutex_) = 0;
  int initial_turns_ ABSL_GUARDED_BY(mutex_);
  std::deque<SessionPointer> waiting_ ABSL_GUARDED_BY(mutex_);
  std::deque<SessionPointer> stalled_ ABSL_GUARDED_BY(mutex_);  // for the longest first
  // A heap; one for each session, which may outlive it until then.
  std::vector<Timer> timers_ ABSL_GUARDED_BY(mutex_);
  std::vector<SessionPointer> wake_soon_ ABSL_GUARDED_BY(mutex_);
  std::vector<SessionPointer> wake_at_change_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_round_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();

  // Used by the dispatcher only.
  std::int64_t told_head_;
  std::vector<SourceState> told_states_;

  ThreadPool scan_pool_;
  ThreadPool log_reader_;
  std::thread dispatcher_;
};

}  // namespace tokeninventory
