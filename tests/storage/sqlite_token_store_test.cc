// The conformance suite on SQLite, and what is particular to files.
#include "storage/sqlite_token_store.h"

#include <SQLiteCpp/Database.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_schema.h"
#include "tests/storage/token_store_conformance.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::testing {
namespace {

using ::testing::AnyOf;
using ::testing::FieldsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SqlitePlace final : public StorePlace {
 public:
  absl::StatusOr<std::unique_ptr<TokenStore>> Open() override {
    return SqliteTokenStore::Open(dir_.File("store.db"));
  }

 private:
  TempDir dir_;
};

std::unique_ptr<StorePlace> MakeSqlitePlace() { return std::make_unique<SqlitePlace>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, TokenStoreConformanceTest,
                         ::testing::Values(StorePlaceFactory(MakeSqlitePlace)),
                         [](const auto&) { return "Store"; });

constexpr absl::StatusCode kOk = absl::StatusCode::kOk;

class SqliteTokenStoreTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<TokenStore>> Open() { return SqliteTokenStore::Open(path_); }
  std::unique_ptr<TokenStore> MustOpen() {
    absl::StatusOr<std::unique_ptr<TokenStore>> store = Open();
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  // A closed store with `commits` revisions of a token of `bytes` bytes each.
  void MakeStore(int commits, std::size_t bytes) {
    const std::unique_ptr<TokenStore> store = MustOpen();
    ASSERT_NE(store, nullptr);
    for (std::int64_t i = 0; i < commits; ++i) {
      ASSERT_TRUE(
          store->Commit(i, PutBatch(i + 1, "", std::string(bytes, 'x'), absl::UnixEpoch())).ok());
    }
  }

  // Opens, loads and reads the log; the first error.
  absl::Status ReadAll() {
    class Ignorer final : public LoadVisitor {
      absl::Status OnSource(StoredSource) override { return absl::OkStatus(); }
      absl::Status OnScope(StoredScope) override { return absl::OkStatus(); }
      absl::Status OnToken(const StoredTokenRef&) override { return absl::OkStatus(); }
      absl::Status OnNotice(StoredNotice) override { return absl::OkStatus(); }
    };
    absl::StatusOr<std::unique_ptr<TokenStore>> store = Open();
    if (!store.ok()) return store.status();
    Ignorer ignorer;
    if (absl::Status loaded = (*store)->Load(ignorer); !loaded.ok()) return loaded;
    return (*store)->ReadLog({0, 0}, 1 << 30).status();
  }

  void WriteFile(std::uintmax_t offset, const std::string& bytes) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
    ASSERT_TRUE(file.flush().good());
  }

  TempDir dir_;
  const std::string path_ = dir_.File("store.db");
};

// Runs `body` in a child process and returns it; the child never returns.
pid_t Fork(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(0);
  }
  return child;
}

// --- Whose file it is

TEST_F(SqliteTokenStoreTest, ASecondOpenerIsRefused) {
  const std::unique_ptr<TokenStore> store = MustOpen();
  const absl::Status status = Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_ + ".lock"));
}

