// How costs grow: from a thousand tokens to a million, and from one watcher to ten
// thousand. Rows are named growth-COST-SIZE; bench/growth-table lays them out by size.
#include <SQLiteCpp/Database.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/lib/cpu_time.h"
#include "bench/lib/fan_out.h"
#include "bench/lib/fed_ledger.h"
#include "bench/lib/filled_store.h"
#include "bench/lib/load_client.h"
#include "bench/lib/service.h"
#include "bench/lib/token_calls.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::bench {
namespace {

// Fewer than where a bar is judged: to be seen are factors from one size to ten times that.
constexpr int kRounds = 9;
constexpr int kStartRounds = 6;
constexpr int kCommits = 100;  // a round
constexpr double kMib = 1 << 20;

constexpr int kTokens[] = {1'000, 10'000, 100'000, 1'000'000};
constexpr int kWatchers[] = {1, 10, 100, 1'000, 10'000};
constexpr int kMostTokensOfQuick = 100'000;
constexpr int kMostWatchersOfQuick = 1'000;
// Of fewer, what a server takes for the first connection would be all there is to see.
constexpr int kFewestWatchersForMemory = 100;

std::string RowName(const std::string& cost, const std::string& size) {
  return absl::StrCat("growth-", cost, "-", size);
}

void MeasureStart(const FilledStore& store, const std::string& size) {
  Note(absl::StrCat("start, ", size));
  std::vector<double> wall;
  std::vector<double> mib;
  const auto cpu =
      RunRounds({[&] {
                  const absl::Time begin = absl::Now();
                  Service service(store.folder());
                  wall.push_back(absl::ToDoubleSeconds(absl::Now() - begin));
                  mib.push_back(static_cast<double>(service.process().ResidentBytes()) / kMib);
                  return service.process().CpuSeconds();
                }},
                kStartRounds)[0];
  Print({RowName("start", size), "s CPU", cpu});
  Print({RowName("start-wall", size), "s", Counted(wall)});
  Print({RowName("memory", size), "MiB", Counted(mib)});
}

void MeasureReads(const FilledStore& store, const TokenFile& tokens, const std::string& size,
                  int rounds) {
  const absl::Duration round = absl::Milliseconds(200);
  Note(absl::StrCat("reads, ", size));
  Service service(store.folder());
  LoadClient client(service.port());
  const Calls gets = GetCalls(ShuffledNames(tokens));
  const Calls pages = PageCalls(client, 100, "");
  const Calls by_expiry = PageCalls(client, 100, "expire_time");
  const Calls filter = FilterCalls("state = ACTIVE AND expire_time < now+30d");
  const auto cost_of = [&](const Calls& calls) {
    return [&] { return CpuMicrosPerCall(service.process(), client, calls, round); };
  };
  const auto costs =
      RunRounds({cost_of(gets), cost_of(pages), cost_of(by_expiry), cost_of(filter)}, rounds);
  Print({RowName("get", size), "us/call", costs[0]});
  Print({RowName("page-100", size), "us/page", costs[1]});
  Print({RowName("page-100-by-expiry", size), "us/page", costs[2]});
  Print({RowName("filter", size), "us/call", costs[3]});
}

// What a store's file holds.
struct StoreContents {
  double token_bytes = 0;  // pages of all tokens
  double log_bytes = 0;    // pages of the log and its index
  double changes = 0;      // in the log
  bool has_whole_log = false;
};

StoreContents Look(const std::string& path) {
  SQLite::Database database(path, SQLite::OPEN_READWRITE);
  const auto number = [&](const char* query) { return database.execAndGet(query).getDouble(); };
  StoreContents contents;
  contents.token_bytes =
      number("SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE AND name = 'tokens'");
  contents.log_bytes = number(
      "SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE AND name IN"
      " ('changes', 'revisions', 'token_changes_by_row')");
  contents.changes = number("SELECT log_changes FROM store");
  contents.has_whole_log = number("SELECT oldest_revision FROM store") == 0;
  return contents;
}

// One change a commit, of tokens from all over the store: durable, then visible.
void MeasureCommits(const FilledStore& store, int tokens, const std::string& size, int rounds) {
  Note(absl::StrCat("commits, ", size));
  const testing::TempDir folder;
  const std::string path = folder.File("inventory.db");
  std::filesystem::copy_file(store.folder() + "/inventory.db", path);
  std::vector<ObservedToken> shown = ShownAgain(tokens, kCommits);
  StoreContents before;
  {
    // Opened once without changes of ours, for what fell due since the store was filled.
    FedLedger(path, Clock::Real());
    before = Look(path);
    FedLedger fed(path, Clock::Real());
    int changes = 0;
    std::vector<double> wall;
    const auto cpu = RunRounds(
        {[&] {
          const double begin = ThisProcessCpuSeconds();
          const absl::Time begin_time = absl::Now();
          for (int i = 0; i < kCommits; ++i) {
            ObservedToken& token = shown[static_cast<std::size_t>(changes) % shown.size()];
            token.token.set_role(absl::StrCat("role ", ++changes));
            fed.Change(kSampleSources[0], {token});
          }
          wall.push_back(absl::ToDoubleMicroseconds(absl::Now() - begin_time) / kCommits);
          return (ThisProcessCpuSeconds() - begin) * 1e6 / kCommits;
        }},
        rounds)[0];
    Print({RowName("commit", size), "us/commit", cpu});
    Print({RowName("commit-wall", size), "us/commit", Counted(wall)});
  }
  const StoreContents after = Look(path);
  Print({RowName("disk-token", size), "bytes/token", {after.token_bytes / tokens}});
  // A log that was cut meanwhile does not tell.
  if (!after.has_whole_log) return;
  Print({RowName("disk-change", size),
         "bytes/change",
         {(after.log_bytes - before.log_bytes) / (after.changes - before.changes)}});
}

void MeasureTokens(const FilledStore& store, int tokens, int rounds) {
  const std::string size = absl::StrCat(tokens / 1000, "k");
  MeasureStart(store, size);
  MeasureReads(store, TokenFile(store.tokens_file()), size, rounds);
  MeasureCommits(store, tokens, size, rounds);
}

// One change, 64 in one commit, and a vendor's page of them, told to so many.
void MeasureWatchers(const Setup& setup, int watchers, int rounds) {
  const absl::Duration round = absl::Milliseconds(setup.quick ? 200 : 400);
  Note(absl::StrCat(watchers, " watchers"));
  WatchServer server;
  const std::int64_t idle = server.process().ResidentBytes();
  WatchClient client(server.port(), TokenWatch(), watchers);
  const double kib = static_cast<double>(server.process().ResidentBytes() - idle) / 1024 / watchers;
  const std::string size = absl::StrCat(watchers);
  if (watchers >= kFewestWatchersForMemory) {
    Print({RowName("watch-memory", size), "KiB/watcher", {kib}});
  }
  for (const int at_once : {1, 64, 1'000}) {
    const std::string prefix = at_once == 1 ? "watch" : absl::StrCat("watch-by-", at_once);
    std::vector<double> per_commit;
    std::vector<double> millis;
    const auto micros = RunRounds({[&] {
                                    const FanOutCost cost = FanOut(
                                        server.process(), client, watchers, at_once,
                                        [&](int events) { server.Publish(events, 1); }, round);
                                    const double events = static_cast<double>(watchers) * at_once;
                                    per_commit.push_back(cost.micros * events);
                                    millis.push_back(events / cost.per_second * 1e3);
                                    return cost.micros;
                                  }},
                                  rounds)[0];
    Print({RowName(prefix, size), "us/event", micros});
    Print({RowName(prefix + "-commit", size), "us/commit", Counted(per_commit)});
    Print({RowName(prefix + "-last", size), "ms", Counted(millis)});
  }
}

void Run(const Setup& setup) {
  const int rounds = std::min(setup.rounds, kRounds);
  std::vector<std::pair<int, FilledStore>> stores;
  for (const int tokens : kTokens) {
    if (setup.quick && tokens > kMostTokensOfQuick) continue;
    stores.emplace_back(tokens, FilledStore(setup, tokens));
  }
  PinThisProcess(ClientCore());
  for (const auto& [tokens, store] : stores) MeasureTokens(store, tokens, rounds);
  for (const int watchers : kWatchers) {
    if (setup.quick && watchers > kMostWatchersOfQuick) continue;
    MeasureWatchers(setup, watchers, rounds);
  }
}

}  // namespace
}  // namespace tokeninventory::bench

int main(int argc, char** argv) {
  tokeninventory::bench::Run(tokeninventory::bench::ReadArguments(argc, argv));
}
