// The only writer. Everything that changes the inventory goes through its one
// thread: reconcile → commit (durable) → apply → publish. What a reader or a
// watcher can see has been committed before.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "inventory/change_feed.h"
#include "inventory/expiration/judge.h"
#include "inventory/expiration/lead_rules.h"
#include "inventory/inventory.h"
#include "inventory/pass.h"
#include "inventory/reconcile.h"
#include "inventory/scope_book.h"
#include "inventory/token_store.h"
#include "tokeninventory/v1/sources.pb.h"

namespace tokeninventory {

// A source as the configuration has it.
struct SourceInfo {
  std::string id;
  std::string provider;
  std::string title;
  std::string coverage;
  std::string documentation_uri;
  absl::Duration interval;
  // The vendor ends tokens that stay unused for so long; zero: not known. What the
  // vendor says of a token itself wins.
  absl::Duration inactivity_window;
};

// Why these cannot be the sources of a store that shows `snapshot`: their ids belong to other
// vendors. Empty when they can.
std::vector<std::string> ProblemsWithSources(const Snapshot& snapshot,
                                             const std::vector<SourceInfo>& sources);

// How long the log is kept.
struct Retention {
  absl::Duration max_age = absl::Hours(24 * 7);
  std::int64_t max_changes = 1'000'000;
  std::int64_t max_bytes = std::int64_t{2} << 30;
};

// Thread-safe. The destructor finishes what is queued; stop connectors first.
class Ledger final : public PassRecorder, public TokenRefresher {
 public:
  struct Options {
    // All live longer than the Ledger.
    TokenStore* store = nullptr;
    Inventory* inventory = nullptr;
    ChangeFeed* feed = nullptr;
    Clock* clock = nullptr;
    std::vector<SourceInfo> sources;
    Retention retention;
    LeadRules rules;
  };

  // Loads the store, publishes what it holds, brings its sources in line with
  // the configuration and starts the thread. Errors as TokenStore's, and
  // FAILED_PRECONDITION when a source's id belonged to another vendor.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(Options options);
  ~Ledger() override;

  // What may be another one while the Ledger runs.
  struct Configuration {
    std::vector<SourceInfo> sources;
    Retention retention;
    LeadRules rules;
  };
  // Brings sources and notices in line with another configuration, as Open would; holds stay.
  // Sources that leave must have no pass that runs. Errors as Open's, and nothing changed then.
  absl::Status Reconfigure(Configuration configuration);

  // PassRecorder.
  absl::StatusOr<PassId> Begin(const std::string& source) override;
  absl::StatusOr<PageCounts> Observe(PassId pass, const ScopeRef& scope,
                                     std::vector<ObservedToken> tokens) override;
  absl::Status EndScope(PassId pass, const ScopeRef& scope, const ScopeProof& proof) override;
  absl::StatusOr<std::vector<Suspect>> Suspects(PassId pass,
                                                const std::vector<StreamReport>& streams,
                                                int limit) override;
  absl::Status ProveGone(PassId pass, std::int64_t row) override;
  absl::StatusOr<PassOutcome> End(PassId pass, const PassEnd& end) override;
  void Abandon(PassId pass) override;
  void Postpone(const std::string& source, absl::Time next_sync_time) override;

  // TokenRefresher.
  absl::StatusOr<RefreshTarget> FindRefreshTarget(const std::string& name) override;
  absl::StatusOr<std::int64_t> ApplyRefresh(const RefreshTarget& target,
                                            const ObservedToken* observed) override;

  // As ApproveSync and PurgeSource in sources.proto say; `source` is an id. NOT_FOUND
  // when there is no such source, UNAVAILABLE when the store cannot be written. A
  // purge is many commits; UNAVAILABLE also when `stop` comes between two.
  absl::StatusOr<v1::ApproveSyncResponse> ApproveSync(const std::string& source,
                                                      const std::string& hold_id);
  absl::StatusOr<v1::PurgeSourceResponse> PurgeSource(const std::string& source, bool force,
                                                      const std::stop_token& stop = {});

  // `listener` is told whether the store can be written: at once, and then whenever
  // that changes, with an error that says why it cannot be. It is called by the
  // Ledger's thread and must not call the Ledger. Nothing: ends that; it is then not
  // called any more.
  //
  // A store that failed is tried again every five seconds, with a write that changes
  // nothing, until it takes it; one that is damaged is not.
  void SetStoreListener(std::function<void(const absl::Status&)> listener);

  // Random, of this store (StoreHead::epoch).
  const std::string& epoch() const { return epoch_; }

 private:
  class Loader;
  struct Staged;

  // The last pass of a source, if losses that it reported were held.
  struct HeldPass {
    HeldLosses losses;
    std::string id;  // Hold.id
    // What the pass came to but for them.
    v1::Source::State state = v1::Source::STATE_UNSPECIFIED;
    std::string error;
    std::vector<v1::IncompleteScope> incomplete_scopes;
    absl::Time end_time;
  };

  explicit Ledger(Options options);

  // Runs `work` on the Ledger's thread and waits for it. The queue is bounded:
  // callers wait for room.
  void RunOnThread(const std::function<void()>& work);
  void RunThread();

