// The Ledger's notices: what each commit says of tokens' ends, and what time alone
// brings. One index of due times, one timer, bounded work a tick.
#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "base/log.h"
#include "base/proto_time.h"
#include "inventory/ledger.h"
#include "inventory/ledger_staged.h"
#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kLooksPerTick = 1000;

// The versions of one notice that a commit makes.
struct Group {
  std::int64_t row = 0;
  std::vector<v1::Expiration> versions;
  std::string token;         // serialised, as the last of them shows it
  std::string before_token;  // as the resolution of another token's notice shows it
};

bool ComesBefore(const Group& a, const Group& b) {
  const v1::Expiration& x = a.versions.back();
  const v1::Expiration& y = b.versions.back();
  const absl::Time x_due = FromProto(x.due_time());
  const absl::Time y_due = FromProto(y.due_time());
  return x_due != y_due ? x_due < y_due : x.uid() < y.uid();
}

// All of it but its token.
v1::Expiration ParseHead(const Notice& notice) {
  v1::Expiration parsed;
  parsed.ParseFromArray(notice.head().data(), static_cast<int>(notice.head_size));
  return parsed;
}

}  // namespace

std::optional<v1::Expiration> Ledger::FindNotice(std::int64_t row) const {
  const std::shared_ptr<const Notice> notice = snapshot_->notices().Find(row);
  if (notice == nullptr) return std::nullopt;
  return ParseHead(*notice);
}

std::optional<v1::Expiration> Ledger::FindSourceNotice(const std::string& source,
                                                       v1::Expiration::Kind kind) const {
  const auto row = source_notices_.find({source, kind});
  return row == source_notices_.end() ? std::nullopt : FindNotice(row->second);
}

bool Ledger::IsNew(const std::string& source) const {
  const int index = snapshot_->FindSource(source);
  return index >= 0 &&
         !snapshot_->sources()[static_cast<std::size_t>(index)].status->has_last_complete_time();
}

bool Ledger::MustHear(std::int64_t row, TokenSight::VendorWord word) const {
  const std::shared_ptr<const Notice> notice = snapshot_->notices().Find(row);
  return notice != nullptr && notice->is_open() && WordMatters(word, notice->kind);
}

void Ledger::AddWindow(const std::string& source, v1::Token& token) const {
  if (token.has_inactivity_window() || token.has_inactivity_deadline()) return;
  const auto info = std::find_if(options_.sources.begin(), options_.sources.end(),
                                 [&](const SourceInfo& each) { return each.id == source; });
  if (info == options_.sources.end() || info->inactivity_window == absl::ZeroDuration()) return;
  ToProto(info->inactivity_window, token.mutable_inactivity_window());
}

void Ledger::StageNotices(Staged& staged) {
  CommitBatch& batch = staged.batch;
  const absl::Time now = batch.commit_time;
  Surroundings around;
  around.now = now;
  around.rules = &options_.rules;
  around.digested = staged.digested;
  around.revision = head_ + 1;
  const auto status_of = [&](const std::string& source_name) -> const v1::Source* {
    const absl::string_view id = SourceIdOf(source_name);
    for (const auto& [staged_id, status] : staged.sources) {
      if (staged_id == id) return &status;
    }
    const int index = snapshot_->FindSource(id);
    return index < 0 ? nullptr : snapshot_->sources()[static_cast<std::size_t>(index)].status.get();
  };

  std::vector<Group> groups;
  const auto judge = [&](std::int64_t row, const v1::Token& token, absl::string_view bytes,
                         v1::Token::State state_before) {
    const std::shared_ptr<const Notice> known = snapshot_->notices().Find(row);
    // Nearly all tokens of a first pass: their end is far away.
    if (known == nullptr && token.state() != v1::Token::EXPIRED &&
        (!token.has_effective_expire_time() ||
         now < FromProto(token.effective_expire_time()) - options_.rules.widest())) {
      return;
    }
    around.source = status_of(token.source());
    if (around.source == nullptr) return;
    TokenSight sight{&token, bytes, TokenSight::VendorWord::kNone, state_before, staged.just_seen};
    if (const auto word = staged.words.find(row); word != staged.words.end()) {
      sight.vendor_word = word->second;
    }
    const std::optional<v1::Expiration> last = FindNotice(row);
    Group group{row, JudgeToken(sight, last ? &*last : nullptr, around), std::string(bytes), {}};
    if (group.versions.empty()) return;
    if (known != nullptr) group.before_token = std::string(known->token());
    groups.push_back(std::move(group));
  };
  for (std::size_t i = 0; i < staged.tokens.size(); ++i) {
    // Until here, changes are those of the tokens.
    const v1::Token::State before = ReadTokenFacts(batch.changes[i].before).state;
    judge(staged.tokens[i].first, staged.tokens[i].second, batch.put_tokens[i].token, before);
  }
  for (const std::int64_t row : staged.looks) {
    const TokenRef ref = snapshot_->At(row);
    const absl::StatusOr<v1::Token> token = ParseRow(row);
    if (token.ok()) judge(row, *token, ref.full, token->state());
  }
  // By due time, in whatever order the page or the tick came upon them.
  std::stable_sort(groups.begin(), groups.end(), ComesBefore);
  for (auto& [row, notice] : staged.source_notices) {
    groups.push_back(Group{row, {std::move(notice)}, {}, {}});
  }

  for (const Group& group : groups) {
    const std::shared_ptr<const Notice> known = snapshot_->notices().Find(group.row);
    std::string before = known == nullptr ? std::string() : known->bytes;
    for (const v1::Expiration& version : group.versions) {
      // What is said last of a token whose id another one has now shows that token.
      const bool is_anothers =
          !group.token.empty() && ReadTokenFacts(group.token).uid != version.token_uid();
      std::shared_ptr<const Notice> notice =
          MakeNotice(version, is_anothers ? group.before_token : group.token);
      batch.changes.push_back(LogChange{group.row, v1::TokenChange::CAUSE_UNSPECIFIED,
                                        std::move(before), notice->bytes, LogSubject::kNotice});
      before = notice->bytes;
      batch.put_notices.push_back(StoredNotice{group.row, notice->bytes});
      staged.notices.emplace_back(group.row, std::move(notice));
    }
  }
  for (const std::int64_t row : batch.purge_rows) {
    if (snapshot_->notices().Find(row) != nullptr) batch.delete_notices.push_back(row);
  }
}

