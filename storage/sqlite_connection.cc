#include "storage/sqlite_connection.h"

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Transaction.h>
#include <sqlite3.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "storage/sqlite_schema.h"

namespace tokeninventory {
namespace {

// Only another program with the file open, sqlite3(1) say, can make us wait.
constexpr int kBusyTimeoutMs = 5000;

// Of a new store; one that is there keeps its own. Each page costs the same calls of the
// system, so SQLite's 4 KiB make a first pass dearer; with 16 KiB changes of single tokens
// are, each of which writes a whole page.
constexpr int kPageBytes = 8192;

// How long the log becomes before it is written into the file.
constexpr int kLogBytes = 16 << 20;

// Not mmap: an I/O error would then be a SIGBUS instead of a status.
constexpr char kWriterSettings[] = R"sql(
PRAGMA synchronous = FULL;
PRAGMA secure_delete = OFF;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA cache_size = -32768;
PRAGMA journal_size_limit = 67108864;
)sql";

constexpr char kReaderSettings[] = R"sql(
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA cache_size = -8192;
)sql";

// The application id in the header of the file itself; 0 when there is none. What
// the file says without the write-ahead log beside it.
std::uint32_t ApplicationIdInFile(const std::string& path) {
  constexpr std::streamoff kOffset = 68;  // https://www.sqlite.org/fileformat.html, 1.3
  std::ifstream file(path, std::ios::binary);
  std::array<char, 4> bytes = {};
  file.seekg(kOffset);
  if (!file.read(bytes.data(), bytes.size())) return 0;
  std::uint32_t id = 0;
  for (const char byte : bytes) id = id << 8 | static_cast<unsigned char>(byte);
  return id;
}

// A backup has no log. One that lies beside it is of the store that was there
// before, and SQLite would write it into the backup.
absl::Status RefuseForeignLog(const std::string& path) {
  std::error_code none;
  const std::uintmax_t size = std::filesystem::file_size(path + "-wal", none);
  if (none || size == 0 || ApplicationIdInFile(path) != kSqliteBackupApplicationId) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(path, " is a backup, and ", path,
                   "-wal is of the store that was there before: take both away and use `restore`"));
}

// The revisions that watchers know of the store that was backed up may be others
// than those which this one makes next. Not yet in WAL mode: when it returns, the
// file itself is a store, and a log beside it is its own.
void BecomeStore(SQLite::Database& database) {
  database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;");
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  database.exec("UPDATE store SET epoch = randomblob(16)");
  database.exec(absl::StrCat("PRAGMA application_id = ", kSqliteApplicationId));
  transaction.commit();
  LogInfo("a backup was restored; resume tokens from before are refused from now on");
}

}  // namespace

absl::StatusOr<std::unique_ptr<SQLite::Database>> OpenSqliteForWriting(const std::string& path) {
  TI_RETURN_IF_ERROR(RefuseForeignLog(path));
  auto database = std::make_unique<SQLite::Database>(
      path, SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX, kBusyTimeoutMs);
  // Before anything that writes: the file may be someone else's.
  TI_RETURN_IF_ERROR(CheckSqliteSchema(*database, SqliteMigrations()));
  if (IsSqliteBackup(*database)) BecomeStore(*database);
  database->exec(absl::StrCat("PRAGMA page_size = ", kPageBytes));
  if (database->execAndGet("PRAGMA journal_mode = WAL").getString() != "wal") {
    return absl::FailedPreconditionError(
        absl::StrCat("SQLite's write-ahead log does not work where the store is: ", path));
  }
  database->exec(kWriterSettings);
  const int page_bytes = database->execAndGet("PRAGMA page_size").getInt();
  database->exec(absl::StrCat("PRAGMA wal_autocheckpoint = ", kLogBytes / page_bytes));
  MigrateSqliteSchema(*database, SqliteMigrations());
  return database;
}

SQLite::Database OpenSqliteForReading(const std::string& path) {
  SQLite::Database database(path, SQLite::OPEN_READONLY | SQLite::OPEN_NOMUTEX, kBusyTimeoutMs);
  database.exec(kReaderSettings);
  // A reader leaves everything as it is, also when it is the last to close.
  sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return database;
}

}  // namespace tokeninventory
