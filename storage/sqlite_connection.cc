#include "storage/sqlite_connection.h"

#include <SQLiteCpp/Column.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "storage/sqlite_schema.h"

namespace tokeninventory {
namespace {

// Only another program with the file open, sqlite3(1) say, can make us wait.
constexpr int kBusyTimeoutMs = 5000;

// Not mmap: an I/O error would then be a SIGBUS instead of a status.
constexpr char kWriterSettings[] = R"sql(
PRAGMA synchronous = FULL;
PRAGMA secure_delete = OFF;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA cache_size = -32768;
PRAGMA wal_autocheckpoint = 4000;
PRAGMA journal_size_limit = 67108864;
)sql";

constexpr char kReaderSettings[] = R"sql(
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA cache_size = -8192;
)sql";

}  // namespace

absl::StatusOr<std::unique_ptr<SQLite::Database>> OpenSqliteForWriting(const std::string& path) {
  auto database = std::make_unique<SQLite::Database>(
      path, SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX, kBusyTimeoutMs);
  // Before anything that writes: the file may be someone else's.
  TI_RETURN_IF_ERROR(CheckSqliteSchema(*database, SqliteMigrations()));
  if (database->execAndGet("PRAGMA journal_mode = WAL").getString() != "wal") {
    return absl::FailedPreconditionError(
        absl::StrCat("SQLite's write-ahead log does not work where the store is: ", path));
  }
  database->exec(kWriterSettings);
  MigrateSqliteSchema(*database, SqliteMigrations());
  return database;
}

SQLite::Database OpenSqliteForReading(const std::string& path) {
  SQLite::Database database(path, SQLite::OPEN_READONLY | SQLite::OPEN_NOMUTEX, kBusyTimeoutMs);
  database.exec(kReaderSettings);
  return database;
}

}  // namespace tokeninventory