void Ledger::ArmToken(std::int64_t row, const v1::Token& token) {
  absl::Time due = absl::InfiniteFuture();
  if (token.presence() != v1::Token::DELETED) due = ExpiryDue(token);
  if (token.has_effective_expire_time()) {
    const absl::Time now = options_.clock->Now();
    const absl::Time first = FromProto(token.effective_expire_time()) - options_.rules.widest();
    if (first > now) {
      // No rule has anything to say before.
      if (IsShown(token.presence())) due = std::min(due, first);
    } else {
      Surroundings around;
      around.now = now;
      around.rules = &options_.rules;
      const TokenSight sight{&token, snapshot_->At(row).full, TokenSight::VendorWord::kNone,
                             token.state()};
      const std::shared_ptr<const Notice> notice = snapshot_->notices().Find(row);
      const bool is_open = notice != nullptr && notice->is_open();
      const std::optional<v1::Expiration> resolved = is_open ? std::nullopt : FindNotice(row);
      due = std::min(due, NextLook(sight, is_open, resolved ? &*resolved : nullptr, around));
    }
  }
  Arm(row, due);
}

absl::Time Ledger::DueOf(std::int64_t row) const {
  const auto index = static_cast<std::size_t>(row);
  return index < due_.size() ? due_[index] : absl::InfiniteFuture();
}

void Ledger::Arm(std::int64_t row, absl::Time due) {
  if (due == DueOf(row)) return;
  const auto index = static_cast<std::size_t>(row);
  if (index >= due_.size()) due_.resize(index + 1, absl::InfiniteFuture());
  due_[index] = due;
  if (due != absl::InfiniteFuture()) due_queue_.emplace(due, row);
}

void Ledger::TellDueTokens() {
  const absl::Time now = options_.clock->Now();
  Staged staged;
  staged.batch.commit_time = now;
  std::vector<Due> taken;
  while (!due_queue_.empty() && due_queue_.top().first <= now && taken.size() < kLooksPerTick) {
    const Due due = due_queue_.top();
    due_queue_.pop();
    if (DueOf(due.second) != due.first) continue;         // moved meanwhile
    if (!taken.empty() && taken.back() == due) continue;  // moved and came back
    taken.push_back(due);
    absl::StatusOr<v1::Token> token = ParseRow(due.second);
    if (!token.ok()) continue;
    if (!ExpireIfDue(*token, now)) {
      staged.looks.push_back(due.second);
      continue;
    }
    ToProto(now, token->mutable_update_time());
    staged.PutToken(due.second, *std::move(token), book_.MarksOf(due.second),
                    std::string(snapshot_->At(due.second).full), v1::TokenChange::TIME_PASSED,
                    head_ + 1);
  }
  if (staged.empty()) return;
  const std::vector<std::int64_t> looks = staged.looks;
  if (!CommitAndPublish(std::move(staged)).ok()) {
    for (const Due& due : taken) due_queue_.push(due);
    retry_due_at_ = now + kDueRetry;
    return;
  }
  for (const std::int64_t row : looks) {
    const absl::StatusOr<v1::Token> token = ParseRow(row);
    if (token.ok()) ArmToken(row, *token);
  }
}

std::int64_t Ledger::SourceNoticeRow(const std::string& source, v1::Expiration::Kind kind) {
  const auto [it, is_new] = source_notices_.try_emplace({source, kind}, next_row_);
  if (is_new) ++next_row_;
  return it->second;
}

