// A PassRecorder that writes down what it is told.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "inventory/pass.h"

namespace tokeninventory::testing {

// Thread-safe. Tests may look at the members while no pass runs.
class FakePassRecorder final : public PassRecorder {
 public:
  using ScopeId = std::pair<std::string, std::string>;  // stream, key

  // What the next pass says.
  std::vector<Suspect> suspects;
  absl::Status begin_status;
  absl::Status observe_status;

  // What the last pass said.
  std::map<ScopeId, std::map<std::string, v1::Token>> tokens;
  std::map<ScopeId, ScopeProof> proofs;
  std::map<ScopeId, std::string> items;
  std::map<std::string, bool> parents_complete;
  std::set<std::int64_t> gone;
  PassEnd end;
  int begun = 0;
  int ended = 0;
  int abandoned = 0;
  std::vector<absl::Time> postponed;
  std::vector<absl::Time> PostponedTimes() {
    MutexLock lock(mutex_);
    return postponed;
  }
  int pages = 0;
  int suspect_limit = 0;

  std::set<std::string> AllIds() const {
    std::set<std::string> ids;
    for (const auto& [scope, of] : tokens) {
      for (const auto& [id, token] : of) ids.insert(id);
    }
    return ids;
  }
  // Why a listing is not complete; `complete` when it is, `not read` when it was not.
  std::string Reason(const std::string& stream, const std::string& key = "") const {
    const auto found = proofs.find({stream, key});
    if (found == proofs.end()) return "not read";
    return found->second.complete ? "complete" : found->second.reason;
  }
  // Everything that a client could get to see of a pass, as one text.
  std::string AllText() const {
    std::string text = end.error;
    for (const v1::IncompleteScope& scope : end.incomplete_scopes) {
      text += scope.ShortDebugString() + "\n";
    }
    for (const auto& [scope, proof] : proofs) text += proof.reason + "\n";
    for (const auto& [scope, of] : tokens) {
      for (const auto& [id, token] : of) text += token.ShortDebugString() + "\n";
    }
    return text;
  }

  absl::StatusOr<PassId> Begin(const std::string&) override {
    MutexLock lock(mutex_);
    if (!begin_status.ok()) return begin_status;
    ++begun;
    tokens.clear();
    proofs.clear();
    items.clear();
    gone.clear();
    parents_complete.clear();
    end = PassEnd();
    pages = 0;
    return begun;
  }
  absl::StatusOr<PageCounts> Observe(PassId, const ScopeRef& scope,
                                     std::vector<ObservedToken> observed) override {
    MutexLock lock(mutex_);
    if (!observe_status.ok()) return observe_status;
    ++pages;
    PageCounts counts;
    items[{scope.stream, scope.key}] = scope.item_json;
    for (ObservedToken& token : observed) {
      ++counts.added;
      tokens[{scope.stream, scope.key}][token.id] = std::move(token.token);
    }
    return counts;
  }
  absl::Status EndScope(PassId, const ScopeRef& scope, const ScopeProof& proof) override {
    MutexLock lock(mutex_);
    proofs[{scope.stream, scope.key}] = proof;
    items[{scope.stream, scope.key}] = scope.item_json;
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<Suspect>> Suspects(PassId, const std::vector<StreamReport>&,
                                                int limit) override {
    MutexLock lock(mutex_);
    suspect_limit = limit;
    return suspects;
  }
  absl::Status ProveGone(PassId, std::int64_t row) override {
    MutexLock lock(mutex_);
    gone.insert(row);
    return absl::OkStatus();
  }
  absl::StatusOr<PassOutcome> End(PassId, const PassEnd& what) override {
    MutexLock lock(mutex_);
    ++ended;
    end = what;
    for (const StreamReport& report : what.streams) {
      parents_complete[report.stream] = report.parents_complete;
    }
    PassOutcome outcome;
    outcome.state = what.state;
    outcome.error = what.error;
    outcome.incomplete_scopes = what.incomplete_scopes;
    outcome.stats = what.stats;
    outcome.revision = ended;
    return outcome;
  }
  void Abandon(PassId) override {
    MutexLock lock(mutex_);
    ++abandoned;
  }
  void Postpone(const std::string&, absl::Time next_sync_time) override {
    MutexLock lock(mutex_);
    postponed.push_back(next_sync_time);
  }

 private:
  Mutex mutex_;
};

}  // namespace tokeninventory::testing
