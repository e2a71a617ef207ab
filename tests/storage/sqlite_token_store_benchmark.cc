// Prints the CPU and wall time of commits, loads, log reads and compaction per
// token. Usage: sqlite_token_store_benchmark [tokens] [tokens per commit]
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>

#include "storage/sqlite_token_store.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kTokenBytes = 750;  // what DESIGN.md's token has

class Counter final : public LoadVisitor {
 public:
  absl::Status OnSource(StoredSource) override { return absl::OkStatus(); }
  absl::Status OnScope(StoredScope) override { return absl::OkStatus(); }
  absl::Status OnToken(StoredToken token) override {
    bytes += token.token.size();
    return absl::OkStatus();
  }
  absl::Status OnNotice(StoredNotice) override { return absl::OkStatus(); }
  std::size_t bytes = 0;
};

// User and system time of this process, in microseconds.
double CpuMicros() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

void Measure(const char* what, std::int64_t units, const std::function<void()>& body) {
  const double cpu_before = CpuMicros();
  const auto before = std::chrono::steady_clock::now();
  body();
  const double cpu = CpuMicros() - cpu_before;
  const std::chrono::duration<double, std::micro> wall = std::chrono::steady_clock::now() - before;
  const auto count = static_cast<double>(units);
  std::printf("%-28s %8.2f us CPU %8.2f us wall per token\n", what, cpu / count,
              wall.count() / count);
}

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

// Bytes that do not repeat from token to token.
std::string TokenBytes(std::int64_t row, char version) {
  std::string token(kTokenBytes, version);
  for (std::size_t i = 0; i < 200; ++i)
    token[i] = static_cast<char>(row * 31 + row % 97 * static_cast<std::int64_t>(i));
  return token;
}

void CommitAll(TokenStore& store, std::int64_t& head, std::int64_t tokens, std::int64_t per_commit,
               bool update) {
  for (std::int64_t first = 0; first < tokens; first += per_commit) {
    CommitBatch batch;
    batch.commit_time = absl::UnixEpoch() + absl::Seconds(head);
    for (std::int64_t i = first; i < first + per_commit && i < tokens; ++i) {
      // Updates hit rows all over the table.
      const std::int64_t row = 1 + (update ? i * 7919 % tokens : i);
      const std::string token = TokenBytes(row, update ? 'b' : 'a');
      batch.put_tokens.push_back({row, token, {{row % 100, 0}}});
      batch.changes.push_back({row, v1::TokenChange::VENDOR_REPORTED,
                               update ? TokenBytes(row, 'a') : std::string(), token});
    }
    const absl::StatusOr<std::int64_t> revision = store.Commit(head, batch);
    Check(revision.status());
    head = *revision;
  }
}

void Run(std::int64_t tokens, std::int64_t per_commit) {
  const testing::TempDir dir;
  const std::string path = dir.File("store.db");
  absl::StatusOr<std::unique_ptr<TokenStore>> store = SqliteTokenStore::Open(path);
  Check(store.status());
  std::int64_t head = 0;
  std::printf("%lld tokens of %zu bytes, %lld a commit\n", static_cast<long long>(tokens),
              kTokenBytes, static_cast<long long>(per_commit));
  Measure("(make the batches)", tokens, [&] {
    std::size_t sum = 0;
    for (std::int64_t row = 0; row < tokens; ++row) sum += TokenBytes(row, 'a').size() * 2;
    if (sum == 0) std::abort();
  });
  Measure("commit new", tokens, [&] { CommitAll(**store, head, tokens, per_commit, false); });
  Measure("commit changed, all over", tokens,
          [&] { CommitAll(**store, head, tokens, per_commit, true); });
  Measure("marks alone", tokens, [&] {
    for (std::int64_t first = 0; first < tokens; first += per_commit) {
      CommitBatch batch;
      for (std::int64_t i = first; i < first + per_commit && i < tokens; ++i) {
        batch.put_marks.push_back({i + 1, "", {{1, 1}}});
      }
      Check((*store)->Commit(head, batch).status());
    }
  });
  Measure("read the log", 2 * tokens, [&] {
    LogPosition after;
    while (true) {
      const absl::StatusOr<LogPage> page = (*store)->ReadLog(after, 1 << 20);
      Check(page.status());
      if (page->entries.empty()) break;
      after = {page->entries.back().revision, page->entries.back().index + 1};
    }
  });
  Measure("load", tokens, [&] {
    Counter counter;
    Check((*store)->Load(counter));
    if (counter.bytes != static_cast<std::size_t>(tokens) * kTokenBytes) std::abort();
  });
  Measure("compact to nothing", 2 * tokens, [&] {
    std::int64_t oldest = -1;
    while (true) {
      const absl::StatusOr<StoreHead> compacted = (*store)->Compact({absl::InfinitePast(), 0, 0});
      Check(compacted.status());
      if (compacted->oldest_revision == oldest) break;
      oldest = compacted->oldest_revision;
    }
  });
  store->reset();
  std::printf("file: %.2f of the tokens' bytes\n",
              static_cast<double>(std::filesystem::file_size(path)) /
                  static_cast<double>(static_cast<std::size_t>(tokens) * kTokenBytes));
}

}  // namespace
}  // namespace tokeninventory

int main(int argc, char** argv) {
  const std::int64_t tokens = argc > 1 ? std::atoll(argv[1]) : 100'000;
  const std::int64_t per_commit = argc > 2 ? std::atoll(argv[2]) : 1000;
  tokeninventory::Run(tokens, per_commit);
  return 0;
}
