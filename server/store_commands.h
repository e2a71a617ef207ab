// `token-inventoryd verify-store`, `backup` and `restore`: what operators do with a
// store (docs/operations.md).
#pragma once

#include <ostream>
#include <string>

namespace tokeninventory {

// Each writes what it did to `out`, or one line to `errors`, and returns the program's
// exit code: 0, or 1 when it failed or the store is not sound. `store` is the path of
// the store's file.

// Reads only, also while the service runs.
int VerifyStoreCommand(const std::string& store, std::ostream& out, std::ostream& errors);

// Also while the service runs.
int BackupCommand(const std::string& store, const std::string& file, bool overwrite,
                  std::ostream& out, std::ostream& errors);

// Only while no service runs.
int RestoreCommand(const std::string& file, const std::string& store, bool replace,
                   std::ostream& out, std::ostream& errors);

}  // namespace tokeninventory
