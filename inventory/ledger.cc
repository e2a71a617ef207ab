#include "inventory/ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/proto_time.h"
#include "base/status_macros.h"
#include "inventory/errors.h"
#include "inventory/ledger_staged.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kQueueCapacity = 64;
constexpr std::size_t kPurgesPerCommit = 1000;
constexpr absl::Duration kCompactionInterval = absl::Minutes(10);

}  // namespace

// Takes in what the store holds.
class Ledger::Loader final : public LoadVisitor {
 public:
  explicit Loader(Ledger& ledger) : ledger_(ledger) {}

  absl::Status OnSource(StoredSource source) override {
    v1::Source status;
    if (!status.ParseFromString(source.status)) {
      return absl::DataLossError(absl::StrCat("source ", source.id, ": unreadable status"));
    }
    status.set_syncing(false);
    builder_.PutSource(source.id, std::make_shared<const v1::Source>(std::move(status)));
    return absl::OkStatus();
  }

  absl::Status OnScope(StoredScope scope) override {
    ledger_.book_.AddScope(std::move(scope));
    return absl::OkStatus();
  }

  absl::Status OnToken(const StoredTokenRef& stored) override {
    TI_ASSIGN_OR_RETURN(const TokenRef token, builder_.Append(stored.row, stored.token));
    ledger_.next_row_ = std::max(ledger_.next_row_, stored.row + 1);
    ledger_.book_.SetMarks(stored.row, stored.marks);
    const TokenColumns& columns = *token.columns;
    const std::int64_t end = columns.time(TokenColumns::kEffectiveExpireTime, token.slot);
    if (token.presence == v1::Token::DELETED) {
      ledger_.tombstones_.emplace(columns.revision(token.slot), stored.row);
    } else if (columns.enumerator(TokenColumns::kState, token.slot) == v1::Token::ACTIVE &&
               end != TokenColumns::kNoTime) {
      // Whichever rule is the token's: the rest is seen to when the time comes.
      armed_.emplace_back(absl::FromUnixNanos(end) - widest_lead_, stored.row);
    }
    return absl::OkStatus();
  }

  absl::Status OnNotice(StoredNotice stored) override {
    absl::StatusOr<std::shared_ptr<const Notice>> notice = ParseNotice(std::move(stored.notice));
    if (!notice.ok()) {
      return absl::DataLossError(absl::StrCat("row ", stored.row, ": unreadable notice"));
    }
    ledger_.next_row_ = std::max(ledger_.next_row_, stored.row + 1);
    if (!(*notice)->is_about_token()) {
      ledger_.source_notices_[{(*notice)->source, (*notice)->kind}] = stored.row;
    } else if ((*notice)->is_open()) {
      // The rules may be others now.
      armed_.emplace_back(absl::UnixEpoch(), stored.row);
    }
    builder_.PutNotice(stored.row, *std::move(notice));
    return absl::OkStatus();
  }

  std::shared_ptr<const Snapshot> Finish(std::int64_t revision) {
    // All at once, which is cheaper than Arm for each. A row's last one counts.
    ledger_.due_.resize(static_cast<std::size_t>(ledger_.next_row_), absl::InfiniteFuture());
    for (const auto& [due, row] : armed_) ledger_.due_[static_cast<std::size_t>(row)] = due;
    ledger_.due_queue_ = decltype(ledger_.due_queue_)({}, std::move(armed_));
    return builder_.Build(revision);
  }

