// The Ledger's passes: what connectors observe, and what their absence proves.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "inventory/cursor.h"
#include "inventory/ledger.h"
#include "inventory/ledger_staged.h"
#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kMaxTokenBytes = 64 * 1024;
constexpr int kMaxIncompleteScopes = 100;

v1::DeleteCause CauseOfLoss(const v1::Token& token, Loss::Kind kind, absl::Time now) {
  if (kind == Loss::Kind::kProvenGone) return v1::VENDOR_404;
  // Some vendors drop tokens that ended from their lists.
  return HasEnded(token, now) ? v1::EXPIRED : v1::NOT_LISTED;
}

v1::Hold MakeHold(const HeldLosses& losses, const RunningPass& pass, absl::Time now) {
  std::vector<std::int64_t> rows(losses.rows.begin(), losses.rows.end());
  std::sort(rows.begin(), rows.end());
  std::string all;
  v1::Hold hold;
  for (const HeldScope& held : losses.scopes) {
    absl::StrAppend(&all, held.stream, "\n", held.key, "\n");
    if (hold.scopes_size() == kMaxIncompleteScopes) continue;
    v1::HeldScope& scope = *hold.add_scopes();
    scope.set_stream(held.stream);
    scope.set_scope(held.key);
    scope.set_lost_count(held.lost);
    scope.set_listed_count(held.listed);
  }
  for (const std::int64_t row : rows) absl::StrAppend(&all, row, "\n");
  hold.set_id(StableDigest(absl::StrCat("hold|", pass.source, "|", all)));
  hold.set_token_count(static_cast<std::int64_t>(rows.size()));
  ToProto(now, hold.mutable_create_time());
  return hold;
}

// What the vendor says of a token in a word of its own; a state that the mapping
// made of nothing but times is none.
TokenSight::VendorWord WordOf(const v1::Token& observed) {
  if (observed.provider_state().empty()) return TokenSight::VendorWord::kNone;
  if (observed.state() == v1::Token::ACTIVE) return TokenSight::VendorWord::kActive;
  return TokenSight::VendorWord::kEnded;
}

}  // namespace

absl::StatusOr<RunningPass*> Ledger::FindPass(PassId pass) {
  const auto it = passes_.find(pass);
  if (it == passes_.end()) return absl::NotFoundError("this pass is over");
  return &it->second;
}

absl::StatusOr<PassId> Ledger::Begin(const std::string& source) {
  absl::StatusOr<PassId> result;
  RunOnThread([&] {
    const int index = snapshot_->FindSource(source);
    if (index < 0 || snapshot_->sources()[static_cast<std::size_t>(index)].status->state() ==
                         v1::Source::DETACHED) {
      result = absl::NotFoundError(absl::StrCat("source ", source, " is not configured"));
      return;
    }
    for (const auto& [id, pass] : passes_) {
      if (pass.source != source) continue;
      result = absl::FailedPreconditionError(absl::StrCat("a pass over ", source, " is running"));
      return;
    }
    // A vendor is not asked for what cannot be kept. Whoever asks for a pass does not
    // wait for the next attempt.
    if (!store_status_.ok()) ProbeStore();
    if (!store_status_.ok()) {
      PublishNotStored(source);
      result = StoreError();
      return;
    }
    const PassId id = next_pass_++;
    RunningPass& pass = passes_[id];
    pass.source = source;
    pass.start_time = options_.clock->Now();
    PublishSource(source, [&](v1::Source& status) {
      status.set_syncing(true);
      ToProto(pass.start_time, status.mutable_last_attempt_time());
      status.clear_next_sync_time();
    });
    result = id;
  });
  return result;
}

absl::Status Ledger::CheckToken(const ObservedToken& observed) const {
  if (observed.id.empty() || observed.token.provider_token_id().empty()) {
    return absl::InvalidArgumentError("a token without an id");
  }
  if (observed.id.size() > kMaxTokenIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a token id of ", observed.id.size(),
                                                   " bytes; the limit is ", kMaxTokenIdBytes));
  }
  // Names grow by percent-encoding.
  if (EncodedIdSize(observed.id) > kMaxNameBytes - 128) {
    return absl::InvalidArgumentError("a token id whose name would be over 1024 bytes");
  }
  if (observed.token.ByteSizeLong() > kMaxTokenBytes - 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("a token of ", observed.token.ByteSizeLong(), " bytes; the limit is 63 KiB"));
  }
  return absl::OkStatus();
}

