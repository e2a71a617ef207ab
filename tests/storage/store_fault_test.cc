// The SQLite store on a disk that fails: every fault at every call of every operation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/sqlite_token_store.h"
#include "storage/verify_store.h"
#include "tests/storage/sample_store.h"
#include "tests/storage/token_store_conformance.h"
#include "tests/testing/faulty_vfs.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::testing {
namespace {

using ::testing::AnyOf;
using ::testing::IsEmpty;
using Call = FaultyVfs::Call;

constexpr absl::StatusCode kOk = absl::StatusCode::kOk;
constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;

struct NamedFault {
  const char* name;
  FaultyVfs::Fault fault;
};

std::vector<NamedFault> Faults() {
  return {
      {"full disk", FullDisk()},
      {"full disk, half of the write done",
       {.call = Call::kWrite, .code = SQLITE_FULL, .partly = true}},
      {"write error", {.call = Call::kWrite, .code = SQLITE_IOERR_WRITE}},
      {"write error, half of the write done",
       {.call = Call::kWrite, .code = SQLITE_IOERR_WRITE, .partly = true}},
      {"read-only", {.call = Call::kWrite, .code = SQLITE_READONLY}},
      {"the log alone is full",
       {.call = Call::kWrite, .code = SQLITE_FULL, .files = FaultyVfs::kLog}},
      {"the database alone fails",
       {.call = Call::kWrite, .code = SQLITE_IOERR_WRITE, .files = FaultyVfs::kDatabase}},
      {"sync error", {.call = Call::kSync, .code = SQLITE_IOERR_FSYNC}},
      {"read error", {.call = Call::kRead, .code = SQLITE_IOERR_READ}},
      {"truncate error", {.call = Call::kTruncate, .code = SQLITE_IOERR_TRUNCATE}},
      {"no shared memory", {.call = Call::kShmMap, .code = SQLITE_IOERR_SHMMAP}},
      {"out of files", {.call = Call::kOpen, .code = SQLITE_CANTOPEN}},
  };
}

class StoreFaultTest : public ::testing::Test {
 protected:
  StoreFaultTest() { FaultyVfs::Get().Clear(); }
  ~StoreFaultTest() override { FaultyVfs::Get().Clear(); }

