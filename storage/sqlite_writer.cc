#include "storage/sqlite_writer.h"

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Transaction.h>
#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "storage/scope_marks.h"
#include "storage/sqlite_statement.h"

namespace tokeninventory {
namespace {

// Of one Compact; a single larger revision still goes at once.
constexpr std::int64_t kMaxCompactedChanges = 10'000;

absl::Status CheckBatch(const CommitBatch& batch) {
  for (const LogChange& change : batch.changes) {
    if (change.row <= 0) return absl::InvalidArgumentError("a change's row is not positive");
  }
  for (const StoredToken& token : batch.put_tokens) {
    if (token.row <= 0) return absl::InvalidArgumentError("a token's row is not positive");
  }
  for (const StoredScope& scope : batch.put_scopes) {
    if (scope.id <= 0) return absl::InvalidArgumentError("a scope's id is not positive");
  }
  for (const StoredNotice& notice : batch.put_notices) {
    if (notice.row <= 0) return absl::InvalidArgumentError("a notice's row is not positive");
  }
  for (const std::int64_t row : batch.delete_notices) {
    if (row <= 0) return absl::InvalidArgumentError("a deleted notice's row is not positive");
  }
  return absl::OkStatus();
}

// While it lives, little of the file is kept in memory: a load sees each page once, and
// pages that stay in the processor's caches are read in less time. Then as much as before.
class SmallCache {
 public:
  explicit SmallCache(SQLite::Database& database)
      : database_(database), before_(database.execAndGet("PRAGMA cache_size").getInt()) {
    Set(kKibibytes);
  }
  ~SmallCache() { Set(before_); }
  SmallCache(const SmallCache&) = delete;
  SmallCache& operator=(const SmallCache&) = delete;

 private:
  static constexpr int kKibibytes = -512;  // negative: not a number of pages

  void Set(int size) { database_.tryExec(absl::StrCat("PRAGMA cache_size = ", size)); }

  SQLite::Database& database_;
  const int before_;
};

std::int64_t BytesOf(const LogChange& change) {
  return static_cast<std::int64_t>(change.before.size() + change.after.size());
}

}  // namespace

struct SqliteWriter::LogState {
  std::int64_t revision = 0;
  std::int64_t oldest_revision = 0;
  std::int64_t oldest_changes = 0;
  std::int64_t next_seq = 0;
  std::int64_t log_changes = 0;
  std::int64_t log_bytes = 0;
  std::string epoch;
};

// Prepared once: to prepare one costs more than to run it.
struct SqliteWriter::Statements {
  explicit Statements(SQLite::Database& database)
      : read_state(database,
                   "SELECT revision, oldest_revision, oldest_changes, next_seq, log_changes,"
                   " log_bytes, epoch FROM store"),
        write_state(database,
                    "UPDATE store SET revision = ?, oldest_revision = ?, oldest_changes = ?,"
                    " next_seq = ?, log_changes = ?, log_bytes = ?"),
        load_sources(database, "SELECT id, status FROM sources ORDER BY id"),
        load_scopes(database,
                    "SELECT id, source, stream, key, item_json, absent_passes FROM scopes"
                    " ORDER BY id"),
        load_notices(database, "SELECT \"row\", notice FROM notices ORDER BY \"row\""),
        // REPLACE and not an upsert: in a table without further indexes it is one step.
        put_token(database, "REPLACE INTO tokens (\"row\", marks, token) VALUES (?, ?, ?)"),
        put_marks(database, "UPDATE tokens SET marks = ? WHERE \"row\" = ?"),
        purge_token(database, "DELETE FROM tokens WHERE \"row\" = ?"),
        put_scope(database,
                  "REPLACE INTO scopes (id, source, stream, key, item_json, absent_passes)"
                  " VALUES (?, ?, ?, ?, ?, ?)"),
        delete_scope(database, "DELETE FROM scopes WHERE id = ?"),
        put_source(database, "REPLACE INTO sources (id, status) VALUES (?, ?)"),
        delete_source(database, "DELETE FROM sources WHERE id = ?"),
        put_notice(database, "REPLACE INTO notices (\"row\", notice) VALUES (?, ?)"),
        delete_notice(database, "DELETE FROM notices WHERE \"row\" = ?"),
        append_change(database,
                      "INSERT INTO changes (seq, revision, \"row\", cause, before, after, subject)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?)"),
        append_revision(database,
                        "INSERT INTO revisions (revision, commit_time, first_seq, changes, bytes)"
                        " VALUES (?, ?, ?, ?, ?)"),
        read_revisions(database,
                       "SELECT revision, commit_time, first_seq, changes, bytes FROM revisions"
                       " ORDER BY revision"),
        delete_changes(database, "DELETE FROM changes WHERE seq < ?"),
        delete_revisions(database, "DELETE FROM revisions WHERE revision <= ?") {}