absl::StatusOr<PageCounts> Ledger::Observe(PassId pass_id, const ScopeRef& scope,
                                           std::vector<ObservedToken> tokens) {
  for (const ObservedToken& observed : tokens) TI_RETURN_IF_ERROR(CheckToken(observed));
  absl::StatusOr<PageCounts> result;
  RunOnThread([&] {
    const absl::StatusOr<RunningPass*> found = FindPass(pass_id);
    if (!found.ok()) {
      result = found.status();
      return;
    }
    RunningPass& pass = **found;
    RunningPass::Listing& listing = pass.listings[{scope.stream, scope.key}];
    listing.item_json = scope.item_json;
    if (tokens.empty()) {
      result = PageCounts{};
      return;
    }
    Staged staged;
    staged.Reserve(tokens.size());
    staged.digested = IsNew(pass.source);
    staged.just_seen = true;
    std::int64_t scope_id = book_.FindScope(pass.source, scope.stream, scope.key);
    if (scope_id == 0) {
      scope_id = book_.NewScopeId();
      staged.batch.put_scopes.push_back(
          StoredScope{scope_id, pass.source, scope.stream, scope.key, scope.item_json, 0});
    }
    PageCounts counts;
    const absl::Time now = options_.clock->Now();
    staged.batch.commit_time = now;
    absl::flat_hash_set<std::string> in_page;
    in_page.reserve(tokens.size());
    std::vector<std::int64_t> seen;
    seen.reserve(tokens.size());
    for (ObservedToken& observed : tokens) {
      if (!in_page.insert(observed.id).second) continue;  // the first counts
      const absl::StatusOr<std::int64_t> row =
          StageObserved(pass, scope_id, std::move(observed), now, staged, counts);
      if (!row.ok()) {
        result = row.status();
        return;
      }
      seen.push_back(*row);
    }
    if (!staged.empty()) {
      const absl::StatusOr<std::int64_t> committed = CommitAndPublish(std::move(staged));
      if (!committed.ok()) {
        result = committed.status();
        const std::string source = pass.source;
        passes_.erase(pass_id);
        PublishNotStored(source);
        return;
      }
    }
    pass.seen.insert(seen.begin(), seen.end());
    listing.seen.insert(seen.begin(), seen.end());
    pass.stats.set_tokens_added(pass.stats.tokens_added() + counts.added);
    pass.stats.set_tokens_updated(pass.stats.tokens_updated() + counts.updated);
    pass.stats.set_tokens_unchanged(pass.stats.tokens_unchanged() + counts.unchanged);
    result = counts;
  });
  return result;
}

absl::StatusOr<std::int64_t> Ledger::StageObserved(RunningPass& pass, std::int64_t scope_id,
                                                   ObservedToken&& observed, absl::Time now,
                                                   Staged& staged, PageCounts& counts) {
  AddWindow(pass.source, observed.token);
  const int source = snapshot_->FindSource(pass.source);
  const std::string& provider =
      snapshot_->sources()[static_cast<std::size_t>(source)].status->provider();
  const TokenRef known_ref = snapshot_->Find(TokenName(pass.source, observed.id));
  const bool is_known = !known_ref.full.empty();
  // An operator who approves what was held does not mean a token that is there.
  if (const auto held = held_.find(pass.source); held != held_.end()) {
    held->second.losses.rows.erase(known_ref.row);
  }
  std::vector<ScopeMark> marks = is_known ? book_.MarksOf(known_ref.row) : std::vector<ScopeMark>();
  auto mark = std::find_if(marks.begin(), marks.end(),
                           [&](const ScopeMark& m) { return m.scope == scope_id; });
  const bool marks_move = mark == marks.end() || mark->missed != 0;
  if (mark == marks.end()) {
    marks.push_back(ScopeMark{scope_id, 0});
  } else {
    mark->missed = 0;
  }

  // A token that another listing of this pass showed keeps that one's fields.
  if (is_known && pass.seen.contains(known_ref.row)) {
    if (marks_move) staged.PutMarks(known_ref.row, std::move(marks));
    return known_ref.row;
  }

  std::optional<v1::Token> known;
  if (is_known) {
    TI_ASSIGN_OR_RETURN(known, ParseRow(known_ref.row));
  }
  const TokenSight::VendorWord word = WordOf(observed.token);
  Reconciled reconciled =
      Reconcile(pass.source, provider, known ? &*known : nullptr, std::move(observed), now,
                is_known ? std::string() : RandomUuid(), known_ref.full);
  const std::int64_t revision = head_ + 1;
  const std::int64_t row = is_known ? known_ref.row : next_row_++;
  if (is_known) staged.words[row] = word;
  switch (reconciled.kind) {
    case Reconciled::Kind::kUnchanged:
      ++counts.unchanged;
      if (MustHear(row, word)) staged.looks.push_back(row);
      if (marks_move) staged.PutMarks(row, std::move(marks));
      break;
    case Reconciled::Kind::kUpdated:
      ++counts.updated;
      staged.PutToken(row, std::move(reconciled.token), std::move(marks),
                      std::string(known_ref.full), v1::TokenChange::VENDOR_REPORTED, revision);
      break;
    case Reconciled::Kind::kAdded:
      ++counts.added;
      staged.PutToken(row, std::move(reconciled.token), std::move(marks), std::string(),
                      v1::TokenChange::VENDOR_REPORTED, revision);
      break;
    case Reconciled::Kind::kReused: {
      ++counts.added;
      // The old token moves to a row of its own, so that the name keeps its row.
      reconciled.token.set_uid(RandomUuid());
      const std::int64_t old_row = next_row_++;
      if (known->presence() != v1::Token::DELETED) {
        known = MakeTombstone(*known, v1::PURGED, now);
      }
      staged.PutToken(old_row, *std::move(known), {}, std::string(known_ref.full),
                      v1::TokenChange::ID_REUSED, revision);
      staged.PutToken(row, std::move(reconciled.token), {ScopeMark{scope_id, 0}}, std::string(),
                      v1::TokenChange::ID_REUSED, revision);
      break;
    }
  }
  return row;
}

