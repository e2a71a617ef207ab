// VerifyStore: a store that the Ledger made is sound whatever it went through, and
// whoever tampers with one is found out.
#include "storage/verify_store.h"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "storage/sqlite_token_store.h"
#include "tests/inventory/ledger_harness.h"
#include "tests/inventory/vendor_churn.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

LedgerSetup TwoSources() {
  LedgerSetup setup;
  setup.sources.push_back(MakeSourceInfo("beta"));
  return setup;
}

StoreReport Verify(const std::string& path) {
  absl::StatusOr<StoreReport> report = VerifyStore(path);
  EXPECT_TRUE(report.ok()) << report.status();
  return report.ok() ? *std::move(report) : StoreReport();
}

// Tokens that come, change, go and come back; that end, with notices; whose id is given
// to another one; of a source that is not read for long; and a log that was compacted.
class Story {
 public:
  // Calls `look` after each step.
  template <typename Look>
  void Play(const Look& look) {
    for (int i = 0; i < 25; ++i) {
      churn_.Step();
      house_.Pass({Lists(Ending(i))}, "beta");
      look();
      house_.Advance(absl::Hours(i % 5 == 0 ? 30 : 2));
      look();
    }
    // Compacted, and tombstones purged with it.
    for (int i = 0; i < 5; ++i) {
      house_.Advance(absl::Hours(24 * 3));
      look();
    }
    LedgerSetup without = TwoSources();
    without.sources.pop_back();
    house_.Reopen(without);
    look();
    house_.Reopen(TwoSources());
    look();
    for (int i = 0; i < 4; ++i) {
      churn_.Step();
      house_.Pass({Lists(Ending(i))}, "beta");
      house_.Advance(absl::Hours(3));
      look();
    }
  }

  LedgerHarness& house() { return house_; }

 private:
  // Tokens of which some end soon, one is renewed, one gets a successor of its id.
  std::vector<ObservedToken> Ending(int step) {
    std::vector<ObservedToken> tokens;
    for (int i = 0; i < 12; ++i) {
      tokens.push_back(Observed(absl::StrCat("e", i), [&](v1::Token& token) {
        token.set_expiry(v1::Token::AT);
        const absl::Duration renewed = i == 3 ? absl::Hours(24 * 10 * (step / 8)) : absl::Hours(0);
        ToProto(start_ + absl::Hours(10 + 24 * i) + renewed, token.mutable_expire_time());
        if (i == 5) ToProto(start_ + absl::Hours(step / 10), token.mutable_create_time());
      }));
    }
    return tokens;
  }

  LedgerHarness house_{TwoSources()};
  const absl::Time start_ = house_.clock().Now();
  VendorChurn churn_{house_, 7};
};

TEST(VerifyStoreTest, WhateverTheLedgerWritesIsSound) {
  Story story;
  std::int64_t open_notices = 0, tombstones = 0, oldest = 0;
  story.Play([&] {
    const StoreReport report = Verify(story.house().store_file());
    EXPECT_THAT(report.problems, IsEmpty());
    EXPECT_EQ(report.head.revision, story.house().revision());
    open_notices = std::max(open_notices, report.open_notices);
    tombstones = std::max(tombstones, report.tombstones);
    oldest = report.head.oldest_revision;
  });
  // It was a story.
  EXPECT_GT(open_notices, 5);
  EXPECT_GT(tombstones, 5);
  EXPECT_GT(oldest, 10);
}

// Its resolved notice goes with it; the log still tells of it.
TEST(VerifyStoreTest, ASourceThatIsForgottenLeavesASoundStore) {
  LedgerHarness house(TwoSources());
  house.Pass({Lists(ObservedRange("t", 1, 5))});
  house.Advance(absl::Hours(24 * 3));  // beta was never read: unhealthy
  EXPECT_GT(Verify(house.store_file()).notices, 0);
  LedgerSetup without = TwoSources();
  without.sources.pop_back();
  for (int start = 0; start < 3; ++start) {
    house.Reopen(without);
    EXPECT_THAT(Verify(house.store_file()).problems, IsEmpty()) << "start " << start;
  }
  EXPECT_EQ(Verify(house.store_file()).sources, 1);
}

