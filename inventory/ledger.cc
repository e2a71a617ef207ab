#include "inventory/ledger.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/proto_time.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "inventory/errors.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kQueueCapacity = 64;
constexpr std::size_t kMaxTokenBytes = 64 * 1024;
constexpr std::size_t kExpiriesPerCommit = 1000;
constexpr std::size_t kPurgesPerCommit = 1000;
constexpr std::int64_t kRowsPerLoadStep = 64 * 1024;
constexpr int kMaxIncompleteScopes = 100;
constexpr absl::Duration kCompactionInterval = absl::Minutes(10);
constexpr absl::Duration kExpiryRetry = absl::Seconds(5);

std::string SerializeSource(const v1::Source& status) { return status.SerializeAsString(); }

v1::DeleteCause CauseOfLoss(const v1::Token& token, Loss::Kind kind, absl::Time now) {
  if (kind == Loss::Kind::kProvenGone) return v1::VENDOR_404;
  // Some vendors drop expired tokens from their lists.
  const bool ended =
      token.has_effective_expire_time() && FromProto(token.effective_expire_time()) <= now;
  return ended ? v1::EXPIRED : v1::NOT_LISTED;
}

// The state of a source whose pass ended because the store failed.
void MarkNotStored(v1::Source& source) {
  source.set_syncing(false);
  source.set_state(v1::Source::FAILED);
  source.set_error("the pass could not be stored");
}

}  // namespace

// What a commit will write and what memory will then show.
struct Ledger::Staged {
  CommitBatch batch;
  std::vector<std::pair<std::int64_t, v1::Token>> tokens;  // as in put_tokens, parsed
  std::vector<std::pair<std::string, std::shared_ptr<const v1::Source>>> sources;

  bool empty() const { return batch.empty() && sources.empty(); }

  // Stages a token that changes from `before` (empty: new) to `token`.
  void PutToken(std::int64_t row, v1::Token token, std::vector<ScopeMark> marks, std::string before,
                v1::TokenChange::Cause cause, std::int64_t revision) {
    token.set_revision(revision);
    std::string bytes = SerializeToken(token);
    batch.changes.push_back(LogChange{row, cause, std::move(before), bytes});
    batch.put_tokens.push_back(StoredToken{row, std::move(bytes), std::move(marks)});
    tokens.emplace_back(row, std::move(token));
  }

  void PutMarks(std::int64_t row, std::vector<ScopeMark> marks) {
    batch.put_marks.push_back(StoredToken{row, std::string(), std::move(marks)});
  }

  void PutSource(const std::string& id, const v1::Source& status) {
    batch.put_sources.push_back(StoredSource{id, SerializeSource(status)});
    sources.emplace_back(id, std::make_shared<const v1::Source>(status));
  }
};

// Takes in what the store holds, in steps, so that loading a million tokens
// does not hold them twice.
class Ledger::Loader final : public LoadVisitor {
 public:
  explicit Loader(Ledger& ledger) : ledger_(ledger), snapshot_(std::make_shared<Snapshot>()) {}

  absl::Status OnSource(StoredSource source) override {
    v1::Source status;
    if (!status.ParseFromString(source.status)) {
      return absl::DataLossError(absl::StrCat("source ", source.id, ": unreadable status"));
    }
    status.set_syncing(false);
    Builder().PutSource(source.id, std::make_shared<const v1::Source>(std::move(status)));
    return absl::OkStatus();
  }

  absl::Status OnScope(StoredScope scope) override {
    ledger_.book_.AddScope(std::move(scope));
    return absl::OkStatus();
  }

