// How the SQLite store opens its file. Only storage/ includes this.
#pragma once

#include <SQLiteCpp/Database.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace tokeninventory {

// A connection that writes durably, to a store of the newest schema. The file
// must be there; an empty one becomes a store, and so does a backup, which gets an
// epoch of its own. The caller holds the store's lock. FAILED_PRECONDITION as
// SqliteTokenStore::Open; throws SQLite::Exception.
absl::StatusOr<std::unique_ptr<SQLite::Database>> OpenSqliteForWriting(const std::string& path);

// A connection that only reads, whoever else has the store open. Throws
// SQLite::Exception.
SQLite::Database OpenSqliteForReading(const std::string& path);

}  // namespace tokeninventory
