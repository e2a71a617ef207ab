// The bounds of connections, requests and queues, over real gRPC: what is over them is refused with
// a code, a reason and, where waiting helps, the time to wait.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/client_callback.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/e2e/service_process.h"
#include "tests/e2e/test_service.h"
#include "tests/testing/gate.h"

namespace tokeninventory {
namespace {

using testing::HasRetryInfo;
using ::testing::HasSubstr;
using testing::QuickSim;
using testing::ReasonOf;
using testing::ServiceProcess;
using testing::TestService;
using vendor_sim::VendorSim;

class LimitsTest : public ::testing::Test {
 protected:
  LimitsTest() : sim_(QuickSim(60)) { EXPECT_TRUE(sim_.Start().ok()); }
  VendorSim sim_;
};

// The ports that the service saw clients come from, as its log tells of calls that it audits.
std::set<std::string> PeersIn(const std::string& log) {
  constexpr absl::string_view kKey = "\"peer\":\"";
  std::set<std::string> peers;
  for (std::size_t at = 0; (at = log.find(std::string(kKey), at)) != std::string::npos;) {
    at += kKey.size();
    peers.insert(log.substr(at, log.find('"', at) - at));
  }
  return peers;
}

TEST_F(LimitsTest, AnOldConnectionServesItsStreamsAndTakesNoNewCalls) {
  testing::TempDir folder;
  const std::string file = folder.File("config.yaml");
  std::ofstream(file) << testing::TestConfig(sim_, folder, "1d") << "max_connection_age: 1s\n";
  ServiceProcess service(file, folder.File("data"));
  ASSERT_GT(service.port(), 0);
  const auto stub = v1::TokenInventory::NewStub(service.Connect());
  const auto deadline = std::chrono::system_clock::now() + testing::kLongWait;
  grpc::ClientContext context;
  context.set_deadline(deadline);
  v1::WatchTokensRequest request;
  request.set_parent("sources/-");
  request.mutable_now();
  request.mutable_progress_interval()->set_seconds(1);
  const auto stream = stub->WatchTokens(&context, request);
  v1::WatchTokensResponse response;
  ASSERT_TRUE(stream->Read(&response));
  // The connection that the stream began on, then another, and another.
  while (PeersIn(service.Log()).size() < 3 && std::chrono::system_clock::now() < deadline) {
    grpc::ClientContext call;
    v1::RefreshTokenRequest refresh;
    refresh.set_name("sources/opal-test/tokens/none");
    v1::Token token;
    EXPECT_EQ(stub->RefreshToken(&call, refresh, &token).error_code(), grpc::StatusCode::NOT_FOUND);
  }
  EXPECT_GE(PeersIn(service.Log()).size(), 3u);
  // What was sent meanwhile, and something new.
  for (bool is_new = false; !is_new;) {
    const std::int64_t now = absl::ToUnixSeconds(absl::Now());
    ASSERT_TRUE(stream->Read(&response)) << "the stream goes on";
    is_new = response.progress().server_time().seconds() >= now;
  }
  context.TryCancel();
  while (stream->Read(&response)) {
  }
  stream->Finish();
}

TEST_F(LimitsTest, WhoPingsTooOftenIsCutOffAndNobodyElse) {
  const TestService service(sim_);
  const auto watch = [&](int ping_millis) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, ping_millis);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    return grpc::health::v1::Health::NewStub(grpc::CreateCustomChannel(
        absl::StrCat("127.0.0.1:", service.port()), grpc::InsecureChannelCredentials(), arguments));
  };
  const auto calm = watch(20'000);
  const auto hasty = watch(20);
  grpc::ClientContext calm_context, hasty_context;
  hasty_context.set_deadline(std::chrono::system_clock::now() + testing::kLongWait);
  grpc::health::v1::HealthCheckResponse response;
  const auto calm_stream = calm->Watch(&calm_context, {});
  const auto hasty_stream = hasty->Watch(&hasty_context, {});
  ASSERT_TRUE(calm_stream->Read(&response));
  ASSERT_TRUE(hasty_stream->Read(&response));
  EXPECT_FALSE(hasty_stream->Read(&response));
  const grpc::Status cut = hasty_stream->Finish();
  EXPECT_EQ(cut.error_code(), grpc::StatusCode::UNAVAILABLE) << cut.error_message();
  EXPECT_THAT(cut.error_message(), HasSubstr("Too many pings"));
  grpc::ClientContext check;
  EXPECT_TRUE(calm->Check(&check, {}, &response).ok());
  calm_context.TryCancel();
  EXPECT_FALSE(calm_stream->Read(&response));
  EXPECT_EQ(calm_stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(LimitsTest, RequestsAndTheirHeadersAreBounded) {
  TestService service(sim_);
  const auto batch = [&](int names, std::size_t bytes, std::size_t header) {
    v1::BatchGetTokensRequest request;
    const std::string name = "sources/opal-test/tokens/";
    for (int i = 0; i < names; ++i) {
      const std::string id = absl::StrCat(i);
      request.add_names(absl::StrCat(name, id, std::string(bytes - name.size() - id.size(), 'x')));
    }
    grpc::ClientContext context;
    context.AddMetadata("x-note", std::string(header, 'x'));
    v1::BatchGetTokensResponse response;
    return service.tokens().BatchGetTokens(&context, request, &response).error_code();
  };
  EXPECT_EQ(batch(1000, 1024, 0), grpc::StatusCode::OK) << "the largest request that there is";
  EXPECT_EQ(batch(1000, 1200, 0), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(batch(1, 100, 12'000), grpc::StatusCode::OK);
  EXPECT_EQ(batch(1, 100, 40'000), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(LimitsTest, TheServiceHasOnlySoManyWatches) {
  TestService service(sim_, "watch: {max_streams: 1}\n");
  v1::WatchTokensRequest request;
  request.set_parent("sources/-");
  request.mutable_now();
  grpc::ClientContext first, second;
  v1::WatchTokensResponse response;
  const auto one = service.tokens().WatchTokens(&first, request);
  ASSERT_TRUE(one->Read(&response));
  const auto two = service.tokens().WatchTokens(&second, request);
  EXPECT_FALSE(two->Read(&response));
  const grpc::Status refused = two->Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused), "TOO_MANY_STREAMS");
  EXPECT_TRUE(HasRetryInfo(refused));
  // The limit may be another one while the service runs.
  ASSERT_TRUE(service.Reload("watch: {max_streams: 2}\n").ok());
  grpc::ClientContext third;
  const auto three = service.tokens().WatchTokens(&third, request);
  EXPECT_TRUE(three->Read(&response));
  for (grpc::ClientContext* context : {&first, &third}) context->TryCancel();
  for (auto* stream : {one.get(), three.get()}) {
    while (stream->Read(&response)) {
    }
    stream->Finish();
  }
}

// Calls that are all under way at once; what came of each.
template <typename Request, typename Response>
class Burst {
 public:
  template <typename Begin>
  Burst(int count, const Request& request, Begin begin) : calls_(static_cast<std::size_t>(count)) {
    for (Call& call : calls_) {
      begin(&call.context, &request, &call.response, [this, &call](const grpc::Status& status) {
        MutexLock lock(mutex_);
        call.status = status;
        ++done_;
        changed_.NotifyAll();
      });
    }
  }
  // Waits for `done` of them.
  void Await(int done) {
    MutexLock lock(mutex_);
    while (done_ < done) changed_.Wait(mutex_);
  }
  std::vector<grpc::Status> Statuses() {
    Await(static_cast<int>(calls_.size()));
    std::vector<grpc::Status> statuses;
    for (const Call& call : calls_) statuses.push_back(call.status);
    return statuses;
  }

 private:
  struct Call {
    grpc::ClientContext context;
    Response response;
    grpc::Status status;
  };
  std::vector<Call> calls_;
  Mutex mutex_;
  CondVar changed_;
  int done_ ABSL_GUARDED_BY(mutex_) = 0;
};

void ExpectRefused(const std::vector<grpc::Status>& statuses, const std::string& reason) {
  int refused = 0;
  for (const grpc::Status& status : statuses) {
    if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) continue;
    ++refused;
    EXPECT_EQ(ReasonOf(status), reason);
    EXPECT_TRUE(HasRetryInfo(status));
  }
  EXPECT_GT(refused, 0);
}

TEST_F(LimitsTest, ScansBeyondTheQueueAreToldToWait) {
  TestService service(sim_);
  service.SyncAll();
  // Each takes as long as a filter may.
  std::vector<std::string> terms;
  for (int i = 0; i < 90; ++i) terms.push_back(absl::StrCat("attributes.a", i, ":\"x", i, "\""));
  v1::SummarizeTokensRequest request;
  request.set_parent("sources/-");
  request.set_filter(absl::StrJoin(terms, " OR "));
  Burst<v1::SummarizeTokensRequest, v1::SummarizeTokensResponse> burst(
      1500, request, [&](auto* context, auto* asked, auto* response, auto done) {
        service.tokens().async()->SummarizeTokens(context, asked, response, std::move(done));
      });
  ExpectRefused(burst.Statuses(), "SCANS_BUSY");
}

TEST_F(LimitsTest, RefreshesBeyondTheQueueAreToldToWait) {
  TestService service(sim_);
  service.SyncAll();
  vendor_sim::Fault stall;
  stall.count = 1000;
  stall.delivery = vendor_sim::Delivery::kStall;
  sim_.AddFault(stall);
  v1::RefreshTokenRequest request;
  for (const auto& [name, token] : service.ListAll()) {
    if (token.source() == "sources/opal-test") request.set_name(name);
  }
  Burst<v1::RefreshTokenRequest, v1::Token> burst(
      100, request, [&](auto* context, auto* asked, auto* response, auto done) {
        service.tokens().async()->RefreshToken(context, asked, response, std::move(done));
      });
  burst.Await(100 - 64 - 2);  // those that there is no room for
  sim_.ClearFaults();
  ExpectRefused(burst.Statuses(), "TOO_MANY_REFRESHES");
}

}  // namespace
}  // namespace tokeninventory
