// What operators ask of the Ledger: to believe losses that were held, to purge a
// source that left the configuration.
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "inventory/answers.h"
#include "inventory/errors.h"
#include "inventory/ledger.h"
#include "inventory/ledger_staged.h"
#include "inventory/reconcile.h"
#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kPurgesPerCommit = 1000;
constexpr int kMaxPurgeSample = 100;

// The source, if it can be purged.
absl::StatusOr<const SourceEntry*> FindPurgeable(const Snapshot& snapshot,
                                                 const std::string& source) {
  const int index = snapshot.FindSource(source);
  if (index < 0) return NoSuchSource(SourceName(source));
  const SourceEntry& entry = snapshot.sources()[static_cast<std::size_t>(index)];
  if (entry.is_forgotten()) return NoSuchSource(SourceName(source));
  if (entry.status->state() != v1::Source::DETACHED) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "SOURCE_CONFIGURED",
                     absl::StrCat(SourceName(source),
                                  " is in the configuration: its next pass would bring everything "
                                  "back; remove it from there first"));
  }
  return &entry;
}

}  // namespace

absl::StatusOr<v1::ApproveSyncResponse> Ledger::ApproveSync(const std::string& source,
                                                            const std::string& hold_id) {
  absl::StatusOr<v1::ApproveSyncResponse> result;
  RunOnThread([&] { result = Approve(source, hold_id); });
  return result;
}

absl::StatusOr<v1::ApproveSyncResponse> Ledger::Approve(const std::string& source,
                                                        const std::string& hold_id) {
  const int index = snapshot_->FindSource(source);
  if (index < 0) return NoSuchSource(SourceName(source));
  v1::Source status = *snapshot_->sources()[static_cast<std::size_t>(index)].status;
  const auto it = held_.find(source);
  if (it == held_.end()) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "NOTHING_HELD",
        status.has_hold()
            ? "the pass whose losses are held was before the service started; start another "
              "(SyncSource) and look at what that one holds"
            : "the last pass held nothing back");
  }
  const HeldPass& held = it->second;
  if (held.id != hold_id) {
    return MakeError(absl::StatusCode::kAborted, "HOLD_CHANGED",
                     "another loss is held now; look at the source again", {{"hold_id", held.id}});
  }
  const Conclusion conclusion = book_.Release(held.losses, *snapshot_);
  Staged staged;
  staged.batch.commit_time = options_.clock->Now();
  v1::SyncStats stats;
  TI_RETURN_IF_ERROR(StageLosses(conclusion, staged.batch.commit_time, staged, stats));
  staged.batch.put_scopes = conclusion.changed_scopes;
  status.clear_hold();
  StageStatus(source, std::move(status), held.state, held.error, held.incomplete_scopes,
              held.end_time, staged);
  v1::ApproveSyncResponse response;
  TI_ASSIGN_OR_RETURN(const std::int64_t revision, CommitAndPublish(std::move(staged)));
  held_.erase(source);
  response.set_tokens_missing(stats.tokens_missing());
  response.set_tokens_deleted(stats.tokens_deleted());
  response.set_revision(revision);
  return response;
}

absl::StatusOr<v1::PurgeSourceResponse> Ledger::PurgeSource(const std::string& source, bool force,
                                                            const std::stop_token& stop) {
  v1::PurgeSourceResponse response;
  if (!force) {
    const std::shared_ptr<const Snapshot> snapshot = options_.inventory->Current();
    TI_ASSIGN_OR_RETURN(const SourceEntry* entry, FindPurgeable(*snapshot, source));
    response.set_purge_count(static_cast<std::int32_t>(entry->rows - entry->tombstones));
    snapshot->Scan(0, ScanFilter{snapshot->FindSource(source), true}, [&](const TokenRef& token) {
      if (token.presence == v1::Token::DELETED) return true;
      response.add_purge_sample(std::string(ReadTokenName(token.full)));
      return response.purge_sample_size() < kMaxPurgeSample;
    });
    return response;
  }
  // In steps, with other work in between.
  std::int64_t after = 0;
  while (after < std::numeric_limits<std::int64_t>::max()) {
    if (stop.stop_requested()) {
      return RetryableError(absl::StatusCode::kUnavailable, "PURGE_INTERRUPTED",
                            "the service stops; call again to purge the rest", absl::Seconds(5));
    }
    absl::StatusOr<v1::PurgeSourceResponse> some;
    RunOnThread([&] { some = PurgeSome(source, after); });
    TI_RETURN_IF_ERROR(some.status());
    response.set_purge_count(response.purge_count() + some->purge_count());
    response.set_revision(some->revision());
  }
  return response;
}

// Purges tokens behind row `after` and moves it on, to the largest number at the end.
absl::StatusOr<v1::PurgeSourceResponse> Ledger::PurgeSome(const std::string& source,
                                                          std::int64_t& after) {
  TI_RETURN_IF_ERROR(FindPurgeable(*snapshot_, source).status());
  Staged staged;
  const absl::Time now = options_.clock->Now();
  staged.batch.commit_time = now;
  absl::Status status;
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
  snapshot_->Scan(after, ScanFilter{snapshot_->FindSource(source), true}, [&](const TokenRef& ref) {
    if (ref.presence == v1::Token::DELETED) return true;
    if (staged.tokens.size() == kPurgesPerCommit) {
      last = staged.tokens.back().first;
      return false;
    }
    const absl::StatusOr<v1::Token> token = ParseRow(ref.row);
    status = token.status();
    if (!status.ok()) return false;
    staged.PutToken(ref.row, MakeTombstone(*token, v1::PURGED, now), {}, std::string(ref.full),
                    v1::TokenChange::OPERATOR_PURGED, head_ + 1);
    return true;
  });
  TI_RETURN_IF_ERROR(status);
  // No mark refers to a scope any more.
  if (last == std::numeric_limits<std::int64_t>::max()) {
    staged.batch.delete_scopes = book_.ScopesOf(source);
  }
  v1::PurgeSourceResponse response;
  response.set_purge_count(static_cast<std::int32_t>(staged.tokens.size()));
  TI_ASSIGN_OR_RETURN(const std::int64_t revision, CommitAndPublish(std::move(staged)));
  response.set_revision(revision);
  after = last;
  return response;
}

// Of a detached source whose last tombstone is gone. Memory forgets it with the next start.
void Ledger::ForgetSource(const std::string& source, Staged& staged) {
  staged.batch.delete_sources.push_back(source);
  const std::vector<std::int64_t> scopes = book_.ScopesOf(source);
  staged.batch.delete_scopes.insert(staged.batch.delete_scopes.end(), scopes.begin(), scopes.end());
  for (auto it = source_notices_.begin(); it != source_notices_.end();) {
    if (it->first.first != source) {
      ++it;
      continue;
    }
    staged.batch.delete_notices.push_back(it->second);
    it = source_notices_.erase(it);
  }
}

}  // namespace tokeninventory
