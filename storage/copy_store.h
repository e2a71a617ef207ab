// Backup and restore: a store as of one moment, as a file of its own.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "storage/verify_store.h"

namespace tokeninventory {

// Writes a backup of the store at `store`, which may be in use, to `file`: private
// (mode 0600), verified, on the disk, and there only once all of that is so. While
// it runs, `file`.partial is beside it; one that a crash left is written over.
// Commits of the service go on meanwhile. Returns what the backup holds.
//
// Errors: ALREADY_EXISTS when `file` is there and `overwrite` is not set;
// INVALID_ARGUMENT when it is the store itself; FAILED_PRECONDITION when `store` is no
// store, or another backup to `file` runs; DATA_LOSS when the store is damaged;
// UNAVAILABLE when a file cannot be read or written. Blocks.
absl::StatusOr<StoreReport> BackupStore(const std::string& store, const std::string& file,
                                        bool overwrite);

// What RestoreStore did.
struct RestoredStore {
  StoreReport report;
  // Where what was there before is kept; empty when there was nothing.
  std::string kept;
};

// Puts a copy of `file`, a backup or a store (of this version or an older one), where
// a service finds it as its store. The service gives it an epoch of its own: resume
// tokens from before are refused. What was there before is kept under another name.
//
// Errors: FAILED_PRECONDITION when the store is in use, or `file` is no store;
// ALREADY_EXISTS when the store holds anything, or cannot be read, and `replace` is not
// set; INVALID_ARGUMENT when `file` is the store itself; DATA_LOSS when `file` is
// damaged; UNAVAILABLE when a file cannot be read or written. Blocks. When it fails,
// the store is as it was.
absl::StatusOr<RestoredStore> RestoreStore(const std::string& file, const std::string& store,
                                           bool replace);

}  // namespace tokeninventory
