// Prints what watchers cost: memory of an idle one, and from a commit to the last
// of many that have its message. Sessions and the hub alone, without gRPC and
// store; clients take each message at once, on two threads as gRPC has them.
// Not a test: it asserts nothing.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/thread_pool.h"
#include "inventory/change_feed.h"
#include "inventory/inventory.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "inventory/token_watch_view.h"
#include "inventory/watch_hub.h"

namespace tokeninventory {
namespace {

constexpr int kIdle = 10'000;
constexpr int kActive = 1'000;
constexpr int kCommits = 300;

std::int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t pages = 0;
  std::int64_t resident = 0;
  file >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// A log that nobody reads: everybody is fed from memory.
class NoStore final : public TokenStore {
 public:
  absl::StatusOr<StoreHead> Head() override { return StoreHead(); }
  absl::Status Load(LoadVisitor&) override { return absl::OkStatus(); }
  absl::StatusOr<std::int64_t> Commit(std::int64_t, const CommitBatch&) override { return None(); }
  absl::StatusOr<LogPage> ReadLog(LogPosition, std::int64_t) override { return None(); }
  absl::StatusOr<std::vector<LogEntry>> ReadHistory(std::int64_t, std::int64_t, int) override {
    return None();
  }
  absl::StatusOr<StoreHead> Compact(const LogLimits&) override { return None(); }

 private:
  static absl::Status None() { return absl::UnimplementedError("no store"); }
};

// What is published and who watches it.
class House {
 public:
  House() : clients_(2, 1'000'000) {
    feed_.Start({.epoch = "0123456789abcdef", .revision = 0, .oldest_revision = 0});
    WatchHub::Options options;
    options.inventory = &inventory_;
    options.feed = &feed_;
    options.store = &store_;
    options.clock = Clock::Real();
    options.epoch = "0123456789abcdef";
    hub_ = std::make_unique<WatchHub>(std::move(options));
  }
  ~House() {
    for (auto& client : watchers_) client->session->OnCancel();
    for (auto& client : watchers_) {
      while (!client->ended) std::this_thread::yield();
    }
    hub_ = nullptr;
  }

  void Open(int count, const std::function<WatchScope(int)>& scope_of) {
    for (int i = 0; i < count; ++i) {
      WatchSession::Options options;
      options.view = std::make_shared<TokenWatchView>(scope_of(i));
      options.start = WatchSession::Start::kAfterRevision;
      options.after_revision = revision_;
      options.progress_interval = absl::Seconds(15);
      watchers_.push_back(std::make_unique<Watcher>(*this));
      watchers_.back()->session = *hub_->Open(*watchers_.back(), options);
    }
  }

  // Commits a change of ten tokens; returns when `watchers` more messages are taken.
  void Commit(const std::string& source, int watchers) {
    auto revision = std::make_shared<FeedRevision>();
    revision->revision = ++revision_;
    revision->commit_time = absl::Now();
    for (int i = 0; i < 10; ++i) {
      v1::Token token;
      token.set_name(TokenName(source, absl::StrCat(i)));
      token.set_uid(absl::StrCat("uid-", i));
      token.set_source(SourceName(source));
      token.set_display_name("Deploy bot of a team");
      token.set_role(i % 2 == 0 ? "admin" : "user");
      token.set_presence(v1::Token::LISTED);
      token.set_provider_uri(std::string(400, 'x'));
      LogChange change;
      change.row = i + 1;
      change.after = SerializeToken(token);
      revision->changes.push_back(MakeFeedChange(std::move(change)));
    }
    const std::int64_t goal = taken_ + watchers;
    feed_.Publish(std::move(revision));
    while (taken_ < goal) std::this_thread::yield();
  }

 private:
  struct Watcher final : WatchSink {
    explicit Watcher(House& owner) : house(owner) {}
    void Write(const WatchMessage&) override {
      if (!house.clients_.TryRun([this] {
            ++house.taken_;
            session->OnWriteDone(true);
          })) {
        std::printf("a client was lost\n");
      }
    }
    void Finish(const absl::Status&) override { ended = true; }
    void Abort() override {}
    House& house;
    std::shared_ptr<WatchSession> session;
    std::atomic<bool> ended{false};
  };

  Inventory inventory_;
  ChangeFeed feed_{std::int64_t{64} << 20};
  NoStore store_;
  std::unique_ptr<WatchHub> hub_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  std::int64_t revision_ = 0;
  std::atomic<std::int64_t> taken_{0};
  ThreadPool clients_;
};

WatchScope ScopeOf(const std::string& source) {
  WatchScope scope;
  scope.source = source;
  return scope;
}

template <typename Commit>
void PrintLatency(const char* what, Commit commit) {
  std::vector<double> micros;
  for (int i = 0; i < kCommits; ++i) {
    const absl::Time begin = absl::Now();
    commit();
    micros.push_back(absl::ToDoubleMicroseconds(absl::Now() - begin));
  }
  std::sort(micros.begin(), micros.end());
  std::printf("%-58s %8.0f %8.0f %8.0f\n", what, micros[kCommits / 2], micros[kCommits * 99 / 100],
              micros.back());
}

void Run() {
  {
    House house;
    const std::int64_t before = ResidentBytes();
    house.Open(kIdle, [](int) { return ScopeOf("quiet"); });
    std::printf("an idle watcher: %.2f KiB (of %d with one view)\n",
                static_cast<double>(ResidentBytes() - before) / 1024 / kIdle, kIdle);
  }
  {
    House house;
    const std::int64_t before = ResidentBytes();
    house.Open(kIdle, [](int i) {
      WatchScope scope = ScopeOf("quiet");
      scope.filter_text = absl::StrCat("role = \"", i, "\"");
      scope.filter = *Filter::Compile(scope.filter_text, FilterOptions());
      return scope;
    });
    std::printf("an idle watcher: %.2f KiB (of %d with a filter of its own)\n\n",
                static_cast<double>(ResidentBytes() - before) / 1024 / kIdle, kIdle);
  }
  std::printf("%-58s %8s %8s %8s\n", "from a commit of ten tokens to the last watcher, in us",
              "median", "p99", "most");
  {
    House house;
    house.Open(1, [](int) { return ScopeOf(""); });
    PrintLatency("1 watcher", [&] { house.Commit("busy", 1); });
    house.Open(kActive - 1, [](int) { return ScopeOf(""); });
    PrintLatency("1 000 watchers", [&] { house.Commit("busy", kActive); });
    house.Open(kIdle, [](int) { return ScopeOf("quiet"); });
    PrintLatency("and 10 000 of another source", [&] { house.Commit("busy", kActive); });
  }
  {
    House house;
    house.Open(kActive, [](int) { return ScopeOf(""); });
    house.Open(kIdle, [](int i) {
      WatchScope scope = ScopeOf("");
      scope.filter_text = absl::StrCat("role = \"nobody", i % 100, "\"");
      scope.filter = *Filter::Compile(scope.filter_text, FilterOptions());
      return scope;
    });
    PrintLatency("1 000, and 10 000 whose 100 filters nothing matches",
                 [&] { house.Commit("busy", kActive); });
  }
}

}  // namespace
}  // namespace tokeninventory

int main() { tokeninventory::Run(); }
