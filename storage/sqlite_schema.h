// The tables of the SQLite store, and how an older store gets them.
#pragma once

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace SQLite {
class Database;
}

namespace tokeninventory {

// In the header of every store ("TInv"): says whose file it is.
inline constexpr int kSqliteApplicationId = 0x54496e76;

// The same of a backup ("TInB"): a copy of a store that may since have gone on
// without it. Whoever opens it for writing first makes a store of it, with an epoch
// of its own.
inline constexpr int kSqliteBackupApplicationId = 0x54496e42;

// Whether `database` is a backup. Throws SQLite::Exception.
bool IsSqliteBackup(SQLite::Database& database);

// SQL that turns version i into version i + 1; version 0 is an empty file. Only
// ever appended to. A store's version is its PRAGMA user_version.
absl::Span<const char* const> SqliteMigrations();

// FAILED_PRECONDITION when `database` is not empty and not ours (a store or a backup), or was made
// by a newer version. Writes nothing. Throws SQLite::Exception.
absl::Status CheckSqliteSchema(SQLite::Database& database,
                               absl::Span<const char* const> migrations);

// Brings a checked `database` to the newest version, each step in a transaction
// of its own: a crash between two of them is resumed by the next call. Does not
// tell a backup from a store: it is one or the other before and after. Throws
// SQLite::Exception.
void MigrateSqliteSchema(SQLite::Database& database, absl::Span<const char* const> migrations);

}  // namespace tokeninventory
