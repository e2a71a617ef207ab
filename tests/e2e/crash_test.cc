// The program, killed at random points of its life again and again, loses nothing.
//
// TI_CRASH_KILLS says how often (30), TI_CRASH_SEED how the points are chosen; the seed
// is printed. The same seed gives the same plan, but not the same instants.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_log_reader.h"
#include "storage/verify_store.h"
#include "tests/e2e/churn_thread.h"
#include "tests/e2e/service_process.h"
#include "tests/e2e/test_service.h"
#include "tests/e2e/watcher.h"
#include "tests/testing/temp_dir.h"
#include "tests/watch_trace/trace_checker.h"

namespace tokeninventory {
namespace {

using ::testing::IsEmpty;
using testing::QuickSim;
using testing::ServiceProcess;
using testing::TempDir;
using testing::TrueNames;
using testing::Watcher;
using vendor_sim::VendorSim;

constexpr const char* kSources[] = {"deepset-test", "opal-test", "buildkite-test"};

std::uint64_t FromEnvironment(const char* name, std::uint64_t unset) {
  const char* text = std::getenv(name);
  std::uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : unset;
}

// The built-in vendors with pages of ten records: many commits a pass.
void WriteSmallPageManifests(const TempDir& folder) {
  std::filesystem::create_directory(folder.File("vendors"));
  for (const char* vendor : {"deepset", "opal", "buildkite"}) {
    std::ifstream file(absl::StrCat(TI_PROVIDERS, "/", vendor, ".yaml"));
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const int edits = absl::StrReplaceAll(
        {{absl::StrCat("vendor: ", vendor), absl::StrCat("vendor: ", vendor, "-small")},
         {"per_page: 100", "per_page: 10"},
         {"page_size: 1000", "page_size: 10"},
         {"{limit: 100", "{limit: 10"}},
        &text);
    ASSERT_GE(edits, 2) << vendor;
    std::ofstream(folder.File(absl::StrCat("vendors/", vendor, ".yaml"))) << text;
  }
}

// Reads a store that nobody has open, and leaves it as the crash did.
class DeadStore final : public TokenStore {
 public:
  explicit DeadStore(const std::string& path) : reader_(OpenSqliteForReading(path)) {}

  absl::StatusOr<StoreHead> Head() override { return reader_.Head(); }
  absl::StatusOr<LogPage> ReadLog(LogPosition from, std::int64_t max_bytes) override {
    return reader_.ReadLog(from, max_bytes);
  }
  absl::Status Load(LoadVisitor&) override { return ReadsOnly(); }
  absl::StatusOr<std::int64_t> Commit(std::int64_t, const CommitBatch&) override {
    return ReadsOnly();
  }
  absl::StatusOr<std::vector<LogEntry>> ReadHistory(std::int64_t, std::int64_t, int) override {
    return ReadsOnly();
  }
  absl::StatusOr<StoreHead> Compact(const LogLimits&) override { return ReadsOnly(); }

 private:
  static absl::Status ReadsOnly() { return absl::UnimplementedError("it is dead"); }

  SqliteLogReader reader_;
};

// What the service said while it lived, by several clients at once. What it said is
// acknowledged: it must be in the store after any crash.
class Clients {
 public:
  Clients(const ServiceProcess& service, const VendorSim& sim, Watcher& watcher,
          std::string& notice_resume_token)
      : channel_(service.Connect()),
        sim_(sim),
        watcher_(watcher),
        notice_resume_token_(notice_resume_token) {
    watcher_.Connect(*tokens_);
    threads_.emplace_back([this] { watcher_.ReadUntil([] { return false; }); });
    threads_.emplace_back([this] { WatchNotices(); });
    threads_.emplace_back([this] { SyncForEver(); });
    threads_.emplace_back([this] { RefreshForEver(); });
  }

  // After the service died.
  void Join() {
    {
      MutexLock lock(mutex_);
      stop_ = true;
    }
    for (std::thread& thread : threads_) thread.join();
    watcher_.Finish();
  }

  // After Join.
  std::int64_t acknowledged = 0;                             // the highest revision
  std::set<std::pair<std::string, std::int64_t>> refreshed;  // uid, revision
  std::map<std::string, std::int64_t> told_notices;          // event ids, revisions
  int syncs = 0;

 private:
  bool stopped() {
    MutexLock lock(mutex_);
    return stop_;
  }

