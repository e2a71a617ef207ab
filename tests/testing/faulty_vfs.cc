#include "tests/testing/faulty_vfs.h"

#include <cstdlib>
#include <new>
#include <utility>

namespace tokeninventory::testing {
namespace {

using Call = FaultyVfs::Call;

sqlite3_vfs* real_vfs = nullptr;
sqlite3_vfs faulty_vfs = {};

// The real file follows in memory.
struct File {
  sqlite3_file base;
  int open_flags;

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File& Of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
sqlite3_file* Real(sqlite3_file* file) { return Of(file).real(); }
const sqlite3_io_methods& RealMethods(sqlite3_file* file) { return *Real(file)->pMethods; }

// SQLITE_OK when the call is to be passed on.
int Fault(Call call, sqlite3_file* file) {
  FaultyVfs::Fault fault;
  if (!FaultyVfs::Get().Fails(call, Of(file).open_flags, false, &fault)) return SQLITE_OK;
  if (fault.then) fault.then();
  return fault.code;
}

int Close(sqlite3_file* file) { return RealMethods(file).xClose(Real(file)); }

int Read(sqlite3_file* file, void* buffer, int size, sqlite3_int64 offset) {
  const int fault = Fault(Call::kRead, file);
  return fault != SQLITE_OK ? fault : RealMethods(file).xRead(Real(file), buffer, size, offset);
}

int Write(sqlite3_file* file, const void* buffer, int size, sqlite3_int64 offset) {
  sqlite3_int64 length = 0;
  RealMethods(file).xFileSize(Real(file), &length);
  FaultyVfs::Fault fault;
  if (!FaultyVfs::Get().Fails(Call::kWrite, Of(file).open_flags, offset + size > length, &fault)) {
    return RealMethods(file).xWrite(Real(file), buffer, size, offset);
  }
  if (fault.partly) RealMethods(file).xWrite(Real(file), buffer, size / 2, offset);
  if (fault.then) fault.then();
  return fault.code;
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  const int fault = Fault(Call::kTruncate, file);
  return fault != SQLITE_OK ? fault : RealMethods(file).xTruncate(Real(file), size);
}

int Sync(sqlite3_file* file, int flags) {
  const int fault = Fault(Call::kSync, file);
  return fault != SQLITE_OK ? fault : RealMethods(file).xSync(Real(file), flags);
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return RealMethods(file).xFileSize(Real(file), size);
}
int Lock(sqlite3_file* file, int level) { return RealMethods(file).xLock(Real(file), level); }
int Unlock(sqlite3_file* file, int level) { return RealMethods(file).xUnlock(Real(file), level); }
int CheckReservedLock(sqlite3_file* file, int* reserved) {
  return RealMethods(file).xCheckReservedLock(Real(file), reserved);
}
int FileControl(sqlite3_file* file, int operation, void* argument) {
  return RealMethods(file).xFileControl(Real(file), operation, argument);
}
int SectorSize(sqlite3_file* file) { return RealMethods(file).xSectorSize(Real(file)); }
int DeviceCharacteristics(sqlite3_file* file) {
  return RealMethods(file).xDeviceCharacteristics(Real(file));
}
int ShmMap(sqlite3_file* file, int page, int size, int extend, void volatile** mapped) {
  const int fault = Fault(Call::kShmMap, file);
  return fault != SQLITE_OK ? fault
                            : RealMethods(file).xShmMap(Real(file), page, size, extend, mapped);
}
int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  return RealMethods(file).xShmLock(Real(file), offset, count, flags);
}
void ShmBarrier(sqlite3_file* file) { RealMethods(file).xShmBarrier(Real(file)); }
int ShmUnmap(sqlite3_file* file, int remove) {
  return RealMethods(file).xShmUnmap(Real(file), remove);
}

// Without memory-mapped reads, which the store does not use.
constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = FileSize,
    .xLock = Lock,
    .xUnlock = Unlock,
    .xCheckReservedLock = CheckReservedLock,
    .xFileControl = FileControl,
    .xSectorSize = SectorSize,
    .xDeviceCharacteristics = DeviceCharacteristics,
    .xShmMap = ShmMap,
    .xShmLock = ShmLock,
    .xShmBarrier = ShmBarrier,
    .xShmUnmap = ShmUnmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  File& opened = *new (file) File{{nullptr}, flags};
  FaultyVfs::Fault fault;
  if (FaultyVfs::Get().Fails(Call::kOpen, flags, false, &fault)) return fault.code;
  const int result = real_vfs->xOpen(real_vfs, name, opened.real(), flags, out_flags);
  if (opened.real()->pMethods != nullptr) opened.base.pMethods = &kMethods;
  return result;
}

}  // namespace

FaultyVfs& FaultyVfs::Get() {
  static FaultyVfs* const vfs = new FaultyVfs;
  return *vfs;
}

FaultyVfs::FaultyVfs() {
  real_vfs = sqlite3_vfs_find(nullptr);
  faulty_vfs = *real_vfs;
  faulty_vfs.zName = "faulty";
  faulty_vfs.pNext = nullptr;
  faulty_vfs.szOsFile = static_cast<int>(sizeof(File)) + real_vfs->szOsFile;
  faulty_vfs.xOpen = Open;
  if (sqlite3_vfs_register(&faulty_vfs, /*makeDflt=*/1) != SQLITE_OK) std::abort();
}

void FaultyVfs::Set(Fault fault) {
  MutexLock lock(mutex_);
  fault_ = std::move(fault);
  failed_ = 0;
}

int FaultyVfs::failed() {
  MutexLock lock(mutex_);
  return failed_;
}

bool FaultyVfs::Fails(Call call, int open_flags, bool growing, Fault* fault) {
  MutexLock lock(mutex_);
  const int file = (open_flags & SQLITE_OPEN_MAIN_DB) != 0        ? kDatabase
                   : (open_flags & SQLITE_OPEN_WAL) != 0          ? kLog
                   : (open_flags & SQLITE_OPEN_MAIN_JOURNAL) != 0 ? kJournal
                                                                  : 0;
  if (call != fault_.call || (file & fault_.files) == 0 || (fault_.growing && !growing) ||
      fault_.count <= 0) {
    return false;
  }
  if (fault_.skip > 0) {
    --fault_.skip;
    return false;
  }
  --fault_.count;
  ++failed_;
  *fault = fault_;
  return true;
}

}  // namespace tokeninventory::testing
