#include "storage/sqlite_status.h"

#include <sqlite3.h>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tokeninventory {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(SqliteStatusTest, CodesAreMapped) {
  const struct {
    int sqlite;
    absl::StatusCode want;
  } cases[] = {
      {SQLITE_BUSY, absl::StatusCode::kUnavailable},
      {SQLITE_BUSY_SNAPSHOT, absl::StatusCode::kUnavailable},
      {SQLITE_LOCKED, absl::StatusCode::kUnavailable},
      {SQLITE_FULL, absl::StatusCode::kUnavailable},
      {SQLITE_IOERR, absl::StatusCode::kUnavailable},
      {SQLITE_IOERR_FSYNC, absl::StatusCode::kUnavailable},
      {SQLITE_READONLY, absl::StatusCode::kUnavailable},
      {SQLITE_CANTOPEN, absl::StatusCode::kUnavailable},
      {SQLITE_CORRUPT, absl::StatusCode::kDataLoss},
      {SQLITE_CORRUPT_INDEX, absl::StatusCode::kDataLoss},
      {SQLITE_NOTADB, absl::StatusCode::kDataLoss},
      {SQLITE_TOOBIG, absl::StatusCode::kInvalidArgument},
      {SQLITE_MISUSE, absl::StatusCode::kInternal},
      {-1, absl::StatusCode::kInternal},  // SQLiteCpp's own
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.sqlite);
    EXPECT_EQ(SqliteErrorToStatus(SQLite::Exception("", c.sqlite), "test").code(), c.want);
  }
}

TEST(SqliteStatusTest, TheMessageNamesTheWorkAndNotTheData) {
  const absl::Status status =
      SqliteErrorToStatus(SQLite::Exception("UNIQUE failed: 'secret'", SQLITE_CORRUPT), "commit");
  EXPECT_THAT(std::string(status.message()), HasSubstr("commit"));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret")));
}

TEST(SqliteStatusTest, ExceptionsBecomeStatuses) {
  const absl::StatusOr<int> failed = CatchSqliteErrors(
      "test", []() -> absl::StatusOr<int> { throw SQLite::Exception("", SQLITE_BUSY); });
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(*CatchSqliteErrors("test", []() -> absl::StatusOr<int> { return 3; }), 3);
}

}  // namespace
}  // namespace tokeninventory
