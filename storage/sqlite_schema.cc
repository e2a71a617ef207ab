#include "storage/sqlite_schema.h"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Transaction.h>

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace tokeninventory {
namespace {

// Why it looks as it does:
//  - Keys are integers that mostly rise. Names as keys cost six times more.
//  - `changes` is numbered through (`seq`) and not keyed by (revision, index):
//    a table WITHOUT ROWID would move values of this size to overflow pages.
//  - `store` counts the log, so that Compact need not.
constexpr char kVersion1[] = R"sql(
CREATE TABLE store (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch BLOB NOT NULL,
  revision INTEGER NOT NULL,         -- of the newest commit with changes
  oldest_revision INTEGER NOT NULL,  -- `changes` holds all that came after it
  oldest_changes INTEGER NOT NULL,   -- how many changes that revision had
  next_seq INTEGER NOT NULL,         -- of the next change
  log_changes INTEGER NOT NULL,      -- in `changes` now
  log_bytes INTEGER NOT NULL         -- of their `before` and `after`
) STRICT;
INSERT INTO store VALUES (1, randomblob(16), 0, 0, 0, 1, 0, 0);

CREATE TABLE sources (
  id TEXT PRIMARY KEY,
  status BLOB NOT NULL               -- tokeninventory.v1.Source
) STRICT, WITHOUT ROWID;

CREATE TABLE scopes (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  stream TEXT NOT NULL,
  key TEXT NOT NULL,
  item_json TEXT NOT NULL,
  absent_passes INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
  "row" INTEGER PRIMARY KEY,
  marks BLOB NOT NULL,               -- storage/scope_marks.h
  token BLOB NOT NULL                -- tokeninventory.v1.Token
) STRICT;

CREATE TABLE revisions (
  revision INTEGER PRIMARY KEY,
  commit_time INTEGER NOT NULL,      -- nanoseconds since 1970
  first_seq INTEGER NOT NULL,
  changes INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE changes (
  seq INTEGER PRIMARY KEY,
  revision INTEGER NOT NULL,
  "row" INTEGER NOT NULL,
  cause INTEGER NOT NULL,            -- tokeninventory.v1.TokenChange.Cause
  before BLOB NOT NULL,              -- tokeninventory.v1.Token; empty: none
  after BLOB NOT NULL                -- likewise
) STRICT;
CREATE INDEX changes_by_row ON changes ("row");  -- and by seq, as every index
)sql";

// Notices, which the log tells of between the tokens' changes.
//  - `subject` costs next to nothing: SQLite keeps 0 and 1 in a row's header, so
//    that it is read without the values before it, and rows of version 1 stay as
//    they are.
//  - The index holds tokens' changes only. A history then costs what it returns,
//    however often the notice of the same row changed. To make it, the whole log
//    is read once: a second or two a gigabyte.
constexpr char kVersion2[] = R"sql(
CREATE TABLE notices (
  "row" INTEGER PRIMARY KEY,         -- of its token, or one that no token has
  notice BLOB NOT NULL               -- tokeninventory.v1.Expiration
) STRICT;

-- What `row`, `before` and `after` are of: 0 a token, 1 a notice (then they are
-- tokeninventory.v1.Expiration, and `cause` is 0).
ALTER TABLE changes ADD COLUMN subject INTEGER NOT NULL DEFAULT 0;

DROP INDEX changes_by_row;
CREATE INDEX token_changes_by_row ON changes ("row") WHERE subject = 0;
)sql";

constexpr const char* kMigrations[] = {kVersion1, kVersion2};

std::int64_t ReadInteger(SQLite::Database& database, const char* query) {
  return database.execAndGet(query).getInt64();
}

}  // namespace

absl::Span<const char* const> SqliteMigrations() { return kMigrations; }

bool IsSqliteBackup(SQLite::Database& database) {
  return ReadInteger(database, "PRAGMA application_id") == kSqliteBackupApplicationId;
}

absl::Status CheckSqliteSchema(SQLite::Database& database,
                               absl::Span<const char* const> migrations) {
  const std::int64_t application_id = ReadInteger(database, "PRAGMA application_id");
  const std::int64_t version = ReadInteger(database, "PRAGMA user_version");
  if (application_id != kSqliteApplicationId && application_id != kSqliteBackupApplicationId) {
    // What a crash before the first migration leaves is empty too.
    const bool empty = application_id == 0 && version == 0 &&
                       ReadInteger(database, "SELECT count(*) FROM sqlite_schema") == 0;
    if (empty) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat(database.getFilename(), " is an SQLite database, but not a token store"));
  }
  const auto newest = static_cast<std::int64_t>(migrations.size());
  if (version < 0 || version > newest) {
    return absl::FailedPreconditionError(absl::StrCat(
        database.getFilename(), " has schema version ", version,
        ", made by a newer version of this program, which knows versions up to ", newest));
  }
  return absl::OkStatus();
}

void MigrateSqliteSchema(SQLite::Database& database, absl::Span<const char* const> migrations) {
  const auto version = static_cast<std::size_t>(ReadInteger(database, "PRAGMA user_version"));
  const int id = IsSqliteBackup(database) ? kSqliteBackupApplicationId : kSqliteApplicationId;
  for (std::size_t next = version; next < migrations.size(); ++next) {
    SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
    database.exec(migrations[next]);
    database.exec(absl::StrCat("PRAGMA application_id = ", id));
    database.exec(absl::StrCat("PRAGMA user_version = ", next + 1));
    transaction.commit();
  }
}

}  // namespace tokeninventory
