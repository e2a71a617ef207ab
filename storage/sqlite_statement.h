// One use of a prepared statement that is kept for many, and of one that is not. Only
// storage/ includes this.
#pragma once

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>
#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace tokeninventory {

// Binds parameters in order, runs, and leaves the statement ready for its next
// use, whatever happened: SQLite refuses to bind to one that is not reset, and
// one that is still open keeps its transaction from ending.
//
// Bound strings are not copied: they must outlive this object. Everything but
// the destructor throws SQLite::Exception. Used only by one thread.
class StatementUse {
 public:
  explicit StatementUse(SQLite::Statement& statement) : statement_(statement) {}
  ~StatementUse() { statement_.tryReset(); }
  StatementUse(const StatementUse&) = delete;
  StatementUse& operator=(const StatementUse&) = delete;

  StatementUse& Integer(std::int64_t value) {
    statement_.bind(++bound_, value);
    return *this;
  }
  StatementUse& Text(const std::string& value) {
    statement_.bindNoCopy(++bound_, value);
    return *this;
  }
  StatementUse& Blob(const std::string& value) {
    statement_.bindNoCopy(++bound_, value.data(), static_cast<int>(value.size()));
    return *this;
  }

  // Runs a statement that has no result; returns how many rows it wrote.
  int Run() { return statement_.exec(); }

  // Steps to the next row of the result.
  bool Next() { return statement_.executeStep(); }
  bool HasRow() const { return statement_.hasRow(); }
  std::int64_t IntegerAt(int column) const { return statement_.getColumn(column).getInt64(); }
  // Of a text or a blob, valid until the next step.
  absl::string_view ViewAt(int column) const {
    const SQLite::Column value = statement_.getColumn(column);
    // Asked for in this order, as SQLite demands.
    const void* const bytes = value.getBlob();
    return {static_cast<const char*>(bytes), static_cast<std::size_t>(value.getBytes())};
  }
  // A copy of it.
  std::string BytesAt(int column) const { return statement_.getColumn(column).getString(); }

 private:
  SQLite::Statement& statement_;
  int bound_ = 0;
};

// The rows of a query without parameters, read without what SQLite::Column does for each
// value: it counts a reference, with two atomic operations, which a load of a million rows
// feels. Throws SQLite::Exception. Used only by one thread.
class SqliteRows {
 public:
  SqliteRows(SQLite::Database& database, const char* query) : database_(database.getHandle()) {
    Check(sqlite3_prepare_v2(database_, query, -1, &statement_, nullptr), SQLITE_OK);
  }
  ~SqliteRows() { sqlite3_finalize(statement_); }
  SqliteRows(const SqliteRows&) = delete;
  SqliteRows& operator=(const SqliteRows&) = delete;

  // Steps to the next row; false at the end.
  bool Next() {
    const int result = sqlite3_step(statement_);
    if (result == SQLITE_ROW) return true;
    Check(result, SQLITE_DONE);
    return false;
  }
  std::int64_t IntegerAt(int column) const { return sqlite3_column_int64(statement_, column); }
  // Of a blob, valid until the next step.
  absl::string_view ViewAt(int column) const {
    // Asked for in this order, as SQLite demands.
    const void* const bytes = sqlite3_column_blob(statement_, column);
    return {static_cast<const char*>(bytes),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  void Check(int result, int expected) const {
    if (result != expected) throw SQLite::Exception(database_, result);
  }

  sqlite3* const database_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace tokeninventory
