// What the store costs beside SQLite alone: a commit, and a start.
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/lib/cpu_time.h"
#include "bench/lib/filled_store.h"
#include "bench/lib/page_cache.h"
#include "bench/lib/service.h"
#include "storage/sqlite_token_store.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::bench {
namespace {

constexpr std::size_t kPage = 1000;

class Sqlite {
 public:
  explicit Sqlite(const std::string& path) {
    if (sqlite3_open(path.c_str(), &database_) != SQLITE_OK) Fail("cannot open " + path);
  }
  ~Sqlite() { sqlite3_close(database_); }
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;

  void Execute(const char* sql) {
    if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
      Fail(sqlite3_errmsg(database_));
    }
  }
  sqlite3_stmt* Prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr) != SQLITE_OK) {
      Fail(sqlite3_errmsg(database_));
    }
    return statement;
  }

 private:
  sqlite3* database_ = nullptr;
};

// CPU microseconds to write each token, a page a transaction, with SQLite alone.
double SqliteUpsert(const TokenFile& tokens) {
  const testing::TempDir folder;
  Sqlite database(folder.File("plain.db"));
  database.Execute(
      "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
      "PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 2048;"
      "CREATE TABLE tokens (\"row\" INTEGER PRIMARY KEY, marks BLOB NOT NULL,"
      " token BLOB NOT NULL) STRICT");
  sqlite3_stmt* const put = database.Prepare("REPLACE INTO tokens VALUES (?, ?, ?)");
  const double begin = ThisProcessCpuSeconds();
  for (std::size_t i = 0; i < tokens.tokens().size(); ++i) {
    if (i % kPage == 0) database.Execute("BEGIN IMMEDIATE");
    const absl::string_view token = tokens.tokens()[i];
    sqlite3_bind_int64(put, 1, static_cast<std::int64_t>(i) + 1);
    sqlite3_bind_blob(put, 2, "\1\0", 2, SQLITE_STATIC);
    sqlite3_bind_blob(put, 3, token.data(), static_cast<int>(token.size()), SQLITE_STATIC);
    if (sqlite3_step(put) != SQLITE_DONE) Fail("cannot write");
    sqlite3_reset(put);
    if (i % kPage == kPage - 1) database.Execute("COMMIT");
  }
  const double cpu = ThisProcessCpuSeconds() - begin;
  sqlite3_finalize(put);
  return cpu * 1e6 / static_cast<double>(tokens.tokens().size());
}

// The same through the store, which also writes the log.
double StoreCommit(const TokenFile& tokens) {
  const testing::TempDir folder;
  auto store = SqliteTokenStore::Open(folder.File("store.db"));
  if (!store.ok()) Fail(store.status().ToString());
  std::vector<CommitBatch> batches;
  for (std::size_t i = 0; i < tokens.tokens().size(); ++i) {
    if (i % kPage == 0) batches.emplace_back();
    const auto row = static_cast<std::int64_t>(i) + 1;
    const std::string token(tokens.tokens()[i]);
    batches.back().put_tokens.push_back({row, token, {{1, 0}}});
    LogChange change;
    change.row = row;
    change.cause = v1::TokenChange::VENDOR_REPORTED;
    change.after = token;
    batches.back().changes.push_back(std::move(change));
  }
  std::int64_t head = 0;
  const double begin = ThisProcessCpuSeconds();
  for (const CommitBatch& batch : batches) {
    const auto revision = (*store)->Commit(head, batch);
    if (!revision.ok()) Fail(revision.status().ToString());
    head = *revision;
  }
  return (ThisProcessCpuSeconds() - begin) * 1e6 / static_cast<double>(tokens.tokens().size());
}

// Bytes that are kept, back to back.
class Keeper {
 public:
  void Keep(const void* data, std::size_t size) {
    if (chunks_.empty() || chunks_.back().capacity() - chunks_.back().size() < size) {
      chunks_.emplace_back().reserve(std::max(kChunk, size));
    }
    chunks_.back().append(static_cast<const char*>(data), size);
  }
  bool empty() const { return chunks_.empty(); }

 private:
  static constexpr std::size_t kChunk = 1 << 20;
  std::vector<std::string> chunks_;
};

struct ReadCost {
  double cpu = 0;  // seconds, both
  double wall = 0;
};