 private:
  Ledger& ledger_;
  const absl::Duration widest_lead_ = ledger_.options_.rules.widest();
  std::vector<Due> armed_;
  const Snapshot nothing_;
  SnapshotBuilder builder_{nothing_};
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
    bool tokens_due = false;
    bool sources_due = false;
    bool compaction_due = false;
    bool probe_due = false;
    {
      MutexLock lock(mutex_);
      for (;;) {
        const absl::Time now = options_.clock->Now();
        // What was put off does not wait for a clock that went back.
        retry_due_at_ = std::min(retry_due_at_, now + kDueRetry);
        next_compaction_ = std::min(next_compaction_, now + kCompactionInterval);
        if (next_probe_ != absl::InfiniteFuture()) {
          next_probe_ = std::min(next_probe_, now + kDueRetry);
        }
        absl::Time next_token =
            due_queue_.empty() ? absl::InfiniteFuture() : due_queue_.top().first;
        next_token = std::max(next_token, retry_due_at_);
        const absl::Time next_source = std::max(next_source_check_, retry_due_at_);
        tokens_due = next_token <= now;
        sources_due = next_source <= now;
        compaction_due = next_compaction_ <= now;
        probe_due = next_probe_ <= now;
        if (!queue_.empty() || stopping_ || tokens_due || sources_due || compaction_due ||
            probe_due) {
          break;
        }
        options_.clock->WaitUntil(
            mutex_, wake_, std::min({next_token, next_source, next_compaction_, next_probe_}));
      }
      if (!queue_.empty()) {
        work = std::move(queue_.front());
        queue_.pop_front();
        room_.NotifyOne();
      } else if (stopping_) {
        return;
      }
    }
    // What time brings comes first, so that a busy queue cannot hold it up; it is bounded.
    if (probe_due) ProbeStore();
    if (tokens_due) TellDueTokens();
    if (sources_due) CheckSources();
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

std::vector<std::string> ProblemsWithSources(const Snapshot& snapshot,
                                             const std::vector<SourceInfo>& sources) {
  std::vector<std::string> problems;
  for (const SourceInfo& info : sources) {
    const int index = snapshot.FindSource(info.id);
    if (index < 0) continue;
    const SourceEntry& entry = snapshot.sources()[static_cast<std::size_t>(index)];
    const std::string& provider = entry.status->provider();
    if (provider.empty() || provider == info.provider || entry.is_forgotten()) continue;
    problems.push_back(absl::StrCat("source ", info.id, " holds tokens of ", provider, ", not of ",
                                    info.provider, ": give the new connection another id"));
  }
  return problems;
}

absl::Status Ledger::ConfigureSources() {
  const std::vector<std::string> problems = ProblemsWithSources(*snapshot_, options_.sources);
  if (!problems.empty()) return absl::FailedPreconditionError(problems.front());
  Staged staged;
  const absl::Time now = options_.clock->Now();
  next_source_check_ = now;
  // What leaves or comes back takes its tokens along. Their notices wait for the
  // DIGEST of the pass that sees them again.
  staged.digested = true;
  absl::flat_hash_map<std::string, v1::Token::Presence> move_tokens;
  for (const SourceInfo& info : options_.sources) {
    v1::Source status;
    const int index = snapshot_->FindSource(info.id);
    if (index >= 0) status = *snapshot_->sources()[static_cast<std::size_t>(index)].status;
    const std::string before = status.SerializeAsString();
    if (status.state() == v1::Source::DETACHED) move_tokens[info.id] = v1::Token::LISTED;
    if (index < 0 || status.state() == v1::Source::DETACHED) {
      status.set_state(v1::Source::PENDING);
      // What was known of it long ago proves nothing now.
      status.clear_last_complete_time();
      status.clear_create_time();
      status.clear_error();
      status.clear_incomplete_scopes();
    }
    if (!status.has_create_time()) ToProto(now, status.mutable_create_time());
    status.set_name(SourceName(info.id));
    status.set_provider(info.provider);
    status.set_display_name(info.title);
    status.set_coverage(info.coverage);
    status.set_documentation_uri(info.documentation_uri);
    ToProto(info.interval, status.mutable_sync_interval());
    if (status.SerializeAsString() != before) staged.PutSource(info.id, std::move(status));
  }
  for (const SourceEntry& entry : snapshot_->sources()) {
    const bool configured =
        std::any_of(options_.sources.begin(), options_.sources.end(),
                    [&](const SourceInfo& info) { return info.id == entry.id; });
    if (configured) continue;
    if (entry.status->state() == v1::Source::DETACHED) {
      if (entry.rows == 0) ForgetSource(entry.id, staged);
      continue;
    }
    v1::Source status = *entry.status;
    status.set_state(v1::Source::DETACHED);
    status.set_error("no longer in the configuration");
    status.clear_next_sync_time();
    status.clear_incomplete_scopes();
    status.clear_hold();
    status.clear_rate_limits();
    staged.PutSource(entry.id, std::move(status));
    StageResolution(entry.id, v1::Expiration::SOURCE_UNHEALTHY,
                    v1::Expiration::Resolution::DETACHED, staged);
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
  // Who judged by the clock says so: one commit has one instant.
  if (batch.commit_time == absl::Time()) batch.commit_time = options_.clock->Now();
  for (auto& [id, status] : staged.sources) {
    StampState(id, batch.commit_time, status);
    batch.put_sources.push_back(StoredSource{id, status.SerializeAsString()});
  }
  StageNotices(staged);
  if (!batch.empty()) {
    const absl::StatusOr<std::int64_t> revision = options_.store->Commit(head_, batch);
    NoteStore(revision.status());
    if (!revision.ok()) return StoreError();
    head_ = *revision;
  }
  for (StoredScope& scope : batch.put_scopes) book_.AddScope(std::move(scope));
  for (const std::int64_t scope : batch.delete_scopes) book_.DropScope(scope);
  SnapshotBuilder builder(*snapshot_);
  for (auto& [id, status] : staged.sources) {
    builder.PutSource(id, std::make_shared<const v1::Source>(std::move(status)));
  }
  for (const StoredToken& put : batch.put_tokens) {
    book_.SetMarks(put.row, put.marks);
    builder.PutToken(put.row, put.token);
  }
  for (const StoredToken& put : batch.put_marks) book_.SetMarks(put.row, put.marks);
  for (const std::int64_t row : batch.purge_rows) {
    book_.SetMarks(row, {});
    builder.Purge(row);
  }
  for (auto& [row, notice] : staged.notices) builder.PutNotice(row, std::move(notice));
  for (const std::int64_t row : batch.delete_notices) builder.PutNotice(row, nullptr);
  snapshot_ = builder.Build(head_);
  for (const auto& [row, token] : staged.tokens) {
    ArmToken(row, token);
    if (token.presence() == v1::Token::DELETED) tombstones_.emplace(token.revision(), row);
  }
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

void Ledger::Compact() {
  const absl::Time now = options_.clock->Now();
  next_compaction_ = now + kCompactionInterval;
  const LogLimits limits{now - options_.retention.max_age, options_.retention.max_changes,
                         options_.retention.max_bytes, options_.feed->OldestCursor()};
  const absl::StatusOr<StoreHead> head = options_.store->Compact(limits);
  if (!head.ok()) {
    NoteStore(head.status());
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

void Ledger::StampState(const std::string& id, absl::Time now, v1::Source& status) const {
  const int index = snapshot_->FindSource(id);
  if (index >= 0 &&
      snapshot_->sources()[static_cast<std::size_t>(index)].status->state() == status.state()) {
    return;
  }
  ToProto(now, status.mutable_state_time());
}

void Ledger::PublishSource(const std::string& id, const std::function<void(v1::Source&)>& edit) {
  const int index = snapshot_->FindSource(id);
  if (index < 0) return;
  v1::Source status = *snapshot_->sources()[static_cast<std::size_t>(index)].status;
  edit(status);
  StampState(id, options_.clock->Now(), status);
  SnapshotBuilder builder(*snapshot_);
  builder.PutSource(id, std::make_shared<const v1::Source>(std::move(status)));
  snapshot_ = builder.Build(head_);
  options_.inventory->Publish(snapshot_);
}

}  // namespace tokeninventory
