// Stores of older versions, kept as the SQL that sqlite3(1) dumps of them, become
// stores of today.
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/sqlite_log_reader.h"
#include "storage/sqlite_schema.h"
#include "storage/sqlite_token_store.h"
#include "tests/storage/token_store_conformance.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const int kCreate = SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE;

// Makes the store in testdata/`name` again.
void Restore(const std::string& name, SQLite::Database& database) {
  std::ifstream file(std::string(TI_TESTDATA) + "/" + name);
  const std::string sql((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_FALSE(sql.empty()) << name;
  database.exec(sql);
}

// The SQL of every table and index, by name.
std::map<std::string, std::string> SchemaOf(SQLite::Database& database) {
  std::map<std::string, std::string> schema;
  SQLite::Statement entries(database, "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL");
  while (entries.executeStep()) {
    schema[entries.getColumn(0).getString()] = entries.getColumn(1).getString();
  }
  return schema;
}

TEST(SqliteMigrationTest, Version1IsWhatItWas) {
  SQLite::Database then(":memory:", kCreate);
  Restore("version_1.sql", then);
  SQLite::Database now(":memory:", kCreate);
  MigrateSqliteSchema(now, SqliteMigrations().first(1));
  EXPECT_EQ(SchemaOf(now), SchemaOf(then));
}

class SqliteMigrationFromVersion1Test : public ::testing::Test {
 protected:
  SqliteMigrationFromVersion1Test() {
    SQLite::Database database(path_, kCreate);
    Restore("version_1.sql", database);
  }

  std::unique_ptr<TokenStore> MustOpen() {
    absl::StatusOr<std::unique_ptr<TokenStore>> store = SqliteTokenStore::Open(path_);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  TempDir dir_;
  const std::string path_ = dir_.File("store.db");
};

TEST_F(SqliteMigrationFromVersion1Test, EverythingIsKept) {
  const std::string odd("\0\xff'", 3);
  for (const bool reopened : {false, true}) {
    SCOPED_TRACE(reopened);
    const std::unique_ptr<TokenStore> store = MustOpen();
    ASSERT_NE(store, nullptr);
    EXPECT_THAT(store->Head().value(),
                FieldsAre(absl::HexStringToBytes("b5943c47c8470443f0d5121834b4d9c8"), 4, 1));
    EXPECT_THAT(LoadAll(*store),
                FieldsAre(ElementsAre(FieldsAre("github", "status of github"),
                                      FieldsAre("slack", "status of slack")),
                          ElementsAre(FieldsAre(1, "github", "tokens", "", "", 0),
                                      FieldsAre(2, "github", "tokens", "org-2", R"({"a":1})", 2)),
                          ElementsAre(FieldsAre(1, odd, ElementsAre(ScopeMark{1, 1})),
                                      FieldsAre(2, "zwei", ElementsAre(ScopeMark{2, 0}))),
                          IsEmpty()));
    EXPECT_THAT(
        ReadWholeLog(*store, {2, 0}, 1),
        ElementsAre(
            FieldsAre(2, 0, TestTime(1),
                      IsTokenChange(2, v1::TokenChange::VENDOR_REPORTED, "", "two")),
            FieldsAre(2, 1, TestTime(1), IsTokenChange(1, v1::TokenChange::NOT_SEEN, "one", "uno")),
            FieldsAre(3, 0, TestTime(2), IsTokenChange(2, v1::TokenChange::ID_REUSED, "two", "")),
            FieldsAre(3, 1, TestTime(2),
                      IsTokenChange(2, v1::TokenChange::VENDOR_REPORTED, "", "zwei")),
            FieldsAre(4, 0, TestTime(3),
                      IsTokenChange(1, v1::TokenChange::TIME_PASSED, "uno", odd))));
    EXPECT_EQ(CodeOf(store->ReadLog({1, 0}, 1)), absl::StatusCode::kOutOfRange);
    EXPECT_THAT(PlacesOf(store->ReadHistory(2, kNoLimit, 100).value()),
                ElementsAre(LogPosition{3, 1}, LogPosition{3, 0}, LogPosition{2, 0}));
  }
  SQLite::Database database(path_);
  EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(),
            static_cast<int>(SqliteMigrations().size()));
  EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
}

TEST_F(SqliteMigrationFromVersion1Test, ItGoesOnAsAnyStore) {
  {
    const std::unique_ptr<TokenStore> store = MustOpen();
    ASSERT_NE(store, nullptr);
    ASSERT_TRUE(store->Commit(4, NoticeBatch(2, "", "soon", TestTime(4))).ok());
    ASSERT_TRUE(store->Commit(5, PutBatch(2, "zwei", "deux", TestTime(5))).ok());
  }
  const std::unique_ptr<TokenStore> store = MustOpen();
  ASSERT_NE(store, nullptr);
  EXPECT_THAT(LoadAll(*store).notices, ElementsAre(FieldsAre(2, "soon")));
  EXPECT_THAT(
      ReadWholeLog(*store, {5, 0}, kNoLimit),
      ElementsAre(FieldsAre(5, 0, TestTime(4), IsNoticeChange(2, "", "soon")),
                  FieldsAre(6, 0, TestTime(5),
                            IsTokenChange(2, v1::TokenChange::VENDOR_REPORTED, "zwei", "deux"))));
  EXPECT_THAT(PlacesOf(store->ReadHistory(2, kNoLimit, 2).value()),
              ElementsAre(LogPosition{6, 0}, LogPosition{3, 1}));
  // The log's size was carried over: 22 bytes of version 1's, then 4 and 8.
  LogLimits limits = {absl::InfinitePast(), kNoLimit, 34};
  EXPECT_EQ(store->Compact(limits)->oldest_revision, 1);
  limits.max_bytes = 33;
  EXPECT_EQ(store->Compact(limits)->oldest_revision, 2);
  limits.max_bytes = 0;
  EXPECT_EQ(store->Compact(limits)->oldest_revision, 6);
  EXPECT_THAT(LoadAll(*store).tokens, SizeIs(2));
}

// What a plan says does not depend on what the store holds: it is never analysed.
TEST_F(SqliteMigrationFromVersion1Test, HistoriesAreFoundByTheirIndexAlone) {
  ASSERT_NE(MustOpen(), nullptr);
  SQLite::Database database(path_);
  SQLite::Statement plan(database, std::string("EXPLAIN QUERY PLAN ") + kHistoryQuery);
  std::string text;
  while (plan.executeStep()) text += plan.getColumn(3).getString() + "\n";
  EXPECT_THAT(text, HasSubstr("SEARCH c USING INDEX token_changes_by_row (row=? AND rowid<?)"));
  EXPECT_THAT(text, Not(HasSubstr("SCAN")));
  EXPECT_THAT(text, Not(HasSubstr("TEMP B-TREE")));
}

}  // namespace
}  // namespace tokeninventory::testing
