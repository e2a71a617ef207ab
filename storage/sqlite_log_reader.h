// The reading side of the SQLite store's change log. Only storage/ includes
// this.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "inventory/token_store.h"

namespace tokeninventory {

// One token's changes before a seq, newest first, at most so many. Here for the
// test that asks SQLite how it finds them. "subject = 0" is as the index has it:
// SQLite uses a partial index only for a query that says the same.
inline constexpr char kHistoryQuery[] =
    "SELECT c.revision, c.seq - r.first_seq, r.commit_time,"
    " c.\"row\", c.cause, c.before, c.after, c.subject"
    " FROM changes c JOIN revisions r ON r.revision = c.revision"
    " WHERE c.subject = 0 AND c.\"row\" = ? AND c.seq < ? ORDER BY c.seq DESC LIMIT ?";

// Owns a read-only connection. Every method is one short transaction and so sees
// whole commits; it never waits for the writer. Methods throw SQLite::Exception
// besides the errors of TokenStore's methods of the same name.
//
// Thread-compatible: used by one thread at a time.
class SqliteLogReader {
 public:
  // `database` comes from OpenSqliteForReading.
  explicit SqliteLogReader(SQLite::Database database);

  absl::StatusOr<StoreHead> Head();
  absl::StatusOr<LogPage> ReadLog(LogPosition after, std::int64_t max_bytes);
  absl::StatusOr<std::vector<LogEntry>> ReadHistory(std::int64_t row, std::int64_t before_revision,
                                                    int limit);

 private:
  SQLite::Database database_;  // before the statements: closed after them
  SQLite::Statement head_;
  SQLite::Statement revisions_;
  SQLite::Statement changes_;
  SQLite::Statement history_;
};

}  // namespace tokeninventory