  void SyncForEver() {
    const auto sources = v1::Sources::NewStub(channel_);
    for (std::size_t i = 0; !stopped(); ++i) {
      grpc::ClientContext context;
      v1::SyncSourceRequest request;
      request.set_name(SourceName(kSources[i % std::size(kSources)]));
      const auto stream = sources->SyncSource(&context, request);
      v1::SyncSourceResponse response;
      while (stream->Read(&response)) {
        if (!response.has_result()) continue;
        MutexLock lock(mutex_);
        acknowledged = std::max(acknowledged, response.result().revision());
        ++syncs;
      }
      if (!stream->Finish().ok()) return;
    }
  }

  void RefreshForEver() {
    while (!stopped()) {
      for (const auto& token : sim_.ReadTruth().opal_tokens) {
        grpc::ClientContext context;
        v1::RefreshTokenRequest request;
        request.set_name(TokenName("opal-test", token.id.ToString()));
        v1::Token refreshed_token;
        const grpc::Status status = tokens_->RefreshToken(&context, request, &refreshed_token);
        if (stopped()) return;
        if (!status.ok()) continue;
        MutexLock lock(mutex_);
        acknowledged = std::max(acknowledged, refreshed_token.revision());
        refreshed.emplace(refreshed_token.uid(), refreshed_token.revision());
      }
    }
  }

