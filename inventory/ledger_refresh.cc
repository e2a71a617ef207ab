// The Ledger's look at one token outside of any pass.
#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "inventory/ledger.h"
#include "inventory/ledger_staged.h"
#include "inventory/token_name.h"

namespace tokeninventory {

absl::StatusOr<RefreshTarget> Ledger::FindRefreshTarget(const std::string& name) {
  absl::StatusOr<RefreshTarget> result;
  RunOnThread([&] {
    const TokenRef ref = snapshot_->Find(name);
    const absl::StatusOr<v1::Token> token = ParseRow(ref.row);
    if (ref.full.empty() || !token.ok()) {
      result = absl::NotFoundError(absl::StrCat(name, " is not a token of this inventory"));
      return;
    }
    RefreshTarget target;
    target.source = snapshot_->sources()[ref.source].id;
    target.row = ref.row;
    target.uid = token->uid();
    target.provider_token_id = token->provider_token_id();
    // The scope that showed it last.
    std::int32_t least_missed = std::numeric_limits<std::int32_t>::max();
    for (const ScopeMark& mark : book_.MarksOf(ref.row)) {
      const StoredScope* scope = book_.GetScope(mark.scope);
      if (scope == nullptr || mark.missed >= least_missed) continue;
      least_missed = mark.missed;
      target.scope = ScopeRef{scope->stream, scope->key, scope->item_json};
      target.known_provider_token_id = FindOtherToken(target.source, mark.scope, ref.row);
    }
    if (target.scope.stream.empty() || !IsShown(token->presence())) {
      result = absl::FailedPreconditionError(
          absl::StrCat(name, " is ", v1::Token::Presence_Name(token->presence()),
                       ": no listing shows it, so its vendor cannot be asked"));
      return;
    }
    result = std::move(target);
  });
  return result;
}

// The vendor's id of a token that the same scope lists; empty when there is none.
std::string Ledger::FindOtherToken(const std::string& source, std::int64_t scope,
                                   std::int64_t row) const {
  std::string found;
  snapshot_->Scan(0, ScanFilter{snapshot_->FindSource(source), false}, [&](const TokenRef& ref) {
    if (ref.row == row || ref.presence != v1::Token::LISTED) return true;
    const std::vector<ScopeMark> marks = book_.MarksOf(ref.row);
    const bool listed = std::any_of(marks.begin(), marks.end(), [&](const ScopeMark& mark) {
      return mark.scope == scope && mark.missed == 0;
    });
    if (!listed) return true;
    const absl::StatusOr<v1::Token> token = ParseRow(ref.row);
    if (token.ok()) found = token->provider_token_id();
    return found.empty();
  });
  return found;
}

absl::StatusOr<std::int64_t> Ledger::ApplyRefresh(const RefreshTarget& target,
                                                  const ObservedToken* observed) {
  if (observed != nullptr) TI_RETURN_IF_ERROR(CheckToken(*observed));
  absl::StatusOr<std::int64_t> result;
  RunOnThread([&] {
    const TokenRef ref = snapshot_->At(target.row);
    if (ref.full.empty() || ReadTokenFacts(ref.full).uid != target.uid) {
      result = absl::AbortedError("the token was replaced meanwhile");
    } else if (ref.presence == v1::Token::DETACHED) {
      result = absl::AbortedError("the token's source left the configuration meanwhile");
    } else if (observed == nullptr) {
      result = RefreshGone(target);
    } else if (TokenName(target.source, observed->id) != ReadTokenName(ref.full)) {
      result = absl::InvalidArgumentError("the vendor answered with another token");
    } else {
      result = RefreshFound(target, *observed);
    }
  });
  return result;
}

absl::StatusOr<std::int64_t> Ledger::RefreshFound(const RefreshTarget& target,
                                                  const ObservedToken& observed) {
  const std::int64_t scope_id =
      book_.FindScope(target.source, target.scope.stream, target.scope.key);
  if (scope_id == 0) return absl::AbortedError("the token's scope is gone meanwhile");
  RunningPass alone;
  alone.source = target.source;
  Staged staged;
  staged.just_seen = true;
  PageCounts counts;
  TI_RETURN_IF_ERROR(
      StageObserved(alone, scope_id, ObservedToken(observed), options_.clock->Now(), staged, counts)
          .status());
  TI_ASSIGN_OR_RETURN(const std::int64_t revision, CommitAndPublish(std::move(staged)));
  // A pass that runs, and read its listing before, must not miss it.
  for (auto& [id, pass] : passes_) {
    if (pass.source == target.source) pass.seen.insert(target.row);
  }
  return revision;
}

absl::StatusOr<std::int64_t> Ledger::RefreshGone(const RefreshTarget& target) {
  TI_ASSIGN_OR_RETURN(const v1::Token token, ParseRow(target.row));
  if (token.presence() == v1::Token::DELETED) return head_;
  Staged staged;
  staged.PutToken(target.row, MakeTombstone(token, v1::VENDOR_404, options_.clock->Now()), {},
                  std::string(snapshot_->At(target.row).full), v1::TokenChange::VENDOR_DENIED,
                  head_ + 1);
  return CommitAndPublish(std::move(staged));
}

}  // namespace tokeninventory
