#include "inventory/scope_book.h"

#include <algorithm>
#include <map>
#include <utility>

#include "inventory/token_bytes.h"

namespace tokeninventory {
namespace {

ScanFilter ShownTokensOf(const Snapshot& snapshot, absl::string_view source) {
  return ScanFilter{snapshot.FindSource(source), false};
}

bool AllMissed(const std::vector<ScopeMark>& marks, int times) {
  return !marks.empty() && std::all_of(marks.begin(), marks.end(),
                                       [times](const ScopeMark& m) { return m.missed >= times; });
}

bool IsImplausible(std::int64_t lost, std::int64_t listed, bool emptied) {
  if (lost == 0) return false;
  const auto share = static_cast<std::int64_t>(static_cast<double>(listed) * kPlausibleLossShare);
  return emptied || lost > std::max(kPlausibleLoss, share);
}

}  // namespace

void ScopeBook::AddScope(StoredScope scope) {
  next_scope_id_ = std::max(next_scope_id_, scope.id + 1);
  by_key_[{scope.source, scope.stream, scope.key}] = scope.id;
  scopes_[scope.id] = std::move(scope);
}

std::vector<ScopeMark> ScopeBook::MarksOf(std::int64_t row) const {
  std::vector<ScopeMark> marks;
  const auto index = static_cast<std::size_t>(row);
  if (index >= marks_.size()) return marks;
  for (const auto& [scope, missed] : marks_[index]) {
    marks.push_back(ScopeMark{scope, static_cast<std::int32_t>(missed)});
  }
  return marks;
}

void ScopeBook::SetMarks(std::int64_t row, absl::Span<const ScopeMark> marks) {
  const auto index = static_cast<std::size_t>(row);
  if (index >= marks_.size()) {
    if (marks.empty()) return;
    if (index >= marks_.capacity()) marks_.reserve(std::max(index + 1, marks_.capacity() * 3 / 2));
    marks_.resize(index + 1);
  }
  Marks& own = marks_[index];
  own.clear();
  for (const ScopeMark& mark : marks) {
    own.emplace_back(static_cast<std::uint32_t>(mark.scope),
                     static_cast<std::uint32_t>(mark.missed));
  }
  own.shrink_to_fit();
}

std::int64_t ScopeBook::FindScope(absl::string_view source, absl::string_view stream,
                                  absl::string_view key) const {
  const auto it =
      by_key_.find(std::make_tuple(std::string(source), std::string(stream), std::string(key)));
  return it == by_key_.end() ? 0 : it->second;
}

const StoredScope* ScopeBook::GetScope(std::int64_t id) const {
  const auto it = scopes_.find(id);
  return it == scopes_.end() ? nullptr : &it->second;
}

std::vector<std::int64_t> ScopeBook::ScopesOf(absl::string_view source) const {
  std::vector<std::int64_t> ids;
  for (const auto& [id, scope] : scopes_) {
    if (scope.source == source) ids.push_back(id);
  }
  return ids;
}

void ScopeBook::DropScope(std::int64_t id) {
  const auto it = scopes_.find(id);
  if (it == scopes_.end()) return;
  by_key_.erase({it->second.source, it->second.stream, it->second.key});
  scopes_.erase(it);
}

ScopeBook::JudgedScopes ScopeBook::Judge(const RunningPass& pass,
                                         const std::vector<StreamReport>& streams) const {
  JudgedScopes judged;
  for (const auto& [id, scope] : scopes_) {
    if (scope.source != pass.source) continue;
    Judged& j = judged[id];
    j.scope = &scope;
    j.absent_passes = scope.absent_passes;
    const auto listing = pass.listings.find({scope.stream, scope.key});
    if (listing != pass.listings.end()) {
      j.listing = &listing->second;
      // One that did not end was not read: a token of it was looked up.
      if (j.listing->ended) j.absent_passes = 0;
      if (j.listing->ended && j.listing->complete) j.proof = Proof::kListed;
      continue;
    }
    const std::string& stream = scope.stream;  // clang 14 captures no structured binding
    const bool named_no_more =
        std::any_of(streams.begin(), streams.end(), [&](const StreamReport& report) {
          return report.stream == stream && report.parents_complete;
        });
    if (!named_no_more) continue;
    ++j.absent_passes;
    if (j.absent_passes >= kPassesToBelieve) j.proof = Proof::kVanished;
  }
  return judged;
}

std::vector<ScopeMark> ScopeBook::MarksAfter(std::int64_t row, const JudgedScopes& scopes) const {
  std::vector<ScopeMark> marks = MarksOf(row);
  for (ScopeMark& mark : marks) {
    const auto it = scopes.find(mark.scope);
    if (it == scopes.end()) continue;
    const Judged& judged = it->second;
    if (judged.listing != nullptr && judged.listing->seen.contains(row)) {
      mark.missed = 0;
    } else if (judged.proof != Proof::kNone) {
      ++mark.missed;
    }
  }
  return marks;
}

void ScopeBook::HoldImplausible(const RunningPass& pass, const Snapshot& snapshot,
                                JudgedScopes& scopes, HeldLosses& held) const {
  // A vanished scope is judged with all of its stream: it is the parent's
  // listing that lost it.
  struct Tally {
    std::int64_t lost = 0;
    std::int64_t listed = 0;
    bool emptied = false;
  };
  using Group = std::pair<std::string, std::int64_t>;  // stream; scope, or 0 for the vanished ones
  std::map<Group, Tally> tallies;
  snapshot.Scan(0, ShownTokensOf(snapshot, pass.source), [&](const TokenRef& token) {
    if (token.presence != v1::Token::LISTED) return true;
    const bool lost = !pass.seen.contains(token.row) && !pass.proven_gone.contains(token.row) &&
                      AllMissed(MarksAfter(token.row, scopes), 1);
    for (const ScopeMark& mark : MarksOf(token.row)) {
      const auto it = scopes.find(mark.scope);
      if (it == scopes.end()) continue;
      const Judged& judged = it->second;
      if (judged.proof == Proof::kListed) {
        Tally& tally = tallies[{judged.scope->stream, mark.scope}];
        ++tally.listed;
        tally.lost += lost ? 1 : 0;
        tally.emptied = judged.listing->seen.empty();
      }
      Tally& vanished = tallies[{judged.scope->stream, 0}];
      ++vanished.listed;
      vanished.lost += lost && judged.proof == Proof::kVanished ? 1 : 0;
    }
    return true;
  });
  for (const auto& [group, tally] : tallies) {
    const bool emptied = group.second == 0 ? tally.lost == tally.listed : tally.emptied;
    if (!IsImplausible(tally.lost, tally.listed, emptied)) continue;
    HeldScope& entry = held.scopes.emplace_back();
    entry.stream = group.first;
    entry.lost = tally.lost;
    entry.listed = tally.listed;
    if (group.second != 0) entry.key = scopes.at(group.second).scope->key;
    for (auto& [id, judged] : scopes) {
      const bool in_group = group.second == 0 ? judged.proof == Proof::kVanished &&
                                                    judged.scope->stream == group.first
                                              : id == group.second;
      if (!in_group) continue;
      judged.proof = Proof::kNone;
      held.absent_passes[id] = judged.absent_passes;
      // Held scopes are looked at afresh by the next pass.
      judged.absent_passes = judged.scope->absent_passes;
    }
  }
}

Conclusion ScopeBook::Conclude(const RunningPass& pass, const std::vector<StreamReport>& streams,
                               const Snapshot& snapshot, bool guard) const {
  Conclusion conclusion;
  JudgedScopes scopes = Judge(pass, streams);
  if (guard) HoldImplausible(pass, snapshot, scopes, conclusion.held);
  absl::flat_hash_set<std::int64_t> referred;
  snapshot.Scan(0, ShownTokensOf(snapshot, pass.source), [&](const TokenRef& token) {
    const std::vector<ScopeMark> before = MarksOf(token.row);
    std::vector<ScopeMark> after = MarksAfter(token.row, scopes);
    const bool is_known = pass.seen.contains(token.row) || pass.proven_gone.contains(token.row);
    if (!is_known && std::any_of(before.begin(), before.end(), [&](const ScopeMark& mark) {
          return conclusion.held.absent_passes.contains(mark.scope);
        })) {
      conclusion.held.rows.insert(token.row);
    }
    Loss loss;
    loss.row = token.row;
    if (pass.proven_gone.contains(token.row)) {
      loss.kind = Loss::Kind::kProvenGone;
      after.clear();
    } else if (pass.seen.contains(token.row) || !AllMissed(after, 1)) {
      // Seen by none of its listings: the vendor was asked for this very token
      // while the pass ran (RefreshToken), and that goes over them.
      if (AllMissed(after, 1)) after = before;
      // What a scope has not listed for long is no longer its token.
      after.erase(std::remove_if(after.begin(), after.end(),
                                 [](const ScopeMark& m) { return m.missed >= kPassesToBelieve; }),
                  after.end());
    } else if (AllMissed(after, kPassesToBelieve)) {
      loss.kind = Loss::Kind::kDeleted;
      after.clear();
    } else if (token.presence != v1::Token::MISSING) {
      loss.kind = Loss::Kind::kMissing;
    }
    for (const ScopeMark& mark : after) referred.insert(mark.scope);
    if (after == before) return true;
    loss.marks = std::move(after);
    conclusion.losses.push_back(std::move(loss));
    return true;
  });
  for (const auto& [id, judged] : scopes) {
    if (judged.proof == Proof::kVanished && !referred.contains(id)) {
      conclusion.dropped_scopes.push_back(id);
      continue;
    }
    StoredScope scope = *judged.scope;
    scope.absent_passes = judged.absent_passes;
    if (judged.listing != nullptr) scope.item_json = judged.listing->item_json;
    if (scope.absent_passes != judged.scope->absent_passes ||
        scope.item_json != judged.scope->item_json) {
      conclusion.changed_scopes.push_back(std::move(scope));
    }
  }
  return conclusion;
}

Conclusion ScopeBook::Release(const HeldLosses& held, const Snapshot& snapshot) const {
  Conclusion conclusion;
  for (const std::int64_t row : held.rows) {
    const TokenRef token = snapshot.At(row);
    if (token.full.empty() || !IsShown(token.presence)) continue;
    Loss loss;
    loss.row = row;
    loss.marks = MarksOf(row);
    for (ScopeMark& mark : loss.marks) {
      if (held.absent_passes.contains(mark.scope)) ++mark.missed;
    }
    if (AllMissed(loss.marks, kPassesToBelieve)) {
      loss.kind = Loss::Kind::kDeleted;
      loss.marks.clear();
    } else if (AllMissed(loss.marks, 1) && token.presence != v1::Token::MISSING) {
      loss.kind = Loss::Kind::kMissing;
    }
    conclusion.losses.push_back(std::move(loss));
  }
  // One order, whatever the set's: watchers see it.
  std::sort(conclusion.losses.begin(), conclusion.losses.end(),
            [](const Loss& a, const Loss& b) { return a.row < b.row; });
  for (const auto& [id, absent_passes] : held.absent_passes) {
    const StoredScope* scope = GetScope(id);
    if (scope == nullptr || scope->absent_passes >= absent_passes) continue;
    conclusion.changed_scopes.push_back(*scope);
    conclusion.changed_scopes.back().absent_passes = absent_passes;
  }
  return conclusion;
}

std::vector<Suspect> ScopeBook::FindSuspects(const RunningPass& pass,
                                             const std::vector<StreamReport>& streams,
                                             const Snapshot& snapshot, int limit) const {
  const JudgedScopes scopes = Judge(pass, streams);
  std::vector<std::pair<std::int32_t, std::int64_t>> lost;  // missed, row
  snapshot.Scan(0, ShownTokensOf(snapshot, pass.source), [&](const TokenRef& token) {
    if (pass.seen.contains(token.row) || pass.proven_gone.contains(token.row)) return true;
    const std::vector<ScopeMark> after = MarksAfter(token.row, scopes);
    if (AllMissed(after, 1) && after != MarksOf(token.row)) {
      lost.emplace_back(after.front().missed, token.row);
    }
    return true;
  });
  std::sort(lost.begin(), lost.end(), [](const auto& a, const auto& b) {
    return std::make_pair(-a.first, a.second) < std::make_pair(-b.first, b.second);
  });
  if (lost.size() > static_cast<std::size_t>(limit)) lost.resize(static_cast<std::size_t>(limit));
  std::vector<Suspect> suspects;
  for (const auto& [missed, row] : lost) {
    v1::Token token;
    const TokenRef ref = snapshot.At(row);
    if (!token.ParseFromArray(ref.full.data(), static_cast<int>(ref.full.size()))) continue;
    Suspect& suspect = suspects.emplace_back();
    suspect.row = row;
    suspect.provider_token_id = token.provider_token_id();
    // The mark whose scope can be asked best: one that answered this pass.
    const std::vector<ScopeMark> marks = MarksOf(row);
    const Judged* chosen = nullptr;
    for (const ScopeMark& mark : marks) {
      const auto it = scopes.find(mark.scope);
      if (it == scopes.end()) continue;
      if (chosen == nullptr || it->second.proof == Proof::kListed) chosen = &it->second;
    }
    if (chosen == nullptr) {
      suspects.pop_back();
      continue;
    }
    suspect.scope = ScopeRef{chosen->scope->stream, chosen->scope->key, chosen->scope->item_json};
    suspect.scope_answered = chosen->proof == Proof::kListed;
    if (chosen->listing != nullptr && !chosen->listing->seen.empty()) {
      v1::Token known;
      const TokenRef seen = snapshot.At(*chosen->listing->seen.begin());
      if (known.ParseFromArray(seen.full.data(), static_cast<int>(seen.full.size()))) {
        suspect.known_provider_token_id = known.provider_token_id();
      }
    }
  }
  return suspects;
}

}  // namespace tokeninventory
