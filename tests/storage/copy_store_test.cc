// Backup and restore of the SQLite store.
#include "storage/copy_store.h"

#include <SQLiteCpp/Database.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "storage/sqlite_schema.h"
#include "storage/sqlite_token_store.h"
#include "tests/storage/sample_store.h"
#include "tests/storage/token_store_conformance.h"
#include "tests/testing/faulty_vfs.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Call = FaultyVfs::Call;
namespace fs = std::filesystem;

class CopyStoreTest : public ::testing::Test {
 protected:
  CopyStoreTest() { FaultyVfs::Get().Clear(); }
  ~CopyStoreTest() override { FaultyVfs::Get().Clear(); }

  std::unique_ptr<TokenStore> MustOpen(const std::string& path) {
    auto store = SqliteTokenStore::Open(path);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  std::unique_ptr<TokenStore> MustOpen() { return MustOpen(store_); }

  // `revisions` more of them.
  void Grow(TokenStore& store, int revisions) {
    std::int64_t head = store.Head().value().revision;
    if (head == 0) {
      ASSERT_TRUE(store.Commit(0, SampleStore::Empty()).ok());
    }
    for (int i = 0; i < revisions; ++i) {
      const CommitBatch batch = sample_.Put(head + 1, 1 + head % 5 * 10, 20, 200);
      ASSERT_TRUE(store.Commit(head, batch).ok());
      sample_.Remember(batch);
      ++head;
    }
  }

  StoreReport MustVerify(const std::string& path) {
    const auto report = VerifyStore(path);
    EXPECT_TRUE(report.ok()) << report.status();
    if (!report.ok()) return StoreReport();
    EXPECT_THAT(report->problems, IsEmpty());
    return *report;
  }

  // Of the folder, without the store's lock.
  std::set<std::string> Files() {
    std::set<std::string> files;
    for (const auto& file : fs::directory_iterator(dir_.path())) {
      files.insert(file.path().filename().string());
    }
    files.erase("store.db.lock");
    return files;
  }

  TempDir dir_;
  const std::string store_ = dir_.File("store.db");
  const std::string backup_ = dir_.File("backup");
  SampleStore sample_;
};

// --- Backup

TEST_F(CopyStoreTest, ABackupHoldsAllOfTheStoreAndIsTheOwnersOnly) {
  const auto store = MustOpen();
  Grow(*store, 30);
  const auto report = BackupStore(store_, backup_, false);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->is_backup);
  EXPECT_EQ(report->head.revision, 30);
  EXPECT_EQ(MustVerify(backup_).tokens, report->tokens);
  struct stat info = {};
  ASSERT_EQ(stat(backup_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  // One file, that needs no other.
  EXPECT_EQ(Files(), (std::set<std::string>{"backup", "store.db", "store.db-shm", "store.db-wal"}));
  const TempDir elsewhere;
  fs::copy_file(backup_, elsewhere.File("copy"));
  EXPECT_THAT(LoadAll(*MustOpen(elsewhere.File("copy"))).tokens, SizeIs(sample_.tokens().size()));
  // The store is as it was, and goes on.
  EXPECT_FALSE(MustVerify(store_).is_backup);
  Grow(*store, 1);
}

TEST_F(CopyStoreTest, BackupsOfAStoreThatIsWrittenAreOfOneMomentEach) {
  const auto store = MustOpen();
  Grow(*store, 5);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop) Grow(*store, 1);
  });
  std::int64_t last = 0;
  for (int i = 0; i < 10; ++i) {
    const auto report = BackupStore(store_, backup_, /*overwrite=*/true);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_GE(report->head.revision, last);
    last = report->head.revision;
    MustVerify(backup_);
  }
  stop = true;
  writer.join();
  EXPECT_GT(last, 5);
}