TEST_F(SqliteTokenStoreTest, AnotherProcessIsRefused) {
  const std::unique_ptr<TokenStore> store = MustOpen();
  // exec(2) and not only fork(2) would be another program; the lock is the same.
  const pid_t child = Fork(
      [&] { _exit(Open().status().code() == absl::StatusCode::kFailedPrecondition ? 42 : 1); });
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST_F(SqliteTokenStoreTest, TheFilesAreTheOwnersOnly) {
  const std::unique_ptr<TokenStore> store = MustOpen();
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    struct stat info = {};
    ASSERT_EQ(stat((path_ + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << suffix;
  }
}

TEST_F(SqliteTokenStoreTest, AnEmptyFileBecomesAStore) {
  std::ofstream(path_).close();
  EXPECT_EQ(MustOpen()->Head()->revision, 0);
}

TEST_F(SqliteTokenStoreTest, AnotherProgramsDatabaseIsRefusedAndNotTouched) {
  for (const char* content :
       {"CREATE TABLE other (a)", "PRAGMA user_version = 1", "PRAGMA application_id = 1"}) {
    SCOPED_TRACE(content);
    std::filesystem::remove(path_);
    SQLite::Database(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec(content);
    const absl::Status status = Open().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    SQLite::Database other(path_);
    EXPECT_EQ(other.execAndGet("PRAGMA journal_mode").getString(), "delete");
    EXPECT_FALSE(other.tableExists("store"));
  }
}

TEST_F(SqliteTokenStoreTest, ANewerSchemaIsRefused) {
  MakeStore(1, 1);
  SQLite::Database(path_, SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 1000");
  const absl::Status status = Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("1000"));
}

TEST_F(SqliteTokenStoreTest, TheWriterIsDurable) {
  MakeStore(0, 0);
  absl::StatusOr<std::unique_ptr<SQLite::Database>> writer = OpenSqliteForWriting(path_);
  ASSERT_TRUE(writer.ok()) << writer.status();
  const auto pragma = [&](const char* name) {
    return (*writer)->execAndGet(absl::StrCat("PRAGMA ", name)).getString();
  };
  EXPECT_EQ(pragma("journal_mode"), "wal");
  EXPECT_EQ(pragma("synchronous"), "2");
  EXPECT_EQ(pragma("secure_delete"), "0");
  EXPECT_EQ(pragma("cell_size_check"), "1");
  EXPECT_EQ(pragma("application_id"), absl::StrCat(kSqliteApplicationId));
  EXPECT_EQ(pragma("integrity_check"), "ok");
}

// --- Damage

TEST_F(SqliteTokenStoreTest, NoSqliteFileIsDataLoss) {
  std::ofstream(path_) << std::string(10'000, '?');
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SqliteTokenStoreTest, ADamagedFileIsDataLoss) {
  MakeStore(20, 1000);
  const std::uintmax_t size = std::filesystem::file_size(path_);
  for (const std::uintmax_t offset : {std::uintmax_t{100}, std::uintmax_t{4096}, size / 2}) {
    SCOPED_TRACE(offset);
    const std::string copy = dir_.File("copy");
    std::filesystem::copy_file(path_, copy);
    WriteFile(offset, std::string(size - offset, '\xff'));
    EXPECT_EQ(ReadAll().code(), absl::StatusCode::kDataLoss) << ReadAll();
    std::filesystem::rename(copy, path_);
    EXPECT_EQ(ReadAll().code(), kOk);
  }
}

TEST_F(SqliteTokenStoreTest, ACutFileIsDataLoss) {
  MakeStore(20, 1000);
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  EXPECT_EQ(ReadAll().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SqliteTokenStoreTest, MissingRowsAreDataLoss) {
  for (const char* damage : {"DELETE FROM store", "DELETE FROM changes WHERE seq = 2",
                             "DELETE FROM revisions WHERE revision = 2",
                             "UPDATE tokens SET marks = x'80' WHERE \"row\" = 1"}) {
    SCOPED_TRACE(damage);
    std::filesystem::remove(path_);
    MakeStore(3, 1);
    SQLite::Database(path_, SQLite::OPEN_READWRITE).exec(damage);
    EXPECT_EQ(ReadAll().code(), absl::StatusCode::kDataLoss);
  }
}

// --- What may pass

TEST_F(SqliteTokenStoreTest, APlaceThatCannotBeWrittenIsUnavailable) {
  EXPECT_EQ(SqliteTokenStore::Open(dir_.File("missing/store.db")).status().code(),
            absl::StatusCode::kUnavailable);
  std::filesystem::create_directory(path_);
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(SqliteTokenStoreTest, AReadOnlyDirectoryIsUnavailable) {
  MakeStore(1, 1);
  for (const std::string& path : {path_, dir_.File("new.db")}) {
    SCOPED_TRACE(path);
    std::filesystem::permissions(dir_.path(), std::filesystem::perms{0555});
    const pid_t child = Fork([&] {
      constexpr uid_t kNobody = 65534;
      // Root may write everywhere.
      if (geteuid() == 0 && setuid(kNobody) != 0) _exit(1);
      _exit(SqliteTokenStore::Open(path).status().code() == absl::StatusCode::kUnavailable ? 42
                                                                                           : 1);
    });
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 42);
    std::filesystem::permissions(dir_.path(), std::filesystem::perms{0755});
  }
}

// Lets no file grow beyond `bytes`: write(2) then fails, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uintmax_t bytes) {
    old_handler_ = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit = {static_cast<rlim_t>(bytes), old_limit_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_limit_);
    signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_limit_ = {};
  void (*old_handler_)(int) = nullptr;
};

TEST_F(SqliteTokenStoreTest, AFailedWriteIsUnavailableAndTheNextCommitWorks) {
  std::unique_ptr<TokenStore> store = MustOpen();
  std::int64_t head = 0;
  const auto batch = [&](std::int64_t first_row) {
    CommitBatch made;
    made.commit_time = absl::UnixEpoch();
    for (std::int64_t row = first_row; row < first_row + 100; ++row) {
      made.put_tokens.push_back({row, std::string(1000, 'x'), {}});
      made.changes.push_back({row, v1::TokenChange::VENDOR_REPORTED, "", std::string(1000, 'x')});
      made.put_notices.push_back({row, "soon"});
      made.changes.push_back(NoticeChange(row, "", "soon"));
    }
    return made;
  };
  for (const std::uintmax_t room : {0u, 1u, 5000u, 50'000u, 150'000u}) {
    SCOPED_TRACE(room);
    {
      const FileSizeLimit limit(std::filesystem::file_size(path_ + "-wal") + room);
      for (int attempt = 0; attempt < 2; ++attempt) {
        EXPECT_EQ(store->Commit(head, batch(head * 100 + 1)).status().code(),
                  absl::StatusCode::kUnavailable);
        EXPECT_EQ(store->Head()->revision, head);
        EXPECT_THAT(LoadAll(*store),
                    FieldsAre(IsEmpty(), IsEmpty(), SizeIs(head * 100), SizeIs(head * 100)));
      }
    }
    const absl::StatusOr<std::int64_t> revision = store->Commit(head, batch(head * 100 + 1));
    ASSERT_TRUE(revision.ok()) << revision.status();
    EXPECT_EQ(*revision, head + 1);
    head = *revision;
    if (room == 5000) {
      store.reset();
      store = MustOpen();
    }
    ExpectStateIsWhatTheLogSays(*store);
  }
}

// --- Crashes

// Commits without end, telling each revision to `acknowledged` once Commit has
// returned. Every batch changes several rows and their notices, makes some, purges
// some.
void CommitForEver(const std::string& path, int acknowledged) {
  absl::StatusOr<std::unique_ptr<TokenStore>> store = SqliteTokenStore::Open(path);
  if (!store.ok()) _exit(1);
  std::map<std::int64_t, std::string> state;
  std::map<std::int64_t, std::string> notices;
  LoadedStore loaded = LoadAll(**store);
  for (StoredToken& token : loaded.tokens) state[token.row] = std::move(token.token);
  for (StoredNotice& notice : loaded.notices) notices[notice.row] = std::move(notice.notice);
  std::int64_t head = (*store)->Head()->revision;
  while (true) {
    CommitBatch batch;
    batch.commit_time = absl::UnixEpoch() + absl::Seconds(head);
    for (std::int64_t i = 0; i < 20; ++i) {
      const std::int64_t row = 1 + (head * 7 + i * 13) % 200;
      std::string& token = state[row];
      const bool purge = !token.empty() && (head + i) % 5 == 0;
      std::string after =
          purge ? "" : absl::StrCat("revision ", head + 1, std::string(300, 'x'), i);
      batch.changes.push_back({row, v1::TokenChange::VENDOR_REPORTED, token, after});
      if (purge) {
        batch.purge_rows.push_back(row);
        state.erase(row);
      } else {
        batch.put_tokens.push_back({row, after, {{head, 1}}});
        token = std::move(after);
      }
      std::string& notice = notices[row];
      std::string notice_after = purge ? "" : absl::StrCat("notice ", head + 1);
      batch.changes.push_back(NoticeChange(row, notice, notice_after));
      if (purge) {
        batch.delete_notices.push_back(row);
        notices.erase(row);
      } else {
        batch.put_notices.push_back({row, notice_after});
        notice = std::move(notice_after);
      }
    }
    const absl::StatusOr<std::int64_t> revision = (*store)->Commit(head, batch);
    if (!revision.ok()) _exit(1);
    head = *revision;
    if (write(acknowledged, &head, sizeof(head)) != sizeof(head)) _exit(1);
  }
}

// Runs CommitForEver in a child, kills it after `commits` acknowledgements and
// returns the last revision that it acknowledged.
std::int64_t CommitUntilKilled(const std::string& path, int commits) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return -1;
  const pid_t child = Fork([&] {
    close(pipe_ends[0]);
    CommitForEver(path, pipe_ends[1]);
  });
  close(pipe_ends[1]);
  std::int64_t last = -1;
  std::int64_t revision = 0;
  for (int i = 0; i < commits; ++i) {
    if (read(pipe_ends[0], &revision, sizeof(revision)) == sizeof(revision)) last = revision;
  }
  // The child is now somewhere in its next commits.
  kill(child, SIGKILL);
  while (read(pipe_ends[0], &revision, sizeof(revision)) == sizeof(revision)) last = revision;
  close(pipe_ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  return last;
}

TEST_F(SqliteTokenStoreTest, NothingAcknowledgedIsLostWhenTheProcessIsKilled) {
  for (const int commits : {1, 2, 3, 5, 8, 13, 40, 1, 1, 100}) {
    const std::int64_t acknowledged = CommitUntilKilled(path_, commits);
    ASSERT_GE(acknowledged, commits);
    const std::unique_ptr<TokenStore> store = MustOpen();
    ASSERT_NE(store, nullptr);
    // One more may have become durable without being acknowledged.
    EXPECT_THAT(store->Head()->revision, AnyOf(acknowledged, acknowledged + 1));
    ExpectStateIsWhatTheLogSays(*store);
  }
}

TEST_F(SqliteTokenStoreTest, AKilledFirstOpenIsResumed) {
  // Whatever part of the empty file, WAL mode and schema got done.
  for (int i = 0; i < 20; ++i) {
    TempDir dir;
    const std::string path = dir.File("store.db");
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = Fork([&] {
      const char started = 1;
      if (write(pipe_ends[1], &started, 1) != 1) _exit(1);
      (void)SqliteTokenStore::Open(path).ok();
      pause();
    });
    char started = 0;
    EXPECT_EQ(read(pipe_ends[0], &started, 1), 1);
    for (int spin = 0; spin < i * i * 1000; ++spin) asm volatile("");
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    absl::StatusOr<std::unique_ptr<TokenStore>> store = SqliteTokenStore::Open(path);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_THAT((*store)->Head()->epoch, SizeIs(16));
  }
}

TEST_F(SqliteTokenStoreTest, ATornWriteAheadLogGivesAnEarlierRevision) {
  const std::int64_t acknowledged = CommitUntilKilled(path_, 30);
  const std::string wal = path_ + "-wal";
  const std::uintmax_t size = std::filesystem::file_size(wal);
  std::int64_t newest = 0;
  for (int part = 0; part <= 16; ++part) {
    SCOPED_TRACE(part);
    TempDir copy;
    const std::string path = copy.File("store.db");
    std::filesystem::copy_file(path_, path);
    std::filesystem::copy_file(wal, path + "-wal");
    std::filesystem::resize_file(path + "-wal", size / 16 * static_cast<std::uintmax_t>(part));
    absl::StatusOr<std::unique_ptr<TokenStore>> store = SqliteTokenStore::Open(path);
    ASSERT_TRUE(store.ok()) << store.status();
    ExpectStateIsWhatTheLogSays(**store);
    EXPECT_GE((*store)->Head()->revision, newest);
    newest = (*store)->Head()->revision;
  }
  EXPECT_GE(newest, acknowledged - 1);
}

}  // namespace
}  // namespace tokeninventory::testing
