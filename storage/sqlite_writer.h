// The writing side of the SQLite store. Only storage/ includes this.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inventory/token_store.h"

namespace tokeninventory {

// Owns the store's only writing connection. Each method is one transaction,
// rolled back whenever it does not return OK. Methods throw SQLite::Exception
// besides the errors of TokenStore's methods of the same name.
//
// Thread-compatible: used by one thread at a time.
class SqliteWriter {
 public:
  // `database` comes from OpenSqliteForWriting.
  explicit SqliteWriter(std::unique_ptr<SQLite::Database> database);
  ~SqliteWriter();

  absl::Status Load(LoadVisitor& visitor);
  absl::StatusOr<std::int64_t> Commit(std::int64_t expected_head, const CommitBatch& batch);
  absl::StatusOr<StoreHead> Compact(const LogLimits& limits);

  // Has the destructor leave the write-ahead log where it is, in place of moving it
  // into the database.
  void LeaveLogBehind();

 private:
  struct LogState;  // the row of table `store`
  struct Statements;

  absl::StatusOr<LogState> ReadLogState();
  void WriteLogState(const LogState& state);
  void TouchLogState(LogState state);
  void AppendRevision(const CommitBatch& batch, LogState& state);
  absl::Status WriteTokens(const CommitBatch& batch);
  void WriteScopes(const CommitBatch& batch);
  void WriteSources(const CommitBatch& batch);
  void WriteNotices(const CommitBatch& batch);

  const std::unique_ptr<SQLite::Database> database_;
  std::unique_ptr<Statements> statements_;  // closed before the database
};

}  // namespace tokeninventory