  void WatchNotices() {
    grpc::ClientContext context;
    v1::WatchExpirationsRequest request;
    request.set_parent("sources/-");
    if (notice_resume_token_.empty()) {
      request.mutable_open_expirations();
    } else {
      request.set_resume_token(notice_resume_token_);
    }
    const auto stream = tokens_->WatchExpirations(&context, request);
    v1::WatchExpirationsResponse response;
    while (stream->Read(&response)) {
      for (const v1::ExpirationBatch& batch : response.batches()) {
        for (const v1::Expiration& notice : batch.expirations()) {
          told_notices[notice.event_id()] = notice.revision();
        }
      }
      if (!response.resume_token().empty()) notice_resume_token_ = response.resume_token();
    }
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::TokenInventory::Stub> tokens_ = v1::TokenInventory::NewStub(channel_);
  const VendorSim& sim_;
  Watcher& watcher_;
  std::string& notice_resume_token_;
  Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

class CrashTest : public ::testing::Test {
 protected:
  CrashTest() : sim_(QuickSim(300)) {
    std::cout << "TI_CRASH_SEED=" << seed_ << "\n";
    EXPECT_TRUE(sim_.Start().ok());
    churn_.emplace(sim_);
    WriteSmallPageManifests(folder_);
    std::string config = testing::TestConfig(sim_, folder_, "1s");
    absl::StrReplaceAll({{"vendor: deepset\n", "vendor: deepset-small\n"},
                         {"vendor: opal\n", "vendor: opal-small\n"},
                         {"vendor: buildkite\n", "vendor: buildkite-small\n"}},
                        &config);
    // Soon every start has something to compact.
    std::ofstream(config_) << "manifest_dirs: [vendors]\n"
                              "log_retention: {max_changes: 1000, max_bytes: 1048576}\n"
                           << config;
  }

  int Random(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  void Wait(std::chrono::microseconds time) {
    Mutex mutex;
    CondVar never;
    MutexLock lock(mutex);
    const auto until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until) {
      never.WaitFor(mutex, until - std::chrono::steady_clock::now());
    }
  }

  // What must hold of a store after a crash, and what its log tells.
  void CheckDeadStore() {
    const absl::StatusOr<StoreReport> report = VerifyStore(store_);
    // Killed before it had made one.
    if (!report.ok() && last_.revision == 0 && log_.changes().empty()) return;
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_THAT(report->problems, IsEmpty());
    if (!last_.epoch.empty()) {
      EXPECT_EQ(report->head.epoch, last_.epoch);
    }
    EXPECT_GE(report->head.revision, last_.revision);
    EXPECT_GE(report->head.oldest_revision, last_.oldest_revision);
    if (last_.oldest_revision < report->head.oldest_revision) ++compactions_;
    last_ = report->head;
    DeadStore dead(store_);
    const absl::Status read = log_.ReadFrom(dead);
    ASSERT_TRUE(read.ok()) << read;
    for (;;) {
      const absl::StatusOr<LogPage> page = dead.ReadLog(next_, 1 << 20);
      ASSERT_TRUE(page.ok()) << page.status();
      if (page->entries.empty()) break;
      for (const LogEntry& entry : page->entries) {
        next_ = {entry.revision, entry.index + 1};
        if (entry.change.subject == LogSubject::kToken) {
          versions_.emplace(ReadTokenFacts(entry.change.after).uid, entry.revision);
          continue;
        }
        v1::Expiration notice;
        ASSERT_TRUE(notice.ParseFromString(entry.change.after));
        EXPECT_TRUE(events_.emplace(notice.event_id(), entry.revision).second)
            << "event " << notice.event_id() << " happened twice";
      }
    }
  }

  // That what clients were told is in the store.
  void CheckAcknowledged(const Clients& clients) {
    EXPECT_GE(last_.revision, clients.acknowledged);
    EXPECT_GE(last_.revision, watcher_.told_revision());
    for (const auto& version : clients.refreshed) {
      EXPECT_TRUE(versions_.contains(version)) << "lost revision " << version.second;
    }
    for (const auto& [event, revision] : clients.told_notices) {
      const auto it = events_.find(event);
      ASSERT_TRUE(it != events_.end()) << "lost a notice of revision " << revision;
      EXPECT_EQ(it->second, revision);
    }
    acknowledged_ += static_cast<int>(clients.refreshed.size()) + clients.syncs;
    told_notices_ += static_cast<int>(clients.told_notices.size());
  }

  // The streams since the last call, against all that was ever committed.
  void CheckTrace() {
    const auto& records = watcher_.records();
    const std::vector<watch_trace::WatchRecord> newer(
        records.begin() + static_cast<std::ptrdiff_t>(checked_records_), records.end());
    checked_records_ = records.size();
    auto trace = watch_trace::MakeTrace(log_, newer);
    ASSERT_TRUE(trace.ok()) << trace.status();
    // Streams that resumed owe nothing of what was before.
    std::int64_t first = last_.revision;
    for (const watch_trace::Watch& watch : trace->watches) {
      first = std::min(first, watch.initial.has_value() ? 0 : watch.from_revision);
    }
    std::erase_if(trace->log, [&](const auto& change) { return change.revision < first; });
    const auto violation = watch_trace::FindViolation(*trace);
    EXPECT_FALSE(violation.has_value()) << *violation;
    events_seen_ += CountEvents(*trace);
  }

  const std::uint64_t seed_ = FromEnvironment("TI_CRASH_SEED", std::random_device()());
  std::mt19937_64 random_{seed_};
  TempDir folder_;
  const std::string config_ = folder_.File("config.yaml");
  const std::string data_ = folder_.File("data");
  const std::string store_ = folder_.File("data/inventory.db");
  VendorSim sim_;
  std::optional<testing::ChurnThread> churn_;

  Watcher watcher_;
  std::string notice_resume_token_;
  watch_trace::WriteLog log_;
  StoreHead last_;
  LogPosition next_{1, 0};
  std::set<std::pair<std::string, std::int64_t>> versions_;  // uid, revision
  std::map<std::string, std::int64_t> events_;               // of notices, by id
  std::size_t checked_records_ = 0;
  int compactions_ = 0;
  int acknowledged_ = 0;
  int told_notices_ = 0;
  int events_seen_ = 0;
};

TEST_F(CrashTest, NothingIsLostWhereverTheServiceIsKilled) {
  churn_.reset();
  const auto kills = static_cast<int>(FromEnvironment("TI_CRASH_KILLS", 30));
  int at_start = 0;
  for (int kill = 1; kill <= kills; ++kill) {
    SCOPED_TRACE(absl::StrCat("kill ", kill, ", seed ", seed_));
    if (Random(4) == 0) {
      // While it loads, compacts, or makes its store.
      ServiceProcess service(ServiceProcess::Arguments(config_, data_));
      Wait(std::chrono::microseconds(Random(200'000)));
      ASSERT_EQ(service.End(SIGKILL), -SIGKILL) << service.Log();
      CheckDeadStore();
      ++at_start;
    } else {
      ServiceProcess service(config_, data_);
      ASSERT_NE(service.port(), 0) << service.Log();
      // Only now: over a thousand kills the world would grow and grow.
      churn_.emplace(sim_);
      Clients clients(service, sim_, watcher_, notice_resume_token_);
      Wait(std::chrono::microseconds(Random(Random(4) == 0 ? 1'500'000 : 300'000)));
      ASSERT_EQ(service.End(SIGKILL), -SIGKILL) << service.Log();
      churn_.reset();
      clients.Join();
      CheckDeadStore();
      CheckAcknowledged(clients);
    }
    if (kill % 25 == 0) CheckTrace();
    if (kill % 100 == 0) std::cout << kill << " kills, revision " << last_.revision << std::endl;
    if (HasFailure()) return;
  }

  // What is left is what the vendors have.
  {
    ServiceProcess service(config_, data_);
    ASSERT_NE(service.port(), 0) << service.Log();
    const auto tokens = v1::TokenInventory::NewStub(service.Connect());
    const auto sources = v1::Sources::NewStub(service.Connect());
    watcher_.Connect(*tokens);
    std::int64_t revision = 0;
    // Twice: what a vendor cannot be asked about is believed gone the second time. And
    // again while a pass is held: so much is gone since the last one that was read to its
    // end that the vendor is asked about each token, fifty a pass.
    int clean_passes = 0;
    for (int pass = 0; pass < 40 && clean_passes < 2; ++pass) {
      ++clean_passes;
      for (const char* source : kSources) {
        grpc::ClientContext context;
        v1::SyncSourceRequest request;
        request.set_name(SourceName(source));
        request.set_fresh(true);
        const auto stream = sources->SyncSource(&context, request);
        v1::SyncSourceResponse response;
        while (stream->Read(&response)) {
          if (!response.has_result()) continue;
          if (response.result().state() != v1::Source::OK) clean_passes = 0;
          revision = std::max(revision, response.result().revision());
        }
        EXPECT_TRUE(stream->Finish().ok());
      }
    }
    EXPECT_EQ(clean_passes, 2);
    ASSERT_TRUE(watcher_.ReadUntilRevision(revision));
    std::set<std::string> copy;
    for (const auto& [name, token] : watcher_.copy()) copy.insert(name);
    EXPECT_EQ(copy, TrueNames(sim_.ReadTruth()));
    watcher_.Cancel();
    watcher_.ReadUntil([] { return false; });
    watcher_.Finish();
    EXPECT_EQ(service.End(SIGTERM), 0) << service.Log();
  }
  CheckDeadStore();
  CheckTrace();
  std::cout << kills << " kills (" << at_start << " at its start), " << last_.revision
            << " revisions, " << log_.changes().size() << " changes, " << compactions_
            << " compactions, " << acknowledged_ << " acknowledged syncs and refreshes, "
            << told_notices_ << " notices and " << events_seen_ << " events told\n";
  // It was a test.
  EXPECT_GT(acknowledged_, kills / 2);
  EXPECT_GT(told_notices_, 0);
  EXPECT_GT(events_seen_, 300);
  // The service cuts its log now and then only: of few lives, none may last until it does.
  if (kills >= 100) {
    EXPECT_GT(compactions_, 0);
  }
}

// A stop in the middle of passes ends them, and is as clean as any.
TEST_F(CrashTest, AStopInTheMiddleOfASyncIsClean) {
  for (int i = 0; i < 3; ++i) {
    ServiceProcess service(config_, data_);
    ASSERT_NE(service.port(), 0) << service.Log();
    Clients clients(service, sim_, watcher_, notice_resume_token_);
    Wait(std::chrono::microseconds(Random(300'000)));
    ASSERT_EQ(service.End(SIGTERM), 0) << service.Log();
    // The last connection emptied it. Whoever reads makes an empty one again.
    EXPECT_FALSE(std::filesystem::exists(store_ + "-wal"));
    clients.Join();
    CheckDeadStore();
    CheckAcknowledged(clients);
  }
  CheckTrace();
}

// A backup that is killed leaves nothing under its name, or a good one.
TEST_F(CrashTest, ABackupThatIsKilledIsNoneOrAGoodOne) {
  ServiceProcess service(config_, data_);
  ASSERT_NE(service.port(), 0) << service.Log();
  Clients clients(service, sim_, watcher_, notice_resume_token_);
  const std::string backup = folder_.File("backup");
  const std::vector<std::string> arguments = {"backup", backup, "--overwrite", "--data", data_};
  int killed = 0;
  std::int64_t revision = 0;
  for (int i = 0; i < 12; ++i) {
    ServiceProcess writer(arguments);
    Wait(std::chrono::microseconds(Random(60'000)));
    if (writer.End(SIGKILL) == -SIGKILL) ++killed;
    if (!std::filesystem::exists(backup)) continue;
    const absl::StatusOr<StoreReport> report = VerifyStore(backup);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_THAT(report->problems, IsEmpty());
    EXPECT_TRUE(report->is_backup);
    EXPECT_GE(report->head.revision, revision);
    revision = report->head.revision;
  }
  EXPECT_GT(killed, 0);
  // What they left behind is in nobody's way.
  const testing::Finished last = testing::RunService(arguments);
  EXPECT_EQ(last.exit_code, 0) << last.output;
  EXPECT_TRUE(VerifyStore(backup).value().sound());
  EXPECT_FALSE(std::filesystem::exists(backup + ".partial"));
  EXPECT_EQ(service.End(SIGTERM), 0) << service.Log();
  clients.Join();
  CheckDeadStore();
  CheckAcknowledged(clients);
}

}  // namespace
}  // namespace tokeninventory