  absl::Status OnNotice(StoredNotice) override { return absl::OkStatus(); }
  absl::Status OnToken(StoredToken stored) override {
    const TokenFacts facts = ReadTokenFacts(stored.token);
    const absl::string_view source_id =
        facts.source.substr(std::min(facts.source.size(), SourceName("").size()));
    if (!facts.valid) {
      return absl::DataLossError(absl::StrCat("row ", stored.row, ": unreadable token"));
    }
    if (in_step_ == 0) Finish();  // sources are complete now
    if (snapshot_->FindSource(source_id) < 0) {
      return absl::DataLossError(absl::StrCat("row ", stored.row, ": token of no source"));
    }
    ledger_.next_row_ = std::max(ledger_.next_row_, stored.row + 1);
    ledger_.book_.SetMarks(stored.row, stored.marks);
    if (facts.presence == v1::Token::DELETED) {
      ledger_.tombstones_.emplace(facts.revision, stored.row);
    } else if (facts.may_expire) {
      v1::Token token;
      token.ParseFromString(stored.token);
      ledger_.TrackExpiry(stored.row, token);
    }
    Builder().PutToken(stored.row, std::move(stored.token));
    if (++in_step_ % kRowsPerLoadStep == 0) Finish();
    return absl::OkStatus();
  }

  std::shared_ptr<const Snapshot> Finish(std::int64_t revision = 0) {
    if (builder_ != nullptr || revision != snapshot_->revision()) {
      snapshot_ = Builder().Build(revision);
      builder_ = nullptr;
    }
    return snapshot_;
  }

 private:
  SnapshotBuilder& Builder() {
    if (builder_ == nullptr) builder_ = std::make_unique<SnapshotBuilder>(*snapshot_);
    return *builder_;
  }

  Ledger& ledger_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::unique_ptr<SnapshotBuilder> builder_;
  std::int64_t in_step_ = 0;
};

Ledger::Ledger(Options options) : options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(Options options) {
  std::unique_ptr<Ledger> ledger(new Ledger(std::move(options)));
  TI_RETURN_IF_ERROR(ledger->Load());
  TI_RETURN_IF_ERROR(ledger->ConfigureSources());
  ledger->next_compaction_ = ledger->options_.clock->Now();
  ledger->thread_ = std::thread([l = ledger.get()] { l->RunThread(); });
  return ledger;
}

Ledger::~Ledger() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void Ledger::RunOnThread(const std::function<void()>& work) {
  Mutex done_mutex;
  CondVar done_wake;
  bool done = false;
  {
    MutexLock lock(mutex_);
    while (queue_.size() >= kQueueCapacity) room_.Wait(mutex_);
    queue_.push_back([&] {
      work();
      MutexLock done_lock(done_mutex);
      done = true;
      // Under the lock: the waiter destroys the condition as soon as it may go on.
      done_wake.NotifyAll();
    });
  }
  wake_.NotifyOne();
  MutexLock lock(done_mutex);
  while (!done) done_wake.Wait(done_mutex);
}

void Ledger::RunThread() {
  for (;;) {
    std::function<void()> work;
    bool expiry_due = false;
    bool compaction_due = false;
    {
      MutexLock lock(mutex_);
      for (;;) {
        const absl::Time now = options_.clock->Now();
        absl::Time next_expiry =
            due_queue_.empty() ? absl::InfiniteFuture() : due_queue_.top().first;
        next_expiry = std::max(next_expiry, retry_expiry_at_);
        expiry_due = next_expiry <= now;
        compaction_due = next_compaction_ <= now;
        if (!queue_.empty() || stopping_ || expiry_due || compaction_due) break;
        options_.clock->WaitUntil(mutex_, wake_, std::min(next_expiry, next_compaction_));
      }
      if (!queue_.empty()) {
        work = std::move(queue_.front());
        queue_.pop_front();
        room_.NotifyOne();
      } else if (stopping_) {
        return;
      }
    }
    // Expiry first, so that a busy queue cannot hold it up; it is bounded.
    if (expiry_due) ExpireDueTokens();
    if (compaction_due) Compact();
    if (work) work();
  }
}