  SQLite::Statement read_state;
  SQLite::Statement write_state;
  SQLite::Statement load_sources;
  SQLite::Statement load_scopes;
  SQLite::Statement load_notices;
  SQLite::Statement put_token;
  SQLite::Statement put_marks;
  SQLite::Statement purge_token;
  SQLite::Statement put_scope;
  SQLite::Statement delete_scope;
  SQLite::Statement put_source;
  SQLite::Statement delete_source;
  SQLite::Statement put_notice;
  SQLite::Statement delete_notice;
  SQLite::Statement append_change;
  SQLite::Statement append_revision;
  SQLite::Statement read_revisions;
  SQLite::Statement delete_changes;
  SQLite::Statement delete_revisions;
};

SqliteWriter::SqliteWriter(std::unique_ptr<SQLite::Database> database)
    : database_(std::move(database)), statements_(std::make_unique<Statements>(*database_)) {}

SqliteWriter::~SqliteWriter() = default;

absl::Status SqliteWriter::Load(LoadVisitor& visitor) {
  const SmallCache cache(*database_);
  SQLite::Transaction transaction(*database_);
  {
    StatementUse sources(statements_->load_sources);
    while (sources.Next()) {
      TI_RETURN_IF_ERROR(visitor.OnSource({sources.BytesAt(0), sources.BytesAt(1)}));
    }
  }
  {
    StatementUse scopes(statements_->load_scopes);
    while (scopes.Next()) {
      StoredScope scope;
      scope.id = scopes.IntegerAt(0);
      scope.source = scopes.BytesAt(1);
      scope.stream = scopes.BytesAt(2);
      scope.key = scopes.BytesAt(3);
      scope.item_json = scopes.BytesAt(4);
      scope.absent_passes = static_cast<std::int32_t>(scopes.IntegerAt(5));
      TI_RETURN_IF_ERROR(visitor.OnScope(std::move(scope)));
    }
  }
  {
    SqliteRows tokens(*database_, "SELECT \"row\", marks, token FROM tokens ORDER BY \"row\"");
    std::vector<ScopeMark> marks;
    while (tokens.Next()) {
      TI_RETURN_IF_ERROR(DecodeScopeMarks(tokens.ViewAt(1), marks));
      TI_RETURN_IF_ERROR(visitor.OnToken({tokens.IntegerAt(0), tokens.ViewAt(2), marks}));
    }
  }
  StatementUse notices(statements_->load_notices);
  while (notices.Next()) {
    TI_RETURN_IF_ERROR(visitor.OnNotice({notices.IntegerAt(0), notices.BytesAt(1)}));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> SqliteWriter::Commit(std::int64_t expected_head,
                                                  const CommitBatch& batch) {
  TI_RETURN_IF_ERROR(CheckBatch(batch));
  SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
  TI_ASSIGN_OR_RETURN(LogState state, ReadLogState());
  if (state.revision != expected_head) {
    return absl::AbortedError(
        absl::StrCat("the store is at revision ", state.revision, ", not at ", expected_head));
  }
  if (batch.empty()) {
    TouchLogState(state);
    transaction.commit();
    return state.revision;
  }
  TI_RETURN_IF_ERROR(WriteTokens(batch));
  WriteScopes(batch);
  WriteSources(batch);
  WriteNotices(batch);
  if (!batch.changes.empty()) {
    AppendRevision(batch, state);
    WriteLogState(state);
  }
  transaction.commit();
  return state.revision;
}

absl::StatusOr<StoreHead> SqliteWriter::Compact(const LogLimits& limits) {
  SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
  TI_ASSIGN_OR_RETURN(LogState state, ReadLogState());
  const std::int64_t oldest_time = absl::ToUnixNanos(limits.oldest_commit_time);
  std::int64_t removed = 0;
  std::int64_t end_seq = 0;
  {
    // From the oldest on, until one may stay: the log never gets holes, even
    // when the clock went back between two commits.
    StatementUse revisions(statements_->read_revisions);
    while (revisions.Next()) {
      const std::int64_t changes = revisions.IntegerAt(3);
      const bool needed = revisions.IntegerAt(0) > limits.oldest_cursor;
      // A cursor holds up age only: a client that fell asleep must not fill the disk.
      const bool may_stay = (needed || revisions.IntegerAt(1) >= oldest_time) &&
                            state.log_changes <= limits.max_changes &&
                            state.log_bytes <= limits.max_bytes;
      if (may_stay || (removed > 0 && removed + changes > kMaxCompactedChanges)) break;
      removed += changes;
      end_seq = revisions.IntegerAt(2) + changes;
      state.oldest_revision = revisions.IntegerAt(0);
      state.oldest_changes = changes;
      state.log_changes -= changes;
      state.log_bytes -= revisions.IntegerAt(4);
    }
  }
  if (removed > 0) {
    StatementUse(statements_->delete_changes).Integer(end_seq).Run();
    StatementUse(statements_->delete_revisions).Integer(state.oldest_revision).Run();
    WriteLogState(state);
    transaction.commit();
  }
  return StoreHead{std::move(state.epoch), state.revision, state.oldest_revision};
}

void SqliteWriter::LeaveLogBehind() {
  sqlite3_db_config(database_->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

absl::StatusOr<SqliteWriter::LogState> SqliteWriter::ReadLogState() {
  StatementUse read(statements_->read_state);
  if (!read.Next()) return absl::DataLossError("the store has no head");
  LogState state;
  state.revision = read.IntegerAt(0);
  state.oldest_revision = read.IntegerAt(1);
  state.oldest_changes = read.IntegerAt(2);
  state.next_seq = read.IntegerAt(3);
  state.log_changes = read.IntegerAt(4);
  state.log_bytes = read.IntegerAt(5);
  state.epoch = read.BytesAt(6);
  return state;
}

void SqliteWriter::WriteLogState(const LogState& state) {
  StatementUse(statements_->write_state)
      .Integer(state.revision)
      .Integer(state.oldest_revision)
      .Integer(state.oldest_changes)
      .Integer(state.next_seq)
      .Integer(state.log_changes)
      .Integer(state.log_bytes)
      .Run();
}

// There and back: SQLite leaves out what is as it was.
void SqliteWriter::TouchLogState(LogState state) {
  ++state.next_seq;
  WriteLogState(state);
  --state.next_seq;
  WriteLogState(state);
}

void SqliteWriter::AppendRevision(const CommitBatch& batch, LogState& state) {
  const std::int64_t revision = state.revision + 1;
  const std::int64_t first_seq = state.next_seq;
  std::int64_t bytes = 0;
  for (const LogChange& change : batch.changes) {
    StatementUse(statements_->append_change)
        .Integer(state.next_seq++)
        .Integer(revision)
        .Integer(change.row)
        .Integer(change.cause)
        .Blob(change.before)
        .Blob(change.after)
        .Integer(static_cast<std::int64_t>(change.subject))
        .Run();
    bytes += BytesOf(change);
  }
  const auto changes = static_cast<std::int64_t>(batch.changes.size());
  StatementUse(statements_->append_revision)
      .Integer(revision)
      .Integer(absl::ToUnixNanos(batch.commit_time))
      .Integer(first_seq)
      .Integer(changes)
      .Integer(bytes)
      .Run();
  state.revision = revision;
  state.log_changes += changes;
  state.log_bytes += bytes;
}

absl::Status SqliteWriter::WriteTokens(const CommitBatch& batch) {
  for (const std::int64_t row : batch.purge_rows) {
    StatementUse(statements_->purge_token).Integer(row).Run();
  }
  std::string marks;
  for (const StoredToken& token : batch.put_tokens) {
    EncodeScopeMarks(token.marks, marks);
    StatementUse(statements_->put_token).Integer(token.row).Blob(marks).Blob(token.token).Run();
  }
  for (const StoredToken& token : batch.put_marks) {
    EncodeScopeMarks(token.marks, marks);
    if (StatementUse(statements_->put_marks).Blob(marks).Integer(token.row).Run() != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("marks for row ", token.row, ", which is empty"));
    }
  }
  return absl::OkStatus();
}

void SqliteWriter::WriteScopes(const CommitBatch& batch) {
  for (const std::int64_t id : batch.delete_scopes) {
    StatementUse(statements_->delete_scope).Integer(id).Run();
  }
  for (const StoredScope& scope : batch.put_scopes) {
    StatementUse(statements_->put_scope)
        .Integer(scope.id)
        .Text(scope.source)
        .Text(scope.stream)
        .Text(scope.key)
        .Text(scope.item_json)
        .Integer(scope.absent_passes)
        .Run();
  }
}

void SqliteWriter::WriteSources(const CommitBatch& batch) {
  for (const std::string& id : batch.delete_sources) {
    StatementUse(statements_->delete_source).Text(id).Run();
  }
  for (const StoredSource& source : batch.put_sources) {
    StatementUse(statements_->put_source).Text(source.id).Blob(source.status).Run();
  }
}

void SqliteWriter::WriteNotices(const CommitBatch& batch) {
  for (const std::int64_t row : batch.delete_notices) {
    StatementUse(statements_->delete_notice).Integer(row).Run();
  }
  for (const StoredNotice& notice : batch.put_notices) {
    StatementUse(statements_->put_notice).Integer(notice.row).Blob(notice.notice).Run();
  }
}

}  // namespace tokeninventory