TEST_F(CopyStoreTest, WhatIsThereIsReplacedOnlyWhenToldTo) {
  Grow(*MustOpen(), 3);
  std::ofstream(backup_) << "precious";
  EXPECT_EQ(BackupStore(store_, backup_, false).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(fs::file_size(backup_), 8u);
  ASSERT_TRUE(BackupStore(store_, backup_, true).ok());
  EXPECT_EQ(MustVerify(backup_).head.revision, 3);
}

TEST_F(CopyStoreTest, AStoreIsNeverReplacedByItsBackup) {
  Grow(*MustOpen(), 3);
  fs::create_symlink(store_, dir_.File("link"));
  for (const std::string& path : {store_, dir_.File("link"), dir_.File("./store.db")}) {
    EXPECT_EQ(BackupStore(store_, path, true).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(RestoreStore(path, store_, true).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(MustVerify(store_).is_backup);
}

TEST_F(CopyStoreTest, WhatCannotBeBackedUpLeavesNothing) {
  const auto code = [&](const std::string& from, const std::string& to) {
    return BackupStore(from, to, false).status().code();
  };
  EXPECT_EQ(code(dir_.File("missing"), backup_), absl::StatusCode::kUnavailable);
  std::ofstream(dir_.File("text")) << std::string(5000, '?');
  EXPECT_EQ(code(dir_.File("text"), backup_), absl::StatusCode::kDataLoss);
  std::ofstream(dir_.File("empty")).close();
  EXPECT_EQ(code(dir_.File("empty"), backup_), absl::StatusCode::kFailedPrecondition);
  Grow(*MustOpen(), 3);
  EXPECT_EQ(code(store_, dir_.File("no/such/folder")), absl::StatusCode::kUnavailable);
  SQLite::Database(store_, SQLite::OPEN_READWRITE).exec("UPDATE store SET log_bytes = 1");
  const absl::Status damaged = BackupStore(store_, backup_, false).status();
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(damaged.message()), HasSubstr("bytes in the log"));
  EXPECT_FALSE(fs::exists(backup_));
  EXPECT_FALSE(fs::exists(backup_ + ".partial"));
}

TEST_F(CopyStoreTest, ADiskThatFailsLeavesNoBackupOrAGoodOne) {
  Grow(*MustOpen(), 10);
  int failures = 0;
  for (const Call call : {Call::kWrite, Call::kSync, Call::kRead, Call::kOpen}) {
    for (int skip = 0;; skip += 1 + skip / 8) {
      SCOPED_TRACE(absl::StrCat("call ", static_cast<int>(call), " after ", skip));
      FaultyVfs::Get().Set({.call = call, .code = SQLITE_FULL, .skip = skip, .count = 1});
      const auto report = BackupStore(store_, backup_, false);
      const bool failed = FaultyVfs::Get().failed() > 0;
      FaultyVfs::Get().Clear();
      EXPECT_EQ(fs::exists(backup_), report.ok());
      EXPECT_FALSE(fs::exists(backup_ + ".partial"));
      if (report.ok()) {
        MustVerify(backup_);
      } else {
        ++failures;
        // While it verifies, a page that cannot be read is damage.
        EXPECT_THAT(report.status().code(),
                    AnyOf(absl::StatusCode::kUnavailable, absl::StatusCode::kDataLoss))
            << report.status();
      }
      fs::remove(backup_);
      if (!failed) break;
    }
  }
  EXPECT_GT(failures, 30);
  MustVerify(store_);
}

// --- Restore

TEST_F(CopyStoreTest, ARestoredStoreIsAnotherOneWithTheSameRevision) {
  Grow(*MustOpen(), 10);
  const StoreHead head = MustVerify(store_).head;
  ASSERT_TRUE(BackupStore(store_, backup_, false).ok());
  Grow(*MustOpen(), 5);
  const auto restored = RestoreStore(backup_, store_, /*replace=*/true);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->report.head.revision, 10);
  const StoreHead first = MustOpen()->Head().value();
  EXPECT_EQ(first.revision, 10);
  EXPECT_EQ(first.oldest_revision, head.oldest_revision);
  EXPECT_NE(first.epoch, head.epoch);
  EXPECT_EQ(MustOpen()->Head().value().epoch, first.epoch) << "once is enough";
  EXPECT_FALSE(MustVerify(store_).is_backup);
  // Nothing was lost: what was there is there, and is what it was.
  EXPECT_EQ(MustVerify(restored->kept).head.revision, 15);
  EXPECT_EQ(MustVerify(restored->kept).head.epoch, head.epoch);
  // The same backup again is yet another store.
  ASSERT_TRUE(RestoreStore(backup_, store_, true).ok());
  EXPECT_NE(MustOpen()->Head().value().epoch, first.epoch);
}

TEST_F(CopyStoreTest, ABackupThatIsJustCopiedIntoPlaceIsAnotherStoreToo) {
  Grow(*MustOpen(), 10);
  const std::string epoch = MustVerify(store_).head.epoch;
  ASSERT_TRUE(BackupStore(store_, backup_, false).ok());
  fs::remove(store_ + "-wal");
  fs::remove(store_ + "-shm");
  fs::copy_file(backup_, store_, fs::copy_options::overwrite_existing);
  const auto store = MustOpen();
  EXPECT_NE(store->Head().value().epoch, epoch);
  Grow(*store, 3);
  EXPECT_EQ(MustVerify(store_).head.revision, 13);
  // Nor does a backup of a backup forget what it is.
  ASSERT_TRUE(BackupStore(backup_, dir_.File("second"), false).ok());
  EXPECT_TRUE(MustVerify(dir_.File("second")).is_backup);
}

// SQLite would write what the old log holds into the backup.
TEST_F(CopyStoreTest, ABackupBesideTheLogOfAnotherStoreIsRefused) {
  auto store = MustOpen();
  Grow(*store, 10);
  ASSERT_TRUE(BackupStore(store_, backup_, false).ok());
  Grow(*store, 10);
  const TempDir crashed;
  const std::string path = crashed.File("store.db");
  fs::copy_file(backup_, path);
  fs::copy_file(store_ + "-wal", path + "-wal");
  const auto size = fs::file_size(path + "-wal");
  const absl::Status status = SqliteTokenStore::Open(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path + "-wal"));
  EXPECT_EQ(fs::file_size(path + "-wal"), size);
  // `restore` sorts it out.
  ASSERT_TRUE(RestoreStore(backup_, path, true).ok());
  EXPECT_EQ(MustOpen(path)->Head().value().revision, 10);
}

TEST_F(CopyStoreTest, AStoreInUseIsNotReplaced) {
  const auto store = MustOpen();
  Grow(*store, 3);
  ASSERT_TRUE(BackupStore(store_, backup_, false).ok());
  EXPECT_EQ(RestoreStore(backup_, store_, true).status().code(),
            absl::StatusCode::kFailedPrecondition);
  Grow(*store, 3);
  EXPECT_EQ(MustVerify(store_).head.revision, 6);
}

TEST_F(CopyStoreTest, AStoreThatHoldsAnythingIsReplacedOnlyWhenToldTo) {
  Grow(*MustOpen(), 3);
  ASSERT_TRUE(BackupStore(store_, backup_, false).ok());
  EXPECT_EQ(RestoreStore(backup_, store_, false).status().code(), absl::StatusCode::kAlreadyExists);
  // What cannot be read may hold something.
  const std::string other = dir_.File("other.db");
  std::ofstream(other) << std::string(5000, '?');
  EXPECT_EQ(RestoreStore(backup_, other, false).status().code(), absl::StatusCode::kAlreadyExists);
  const auto restored = RestoreStore(backup_, other, true);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(fs::file_size(restored->kept), 5000u);
  // Nothing, an empty file, and a store that nobody has used.
  EXPECT_TRUE(RestoreStore(backup_, dir_.File("new.db"), false).ok());
  std::ofstream(dir_.File("empty.db")).close();
  EXPECT_TRUE(RestoreStore(backup_, dir_.File("empty.db"), false).ok());
  MustOpen(dir_.File("fresh.db"));
  EXPECT_TRUE(RestoreStore(backup_, dir_.File("fresh.db"), false).ok());
  for (const char* name : {"new.db", "empty.db", "fresh.db", "other.db"}) {
    EXPECT_EQ(MustOpen(dir_.File(name))->Head().value().revision, 3) << name;
  }
}

// A service that was killed leaves the newest revisions in the log beside the store.
TEST_F(CopyStoreTest, WhatIsKeptHasItsLog) {
  const TempDir crashed;
  const std::string path = crashed.File("store.db");
  {
    const auto store = MustOpen();
    Grow(*store, 10);
    ASSERT_TRUE(BackupStore(store_, backup_, false).ok());
    Grow(*store, 10);
    fs::copy_file(store_, path);
    fs::copy_file(store_ + "-wal", path + "-wal");
  }
  const auto restored = RestoreStore(backup_, path, true);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(MustVerify(restored->kept).head.revision, 20);
  EXPECT_EQ(MustVerify(path).head.revision, 10);
}

TEST_F(CopyStoreTest, WhatIsNoGoodIsNotRestored) {
  Grow(*MustOpen(), 3);
  ASSERT_TRUE(BackupStore(store_, backup_, false).ok());
  const auto code = [&](const std::string& file) {
    return RestoreStore(file, store_, true).status().code();
  };
  EXPECT_EQ(code(dir_.File("missing")), absl::StatusCode::kUnavailable);
  std::ofstream(dir_.File("text")) << std::string(5000, '?');
  EXPECT_EQ(code(dir_.File("text")), absl::StatusCode::kDataLoss);
  fs::resize_file(backup_, fs::file_size(backup_) / 2);
  EXPECT_EQ(code(backup_), absl::StatusCode::kDataLoss);
  EXPECT_EQ(MustVerify(store_).head.revision, 3);
  EXPECT_FALSE(fs::exists(store_ + ".partial"));
}

TEST_F(CopyStoreTest, AnOlderVersionsBackupIsBroughtUpToDate) {
  {
    SQLite::Database old(backup_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    MigrateSqliteSchema(old, SqliteMigrations().first(1));
    old.exec(absl::StrCat("PRAGMA application_id = ", kSqliteBackupApplicationId));
  }
  const auto restored = RestoreStore(backup_, store_, false);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_TRUE(restored->report.is_backup);
  EXPECT_EQ(MustOpen()->Head().value().revision, 0);
}

// Whatever fails while a backup becomes a store: it never is one with the old epoch.
TEST_F(CopyStoreTest, ABackupThatFailsToBecomeAStoreIsStillABackup) {
  Grow(*MustOpen(), 3);
  const std::string epoch = MustVerify(store_).head.epoch;
  ASSERT_TRUE(BackupStore(store_, backup_, false).ok());
  int failures = 0;
  for (const Call call : {Call::kWrite, Call::kSync, Call::kOpen}) {
    for (int skip = 0;; ++skip) {
      SCOPED_TRACE(absl::StrCat("call ", static_cast<int>(call), " after ", skip));
      const TempDir dir;
      const std::string path = dir.File("store.db");
      fs::copy_file(backup_, path);
      FaultyVfs::Get().Set({.call = call, .code = SQLITE_IOERR, .skip = skip, .count = 1});
      const absl::Status opened = SqliteTokenStore::Open(path).status();
      const bool failed = FaultyVfs::Get().failed() > 0;
      FaultyVfs::Get().Clear();
      if (!opened.ok()) ++failures;
      const StoreReport report = MustVerify(path);
      EXPECT_NE(report.is_backup, report.head.epoch != epoch);
      EXPECT_NE(MustOpen(path)->Head().value().epoch, epoch);
      if (!failed) break;
    }
  }
  EXPECT_GT(failures, 5);
}

}  // namespace
}  // namespace tokeninventory::testing
