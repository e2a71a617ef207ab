// Where SQLite's exceptions end. Only storage/ includes this.
#pragma once

#include <SQLiteCpp/Exception.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tokeninventory {

// UNAVAILABLE for what may pass (busy, full, I/O, permissions), DATA_LOSS for a
// damaged or foreign file, INVALID_ARGUMENT for a value that is too big,
// INTERNAL for the rest. The message is made of `doing` and SQLite's text for
// the code, never of SQLite's own message, which may quote stored values.
absl::Status SqliteErrorToStatus(const SQLite::Exception& error, absl::string_view doing);

// Runs `function`, which returns a Status or StatusOr, and turns an exception of
// SQLite into one.
template <typename Function>
auto CatchSqliteErrors(absl::string_view doing, const Function& function) -> decltype(function()) {
  try {
    return function();
  } catch (const SQLite::Exception& error) {
    return SqliteErrorToStatus(error, doing);
  }
}

}  // namespace tokeninventory
