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

const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename Value>
const absl::Status& StatusOf(const absl::StatusOr<Value>& result) {
  return result.status();
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

SqliteTokenStore::~SqliteTokenStore() {
  if (damaged_) writer_->LeaveLogBehind();
}

template <typename Call>
auto SqliteTokenStore::Run(absl::string_view doing, const Call& call) -> decltype(call()) {
  auto result = CatchSqliteErrors(doing, call);
  if (StatusOf(result).code() == absl::StatusCode::kDataLoss) damaged_ = true;
  return result;
}

template <typename Call>
auto SqliteTokenStore::Write(absl::string_view doing, const Call& call) -> decltype(call()) {
  if (damaged_) {
    return absl::DataLossError(absl::StrCat("SQLite store, ", doing,
                                            ": it was found damaged and is not written any more"));
  }
  return Run(doing, call);
}

absl::StatusOr<StoreHead> SqliteTokenStore::Head() {
  MutexLock lock(reader_mutex_);
  return Run("read the head", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return reader_->Head(); });
}

absl::Status SqliteTokenStore::Load(LoadVisitor& visitor) {
  return Run("load", [&] { return writer_->Load(visitor); });
}

absl::StatusOr<std::int64_t> SqliteTokenStore::Commit(std::int64_t expected_head,
                                                      const CommitBatch& batch) {
  return Write("commit", [&] { return writer_->Commit(expected_head, batch); });
}

absl::StatusOr<LogPage> SqliteTokenStore::ReadLog(LogPosition after, std::int64_t max_bytes) {
  MutexLock lock(reader_mutex_);
  return Run("read the log",
             [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return reader_->ReadLog(after, max_bytes); });
}

absl::StatusOr<std::vector<LogEntry>> SqliteTokenStore::ReadHistory(std::int64_t row,
                                                                    std::int64_t before_revision,
                                                                    int limit) {
  MutexLock lock(reader_mutex_);
  return Run("read a history", [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return reader_->ReadHistory(row, before_revision, limit);
  });
}

absl::StatusOr<StoreHead> SqliteTokenStore::Compact(const LogLimits& limits) {
  return Write("compact", [&] { return writer_->Compact(limits); });
}

}  // namespace tokeninventory
