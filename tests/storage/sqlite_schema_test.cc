#include "storage/sqlite_schema.h"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>

#include "gtest/gtest.h"

namespace tokeninventory {
namespace {

using Migrations = std::vector<const char*>;

SQLite::Database MakeDatabase() {
  return SQLite::Database(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
}

int Version(SQLite::Database& database) {
  return database.execAndGet("PRAGMA user_version").getInt();
}

TEST(SqliteSchemaTest, AnOlderStoreIsBroughtUpToDate) {
  SQLite::Database database = MakeDatabase();
  Migrations migrations = {"CREATE TABLE a (x); INSERT INTO a VALUES (1)"};
  ASSERT_TRUE(CheckSqliteSchema(database, migrations).ok());
  MigrateSqliteSchema(database, migrations);
  EXPECT_EQ(Version(database), 1);

  migrations.push_back("ALTER TABLE a ADD COLUMN y DEFAULT 2");
  migrations.push_back("UPDATE a SET y = x + y");
  ASSERT_TRUE(CheckSqliteSchema(database, migrations).ok());
  MigrateSqliteSchema(database, migrations);
  EXPECT_EQ(Version(database), 3);
  EXPECT_EQ(database.execAndGet("SELECT y FROM a").getInt(), 3);

  MigrateSqliteSchema(database, migrations);  // nothing is left to do
  EXPECT_EQ(database.execAndGet("SELECT y FROM a").getInt(), 3);
}

TEST(SqliteSchemaTest, AFailedStepLeavesTheVersionBefore) {
  SQLite::Database database = MakeDatabase();
  const Migrations migrations = {"CREATE TABLE a (x)", "CREATE TABLE b (x); SELECT 1 FROM missing"};
  EXPECT_THROW(MigrateSqliteSchema(database, migrations), SQLite::Exception);
  EXPECT_EQ(Version(database), 1);
  EXPECT_FALSE(database.tableExists("b"));
  EXPECT_TRUE(CheckSqliteSchema(database, migrations).ok());
}

TEST(SqliteSchemaTest, TheRealMigrationsWork) {
  SQLite::Database database = MakeDatabase();
  MigrateSqliteSchema(database, SqliteMigrations());
  EXPECT_EQ(Version(database), static_cast<int>(SqliteMigrations().size()));
  EXPECT_EQ(database.execAndGet("PRAGMA application_id").getInt(), kSqliteApplicationId);
  EXPECT_EQ(database.execAndGet("SELECT length(epoch) FROM store").getInt(), 16);
}

TEST(SqliteSchemaTest, WhatIsNewerOrForeignIsRefused) {
  SQLite::Database newer = MakeDatabase();
  MigrateSqliteSchema(newer, Migrations{"CREATE TABLE a (x)", "CREATE TABLE b (x)"});
  EXPECT_EQ(CheckSqliteSchema(newer, Migrations{"CREATE TABLE a (x)"}).code(),
            absl::StatusCode::kFailedPrecondition);
  SQLite::Database foreign = MakeDatabase();
  foreign.exec("CREATE TABLE a (x)");
  EXPECT_EQ(CheckSqliteSchema(foreign, SqliteMigrations()).code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tokeninventory