absl::Status Ledger::EndScope(PassId pass_id, const ScopeRef& scope, const ScopeProof& proof) {
  absl::Status result;
  RunOnThread([&] {
    const absl::StatusOr<RunningPass*> pass = FindPass(pass_id);
    if (!pass.ok()) {
      result = pass.status();
      return;
    }
    RunningPass::Listing& listing = (*pass)->listings[{scope.stream, scope.key}];
    listing.item_json = scope.item_json;
    listing.ended = true;
    listing.complete = proof.complete;
  });
  return result;
}

absl::StatusOr<std::vector<Suspect>> Ledger::Suspects(PassId pass_id,
                                                      const std::vector<StreamReport>& streams,
                                                      int limit) {
  absl::StatusOr<std::vector<Suspect>> result;
  RunOnThread([&] {
    const absl::StatusOr<RunningPass*> pass = FindPass(pass_id);
    if (!pass.ok()) {
      result = pass.status();
      return;
    }
    result = book_.FindSuspects(**pass, streams, *snapshot_, limit);
  });
  return result;
}

absl::Status Ledger::ProveGone(PassId pass_id, std::int64_t row) {
  absl::Status result;
  RunOnThread([&] {
    const absl::StatusOr<RunningPass*> pass = FindPass(pass_id);
    if (!pass.ok()) {
      result = pass.status();
      return;
    }
    (*pass)->proven_gone.insert(row);
  });
  return result;
}

absl::Status Ledger::StageLosses(const Conclusion& conclusion, absl::Time now, Staged& staged,
                                 v1::SyncStats& stats) {
  for (const Loss& loss : conclusion.losses) {
    if (loss.kind == Loss::Kind::kMarksOnly) {
      staged.PutMarks(loss.row, loss.marks);
      continue;
    }
    TI_ASSIGN_OR_RETURN(v1::Token token, ParseRow(loss.row));
    std::string before(snapshot_->At(loss.row).full);
    v1::TokenChange::Cause cause = v1::TokenChange::NOT_SEEN;
    if (loss.kind == Loss::Kind::kMissing) {
      token.set_presence(v1::Token::MISSING);
      ToProto(now, token.mutable_update_time());
      stats.set_tokens_missing(stats.tokens_missing() + 1);
    } else {
      if (loss.kind == Loss::Kind::kProvenGone) cause = v1::TokenChange::VENDOR_DENIED;
      token = MakeTombstone(token, CauseOfLoss(token, loss.kind, now), now);
      stats.set_tokens_deleted(stats.tokens_deleted() + 1);
    }
    staged.PutToken(loss.row, std::move(token), loss.marks, std::move(before), cause, head_ + 1);
  }
  return absl::OkStatus();
}

void Ledger::StageStatus(const std::string& id, v1::Source source, v1::Source::State state,
                         const std::string& error,
                         const std::vector<v1::IncompleteScope>& incomplete, absl::Time end_time,
                         Staged& staged) {
  source.set_state(state);
  source.set_error(error);
  source.clear_incomplete_scopes();
  for (const v1::IncompleteScope& scope : incomplete) *source.add_incomplete_scopes() = scope;
  if (state == v1::Source::OK) ToProto(end_time, source.mutable_last_complete_time());
  staged.PutSource(id, std::move(source));
  if (state != v1::Source::OK) return;
  StageResolution(id, v1::Expiration::SOURCE_UNHEALTHY, v1::Expiration::Resolution::RECOVERED,
                  staged);
  next_source_check_ = options_.clock->Now();
}

