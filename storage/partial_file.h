// A file that appears under its name only when it is complete. Only storage/
// includes this.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tokeninventory {

// Holds `path`.partial, empty and private (mode 0600) at first, for one process at a
// time; the destructor removes it unless it was put in place. One that a crash left
// behind is used again. Errors: UNAVAILABLE, naming the file.
//
// Thread-compatible.
class PartialFile {
 public:
  // FAILED_PRECONDITION when another process is at it.
  static absl::StatusOr<std::unique_ptr<PartialFile>> Create(const std::string& path);

  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  // Where to write.
  const std::string& path() const { return partial_; }

  // Makes what was written durable, and gives it its name. ALREADY_EXISTS when that is
  // taken and `replace` is not set.
  absl::Status PutInPlace(bool replace);

 private:
  PartialFile(std::string path, std::string partial, int file);

  const std::string path_;
  const std::string partial_;
  const int file_;
  bool in_place_ = false;
};

}  // namespace tokeninventory
