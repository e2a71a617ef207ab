#include "storage/partial_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory {
namespace {

absl::Status ErrnoStatus(absl::string_view doing, const std::string& path) {
  const int error = errno;
  return absl::UnavailableError(
      absl::StrCat("cannot ", doing, " ", path, ": ", std::strerror(error)));
}

// Whether the open file is still the one of that name.
bool IsStillThere(int file, const std::string& path) {
  struct stat open_file = {}, named = {};
  return fstat(file, &open_file) == 0 && stat(path.c_str(), &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

absl::Status SyncDirectoryOf(const std::string& path) {
  // Absolute, because the parent of a bare name is nothing.
  const std::string directory = std::filesystem::absolute(path).parent_path().string();
  const int file = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return ErrnoStatus("open", directory);
  const bool synced = fsync(file) == 0;
  const absl::Status status = synced ? absl::OkStatus() : ErrnoStatus("write", directory);
  close(file);
  return status;
}

}  // namespace

PartialFile::PartialFile(std::string path, std::string partial, int file)
    : path_(std::move(path)), partial_(std::move(partial)), file_(file) {}

absl::StatusOr<std::unique_ptr<PartialFile>> PartialFile::Create(const std::string& path) {
  const std::string partial = path + ".partial";
  const int file = open(partial.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return ErrnoStatus("open", partial);
  // Another process may have been about to put it in place.
  if (flock(file, LOCK_EX | LOCK_NB) != 0 || !IsStillThere(file, partial)) {
    close(file);
    return absl::FailedPreconditionError(
        absl::StrCat("another process is writing ", partial, " just now"));
  }
  auto made = absl::WrapUnique(new PartialFile(path, partial, file));
  if (ftruncate(file, 0) != 0 || fchmod(file, 0600) != 0) return ErrnoStatus("write", partial);
  return made;
}

PartialFile::~PartialFile() {
  if (!in_place_) unlink(partial_.c_str());
  close(file_);
}

absl::Status PartialFile::PutInPlace(bool replace) {
  if (fsync(file_) != 0) return ErrnoStatus("write", partial_);
  int result = renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, path_.c_str(),
                         replace ? 0u : RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
    // A file system that cannot tell: the caller has looked before.
    result = rename(partial_.c_str(), path_.c_str());
  }
  if (result != 0 && errno == EEXIST) {
    return absl::AlreadyExistsError(absl::StrCat(path_, " is there already"));
  }
  if (result != 0) return ErrnoStatus("rename to", path_);
  in_place_ = true;
  return SyncDirectoryOf(path_);
}

}  // namespace tokeninventory
