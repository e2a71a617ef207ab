#include "bench/lib/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/lib/process.h"

namespace tokeninventory::bench {
namespace {

// Which part of a file is in the page cache.
double CachedShare(int file, std::size_t size) {
  void* const mapped = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) Fail(absl::StrCat("mmap: ", std::strerror(errno)));
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((size + page - 1) / page);
  if (mincore(mapped, size, pages.data()) != 0) {
    Fail(absl::StrCat("mincore: ", std::strerror(errno)));
  }
  munmap(mapped, size);
  const auto cached =
      std::count_if(pages.begin(), pages.end(), [](unsigned char state) { return state & 1; });
  return static_cast<double>(cached) / static_cast<double>(pages.size());
}

}  // namespace

void DropFromPageCache(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0) Fail("cannot open " + path);
  // Only pages that are on the disk can go.
  if (fsync(file) != 0) Fail("cannot sync " + path);
  const int error = posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  if (error != 0) Fail(absl::StrCat("posix_fadvise: ", std::strerror(error)));
  // A page that is in use at the moment may stay.
  constexpr double kMostShare = 0.01;
  if (status.st_size > 0 &&
      CachedShare(file, static_cast<std::size_t>(status.st_size)) > kMostShare) {
    Fail(path + " stays in the page cache");
  }
  close(file);
}

}  // namespace tokeninventory::bench