absl::StatusOr<PassOutcome> Ledger::End(PassId pass_id, const PassEnd& end) {
  absl::StatusOr<PassOutcome> result;
  RunOnThread([&] {
    const absl::StatusOr<RunningPass*> found = FindPass(pass_id);
    if (!found.ok()) {
      result = found.status();
      return;
    }
    // Whatever comes of it, the pass is over.
    const RunningPass pass = std::move(**found);
    passes_.erase(pass_id);
    const absl::Time now = options_.clock->Now();
    Conclusion conclusion = book_.Conclude(pass, end.streams, *snapshot_, /*guard=*/true);

    PassOutcome outcome;
    outcome.state = end.state;
    outcome.error = end.error;
    outcome.incomplete_scopes = end.incomplete_scopes;
    outcome.stats = pass.stats;
    outcome.stats.set_requests(end.stats.requests());
    outcome.stats.set_pages(end.stats.pages());
    outcome.stats.set_records(end.stats.records());
    outcome.stats.set_secrets_dropped(end.stats.secrets_dropped());
    for (const HeldScope& held : conclusion.held.scopes) {
      v1::IncompleteScope& scope = outcome.incomplete_scopes.emplace_back();
      scope.set_stream(held.stream);
      scope.set_scope(held.key);
      scope.set_reason(absl::StrCat("held back: ", held.lost, " of ", held.listed,
                                    " tokens are no longer listed"));
      if (outcome.state == v1::Source::OK || outcome.state == v1::Source::DEGRADED) {
        outcome.state = v1::Source::SUSPICIOUS;
        outcome.error = absl::StrCat(held.stream, ": ", scope.reason());
      }
    }
    if (outcome.incomplete_scopes.size() > kMaxIncompleteScopes) {
      outcome.incomplete_scopes.resize(kMaxIncompleteScopes);
    }

    Staged staged;
    absl::Status status = StageLosses(conclusion, now, staged, outcome.stats);
    staged.batch.put_scopes.insert(staged.batch.put_scopes.end(), conclusion.changed_scopes.begin(),
                                   conclusion.changed_scopes.end());
    staged.batch.delete_scopes = conclusion.dropped_scopes;
    const auto index = static_cast<std::size_t>(snapshot_->FindSource(pass.source));
    v1::Source source = *snapshot_->sources()[index].status;
    source.set_syncing(false);
    ToProto(pass.start_time, source.mutable_last_attempt_time());
    ToProto(end.next_sync_time, source.mutable_next_sync_time());
    source.clear_rate_limits();
    for (const v1::RateLimit& limit : end.rate_limits) *source.add_rate_limits() = limit;
    *source.mutable_last_sync_stats() = outcome.stats;
    const std::string known_hold = source.hold().id();
    const google::protobuf::Timestamp held_since = source.hold().create_time();
    source.clear_hold();
    if (!conclusion.held.scopes.empty()) {
      v1::Hold& hold = *source.mutable_hold() = MakeHold(conclusion.held, pass, now);
      if (hold.id() == known_hold) *hold.mutable_create_time() = held_since;
    }
    const bool is_new = !source.has_last_complete_time();
    StageStatus(pass.source, source, outcome.state, outcome.error, outcome.incomplete_scopes, now,
                staged);
    if (is_new) StageDigest(staged.sources.back().second, pass.source, staged);

    absl::StatusOr<std::int64_t> revision =
        status.ok() ? CommitAndPublish(std::move(staged)) : absl::StatusOr<std::int64_t>(status);
    if (!revision.ok()) {
      PublishNotStored(pass.source);
      result = revision.status();
      return;
    }
    held_.erase(pass.source);
    if (source.has_hold()) {
      held_[pass.source] = HeldPass{std::move(conclusion.held),
                                    source.hold().id(),
                                    end.state,
                                    end.error,
                                    end.incomplete_scopes,
                                    now};
    }
    outcome.revision = *revision;
    result = std::move(outcome);
  });
  return result;
}

void Ledger::Abandon(PassId pass_id) {
  RunOnThread([&] {
    const auto it = passes_.find(pass_id);
    if (it == passes_.end()) return;
    const std::string source = it->second.source;
    passes_.erase(it);
    PublishSource(source, [](v1::Source& status) { status.set_syncing(false); });
  });
}

}  // namespace tokeninventory
