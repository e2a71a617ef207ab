// The whole service while its disk is full, read-only or failing: what is known goes on
// being served, the failure is said, and when it is over the service needs no help.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "inventory/token_name.h"
#include "storage/sqlite_token_store.h"
#include "storage/verify_store.h"
#include "tests/e2e/scrape.h"
#include "tests/e2e/test_service.h"
#include "tests/e2e/watcher.h"
#include "tests/testing/fake_clock.h"
#include "tests/testing/faulty_vfs.h"
#include "tests/watch_trace/trace_checker.h"

namespace tokeninventory {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using testing::FakeClock;
using testing::FaultyVfs;
using ::testing::HasSubstr;
using testing::HttpGet;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::QuickSim;
using testing::ReasonOf;
using testing::Scrape;
using testing::TestService;
using testing::TrueNames;
using testing::Watcher;
using vendor_sim::VendorSim;
using Call = FaultyVfs::Call;

constexpr const char* kSources[] = {"deepset-test", "opal-test", "buildkite-test"};
// Streams neither end nor are cut while the clock runs fast.
constexpr char kPatientWatches[] =
    "watch: {stall_timeout: 1h, max_age: 7d}\n"
    "metrics: {listen: '127.0.0.1:0'}\n";

// Moves a clock on, fifty times as fast as time, until destroyed.
class FastTime {
 public:
  explicit FastTime(FakeClock& clock) : thread_([this, &clock] { Run(clock); }) {}
  ~FastTime() {
    {
      MutexLock lock(mutex_);
      stop_ = true;
    }
    wake_.NotifyAll();
    thread_.join();
  }

 private:
  void Run(FakeClock& clock) {
    MutexLock lock(mutex_);
    while (!stop_) {
      clock.Advance(absl::Milliseconds(100));
      wake_.WaitFor(mutex_, std::chrono::milliseconds(2));
    }
  }

  Mutex mutex_;
  CondVar wake_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// A health watch of one name; used by one thread.
class HealthWatch {
 public:
  HealthWatch(const std::shared_ptr<grpc::Channel>& channel, const std::string& name)
      : stub_(grpc::health::v1::Health::NewStub(channel)) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    HealthCheckRequest request;
    request.set_service(name);
    stream_ = stub_->Watch(&context_, request);
  }
  ~HealthWatch() {
    context_.TryCancel();
    HealthCheckResponse response;
    while (stream_->Read(&response)) {
    }
    stream_->Finish();
  }

  // The next one told; UNKNOWN when the stream ended.
  HealthCheckResponse::ServingStatus Next() {
    HealthCheckResponse response;
    return stream_->Read(&response) ? response.status() : HealthCheckResponse::UNKNOWN;
  }

