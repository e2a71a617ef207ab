#include "storage/sqlite_status.h"

#include <sqlite3.h>

#include "absl/strings/str_cat.h"

namespace tokeninventory {
namespace {

absl::StatusCode CodeOf(int code, int extended_code) {
  // Kinds of I/O error that do not pass.
  if (extended_code == SQLITE_IOERR_CORRUPTFS || extended_code == SQLITE_IOERR_DATA) {
    return absl::StatusCode::kDataLoss;
  }
  switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
      return absl::StatusCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_TOOBIG:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status SqliteErrorToStatus(const SQLite::Exception& error, absl::string_view doing) {
  // SQLiteCpp's own errors carry -1.
  const int extended = error.getExtendedErrorCode();
  const int code = error.getErrorCode() < 0 ? error.getErrorCode() : error.getErrorCode() & 0xff;
  return absl::Status(CodeOf(code, extended),
                      absl::StrCat("SQLite store, ", doing, ": ", error.getErrorStr(), " (code ",
                                   code, ", extended ", extended, ")"));
}

}  // namespace tokeninventory