  // All below: on the Ledger's thread, or before it starts.
  absl::Status Load();
  absl::Status ConfigureSources();
  // Has everything looked at again that the rules may see in another way.
  void RearmAll();
  absl::Status CheckToken(const ObservedToken& observed) const;
  // The row that the token has, or will have.
  absl::StatusOr<std::int64_t> StageObserved(RunningPass& pass, std::int64_t scope_id,
                                             ObservedToken&& observed, absl::Time now,
                                             Staged& staged, PageCounts& counts);
  absl::Status StageLosses(const Conclusion& conclusion, absl::Time now, Staged& staged,
                           v1::SyncStats& stats);
  // Stages what a source's status says once a pass, which ended at `end_time`, counts.
  void StageStatus(const std::string& id, v1::Source source, v1::Source::State state,
                   const std::string& error, const std::vector<v1::IncompleteScope>& incomplete,
                   absl::Time end_time, Staged& staged);
  absl::StatusOr<std::int64_t> CommitAndPublish(Staged staged);
  void Compact();
  // Sets `state_time` when the state is about to change.
  void StampState(const std::string& id, absl::Time now, v1::Source& status) const;

  // The store under faults (ledger_store.cc).
  void NoteStore(const absl::Status& status);
  bool StoreIsDamaged() const;
  void ProbeStore();
  absl::Status StoreError() const;
  void PublishNotStored(const std::string& source);

  void PublishSource(const std::string& id, const std::function<void(v1::Source&)>& edit);

  // Notices (ledger_notices.cc).
  void StageNotices(Staged& staged);
  void StageDigest(const v1::Source& source, const std::string& id, Staged& staged);
  void StageResolution(const std::string& source, v1::Expiration::Kind kind,
                       v1::Expiration::Resolution::Cause cause, Staged& staged);
  void TellDueTokens();
  void CheckSources();
  bool IsNew(const std::string& source) const;
  bool MustHear(std::int64_t row, TokenSight::VendorWord word) const;
  // Sets the inactivity window that the source's configuration adds, if any.
  void AddWindow(const std::string& source, v1::Token& token) const;
  std::optional<v1::Expiration> FindNotice(std::int64_t row) const;
  std::optional<v1::Expiration> FindSourceNotice(const std::string& source,
                                                 v1::Expiration::Kind kind) const;
  std::int64_t SourceNoticeRow(const std::string& source, v1::Expiration::Kind kind);
  void ArmToken(std::int64_t row, const v1::Token& token);
  void Arm(std::int64_t row, absl::Time due);

  absl::StatusOr<std::int64_t> RefreshFound(const RefreshTarget& target,
                                            const ObservedToken& observed);
  absl::StatusOr<std::int64_t> RefreshGone(const RefreshTarget& target);
  std::string FindOtherToken(const std::string& source, std::int64_t scope, std::int64_t row) const;

  // What operators ask for (ledger_operator.cc).
  absl::StatusOr<v1::ApproveSyncResponse> Approve(const std::string& source,
                                                  const std::string& hold_id);
  void ForgetSource(const std::string& source, Staged& staged);
  absl::StatusOr<v1::PurgeSourceResponse> PurgeSome(const std::string& source, std::int64_t& after);

  absl::StatusOr<RunningPass*> FindPass(PassId pass);
  absl::StatusOr<v1::Token> ParseRow(std::int64_t row) const;
  // InfiniteFuture: never.
  absl::Time DueOf(std::int64_t row) const;

  // Used by the Ledger's thread only, but for what is shared with others by itself.
  Options options_;
  std::string epoch_;  // constant after Open

  // Used by the Ledger's thread only.
  std::int64_t head_ = 0;
  std::int64_t oldest_revision_ = 0;
  std::int64_t next_row_ = 1;
  std::shared_ptr<const Snapshot> snapshot_;
  ScopeBook book_;
  absl::flat_hash_map<PassId, RunningPass> passes_;
  PassId next_pass_ = 1;
  absl::flat_hash_map<std::string, HeldPass> held_;  // by source
  // When time may have something to say of a token: it expires, a lead is reached. An
  // entry counts only while DueOf() agrees.
  using Due = std::pair<absl::Time, std::int64_t>;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_queue_;
  std::vector<absl::Time> due_;  // by row, as far as any is armed
  absl::Time next_compaction_;
  // What the last write came to, and when one is tried again.
  absl::Status store_status_;
  absl::Time next_probe_ = absl::InfiniteFuture();
  std::function<void(const absl::Status&)> store_listener_;
  absl::Time retry_due_at_ = absl::InfinitePast();
  absl::Time next_source_check_ = absl::InfiniteFuture();
  // The rows of notices about sources, which no token has.
  std::map<std::pair<std::string, v1::Expiration::Kind>, std::int64_t> source_notices_;
  // Rows of tombstones, by the revision that made them.
  std::multimap<std::int64_t, std::int64_t> tombstones_;

  Mutex mutex_;
  CondVar wake_;
  CondVar room_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace tokeninventory