 private:
  std::unique_ptr<grpc::health::v1::Health::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> stream_;
};

HealthCheckResponse::ServingStatus HealthOf(TestService& service, const std::string& name) {
  const auto health = grpc::health::v1::Health::NewStub(service.channel());
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service(name);
  HealthCheckResponse response;
  EXPECT_TRUE(health->Check(&context, request, &response).ok());
  return response.status();
}

std::set<std::string> NamesOf(const std::map<std::string, v1::Token>& tokens) {
  std::set<std::string> names;
  for (const auto& [name, token] : tokens) names.insert(name);
  return names;
}

v1::Source SourceOf(TestService& service, const std::string& id) {
  grpc::ClientContext context;
  v1::GetSourceRequest request;
  request.set_name(SourceName(id));
  v1::Source source;
  EXPECT_TRUE(service.sources().GetSource(&context, request, &source).ok());
  return source;
}

// Everything that reads, against what was known before.
void ExpectReadsGoOn(TestService& service, const std::map<std::string, v1::Token>& known) {
  EXPECT_EQ(NamesOf(service.ListAll()), NamesOf(known));
  {
    grpc::ClientContext context;
    v1::GetTokenRequest request;
    request.set_name(known.begin()->first);
    v1::Token token;
    const grpc::Status status = service.tokens().GetToken(&context, request, &token);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  {
    grpc::ClientContext context;
    v1::SummarizeTokensRequest request;
    request.set_parent("sources/-");
    v1::SummarizeTokensResponse response;
    const grpc::Status status = service.tokens().SummarizeTokens(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.groups(0).count(), static_cast<std::int64_t>(known.size()));
  }
  {
    grpc::ClientContext context;
    v1::ListTokenChangesRequest request;
    request.set_parent(known.begin()->first);
    v1::ListTokenChangesResponse response;
    const grpc::Status status = service.tokens().ListTokenChanges(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_GT(response.token_changes_size(), 0);
  }
  Watcher late;
  late.Connect(service.tokens());
  EXPECT_TRUE(late.ReadUntil([&] { return late.synced(); }));
  EXPECT_EQ(NamesOf(late.copy()), NamesOf(known));
  late.Cancel();
  late.Finish();
}

struct Outage {
  const char* name;
  FaultyVfs::Fault fault;
};

class StoreOutageTest : public ::testing::TestWithParam<Outage> {
 protected:
  StoreOutageTest() : sim_(QuickSim(300)) {
    FaultyVfs::Get().Clear();
    EXPECT_TRUE(sim_.Start().ok());
  }
  ~StoreOutageTest() override { FaultyVfs::Get().Clear(); }

  // Waits until the service's clock shows a later time.
  void AwaitTime(absl::Duration later) {
    const absl::Time until = clock_.Now() + later;
    Mutex mutex;
    CondVar wake;
    MutexLock lock(mutex);
    while (clock_.Now() < until) clock_.WaitUntil(mutex, wake, until);
  }

  FakeClock clock_{absl::Now()};
  VendorSim sim_;
};

TEST_P(StoreOutageTest, ReadsGoOnAndTheRestRecoversByItself) {
  TestService service(sim_, kPatientWatches, &clock_);
  std::string store;
  Watcher watcher;
  {
    const FastTime time(clock_);
    service.SyncAll();
    store = service.folder().File("data/inventory.db");
    const std::map<std::string, v1::Token> known = service.ListAll();
    ASSERT_EQ(NamesOf(known), TrueNames(sim_.ReadTruth()));
    HealthWatch store_health(service.channel(), "store");
    EXPECT_EQ(store_health.Next(), HealthCheckResponse::SERVING);
    watcher.Connect(service.tokens());
    ASSERT_TRUE(watcher.ReadUntil([&] { return watcher.synced(); }));
    const std::int64_t before = watcher.told_revision();

    // The vendors change, and nothing of it can be written.
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(sim_.AddToken(vendor_sim::TokenKind::kOpal));
    sim_.ApplyChurn(60);
    ASSERT_NE(TrueNames(sim_.ReadTruth()), NamesOf(known));
    FaultyVfs::Get().Set(GetParam().fault);
    for (const char* source : kSources) {
      v1::SyncResult result;
      const grpc::Status status = service.TrySync(source, &result);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << source;
      EXPECT_EQ(ReasonOf(status), "SYNC_INTERRUPTED");
      EXPECT_TRUE(testing::HasRetryInfo(status));
      EXPECT_THAT(status.error_message(), HasSubstr("the store cannot be written now"));
    }
    EXPECT_EQ(store_health.Next(), HealthCheckResponse::NOT_SERVING);
    for (const char* name : {"", "tokeninventory.v1.TokenInventory", "tokeninventory.v1.Sources"}) {
      EXPECT_EQ(HealthOf(service, name), HealthCheckResponse::SERVING) << name;
    }
    EXPECT_EQ(HealthOf(service, "store"), HealthCheckResponse::NOT_SERVING);
    EXPECT_EQ(HttpGet(service.metrics_port(), "/healthz").status, 200);
    EXPECT_EQ(HttpGet(service.metrics_port(), "/readyz").status, 503);
    EXPECT_THAT(HttpGet(service.metrics_port(), "/readyz").body, HasSubstr("failed store"));
    {
      const Scrape scrape(service.metrics_port());
      EXPECT_EQ(scrape["token_inventory_ready"], 0);
      EXPECT_EQ(scrape["token_inventory_store_writable"], 0);
      EXPECT_GT(scrape["token_inventory_commit_failures_total"], 0);
      EXPECT_EQ(scrape.Sum("token_inventory_source_state", "STORE_UNAVAILABLE"), 3);
      EXPECT_EQ(scrape.Sum("token_inventory_passes_total", "STORE_UNAVAILABLE"), 3);
    }
    for (const char* id : kSources) {
      const v1::Source source = SourceOf(service, id);
      EXPECT_EQ(source.state(), v1::Source::STORE_UNAVAILABLE) << id;
      EXPECT_THAT(source.error(), HasSubstr("the store cannot be written now"));
      EXPECT_THAT(source.error(), Not(HasSubstr("\n")));
      EXPECT_TRUE(source.has_last_complete_time());
    }
    sim_.ClearRequests();
    ExpectReadsGoOn(service, known);
    AwaitTime(absl::Minutes(3));
    ExpectReadsGoOn(service, known);
    EXPECT_EQ(HealthOf(service, "store"), HealthCheckResponse::NOT_SERVING);
    EXPECT_THAT(sim_.Requests(), IsEmpty()) << "vendors are asked for what cannot be kept";
    EXPECT_TRUE(SourceOf(service, "opal-test").has_next_sync_time());
    EXPECT_EQ(watcher.told_revision(), before);

    // Nobody calls: the health watch tells, and the token watch gets what was missed.
    FaultyVfs::Get().Clear();
    EXPECT_EQ(store_health.Next(), HealthCheckResponse::SERVING);
    EXPECT_EQ(HttpGet(service.metrics_port(), "/readyz").status, 200);
    const std::set<std::string> truth = TrueNames(sim_.ReadTruth());
    ASSERT_TRUE(watcher.ReadUntil([&] { return NamesOf(watcher.copy()) == truth; }))
        << watcher.Finish().error_message();
    EXPECT_GT(watcher.told_revision(), before);
    // And all is as if nothing had been.
    service.SyncAll();
    EXPECT_EQ(NamesOf(service.ListAll()), truth);
    for (const char* id : kSources) EXPECT_EQ(SourceOf(service, id).state(), v1::Source::OK) << id;
    watcher.Cancel();
    watcher.ReadUntil([] { return false; });
    watcher.Finish();
  }
  service.Stop();
  const absl::StatusOr<StoreReport> report = VerifyStore(store);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->problems, IsEmpty());
  const auto opened = SqliteTokenStore::Open(store);
  ASSERT_TRUE(opened.ok()) << opened.status();
  watch_trace::WriteLog log;
  ASSERT_TRUE(log.ReadFrom(**opened).ok());
  const auto trace = watch_trace::MakeTrace(log, watcher.records());
  ASSERT_TRUE(trace.ok()) << trace.status();
  const auto violation = watch_trace::FindViolation(*trace);
  EXPECT_FALSE(violation.has_value()) << *violation;
}

INSTANTIATE_TEST_SUITE_P(
    Faults, StoreOutageTest,
    ::testing::Values(
        // The log is written over from its beginning now and then: only growing would
        // leave some room.
        Outage{"FullDisk", {.call = Call::kWrite, .code = SQLITE_FULL}},
        Outage{"FullDiskInTheMiddle", {.call = Call::kWrite, .code = SQLITE_FULL, .skip = 7}},
        Outage{"ReadOnly", {.call = Call::kWrite, .code = SQLITE_READONLY}},
        Outage{"WriteErrors", {.call = Call::kWrite, .code = SQLITE_IOERR_WRITE, .partly = true}},
        Outage{"SyncErrors", {.call = Call::kSync, .code = SQLITE_IOERR_FSYNC}}),
    [](const auto& param) { return std::string(param.param.name); });

class StoreTroubleTest : public StoreOutageTest {};

// A store that was found damaged is left as it is: what is on the disk may be all that
// somebody can still read.
TEST_F(StoreTroubleTest, ADamagedStoreIsReadFromMemoryAndNotWritten) {
  TestService service(sim_, kPatientWatches, &clock_);
  const FastTime time(clock_);
  service.SyncAll();
  const std::map<std::string, v1::Token> known = service.ListAll();
  sim_.ApplyChurn(60);
  HealthWatch store_health(service.channel(), "store");
  EXPECT_EQ(store_health.Next(), HealthCheckResponse::SERVING);
  FaultyVfs::Get().Set({.call = Call::kWrite, .code = SQLITE_CORRUPT, .count = 1});
  v1::SyncResult result;
  EXPECT_FALSE(service.TrySync("opal-test", &result).ok());
  EXPECT_EQ(FaultyVfs::Get().failed(), 1);
  EXPECT_EQ(store_health.Next(), HealthCheckResponse::NOT_SERVING);
  FaultyVfs::Get().Set({.call = Call::kWrite, .code = SQLITE_IOERR_WRITE});
  AwaitTime(absl::Minutes(2));
  const grpc::Status status = service.TrySync("deepset-test", &result);
  EXPECT_THAT(status.error_message(), HasSubstr("the store is damaged and has to be restored"));
  EXPECT_EQ(SourceOf(service, "deepset-test").state(), v1::Source::STORE_UNAVAILABLE);
  EXPECT_EQ(HealthOf(service, "store"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(HealthOf(service, ""), HealthCheckResponse::SERVING);
  ExpectReadsGoOn(service, known);
  service.Stop();
  EXPECT_EQ(FaultyVfs::Get().failed(), 0) << "it tried to write";
  FaultyVfs::Get().Clear();
  // It was only this disk's bad moment: the next start finds the store sound.
  EXPECT_TRUE(VerifyStore(service.folder().File("data/inventory.db")).value().sound());
  service.Start();
  service.SyncAll();
  EXPECT_EQ(NamesOf(service.ListAll()), TrueNames(sim_.ReadTruth()));
}

// What a start comes to on a store or a disk that is no good: one line that says so.
TEST_F(StoreTroubleTest, AStartThatCannotBeSaysWhy) {
  struct Case {
    const char* name;
    FaultyVfs::Fault fault;
    const char* said;
  };
  const Case cases[] = {
      {"full disk", testing::FullDisk(), "full"},
      {"read-only", {.call = Call::kWrite, .code = SQLITE_READONLY}, "readonly"},
      {"write error", {.call = Call::kWrite, .code = SQLITE_IOERR_WRITE}, "I/O error"},
      {"cannot be opened", {.call = Call::kOpen, .code = SQLITE_CANTOPEN}, "unable to open"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const testing::TempDir folder;
    std::ofstream(folder.File("config.yaml")) << testing::TestConfig(sim_, folder, "1d");
    ConfigOverrides overrides;
    overrides.listen = "127.0.0.1:0";
    overrides.data_dir = folder.File("data");
    overrides.page_worker = TI_PAGE_WORKER;
    const auto start = [&] {
      LoadedConfig config = LoadServerConfig(folder.File("config.yaml"), overrides, &clock_);
      EXPECT_THAT(config.problems, IsEmpty());
      return ServerApp::Start(std::move(config.settings), &clock_).status();
    };
    FaultyVfs::Get().Set(c.fault);
    const absl::Status status = start();
    FaultyVfs::Get().Clear();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.said));
    EXPECT_THAT(std::string(status.message()), HasSubstr(folder.File("data/inventory.db")));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
    EXPECT_TRUE(start().ok()) << "the disk is good again";
  }
}

// A store that is there and needs no change is served from a disk that is full.
TEST_F(StoreTroubleTest, AFullDiskDoesNotKeepTheServiceFromStarting) {
  TestService service(sim_, kPatientWatches, &clock_);
  const FastTime time(clock_);
  service.SyncAll();
  const std::map<std::string, v1::Token> known = service.ListAll();
  service.Stop();
  FaultyVfs::Get().Set(testing::FullDisk());
  service.Start();
  ExpectReadsGoOn(service, known);
  FaultyVfs::Get().Clear();
  service.SyncAll();
  EXPECT_EQ(HealthOf(service, "store"), HealthCheckResponse::SERVING);
}

}  // namespace
}  // namespace tokeninventory
