// Decides when which source is read: at start, then at its interval, later after
// failures, at once when somebody asks, and soon after a refused credential was
// replaced.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "connectors/polled_source.h"
#include "connectors/source_counts.h"
#include "connectors/sync_observer.h"
#include "inventory/pass.h"

namespace tokeninventory {

// One scheduler thread and up to eight workers, each running one pass. At most
// one pass of a source runs at a time. Thread-safe.
class Poller {
 public:
  struct Options {
    int workers = 8;
    // Whether Start makes every source due at once (tests may not want it).
    bool poll_at_start = true;
    // The most that a pass is early or late, as a share of the interval: sources
    // do not stay in step.
    double jitter = 0.05;
  };

  // `clock` and `recorder` must outlive this; the sources belong to it.
  Poller(Clock* clock, PassRecorder* recorder, std::vector<std::unique_ptr<PolledSource>> sources,
         Options options);
  // Stops.
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Starts the threads. Call once, when the recorder is ready for passes.
  void Start();

  // Takes out the sources of these ids, calls `change`, and puts `sources` in, which are due at
  // once; or, when it failed, those that were there. Their passes are stopped before: one that
  // reads with an old credential, or from an old place, has nothing to say of the new. Who
  // observes one goes on with the new source of the same id, or is told UNAVAILABLE. Other
  // sources do not notice. Blocks until the passes have let go. Returns what `change` did. Not
  // together with Start, Stop or itself.
  absl::Status Replace(const std::set<std::string>& ids,
                       const std::function<absl::Status()>& change,
                       std::vector<std::unique_ptr<PolledSource>> sources);

  // Interrupts waits and requests of running passes, ends their observers with
  // UNAVAILABLE and joins the threads. Blocks until passes have let go; the
  // recorder must still answer. Idempotent.
  void Stop();

  // Ends the subscription when destroyed or asked to. Neither blocks, so both may
  // be done from inside a callback; one callback that is already on its way may
  // still arrive afterwards.
  class Subscription {
   public:
    Subscription() = default;
    ~Subscription() { Cancel(); }
    Subscription(Subscription&& other) noexcept { *this = std::move(other); }
    Subscription& operator=(Subscription&& other) noexcept;
    void Cancel();

   private:
    friend class Poller;
    std::function<void()> cancel_;
  };

  // Makes a pass of `source` due now, or joins the one that runs or waits for a
  // worker; with `fresh`, joins the one after it instead of the running one. The
  // pass goes on whether or not anybody observes it; before Start, it waits for that.
  // NOT_FOUND when there is no such source, UNAVAILABLE after Stop.
  absl::StatusOr<Subscription> SyncNow(absl::string_view source, bool fresh,
                                       std::shared_ptr<SyncObserver> observer);

  // The store can be written again: passes that were given up because it could not
  // are due now. A source's only once until one of its passes is stored: a store that
  // takes little and refuses much would have its vendor asked without end.
  void RetryGivenUp();

  // What came of the sources that are read now: none that left, and a source that was replaced
  // begins at zero. Does not block on passes.
  std::vector<SourceCounts> Counts() const;

  // When the next pass is due after `failures` passes in a row that failed with
  // `state` (0: the last did not fail), jitter aside.
  static absl::Duration DelayAfter(v1::Source::State state, int failures, absl::Duration interval);

 private:
  struct Entry;
  struct Shared;

  std::vector<std::unique_ptr<PolledSource>> Take(const std::set<std::string>& ids);
  void Put(std::vector<std::unique_ptr<PolledSource>> sources);
  // As many as there are sources to read, within Options.
  void StartWorkers();
  void RunScheduler();
  void RunWorker();
  // Whether the entry that a worker took needs a pass, and not only a look at its
  // credential.
  bool IsNeeded(Entry& entry);
  void RunOne(Entry& entry);

  Clock* const clock_;
  PassRecorder* const recorder_;
  const Options options_;
  // Outlives this in the hands of subscriptions.
  const std::shared_ptr<Shared> shared_;
  std::vector<std::thread> threads_;
  std::size_t workers_ = 0;
};

}  // namespace tokeninventory
