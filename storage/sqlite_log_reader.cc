#include "storage/sqlite_log_reader.h"

#include <SQLiteCpp/Transaction.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/sqlite_statement.h"

namespace tokeninventory {
namespace {

// The schema and kHistoryQuery know them as numbers, and stores have them.
static_assert(static_cast<int>(LogSubject::kToken) == 0);
static_assert(static_cast<int>(LogSubject::kNotice) == 1);

// Row, cause, before, after and subject, from `first_column` on.
LogChange ChangeAt(const StatementUse& use, int first_column) {
  LogChange change;
  change.row = use.IntegerAt(first_column);
  change.cause = static_cast<v1::TokenChange::Cause>(use.IntegerAt(first_column + 1));
  change.before = use.BytesAt(first_column + 2);
  change.after = use.BytesAt(first_column + 3);
  change.subject = static_cast<LogSubject>(use.IntegerAt(first_column + 4));
  return change;
}

}  // namespace

SqliteLogReader::SqliteLogReader(SQLite::Database database)
    : database_(std::move(database)),
      head_(database_, "SELECT epoch, revision, oldest_revision, oldest_changes FROM store"),
      revisions_(database_,
                 "SELECT revision, commit_time, first_seq, changes FROM revisions"
                 " WHERE revision >= ? ORDER BY revision"),
      changes_(database_,
               "SELECT seq, revision, \"row\", cause, before, after, subject FROM changes"
               " WHERE seq >= ? ORDER BY seq"),
      history_(database_, kHistoryQuery) {}

absl::StatusOr<StoreHead> SqliteLogReader::Head() {
  StatementUse head(head_);
  if (!head.Next()) return absl::DataLossError("the store has no head");
  return StoreHead{head.BytesAt(0), head.IntegerAt(1), head.IntegerAt(2)};
}

absl::StatusOr<LogPage> SqliteLogReader::ReadLog(LogPosition after, std::int64_t max_bytes) {
  SQLite::Transaction transaction(database_);
  {
    StatementUse head(head_);
    if (!head.Next()) return absl::DataLossError("the store has no head");
    const std::int64_t oldest_revision = head.IntegerAt(2);
    const std::int64_t oldest_changes = head.IntegerAt(3);
    if (after.revision < oldest_revision ||
        (after.revision == oldest_revision && after.index < oldest_changes)) {
      return absl::OutOfRangeError(absl::StrCat("the log begins after revision ", oldest_revision,
                                                ", not at change ", after.index, " of revision ",
                                                after.revision));
    }
  }

  // The revision at hand; entries are numbered by seq, so that it tells where in
  // it each one is.
  StatementUse revisions(revisions_);
  revisions.Integer(after.revision);
  LogPage page;
  if (!revisions.Next()) return page;
  std::int64_t seq = revisions.IntegerAt(2);
  if (revisions.IntegerAt(0) == after.revision) {
    seq += std::clamp<std::int64_t>(after.index, 0, revisions.IntegerAt(3));
  }

  StatementUse changes(changes_);
  changes.Integer(seq);
  std::int64_t bytes = 0;
  while ((page.entries.empty() || bytes < max_bytes) && changes.Next()) {
    LogEntry entry;
    entry.revision = changes.IntegerAt(1);
    while (revisions.IntegerAt(0) < entry.revision && revisions.Next()) {
    }
    if (changes.IntegerAt(0) != seq || !revisions.HasRow() ||
        revisions.IntegerAt(0) != entry.revision) {
      return absl::DataLossError(absl::StrCat("the log has a hole at change ", seq));
    }
    entry.index = seq - revisions.IntegerAt(2);
    entry.commit_time = absl::FromUnixNanos(revisions.IntegerAt(1));
    entry.change = ChangeAt(changes, 2);
    page.ends_revision = entry.index + 1 == revisions.IntegerAt(3);
    bytes += static_cast<std::int64_t>(entry.change.before.size() + entry.change.after.size());
    page.entries.push_back(std::move(entry));
    ++seq;
  }
  return page;
}

absl::StatusOr<std::vector<LogEntry>> SqliteLogReader::ReadHistory(std::int64_t row,
                                                                   std::int64_t before_revision,
                                                                   int limit) {
  SQLite::Transaction transaction(database_);
  // As a bound on seq, which the index by row holds.
  std::int64_t end_seq = std::numeric_limits<std::int64_t>::max();
  {
    StatementUse revisions(revisions_);
    revisions.Integer(before_revision);
    if (revisions.Next()) end_seq = revisions.IntegerAt(2);
  }
  std::vector<LogEntry> entries;
  StatementUse history(history_);
  // A negative LIMIT is none.
  history.Integer(row).Integer(end_seq).Integer(std::max(limit, 0));
  while (history.Next()) {
    LogEntry entry;
    entry.revision = history.IntegerAt(0);
    entry.index = history.IntegerAt(1);
    entry.commit_time = absl::FromUnixNanos(history.IntegerAt(2));
    entry.change = ChangeAt(history, 3);
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace tokeninventory