void Ledger::CheckSources() {
  const absl::Time now = options_.clock->Now();
  Staged staged;
  next_source_check_ = absl::InfiniteFuture();
  for (const SourceEntry& entry : snapshot_->sources()) {
    const std::optional<v1::Expiration> known =
        FindSourceNotice(entry.id, v1::Expiration::SOURCE_UNHEALTHY);
    if (known && known->state() == v1::Expiration::OPEN) continue;  // until a pass completes
    const absl::Time unhealthy_at = UnhealthyAt(*entry.status);
    if (unhealthy_at > now) {
      next_source_check_ = std::min(next_source_check_, unhealthy_at);
      continue;
    }
    Surroundings around;
    around.now = now;
    around.source = entry.status.get();
    around.revision = head_ + 1;
    staged.source_notices.emplace_back(
        SourceNoticeRow(entry.id, v1::Expiration::SOURCE_UNHEALTHY),
        MakeSourceNotice(v1::Expiration::SOURCE_UNHEALTHY, known ? &*known : nullptr, unhealthy_at,
                         around));
  }
  if (staged.empty()) return;
  if (!CommitAndPublish(std::move(staged)).ok()) {
    next_source_check_ = now;
    retry_due_at_ = now + kDueRetry;
  }
}

void Ledger::StageResolution(const std::string& source, v1::Expiration::Kind kind,
                             v1::Expiration::Resolution::Cause cause, Staged& staged) {
  const std::optional<v1::Expiration> known = FindSourceNotice(source, kind);
  if (!known || known->state() != v1::Expiration::OPEN) return;
  Surroundings around;
  around.now = options_.clock->Now();
  around.revision = head_ + 1;
  // With the status that this commit gives the source.
  for (const auto& [id, status] : staged.sources) {
    if (id == source) around.source = &status;
  }
  if (around.source == nullptr) return;
  staged.source_notices.emplace_back(SourceNoticeRow(source, kind), Resolve(*known, cause, around));
}

void Ledger::StageDigest(const v1::Source& source, const std::string& id, Staged& staged) {
  const std::optional<v1::Expiration> last = FindSourceNotice(id, v1::Expiration::DIGEST);
  // What this very commit takes from the list counts no more.
  absl::flat_hash_set<std::int64_t> leaving;
  for (const auto& [row, token] : staged.tokens) {
    if (!IsShown(token.presence()) && IsShown(snapshot_->At(row).presence)) leaving.insert(row);
  }
  std::map<absl::Duration, std::int64_t> leads;
  absl::Time soonest = absl::InfiniteFuture();
  bool has_untold = false;
  snapshot_->notices().Scan(0, [&](std::int64_t row, const std::shared_ptr<const Notice>& notice) {
    if (leaving.contains(row)) return true;
    if (notice->source != id || !notice->is_open() || !notice->is_about_token()) return true;
    if (notice->kind == v1::Expiration::LEAD) {
      ++leads[notice->lead];
      soonest = std::min(soonest, notice->end);
    }
    if (notice->digested && !has_untold) {
      has_untold = !last || ParseHead(*notice).revision() > last->revision();
    }
    return true;
  });
  Surroundings around;
  around.now = options_.clock->Now();
  around.source = &source;
  around.revision = head_ + 1;
  v1::Expiration notice =
      MakeSourceNotice(v1::Expiration::DIGEST, last ? &*last : nullptr, around.now, around);
  v1::Expiration::Digest& digest = *notice.mutable_digest();
  const int index = snapshot_->FindSource(id);
  digest.set_token_count(snapshot_->sources()[static_cast<std::size_t>(index)].shown -
                         static_cast<std::int64_t>(leaving.size()));
  for (const auto& [lead, count] : leads) {
    v1::Expiration::LeadCount& entry = *digest.add_leads();
    ToProto(lead, entry.mutable_lead());
    entry.set_count(count);
  }
  if (soonest != absl::InfiniteFuture()) ToProto(soonest, digest.mutable_soonest_expire_time());
  std::int64_t expired = 0;
  const std::int64_t now_nanos = absl::ToUnixNanos(around.now);
  const SortedEntry first{std::numeric_limits<std::int64_t>::min(), 0, 0};
  snapshot_->by_effective_expire_time().Scan(first, [&](const SortedEntry& entry) {
    if (entry.key > now_nanos) return false;
    const TokenRef ref = snapshot_->At(entry.row);
    if (ref.source != index || !IsShown(ref.presence) || leaving.contains(entry.row)) return true;
    const std::shared_ptr<const Notice> told = snapshot_->notices().Find(entry.row);
    if (told == nullptr || !told->is_open()) ++expired;
    return true;
  });
  digest.set_expired_count(expired);
  // A source that is never read completely still tells what each pass brought.
  const bool is_first = source.state() == v1::Source::OK && !last;
  const bool has_something = !leads.empty() || expired > 0;
  if (!has_untold && !(is_first && has_something)) return;
  staged.source_notices.emplace_back(SourceNoticeRow(id, v1::Expiration::DIGEST),
                                     std::move(notice));
}

}  // namespace tokeninventory
