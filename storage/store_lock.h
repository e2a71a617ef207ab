// The right to be the only process that writes a store.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace tokeninventory {

// Holds flock(2) on a file beside the store for as long as it lives. The kernel
// lets go of it when the process dies, however it dies. The file itself stays:
// removing it would let two processes lock two different files of one name.
//
// Thread-compatible: it has no state that changes.
class StoreLock {
 public:
  // FAILED_PRECONDITION, naming `path`, when someone holds it; UNAVAILABLE when
  // the file cannot be opened. Never waits.
  static absl::StatusOr<std::unique_ptr<StoreLock>> Acquire(const std::string& path);

  ~StoreLock();
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

 private:
  explicit StoreLock(int file) : file_(file) {}

  const int file_;
};

}  // namespace tokeninventory