// Reads every row that a start reads into memory, with SQLite alone.
ReadCost SqliteRead(const std::string& folder) {
  const absl::Time begin = absl::Now();
  const double cpu_begin = ThisProcessCpuSeconds();
  Sqlite database(folder + "/inventory.db");
  database.Execute("PRAGMA cache_size = -512");  // as a load; a tenth quicker than 32 MiB
  Keeper kept;
  for (const char* sql : {"SELECT \"row\", marks, token FROM tokens ORDER BY \"row\"",
                          "SELECT \"row\", notice, notice FROM notices ORDER BY \"row\""}) {
    sqlite3_stmt* const read = database.Prepare(sql);
    while (sqlite3_step(read) == SQLITE_ROW) {
      for (const int column : {1, 2}) {
        const void* const bytes = sqlite3_column_blob(read, column);
        kept.Keep(bytes, static_cast<std::size_t>(sqlite3_column_bytes(read, column)));
      }
    }
    sqlite3_finalize(read);
  }
  if (kept.empty()) Fail("an empty store");
  return {ThisProcessCpuSeconds() - cpu_begin, absl::ToDoubleSeconds(absl::Now() - begin)};
}

void CompareStart(const Setup& setup, int tokens) {
  const std::string name = absl::StrCat("start-", tokens / 1000, "k");
  const FilledStore store(setup, tokens);
  const TokenFile file(store.tokens_file());
  Note(name);
  std::vector<double> ratios_of_memory;
  std::vector<double> wall;
  const auto costs = RunRounds(
      {
          [&] {
            const absl::Time begin = absl::Now();
            Service service(store.folder());
            wall.push_back(absl::ToDoubleSeconds(absl::Now() - begin));
            ratios_of_memory.push_back(static_cast<double>(service.process().ResidentBytes()) /
                                       static_cast<double>(file.bytes()));
            return service.process().CpuSeconds();
          },
          [&] { return SqliteRead(store.folder()).cpu; },
      },
      setup.rounds_near_bars());
  // What a process has before its first token, and what it does before, weigh less in a million.
  const auto bar = [tokens](double most) { return tokens == 1'000'000 ? AtMost(most) : Bar(); };
  Print({name, "s CPU", costs[0], {"SQLite alone", costs[1]}, {}, bar(2)});
  Print({name + "-wall", "s", Counted(wall)});
  Print({absl::StrCat("memory-", tokens / 1000, "k"),
         "x token bytes",
         Counted(ratios_of_memory),
         {},
         {},
         bar(1.6)});
}

// The same with the database on the disk only, as after the machine came up.
void CompareColdStart(const Setup& setup, int tokens) {
  // The fewest that have an interval: they take long, and there is no bar.
  constexpr int kMostRounds = 6;
  const std::string name = absl::StrCat("start-", tokens / 1000, "k-cold");
  const FilledStore store(setup, tokens);
  const std::string database = store.folder() + "/inventory.db";
  Note(name);
  std::vector<double> wall;
  std::vector<double> wall_alone;
  const auto costs = RunRounds({
                                   [&] {
                                     DropFromPageCache(database);
                                     const absl::Time begin = absl::Now();
                                     Service service(store.folder());
                                     wall.push_back(absl::ToDoubleSeconds(absl::Now() - begin));
                                     return service.process().CpuSeconds();
                                   },
                                   [&] {
                                     DropFromPageCache(database);
                                     const ReadCost cost = SqliteRead(store.folder());
                                     wall_alone.push_back(cost.wall);
                                     return cost.cpu;
                                   },
                               },
                               std::min(setup.rounds, kMostRounds));
  Print({name, "s CPU", costs[0], {"SQLite alone", costs[1]}});
  Print({name + "-wall", "s", Counted(wall), {"SQLite alone", Counted(wall_alone)}});
}

void Run(const Setup& setup) {
  {
    const FilledStore store(setup, setup.quick ? 20'000 : 100'000);
    const TokenFile tokens(store.tokens_file());
    PinThisProcess(ClientCore());
    Note("commit");
    const auto costs = RunRounds(
        {[&] { return StoreCommit(tokens); }, [&] { return SqliteUpsert(tokens); }}, setup.rounds);
    Print({"commit", "us/token", costs[0], {"SQLite alone", costs[1]}});
  }
  for (const int tokens : {100'000, 1'000'000}) {
    if (setup.quick && tokens > 100'000) break;
    CompareStart(setup, tokens);
    CompareColdStart(setup, tokens);
  }
}

}  // namespace
}  // namespace tokeninventory::bench

int main(int argc, char** argv) {
  tokeninventory::bench::Run(tokeninventory::bench::ReadArguments(argc, argv));
}
