// All watchers: wakes them when something was published or their time has come,
// and lends them threads for what must not run in a gRPC thread.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "base/clock.h"
#include "base/thread_pool.h"
#include "inventory/change_feed.h"
#include "inventory/inventory.h"
#include "inventory/token_store.h"
#include "inventory/watch_session.h"

namespace tokeninventory {

// Thread-safe. Destroy it after the last session finished.
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
    absl::Duration stall_timeout = absl::Seconds(60);
  };

  explicit WatchHub(Options options);
  ~WatchHub();

  // Opens a session and starts it. RESOURCE_EXHAUSTED when there are too many,
  // UNAVAILABLE while draining, OUT_OF_RANGE (REVISION_COMPACTED,
  // REVISION_IN_FUTURE) when it cannot start where it wants to: `sink` is then
  // not called.
  absl::StatusOr<std::shared_ptr<WatchSession>> Open(WatchSink& sink,
                                                     WatchSession::Options options);

  // Ends all sessions with a last Progress and UNAVAILABLE (SERVER_STOPPING),
  // and opens no more.
  void Drain();

  int stream_count() const;

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

  // For sessions.
  const Options& options() const { return options_; }
  EncodedChanges ReadMemory(LogPosition from, const WatchScope& scope);
  WatchMessage MakeProgressMessage(std::int64_t revision, absl::Time now);
  bool TakeInitialTurn(const std::shared_ptr<WatchSession>& session);
  void ReturnInitialTurn();
  void OnFinished(const std::shared_ptr<WatchSession>& session);

  void RunDispatcher();
  std::vector<std::shared_ptr<WatchSession>> Sessions();

  const Options options_;

  // The last messages made, for other watchers at the same place.
  struct CacheEntry {
    LogPosition from;
    std::int64_t head = 0;
    WatchScope scope;
    EncodedChanges changes;
  };
  Mutex cache_mutex_;
  std::array<CacheEntry, 8> cache_ ABSL_GUARDED_BY(cache_mutex_);
  std::size_t next_cache_slot_ ABSL_GUARDED_BY(cache_mutex_) = 0;

  mutable Mutex mutex_;
  CondVar wake_;
  bool published_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<std::shared_ptr<WatchSession>> sessions_ ABSL_GUARDED_BY(mutex_);
  int initial_turns_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<WatchSession>> waiting_ ABSL_GUARDED_BY(mutex_);

  ThreadPool scan_pool_;
  ThreadPool log_reader_;
  std::thread dispatcher_;
};

}  // namespace tokeninventory