absl::Status Ledger::Load() {
  TI_ASSIGN_OR_RETURN(const StoreHead head, options_.store->Head());
  epoch_ = head.epoch;
  head_ = head.revision;
  oldest_revision_ = head.oldest_revision;
  Loader loader(*this);
  TI_RETURN_IF_ERROR(options_.store->Load(loader));
  snapshot_ = loader.Finish(head_);
  options_.feed->Start(head);
  options_.inventory->Publish(snapshot_);
  return absl::OkStatus();
}

absl::Status Ledger::ConfigureSources() {
  Staged staged;
  const absl::Time now = options_.clock->Now();
  // What leaves or comes back takes its tokens along.
  absl::flat_hash_map<std::string, v1::Token::Presence> move_tokens;
  for (const SourceInfo& info : options_.sources) {
    v1::Source status;
    const int index = snapshot_->FindSource(info.id);
    if (index >= 0) status = *snapshot_->sources()[static_cast<std::size_t>(index)].status;
    if (!status.provider().empty() && status.provider() != info.provider) {
      return absl::FailedPreconditionError(
          absl::StrCat("source ", info.id, " holds tokens of ", status.provider(), ", not of ",
                       info.provider, ": give the new connection another id"));
    }
    const std::string before = SerializeSource(status);
    if (status.state() == v1::Source::DETACHED) move_tokens[info.id] = v1::Token::LISTED;
    if (index < 0 || status.state() == v1::Source::DETACHED) {
      status.set_state(v1::Source::PENDING);
    }
    status.set_name(SourceName(info.id));
    status.set_provider(info.provider);
    status.set_display_name(info.title);
    status.set_coverage(info.coverage);
    status.set_documentation_uri(info.documentation_uri);
    ToProto(info.interval, status.mutable_sync_interval());
    if (SerializeSource(status) != before) staged.PutSource(info.id, status);
  }
  for (const SourceEntry& entry : snapshot_->sources()) {
    const bool configured =
        std::any_of(options_.sources.begin(), options_.sources.end(),
                    [&](const SourceInfo& info) { return info.id == entry.id; });
    if (configured || entry.status->state() == v1::Source::DETACHED) continue;
    v1::Source status = *entry.status;
    status.set_state(v1::Source::DETACHED);
    status.set_error("no longer in the configuration");
    status.clear_next_sync_time();
    status.clear_incomplete_scopes();
    staged.PutSource(entry.id, status);
    move_tokens[entry.id] = v1::Token::DETACHED;
  }
  for (const auto& [id, presence] : move_tokens) {
    absl::Status status;
    snapshot_->Scan(
        0, ScanFilter{snapshot_->FindSource(id), true}, [&, p = presence](const TokenRef& ref) {
          if (ref.presence == v1::Token::DELETED || ref.presence == p) return true;
          if (p == v1::Token::LISTED && ref.presence != v1::Token::DETACHED) return true;
          absl::StatusOr<v1::Token> token = ParseRow(ref.row);
          if (!token.ok()) {
            status = token.status();
            return false;
          }
          token->set_presence(p);
          ToProto(now, token->mutable_update_time());
          staged.PutToken(ref.row, *std::move(token), book_.MarksOf(ref.row), std::string(ref.full),
                          v1::TokenChange::CONFIG_CHANGED, head_ + 1);
          return true;
        });
    TI_RETURN_IF_ERROR(status);
  }
  if (staged.empty()) return absl::OkStatus();
  return CommitAndPublish(std::move(staged)).status();
}

absl::StatusOr<v1::Token> Ledger::ParseRow(std::int64_t row) const {
  const TokenRef ref = snapshot_->At(row);
  v1::Token token;
  if (ref.full.empty() ||
      !token.ParseFromArray(ref.full.data(), static_cast<int>(ref.full.size()))) {
    return absl::InternalError(absl::StrCat("row ", row, " holds no token"));
  }
  return token;
}

