#include "storage/sqlite_token_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_log_reader.h"
#include "storage/sqlite_status.h"
#include "storage/sqlite_writer.h"
#include "storage/store_lock.h"

namespace tokeninventory {
namespace {

// SQLite would make the file readable for everyone; -wal and -shm take its mode.
absl::Status MakePrivateFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot open the store ", path, ": ", std::strerror(errno)));
  }
  close(file);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenStore>> SqliteTokenStore::Open(const std::string& path) {
  return CatchSqliteErrors("open", [&]() -> absl::StatusOr<std::unique_ptr<TokenStore>> {
    TI_ASSIGN_OR_RETURN(std::unique_ptr<StoreLock> lock, StoreLock::Acquire(path + ".lock"));
    TI_RETURN_IF_ERROR(MakePrivateFile(path));
    TI_ASSIGN_OR_RETURN(std::unique_ptr<SQLite::Database> database, OpenSqliteForWriting(path));
    auto writer = std::make_unique<SqliteWriter>(std::move(database));
    auto reader = std::make_unique<SqliteLogReader>(OpenSqliteForReading(path));
    TI_RETURN_IF_ERROR(reader->Head().status());
    return absl::WrapUnique<TokenStore>(
        new SqliteTokenStore(std::move(lock), std::move(writer), std::move(reader)));
  });
}

SqliteTokenStore::SqliteTokenStore(std::unique_ptr<StoreLock> lock,
                                   std::unique_ptr<SqliteWriter> writer,
                                   std::unique_ptr<SqliteLogReader> reader)
    : lock_(std::move(lock)), writer_(std::move(writer)), reader_(std::move(reader)) {}

SqliteTokenStore::~SqliteTokenStore() = default;

absl::StatusOr<StoreHead> SqliteTokenStore::Head() {
  MutexLock lock(reader_mutex_);
  return CatchSqliteErrors("read the head",
                           [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return reader_->Head(); });
}

absl::Status SqliteTokenStore::Load(LoadVisitor& visitor) {
  return CatchSqliteErrors("load", [&] { return writer_->Load(visitor); });
}

absl::StatusOr<std::int64_t> SqliteTokenStore::Commit(std::int64_t expected_head,
                                                      const CommitBatch& batch) {
  return CatchSqliteErrors("commit", [&] { return writer_->Commit(expected_head, batch); });
}

absl::StatusOr<LogPage> SqliteTokenStore::ReadLog(LogPosition after, std::int64_t max_bytes) {
  MutexLock lock(reader_mutex_);
  return CatchSqliteErrors("read the log", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return reader_->ReadLog(after, max_bytes);
  });
}

absl::StatusOr<std::vector<LogEntry>> SqliteTokenStore::ReadHistory(std::int64_t row,
                                                                    std::int64_t before_revision,
                                                                    int limit) {
  MutexLock lock(reader_mutex_);
  return CatchSqliteErrors("read a history", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return reader_->ReadHistory(row, before_revision, limit);
  });
}

absl::StatusOr<StoreHead> SqliteTokenStore::Compact(const LogLimits& limits) {
  return CatchSqliteErrors("compact", [&] { return writer_->Compact(limits); });
}

}  // namespace tokeninventory
