// SQLite's way to the disk with faults on it: what the real store does when the disk
// is full, read-only, or fails at any one call.
#pragma once

#include <sqlite3.h>

#include <functional>
#include <limits>

#include "base/mutex.h"

namespace tokeninventory::testing {

// SQLite's default VFS from the first use on, for as long as the process lives; without
// a fault it passes everything on to the one before. Thread-safe.
class FaultyVfs {
 public:
  enum class Call { kOpen, kRead, kWrite, kTruncate, kSync, kShmMap };
  enum Files { kDatabase = 1, kLog = 2, kJournal = 4, kAllFiles = 7 };  // kLog: the WAL

  // Which calls fail, and how.
  struct Fault {
    Call call = Call::kWrite;
    int code = SQLITE_IOERR;  // what they return
    int files = kAllFiles;
    int skip = 0;                                 // so many pass first
    int count = std::numeric_limits<int>::max();  // then so many fail
    bool growing = false;             // only writes that make the file longer: a full disk
    bool partly = false;              // half of a write gets through before it fails
    std::function<void()> then = {};  // called in place of a return
  };

  static FaultyVfs& Get();

  // From now on, in place of the fault before.
  void Set(Fault fault);
  void Clear() { Set(Fault{.count = 0}); }
  // Calls that failed since Set.
  int failed();

  // For the VFS itself: whether this call fails.
  bool Fails(Call call, int open_flags, bool growing, Fault* fault);

 private:
  FaultyVfs();

  Mutex mutex_;
  Fault fault_ ABSL_GUARDED_BY(mutex_) = {.count = 0};
  int failed_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The fault of a disk that is full: nothing grows any more.
inline FaultyVfs::Fault FullDisk() {
  return {.call = FaultyVfs::Call::kWrite, .code = SQLITE_FULL, .growing = true};
}

}  // namespace tokeninventory::testing