absl::StatusOr<std::int64_t> Ledger::CommitAndPublish(Staged staged) {
  CommitBatch& batch = staged.batch;
  batch.commit_time = options_.clock->Now();
  if (!batch.empty()) {
    const absl::StatusOr<std::int64_t> revision = options_.store->Commit(head_, batch);
    if (!revision.ok()) {
      LogError("commit failed", {{"error", std::string(revision.status().message())}});
      return RetryableError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                            "the store cannot be written now", absl::Seconds(5));
    }
    head_ = *revision;
  }
  for (StoredScope& scope : batch.put_scopes) book_.AddScope(std::move(scope));
  for (const std::int64_t scope : batch.delete_scopes) book_.DropScope(scope);
  SnapshotBuilder builder(*snapshot_);
  for (auto& [id, status] : staged.sources) builder.PutSource(id, std::move(status));
  for (StoredToken& put : batch.put_tokens) {
    book_.SetMarks(put.row, put.marks);
    builder.PutToken(put.row, std::move(put.token));
  }
  for (const StoredToken& put : batch.put_marks) book_.SetMarks(put.row, put.marks);
  for (const std::int64_t row : batch.purge_rows) {
    book_.SetMarks(row, {});
    builder.Purge(row);
  }
  for (const auto& [row, token] : staged.tokens) {
    TrackExpiry(row, token);
    if (token.presence() == v1::Token::DELETED) tombstones_.emplace(token.revision(), row);
  }
  snapshot_ = builder.Build(head_);
  options_.inventory->Publish(snapshot_);
  if (!batch.changes.empty()) {
    auto revision = std::make_shared<FeedRevision>();
    revision->revision = head_;
    revision->commit_time = batch.commit_time;
    revision->changes.reserve(batch.changes.size());
    for (LogChange& change : batch.changes) {
      revision->bytes += static_cast<std::int64_t>(change.before.size() + change.after.size());
      revision->changes.push_back(MakeFeedChange(std::move(change)));
    }
    options_.feed->Publish(std::move(revision));
  }
  return head_;
}

void Ledger::TrackExpiry(std::int64_t row, const v1::Token& token) {
  const absl::Time due =
      token.presence() == v1::Token::DELETED ? absl::InfiniteFuture() : ExpiryDue(token);
  if (due == absl::InfiniteFuture()) {
    due_.erase(row);
    return;
  }
  const auto [it, is_new] = due_.try_emplace(row, due);
  if (!is_new && it->second == due) return;
  it->second = due;
  due_queue_.emplace(due, row);
}

void Ledger::ExpireDueTokens() {
  const absl::Time now = options_.clock->Now();
  Staged staged;
  std::vector<Due> taken;
  while (!due_queue_.empty() && due_queue_.top().first <= now &&
         taken.size() < kExpiriesPerCommit) {
    const Due due = due_queue_.top();
    due_queue_.pop();
    const auto it = due_.find(due.second);
    if (it == due_.end() || it->second != due.first) continue;  // moved meanwhile
    if (!taken.empty() && taken.back() == due) continue;        // moved and came back
    taken.push_back(due);
    absl::StatusOr<v1::Token> token = ParseRow(due.second);
    if (!token.ok() || !ExpireIfDue(*token, now)) continue;
    ToProto(now, token->mutable_update_time());
    staged.PutToken(due.second, *std::move(token), book_.MarksOf(due.second),
                    std::string(snapshot_->At(due.second).full), v1::TokenChange::TIME_PASSED,
                    head_ + 1);
  }
  if (staged.empty()) return;
  if (!CommitAndPublish(std::move(staged)).ok()) {
    for (const Due& due : taken) due_queue_.push(due);
    retry_expiry_at_ = now + kExpiryRetry;
  }
}

