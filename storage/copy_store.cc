#include "storage/copy_store.h"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "storage/partial_file.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_schema.h"
#include "storage/sqlite_status.h"
#include "storage/store_lock.h"

namespace tokeninventory {
namespace {

namespace fs = std::filesystem;

// Writes a backup of `from` into the empty file `to`, and verifies it.
absl::StatusOr<StoreReport> WriteCopy(const std::string& from, const std::string& to) {
  const absl::Status written =
      CatchSqliteErrors(absl::StrCat("copy ", from), [&]() -> absl::Status {
        {
          SQLite::Database source = OpenSqliteForReading(from);
          TI_RETURN_IF_ERROR(CheckSqliteSchema(source, SqliteMigrations()));
          if (source.execAndGet("PRAGMA user_version").getInt() == 0) {
            return absl::FailedPreconditionError(absl::StrCat(from, " is no token store"));
          }
          // One read transaction: the store of one moment, while its writer goes on.
          SQLite::Statement copy(source, "VACUUM INTO ?");
          copy.bindNoCopy(1, to);
          copy.exec();
        }
        SQLite::Database backup(to, SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX);
        backup.exec(
            "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF");
        backup.exec(absl::StrCat("PRAGMA application_id = ", kSqliteBackupApplicationId));
        // Of an older version's store.
        MigrateSqliteSchema(backup, SqliteMigrations());
        return absl::OkStatus();
      });
  TI_RETURN_IF_ERROR(written);
  TI_ASSIGN_OR_RETURN(StoreReport report, VerifyStore(to));
  if (!report.sound()) {
    return absl::DataLossError(absl::StrCat(from, " is damaged (", report.problem_count,
                                            " problems; the first: ", report.problems.front(),
                                            ")"));
  }
  return report;
}

bool SameFile(const std::string& a, const std::string& b) {
  std::error_code missing;
  return fs::equivalent(a, b, missing);
}

// Whether nothing is lost when the store at `path` is: it was never written to.
bool HoldsNothing(const std::string& path) {
  std::error_code missing;
  if (fs::file_size(path, missing) == 0 && !missing) return true;
  const absl::StatusOr<StoreReport> report = VerifyStore(path);
  return report.ok() && report->sound() && report->head.revision == 0 && report->sources == 0 &&
         report->scopes == 0 && report->tokens == 0 && report->notices == 0;
}

// Gives what is at `store`, and its write-ahead log, a second name. They stay where
// they are until something is put in their place.
absl::StatusOr<std::string> KeepUnderAnotherName(const std::string& store) {
  const std::string time = absl::FormatTime("%Y%m%dT%H%M%SZ", absl::Now(), absl::UTCTimeZone());
  for (int i = 1; i < 1000; ++i) {
    const std::string kept =
        absl::StrCat(store, ".replaced-", time, i > 1 ? absl::StrCat("-", i) : "");
    std::error_code error;
    if (fs::exists(kept, error)) continue;
    fs::create_hard_link(store, kept, error);
    if (!error && fs::exists(store + "-wal")) {
      fs::create_hard_link(store + "-wal", kept + "-wal", error);
    }
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("cannot keep ", store, " as ", kept, ": ", error.message()));
    }
    return kept;
  }
  return absl::UnavailableError(absl::StrCat("no name is left to keep ", store, " under"));
}

}  // namespace

absl::StatusOr<StoreReport> BackupStore(const std::string& store, const std::string& file,
                                        bool overwrite) {
  if (SameFile(store, file)) {
    return absl::InvalidArgumentError(absl::StrCat(file, " is the store itself"));
  }
  std::error_code error;
  if (!overwrite && fs::exists(fs::symlink_status(file, error))) {
    return absl::AlreadyExistsError(absl::StrCat(file, " is there already"));
  }
  TI_ASSIGN_OR_RETURN(const std::unique_ptr<PartialFile> partial, PartialFile::Create(file));
  TI_ASSIGN_OR_RETURN(StoreReport report, WriteCopy(store, partial->path()));
  TI_RETURN_IF_ERROR(partial->PutInPlace(overwrite));
  return report;
}

absl::StatusOr<RestoredStore> RestoreStore(const std::string& file, const std::string& store,
                                           bool replace) {
  if (SameFile(store, file)) {
    return absl::InvalidArgumentError(absl::StrCat(file, " is the store itself"));
  }
  TI_ASSIGN_OR_RETURN(const std::unique_ptr<StoreLock> lock, StoreLock::Acquire(store + ".lock"));
  const bool is_there = fs::exists(store);
  if (is_there && !replace && !HoldsNothing(store)) {
    return absl::AlreadyExistsError(absl::StrCat(store, " is there already, and not empty"));
  }
  TI_ASSIGN_OR_RETURN(const std::unique_ptr<PartialFile> partial, PartialFile::Create(store));
  RestoredStore restored;
  TI_ASSIGN_OR_RETURN(restored.report, WriteCopy(file, partial->path()));
  if (is_there) {
    TI_ASSIGN_OR_RETURN(restored.kept, KeepUnderAnotherName(store));
  }
  TI_RETURN_IF_ERROR(partial->PutInPlace(/*replace=*/true));
  // A crash before this leaves a backup beside a log that is not its own, which is
  // refused until somebody restores again.
  std::error_code ignored;
  for (const char* suffix : {"-wal", "-shm"}) fs::remove(store + suffix, ignored);
  return restored;
}

}  // namespace tokeninventory