TEST(VerifyStoreTest, ANewStoreIsSound) {
  const TempDir dir;
  const std::string path = dir.File("store.db");
  ASSERT_TRUE(SqliteTokenStore::Open(path).ok());
  const StoreReport report = Verify(path);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.head.revision, 0);
  EXPECT_FALSE(report.is_backup);
}

TEST(VerifyStoreTest, ItWritesNothing) {
  const TempDir dir;
  const std::string path = dir.File("store.db");
  ASSERT_TRUE(SqliteTokenStore::Open(path).ok());
  const auto before = std::filesystem::last_write_time(path);
  Verify(path);
  EXPECT_EQ(std::filesystem::last_write_time(path), before);
}

TEST(VerifyStoreTest, WhatIsNoStoreIsAnError) {
  const TempDir dir;
  EXPECT_EQ(VerifyStore(dir.File("missing")).status().code(), absl::StatusCode::kUnavailable);
  std::ofstream(dir.File("text")) << std::string(10'000, '?');
  EXPECT_EQ(VerifyStore(dir.File("text")).status().code(), absl::StatusCode::kDataLoss);
  std::ofstream(dir.File("empty")).close();
  EXPECT_EQ(VerifyStore(dir.File("empty")).status().code(), absl::StatusCode::kFailedPrecondition);
  SQLite::Database(dir.File("other"), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
      .exec("CREATE TABLE t (a)");
  EXPECT_EQ(VerifyStore(dir.File("other")).status().code(), absl::StatusCode::kFailedPrecondition);
  for (const int version : {1, 1000}) {
    const std::string path = dir.File(absl::StrCat("version", version));
    ASSERT_TRUE(SqliteTokenStore::Open(path).ok());
    SQLite::Database(path, SQLite::OPEN_READWRITE)
        .exec(absl::StrCat("PRAGMA user_version = ", version));
    EXPECT_EQ(VerifyStore(path).status().code(), absl::StatusCode::kFailedPrecondition);
  }
}

struct Tampering {
  const char* name;
  const char* sql;
  const char* problem;  // part of what is said
};

constexpr Tampering kTamperings[] = {
    {"NoHead", "DELETE FROM store", "no head"},
    {"ShortEpoch", "UPDATE store SET epoch = x'00'", "epoch"},
    {"HeadTooHigh", "UPDATE store SET revision = revision + 1", "the head is"},
    {"HeadTooLow", "UPDATE store SET revision = revision - 1", "the head is"},
    {"LogSaidToBeginEarlier", "UPDATE store SET oldest_revision = oldest_revision - 1",
     "is missing before"},
    {"NextSeq", "UPDATE store SET next_seq = next_seq + 1", "the next change is"},
    {"CountOfChanges", "UPDATE store SET log_changes = log_changes + 1", "changes in the log"},
    {"CountOfBytes", "UPDATE store SET log_bytes = log_bytes - 1", "bytes in the log"},
    {"RevisionMissing",
     "DELETE FROM revisions WHERE revision = (SELECT max(revision) - 2 FROM revisions)",
     "is missing before"},
    {"RevisionsOldest",
     "DELETE FROM revisions WHERE revision = (SELECT min(revision) FROM revisions)",
     "is missing before"},
    {"RevisionsChanges",
     "UPDATE revisions SET changes = changes + 1"
     " WHERE revision = (SELECT max(revision) - 1 FROM revisions)",
     "begins with change"},
    {"RevisionsBytes",
     "UPDATE revisions SET bytes = bytes + 1"
     " WHERE revision = (SELECT max(revision) FROM revisions)",
     "says it has"},
    {"ChangeMissing", "DELETE FROM changes WHERE seq = (SELECT max(seq) - 3 FROM changes)",
     "is missing before"},
    {"LastChangeMissing", "DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes)",
     "says it has"},
    {"ChangesRevision",
     "UPDATE changes SET revision = revision - 1 WHERE seq = (SELECT max(seq) FROM changes)",
     "its revision has other changes"},
    {"ChangesRow",
     "UPDATE changes SET \"row\" = -\"row\" WHERE seq = (SELECT max(seq) FROM changes)",
     "the row is not positive"},
    {"ChangesCause",
     "UPDATE changes SET cause = 0"
     " WHERE seq = (SELECT max(seq) FROM changes WHERE subject = 0)",
     "unknown cause"},
    {"ChangesUnknownCause",
     "UPDATE changes SET cause = 99"
     " WHERE seq = (SELECT max(seq) FROM changes WHERE subject = 0)",
     "unknown cause"},
    {"ChangesSubject", "UPDATE changes SET subject = 2 WHERE seq = (SELECT max(seq) FROM changes)",
     "unknown subject"},
    {"ChangesBefore",
     "UPDATE changes SET before = after"
     " WHERE seq = (SELECT max(seq) FROM changes WHERE subject = 0 AND length(before) > 0)",
     "is not what the change before it left"},
    {"ChangesAfter",
     "UPDATE changes SET after = before"
     " WHERE seq = (SELECT max(seq) FROM changes WHERE subject = 0 AND length(before) > 0)",
     "the token says revision"},
    {"ChangesAfterIsNoToken",
     "UPDATE changes SET after = x'ff'"
     " WHERE seq = (SELECT max(seq) FROM changes WHERE subject = 0)",
     "holds no token"},
    {"ChangesNotice",
     "UPDATE changes SET after = x'ff'"
     " WHERE seq = (SELECT max(seq) FROM changes WHERE subject = 1)",
     "holds no notice"},
    {"ChangesNoticeBefore",
     "UPDATE changes SET before = after"
     " WHERE seq = (SELECT max(seq) FROM changes WHERE subject = 1 AND length(before) > 0)",
     "is not what the change before it left"},
    {"ChangesTurnATokenIntoAnother",
     "UPDATE changes SET after = (SELECT after FROM changes"
     "   WHERE subject = 0 AND length(before) = 0 ORDER BY seq DESC LIMIT 1)"
     " WHERE seq = (SELECT max(seq) FROM changes WHERE subject = 0 AND length(before) > 0)",
     "turns one token into another"},
    {"TokenIsNotWhatTheLogSays",
     "UPDATE tokens SET token = (SELECT before FROM changes WHERE subject = 0"
     "   AND length(before) > 0 ORDER BY seq DESC LIMIT 1)"
     " WHERE \"row\" = (SELECT \"row\" FROM changes WHERE subject = 0"
     "   AND length(before) > 0 ORDER BY seq DESC LIMIT 1)",
     "is not what the log says last"},
    {"TokenMissing",
     "DELETE FROM tokens WHERE \"row\" = (SELECT \"row\" FROM changes WHERE subject = 0"
     "   ORDER BY seq DESC LIMIT 1)",
     "only the log has it"},
    {"TokenTwice", "INSERT INTO tokens SELECT max(\"row\") + 1000, marks, token FROM tokens",
     "is not its own"},
    {"TokenUnreadable",
     "UPDATE tokens SET token = x'ff' WHERE \"row\" = (SELECT min(\"row\") FROM tokens)",
     "unreadable"},
    {"TokenOfNoSource", "DELETE FROM sources WHERE id = 'acme'", "of no known source"},
    {"MarksUnreadable",
     "UPDATE tokens SET marks = x'80' WHERE \"row\" = (SELECT min(\"row\") FROM tokens)",
     "unreadable marks"},
    {"MarksOfNoScope",
     "UPDATE tokens SET marks = x'7f00' WHERE \"row\" = (SELECT min(\"row\") FROM tokens)",
     "which is not there"},
    {"MarksTwice", "UPDATE tokens SET marks = CAST(marks || marks AS BLOB) WHERE length(marks) > 0",
     "marked twice"},
    {"NoMarks", "UPDATE tokens SET marks = x''", "no scope lists it"},
    {"MarksOfAnotherSource", "UPDATE tokens SET marks = (SELECT x'0200') WHERE length(marks) > 0",
     "of another source"},
    {"ScopeMissing", "DELETE FROM scopes WHERE source = 'acme'", "which is not there"},
    {"ScopeTwice",
     "INSERT INTO scopes SELECT id + 100, source, stream, key, item_json, 0 FROM scopes",
     "is there twice"},
    {"ScopeOfNoSource", "UPDATE scopes SET source = 'nobody'", "of no known source"},
    {"ScopeAbsent", "UPDATE scopes SET absent_passes = -1", "absent -1 times"},
    {"SourceUnreadable", "UPDATE sources SET status = x'ff'", "unreadable status"},
    {"SourcesStatus", "UPDATE sources SET status = (SELECT status FROM sources WHERE id = 'beta')",
     "another source's"},
    {"NoticeMissing", "DELETE FROM notices WHERE \"row\" IN (SELECT \"row\" FROM tokens)",
     "only the log has it"},
    {"NoticeUnreadable",
     "UPDATE notices SET notice = x'ff' WHERE \"row\" = (SELECT max(\"row\") FROM notices)",
     "unreadable"},
    {"NoticeTwice", "INSERT INTO notices SELECT \"row\" + 1000, notice FROM notices",
     "is not its own"},
    {"NoticeOfNoToken", "UPDATE notices SET \"row\" = \"row\" + 5000", "its token is not there"},
    // Another `generation`, field 6.
    {"NoticesIds", "UPDATE notices SET notice = CAST(notice || x'3063' AS BLOB)",
     "its ids are not of what it says"},
    {"IndexMissing", "DROP INDEX token_changes_by_row", "token_changes_by_row is missing"},
    {"TableTooMany", "CREATE TABLE more (a)", "more does not belong there"},
    {"IndexDisagrees",
     "PRAGMA writable_schema = ON;"
     "UPDATE sqlite_schema SET sql = replace(sql, 'subject = 0', 'subject = 1')"
     " WHERE name = 'token_changes_by_row'",
     "token_changes_by_row is not as this program makes it"},
};

// One store for all, made once.
class TamperedStoreTest : public ::testing::TestWithParam<Tampering> {
 protected:
  static void SetUpTestSuite() {
    Story story;
    story.Play([] {});
    story.house().Close();
    dir_ = new TempDir;
    std::filesystem::copy_file(story.house().store_file(), dir_->File("sound.db"));
    // No page without a meaning.
    SQLite::Database(dir_->File("sound.db"), SQLite::OPEN_READWRITE).exec("VACUUM");
  }
  static void TearDownTestSuite() { delete dir_; }

  static TempDir* dir_;
};
TempDir* TamperedStoreTest::dir_ = nullptr;

TEST_P(TamperedStoreTest, IsFoundOut) {
  const std::string path = dir_->File("tampered.db");
  std::filesystem::copy_file(dir_->File("sound.db"), path,
                             std::filesystem::copy_options::overwrite_existing);
  ASSERT_THAT(Verify(path).problems, IsEmpty());
  {
    SQLite::Database database(path, SQLite::OPEN_READWRITE);
    database.exec("PRAGMA defensive = OFF");
    const int before = database.getTotalChanges();
    database.exec(GetParam().sql);
    const std::string sql = GetParam().sql;
    if (sql.find("DROP") != 0 && sql.find("CREATE") != 0) {
      ASSERT_GT(database.getTotalChanges(), before) << "the test changed nothing";
    }
  }
  const StoreReport report = Verify(path);
  EXPECT_FALSE(report.sound());
  EXPECT_THAT(report.problems, Contains(HasSubstr(GetParam().problem)));
  for (const std::string& problem : report.problems) EXPECT_THAT(problem, Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(Tamperings, TamperedStoreTest, ::testing::ValuesIn(kTamperings),
                         [](const auto& param) { return std::string(param.param.name); });

// Damage to the bytes of the file, wherever it is.
TEST_F(TamperedStoreTest, DamagedBytesAreFoundOut) {
  const std::string sound = dir_->File("sound.db");
  const std::string path = dir_->File("damaged.db");
  const auto page_size = static_cast<std::uintmax_t>(
      SQLite::Database(sound).execAndGet("PRAGMA page_size").getInt64());
  const std::uintmax_t pages = std::filesystem::file_size(sound) / page_size;
  int damaged = 0;
  for (std::uintmax_t page = 0; page < pages; page += 1 + pages / 40) {
    SCOPED_TRACE(page);
    std::filesystem::copy_file(sound, path, std::filesystem::copy_options::overwrite_existing);
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(page * page_size + (page == 0 ? 100 : 0)));
      file << std::string(page_size * 3 / 4, '\xa5');
    }
    const absl::StatusOr<StoreReport> report = VerifyStore(path);
    if (!report.ok()) {
      EXPECT_EQ(report.status().code(), absl::StatusCode::kDataLoss) << report.status();
    }
    EXPECT_TRUE(!report.ok() || !report->sound());
    ++damaged;
  }
  EXPECT_GT(damaged, 10);
}

}  // namespace
}  // namespace tokeninventory::testing