void Ledger::Compact() {
  const absl::Time now = options_.clock->Now();
  next_compaction_ = now + kCompactionInterval;
  const LogLimits limits{now - options_.retention.max_age, options_.retention.max_changes,
                         options_.retention.max_bytes};
  const absl::StatusOr<StoreHead> head = options_.store->Compact(limits);
  if (!head.ok()) {
    LogError("compaction failed", {{"error", std::string(head.status().message())}});
    return;
  }
  bool more = head->oldest_revision > oldest_revision_;
  oldest_revision_ = head->oldest_revision;
  options_.feed->SetOldestRevision(oldest_revision_);
  // A tombstone lives as long as the log tells of it.
  Staged staged;
  const auto end = tombstones_.upper_bound(oldest_revision_);
  auto it = tombstones_.begin();
  std::vector<std::int64_t> rows;
  while (it != end && rows.size() < kPurgesPerCommit) {
    rows.push_back(it->second);
    // The row may have been revived since.
    const TokenRef ref = snapshot_->At(it->second);
    if (!ref.full.empty() && ref.presence == v1::Token::DELETED &&
        ReadTokenFacts(ref.full).revision == it->first) {
      staged.batch.purge_rows.push_back(it->second);
    }
    ++it;
  }
  more = more || it != end;
  if (!staged.empty() && !CommitAndPublish(std::move(staged)).ok()) return;
  tombstones_.erase(tombstones_.begin(), it);
  // In bounded steps, with other work in between.
  if (more) next_compaction_ = now;
}

void Ledger::PublishSource(const std::string& id, const std::function<void(v1::Source&)>& edit) {
  const int index = snapshot_->FindSource(id);
  if (index < 0) return;
  v1::Source status = *snapshot_->sources()[static_cast<std::size_t>(index)].status;
  edit(status);
  SnapshotBuilder builder(*snapshot_);
  builder.PutSource(id, std::make_shared<const v1::Source>(std::move(status)));
  snapshot_ = builder.Build(head_);
  options_.inventory->Publish(snapshot_);
}

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
  if (EncodeTokenId(observed.id).size() > kMaxNameBytes - 128) {
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
    std::int64_t scope_id = book_.FindScope(pass.source, scope.stream, scope.key);
    if (scope_id == 0) {
      scope_id = book_.NewScopeId();
      staged.batch.put_scopes.push_back(
          StoredScope{scope_id, pass.source, scope.stream, scope.key, scope.item_json, 0});
    }
    PageCounts counts;
    const absl::Time now = options_.clock->Now();
    absl::flat_hash_map<std::string, const ObservedToken*> in_page;
    std::vector<std::int64_t> seen;
    for (const ObservedToken& observed : tokens) {
      if (!in_page.try_emplace(observed.id, &observed).second) continue;  // the first counts
      const absl::Status status =
          StageObserved(pass, scope, scope_id, observed, now, staged, counts);
      if (!status.ok()) {
        result = status;
        return;
      }
    }
    if (!staged.empty()) {
      const absl::StatusOr<std::int64_t> committed = CommitAndPublish(std::move(staged));
      if (!committed.ok()) {
        result = committed.status();
        const std::string source = pass.source;
        passes_.erase(pass_id);
        PublishSource(source, MarkNotStored);
        return;
      }
    }
    for (const auto& [id, observed] : in_page) {
      const std::int64_t row = snapshot_->Find(TokenName(pass.source, id)).row;
      pass.seen.insert(row);
      listing.seen.insert(row);
    }
    pass.stats.set_tokens_added(pass.stats.tokens_added() + counts.added);
    pass.stats.set_tokens_updated(pass.stats.tokens_updated() + counts.updated);
    pass.stats.set_tokens_unchanged(pass.stats.tokens_unchanged() + counts.unchanged);
    result = counts;
  });
  return result;
}

