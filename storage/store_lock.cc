#include "storage/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory {

absl::StatusOr<std::unique_ptr<StoreLock>> StoreLock::Acquire(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot open the store's lock file ", path, ": ", std::strerror(errno)));
  }
  auto lock = absl::WrapUnique(new StoreLock(file));
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          absl::StrCat("the store is open in another process, which holds ", path));
    }
    return absl::UnavailableError(absl::StrCat("cannot lock ", path, ": ", std::strerror(errno)));
  }
  return lock;
}

StoreLock::~StoreLock() { close(file_); }

}  // namespace tokeninventory
