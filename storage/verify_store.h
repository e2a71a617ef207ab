// Whether a store holds together: the log against the state, and both against
// what the service relies on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inventory/token_store.h"

namespace tokeninventory {

// What VerifyStore found.
struct StoreReport {
  StoreHead head;
  bool is_backup = false;  // a backup that nobody has written to yet
  std::int64_t sources = 0;
  std::int64_t scopes = 0;
  std::int64_t tokens = 0;  // tombstones included
  std::int64_t tombstones = 0;
  std::int64_t notices = 0;
  std::int64_t open_notices = 0;
  std::int64_t log_revisions = 0;
  std::int64_t log_changes = 0;
  std::int64_t log_bytes = 0;

  // One line each, with rows, revisions and ids but no stored values. The first
  // hundred; `problem_count` counts all.
  std::vector<std::string> problems;
  std::int64_t problem_count = 0;

  bool sound() const { return problem_count == 0; }
};

// Reads all of the store at `path`, as of one moment, and writes nothing: also
// while a service has it open. Takes about as long as reading the file twice, and
// memory for each token and each row of the log's (some 100 bytes).
//
// Checked: SQLite's own integrity and the schema; that revisions and changes are
// numbered without holes up to the head, and counted right; that each change joins
// on to the one before it; that tokens and notices are what the log says last;
// that names, uids and marks are unique and refer to what is there.
//
// Errors: UNAVAILABLE when the file cannot be opened (a page that cannot be read later
// is a problem), FAILED_PRECONDITION when it is
// no store of this version's, DATA_LOSS when it is no database at all. Blocks.
absl::StatusOr<StoreReport> VerifyStore(const std::string& path);

}  // namespace tokeninventory