  void MustOpen() {
    absl::StatusOr<std::unique_ptr<TokenStore>> store = SqliteTokenStore::Open(path_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  // A store with 30 revisions, some of them compacted, and most of it only in the log.
  void MakeStore() {
    MustOpen();
    ASSERT_TRUE(store_->Commit(0, SampleStore::Empty()).ok());
    while (head_ < 30) ASSERT_EQ(CommitSome().code(), kOk);
    LogLimits limits = NoLimits();
    limits.max_changes = 200;
    ASSERT_TRUE(store_->Compact(limits).ok());
  }

  absl::Status CommitSome() {
    const CommitBatch batch = sample_.Put(head_ + 1, 1 + head_ % 7 * 10, 15, 400);
    const absl::StatusOr<std::int64_t> revision = store_->Commit(head_, batch);
    if (revision.ok()) {
      head_ = *revision;
      sample_.Remember(batch);
    }
    return revision.status();
  }

  // What memory would show now, from the store's own mouth.
  void ExpectTheModel() {
    ASSERT_EQ(store_->Head().value().revision, head_);
    std::map<std::int64_t, std::string> tokens;
    for (const StoredToken& token : LoadAll(*store_).tokens) tokens[token.row] = token.token;
    EXPECT_EQ(tokens, sample_.tokens());
    const absl::StatusOr<StoreReport> report = VerifyStore(path_);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_THAT(report->problems, IsEmpty());
  }

  TempDir dir_;
  const std::string path_ = dir_.File("store.db");
  std::unique_ptr<TokenStore> store_;
  SampleStore sample_;
  std::int64_t head_ = 0;
};

// Each fault, at one call after the other and lasting, during each operation: it is
// UNAVAILABLE or was not hit, what was committed is there, nothing else is, and once the
// fault is gone everything works.
TEST_F(StoreFaultTest, EveryFaultDuringEveryOperation) {
  MakeStore();
  std::map<std::string, int> bites;  // by fault
  const auto try_all = [&](const char* operation, const std::function<absl::Status()>& run) {
    for (const NamedFault& named : Faults()) {
      // Until the operation ends before it gets to that call.
      for (int skip = 0; skip < 40; skip += 1 + skip / 4) {
        for (const bool lasts : {false, true}) {
          if (lasts && skip > 1) continue;
          SCOPED_TRACE(absl::StrCat(operation, ": ", named.name, " after ", skip, " calls",
                                    lasts ? ", lasting" : ""));
          FaultyVfs::Fault fault = named.fault;
          fault.skip = skip;
          if (!lasts) fault.count = 1;
          // Something for a compaction to remove, and for a close to move.
          ASSERT_EQ(CommitSome().code(), kOk);
          const std::int64_t head = head_;
          FaultyVfs::Get().Set(fault);
          const absl::Status status = run();
          const int failed = FaultyVfs::Get().failed();
          FaultyVfs::Get().Clear();
          EXPECT_THAT(status.code(), AnyOf(kOk, kUnavailable)) << status;
          if (failed == 0) {
            EXPECT_EQ(status.code(), kOk);
          }
          if (!status.ok()) {
            EXPECT_EQ(head_, head);
          }
          bites[named.name] += failed;
          if (store_ == nullptr) MustOpen();
          ASSERT_NE(store_, nullptr);
          ExpectTheModel();
          if (failed == 0) skip = 1000;
          if (HasFailure()) return;
        }
      }
    }
    // And as if nothing had been.
    EXPECT_EQ(CommitSome().code(), kOk);
    ExpectTheModel();
  };
  try_all("commit", [&] { return CommitSome(); });
  try_all("try", [&] { return store_->Commit(head_, CommitBatch()).status(); });
  try_all("compact", [&] {
    LogLimits limits = NoLimits();
    limits.max_changes = 200;
    return store_->Compact(limits).status();
  });
  try_all("read the log", [&]() -> absl::Status {
    const absl::StatusOr<StoreHead> head = store_->Head();
    if (!head.ok()) return head.status();
    return store_->ReadLog({head->oldest_revision + 1, 0}, 1 << 20).status();
  });
  try_all("read a history", [&] { return store_->ReadHistory(1, head_ + 1, 100).status(); });
  try_all("close and open", [&] {
    store_ = nullptr;
    absl::StatusOr<std::unique_ptr<TokenStore>> store = SqliteTokenStore::Open(path_);
    if (store.ok()) store_ = *std::move(store);
    return store.status();
  });
  // A fault that never bit tested nothing.
  for (const NamedFault& named : Faults()) {
    EXPECT_GT(bites[named.name], 0) << named.name;
    std::cout << named.name << ": " << bites[named.name] << " calls failed\n";
  }
}

// The same for a store that is just being made.
TEST_F(StoreFaultTest, AFirstOpenThatFailsIsGoneOnWith) {
  for (const NamedFault& named : Faults()) {
    for (int skip = 0; skip < 60; skip += 1 + skip / 4) {
      SCOPED_TRACE(absl::StrCat(named.name, " after ", skip, " calls"));
      const TempDir dir;
      FaultyVfs::Fault fault = named.fault;
      fault.skip = skip;
      FaultyVfs::Get().Set(fault);
      const absl::Status status = SqliteTokenStore::Open(dir.File("store.db")).status();
      const int failed = FaultyVfs::Get().failed();
      FaultyVfs::Get().Clear();
      EXPECT_THAT(status.code(), AnyOf(kOk, kUnavailable)) << status;
      const auto store = SqliteTokenStore::Open(dir.File("store.db"));
      ASSERT_TRUE(store.ok()) << store.status();
      EXPECT_TRUE((*store)->Commit(0, SampleStore::Empty()).ok());
      EXPECT_TRUE(VerifyStore(dir.File("store.db")).value().sound());
      if (failed == 0) break;
    }
  }
}

// Readers need no disk that can be written.
TEST_F(StoreFaultTest, TheLogIsReadWhileTheDiskIsFull) {
  MakeStore();
  FaultyVfs::Get().Set(FullDisk());
  ASSERT_EQ(CommitSome().code(), kUnavailable);
  const std::int64_t oldest = store_->Head().value().oldest_revision;
  EXPECT_EQ(store_->ReadLog({oldest + 1, 0}, 1 << 30).value().entries.size(),
            static_cast<std::size_t>(15 * (head_ - oldest)));
  EXPECT_FALSE(store_->ReadHistory(31, head_ + 1, 100).value().empty());
}

// When the database file fails and its log does not, commits go on into the log.
TEST_F(StoreFaultTest, ACheckpointThatFailsLosesNothing) {
  MakeStore();
  FaultyVfs::Get().Set({.call = Call::kWrite, .code = SQLITE_FULL, .files = FaultyVfs::kDatabase});
  // 16 MB: SQLite wants to move its log into the database.
  for (int i = 0; i < 400; ++i) {
    const CommitBatch batch = sample_.Put(head_ + 1, 1, 30, 1000);
    const absl::StatusOr<std::int64_t> revision = store_->Commit(head_, batch);
    ASSERT_TRUE(revision.ok()) << revision.status();
    head_ = *revision;
    sample_.Remember(batch);
  }
  EXPECT_GT(FaultyVfs::Get().failed(), 0);
  ExpectTheModel();
  FaultyVfs::Get().Clear();
  EXPECT_EQ(CommitSome().code(), kOk);
  ExpectTheModel();
}

// --- Damage

TEST_F(StoreFaultTest, ADamagedStoreIsNotWrittenAnyMore) {
  MakeStore();
  store_ = nullptr;  // all is in the database file now
  MustOpen();
  // Whoever notices: here it is the reader.
  FaultyVfs::Get().Set({.call = Call::kRead, .code = SQLITE_IOERR_CORRUPTFS, .count = 1});
  const std::int64_t oldest = store_->Head().value_or(StoreHead{"", 0, 5}).oldest_revision;
  absl::Status found = store_->ReadLog({oldest + 1, 0}, 1 << 30).status();
  if (found.ok()) found = store_->ReadHistory(1, head_ + 1, 100).status();
  ASSERT_EQ(FaultyVfs::Get().failed(), 1);
  FaultyVfs::Get().Set({.call = Call::kWrite, .code = SQLITE_IOERR_WRITE});
  EXPECT_EQ(CommitSome().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(store_->Commit(head_, CommitBatch()).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(store_->Compact(NoLimits()).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(FaultyVfs::Get().failed(), 0) << "it tried to write";
  FaultyVfs::Get().Clear();
  EXPECT_TRUE(store_->Head().ok()) << "reads go on where they can";
  // Whether it still is, the next start says.
  store_ = nullptr;
  MustOpen();
  EXPECT_EQ(CommitSome().code(), kOk);
}

// --- Crashes

// Commits, compacts and closes, telling each revision that was acknowledged, in a child
// that dies at its `skip`th call of one kind. Returns the last one told; nothing once the
// child came to its end.
std::optional<std::int64_t> DieAt(const std::string& path, const SampleStore& sample,
                                  std::int64_t head, FaultyVfs::Fault fault) {
  int ends[2];
  if (pipe(ends) != 0) return std::nullopt;
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    fault.then = [] { _exit(9); };
    FaultyVfs::Get().Set(fault);
    SampleStore own = sample;
    auto store = SqliteTokenStore::Open(path);
    if (!store.ok()) _exit(1);
    for (int i = 0; i < 4; ++i) {
      const CommitBatch batch = own.Put(head + 1, 1 + i * 20, 25, 300);
      const auto revision = (*store)->Commit(head, batch);
      if (!revision.ok()) _exit(2);
      own.Remember(batch);
      head = *revision;
      if (write(ends[1], &head, sizeof head) != sizeof head) _exit(3);
    }
    LogLimits limits = NoLimits();
    limits.max_changes = 150;
    if (!(*store)->Compact(limits).ok()) _exit(4);
    store->reset();
    _exit(0);
  }
  close(ends[1]);
  std::int64_t told = head;
  for (std::int64_t next = 0; read(ends[0], &next, sizeof next) == sizeof next;) told = next;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_THAT(WEXITSTATUS(status), AnyOf(0, 9));
  if (WEXITSTATUS(status) == 0) return std::nullopt;
  return told;
}

TEST_F(StoreFaultTest, AProcessThatDiesAtAnyCallLosesNothingThatWasAcknowledged) {
  MakeStore();
  store_ = nullptr;
  int deaths = 0;
  for (const Call call : {Call::kWrite, Call::kSync, Call::kTruncate}) {
    for (const bool partly : {false, true}) {
      if (partly && call != Call::kWrite) continue;
      // Closer together at first: opening and a commit's beginning.
      for (int skip = 0;; skip += 1 + skip / 10) {
        SCOPED_TRACE(absl::StrCat("call ", static_cast<int>(call), " after ", skip, " calls",
                                  partly ? ", half done" : ""));
        const TempDir copy;
        const std::string path = copy.File("store.db");
        std::filesystem::copy_file(path_, path);
        const std::optional<std::int64_t> told =
            DieAt(path, sample_, head_, {.call = call, .skip = skip, .partly = partly});
        const absl::StatusOr<StoreReport> dead = VerifyStore(path);
        ASSERT_TRUE(dead.ok()) << dead.status();
        EXPECT_THAT(dead->problems, IsEmpty());
        if (!told.has_value()) break;
        ++deaths;
        const auto store = SqliteTokenStore::Open(path);
        ASSERT_TRUE(store.ok()) << store.status();
        // One more may have become durable without being acknowledged.
        EXPECT_THAT((*store)->Head()->revision, AnyOf(*told, *told + 1));
        EXPECT_EQ((*store)->Commit((*store)->Head()->revision, CommitBatch()).status().code(), kOk);
      }
    }
  }
  std::cout << deaths << " deaths\n";
  EXPECT_GT(deaths, 50);
}

}  // namespace
}  // namespace tokeninventory::testing