absl::Status Ledger::StageObserved(RunningPass& pass, const ScopeRef&, std::int64_t scope_id,
                                   const ObservedToken& observed, absl::Time now, Staged& staged,
                                   PageCounts& counts) {
  const int source = snapshot_->FindSource(pass.source);
  const std::string& provider =
      snapshot_->sources()[static_cast<std::size_t>(source)].status->provider();
  const TokenRef known_ref = snapshot_->Find(TokenName(pass.source, observed.id));
  const bool is_known = !known_ref.full.empty();
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
    return absl::OkStatus();
  }

  v1::Token known;
  if (is_known) {
    TI_ASSIGN_OR_RETURN(known, ParseRow(known_ref.row));
  }
  Reconciled reconciled = Reconcile(pass.source, provider, is_known ? &known : nullptr, observed,
                                    now, is_known ? std::string() : RandomUuid());
  const std::int64_t revision = head_ + 1;
  switch (reconciled.kind) {
    case Reconciled::Kind::kUnchanged:
      ++counts.unchanged;
      if (marks_move) staged.PutMarks(known_ref.row, std::move(marks));
      break;
    case Reconciled::Kind::kUpdated:
      ++counts.updated;
      staged.PutToken(known_ref.row, std::move(reconciled.token), std::move(marks),
                      std::string(known_ref.full), v1::TokenChange::VENDOR_REPORTED, revision);
      break;
    case Reconciled::Kind::kAdded:
      ++counts.added;
      staged.PutToken(next_row_++, std::move(reconciled.token), std::move(marks), std::string(),
                      v1::TokenChange::VENDOR_REPORTED, revision);
      break;
    case Reconciled::Kind::kReused: {
      ++counts.added;
      // The old token moves to a row of its own, so that the name keeps its row.
      reconciled.token.set_uid(RandomUuid());
      const std::int64_t old_row = next_row_++;
      if (known.presence() != v1::Token::DELETED) {
        known = MakeTombstone(known, v1::PURGED, now);
      }
      staged.PutToken(old_row, std::move(known), {}, std::string(known_ref.full),
                      v1::TokenChange::ID_REUSED, revision);
      staged.PutToken(known_ref.row, std::move(reconciled.token), {ScopeMark{scope_id, 0}},
                      std::string(), v1::TokenChange::ID_REUSED, revision);
      break;
    }
  }
  return absl::OkStatus();
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
    const Conclusion conclusion = book_.Conclude(pass, end.streams, *snapshot_, /*guard=*/true);

    PassOutcome outcome;
    outcome.state = end.state;
    outcome.error = end.error;
    outcome.incomplete_scopes = end.incomplete_scopes;
    outcome.stats = pass.stats;
    outcome.stats.set_requests(end.stats.requests());
    outcome.stats.set_pages(end.stats.pages());
    outcome.stats.set_records(end.stats.records());
    for (const HeldScope& held : conclusion.held) {
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
    source.set_state(outcome.state);
    source.set_error(outcome.error);
    ToProto(pass.start_time, source.mutable_last_attempt_time());
    ToProto(end.next_sync_time, source.mutable_next_sync_time());
    if (outcome.state == v1::Source::OK) ToProto(now, source.mutable_last_complete_time());
    source.clear_incomplete_scopes();
    for (const v1::IncompleteScope& scope : outcome.incomplete_scopes) {
      *source.add_incomplete_scopes() = scope;
    }
    *source.mutable_last_sync_stats() = outcome.stats;
    staged.PutSource(pass.source, source);

    absl::StatusOr<std::int64_t> revision =
        status.ok() ? CommitAndPublish(std::move(staged)) : absl::StatusOr<std::int64_t>(status);
    if (!revision.ok()) {
      PublishSource(pass.source, [&](v1::Source& failed) {
        MarkNotStored(failed);
        ToProto(end.next_sync_time, failed.mutable_next_sync_time());
      });
      result = revision.status();
      return;
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
  PageCounts counts;
  TI_RETURN_IF_ERROR(StageObserved(alone, target.scope, scope_id, observed, options_.clock->Now(),
                                   staged, counts));
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
