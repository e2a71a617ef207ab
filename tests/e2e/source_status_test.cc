// What operators see of a source over real gRPC when its vendor fails, and what a
// failure does to when it is asked again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/proto_time.h"
#include "tests/e2e/test_service.h"

namespace tokeninventory {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using testing::QuickSim;
using testing::ReasonOf;
using testing::TestService;
using vendor_sim::Fault;
using vendor_sim::VendorSim;

// Rate limits on, so that Buildkite tells them.
vendor_sim::Options SmallSim() {
  vendor_sim::Options options = QuickSim(40);
  options.rate_limits = true;
  return options;
}

class SourceStatusTest : public ::testing::Test {
 protected:
  SourceStatusTest() : sim_(SmallSim()) {
    EXPECT_TRUE(sim_.Start().ok());
    // A failure is not worth waiting for.
    service_ = std::make_unique<TestService>(sim_, "http: {max_attempts: 1}\n");
    for (const char* source : {"deepset-test", "opal-test", "buildkite-test"}) {
      EXPECT_EQ(service_->Sync(source).state(), v1::Source::OK);
    }
  }

  v1::Source Source(const std::string& id) {
    grpc::ClientContext context;
    v1::GetSourceRequest request;
    request.set_name(absl::StrCat("sources/", id));
    v1::Source source;
    const grpc::Status status = service_->sources().GetSource(&context, request, &source);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return source;
  }
  std::vector<std::string> Unreachable() {
    grpc::ClientContext context;
    v1::ListTokensRequest request;
    request.set_parent("sources/-");
    v1::ListTokensResponse response;
    EXPECT_TRUE(service_->tokens().ListTokens(&context, request, &response).ok());
    return {response.unreachable().begin(), response.unreachable().end()};
  }
  // A pass during which requests whose target contains `target` get `fault`.
  v1::SyncResult SyncWith(Fault fault, const std::string& source, const std::string& target) {
    fault.count = 1000;
    fault.target_contains = target;
    sim_.AddFault(fault);
    const v1::SyncResult result = service_->Sync(source);
    sim_.ClearFaults();
    return result;
  }
  // From the end of the last pass to the next, as the status says it.
  static absl::Duration Wait(const v1::Source& source, const v1::SyncResult& result) {
    return FromProto(source.next_sync_time()) - FromProto(result.end_time());
  }
  int RequestsTo(const std::string& target) {
    int count = 0;
    for (const vendor_sim::LoggedRequest& request : sim_.Requests()) {
      if (request.target.find(target) != std::string::npos) ++count;
    }
    return count;
  }

  VendorSim sim_;
  std::unique_ptr<TestService> service_;
};

constexpr absl::Duration kDay = absl::Hours(24);

TEST_F(SourceStatusTest, AllIsWell) {
  EXPECT_THAT(Unreachable(), IsEmpty());
  for (const char* id : {"deepset-test", "opal-test", "buildkite-test"}) {
    const v1::Source before = Source(id);
    EXPECT_EQ(before.state(), v1::Source::OK);
    EXPECT_EQ(before.error(), "");
    EXPECT_THAT(before.incomplete_scopes(), IsEmpty());
    EXPECT_NE(before.coverage(), "");
    EXPECT_LE(FromProto(before.create_time()), FromProto(before.state_time()));
    if (std::string(id) == "buildkite-test") continue;  // its simulated limit is low
    const v1::SyncResult result = service_->Sync(id);
    const v1::Source after = Source(id);
    // The state is what it was since then; what is fresh is the pass.
    EXPECT_EQ(FromProto(after.state_time()), FromProto(before.state_time()));
    EXPECT_GT(FromProto(after.last_complete_time()), FromProto(before.last_complete_time()));
    EXPECT_GE(Wait(after, result), kDay * 0.94);
    EXPECT_LE(Wait(after, result), kDay * 1.06);
  }
}

TEST_F(SourceStatusTest, RequestsLeftAreToldWhereTheVendorTellsThem) {
  const v1::Source buildkite = Source("buildkite-test");
  ASSERT_EQ(buildkite.rate_limits_size(), 2) << buildkite.DebugString();
  EXPECT_EQ(buildkite.rate_limits(0).name(), "RateLimit-Remaining");
  EXPECT_EQ(buildkite.rate_limits(1).name(), "RateLimit-User-Remaining");
  for (const v1::RateLimit& limit : buildkite.rate_limits()) {
    EXPECT_GT(limit.remaining(), 0);
    EXPECT_LE(limit.remaining(), 200);
    EXPECT_GT(FromProto(limit.reset_time()), FromProto(buildkite.last_attempt_time()));
    EXPECT_LE(FromProto(limit.reset_time()), absl::Now() + absl::Minutes(1));
  }
  EXPECT_LT(buildkite.rate_limits(1).remaining(), buildkite.rate_limits(0).remaining());
  EXPECT_THAT(Source("opal-test").rate_limits(), IsEmpty());

  grpc::ClientContext context;
  v1::SyncSourceRequest request;
  request.set_name("sources/buildkite-test");
  const auto stream = service_->sources().SyncSource(&context, request);
  v1::SyncSourceResponse response;
  bool told = false;
  while (stream->Read(&response)) told |= response.progress().rate_limits_size() == 2;
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(told) << "also while it runs";
}

TEST_F(SourceStatusTest, AListingThatCannotBeReadIsNamedWithItsReason) {
  const v1::Source before = Source("deepset-test");
  const std::string workspace = sim_.ReadTruth().deepset_tokens.front().workspaces.front();
  const v1::SyncResult result = SyncWith({.status = 500, .body = "a secret"}, "deepset-test",
                                         absl::StrCat("/workspaces/", workspace, "/token"));
  EXPECT_EQ(result.state(), v1::Source::DEGRADED) << result.DebugString();
  const v1::Source source = Source("deepset-test");
  EXPECT_EQ(source.state(), v1::Source::DEGRADED);
  EXPECT_GT(FromProto(source.state_time()), FromProto(before.state_time()));
  EXPECT_EQ(FromProto(source.last_complete_time()), FromProto(before.last_complete_time()));
  ASSERT_EQ(source.incomplete_scopes_size(), 1);
  EXPECT_EQ(source.incomplete_scopes(0).stream(), "workspace_tokens");
  EXPECT_EQ(source.incomplete_scopes(0).scope(), absl::StrCat("name=", workspace));
  EXPECT_EQ(source.incomplete_scopes(0).reason(), "HTTP 500");
  EXPECT_THAT(source.error(), HasSubstr("HTTP 500"));
  EXPECT_THAT(source.ShortDebugString(), Not(HasSubstr("a secret")));
  EXPECT_EQ(source.token_count(), before.token_count());
  EXPECT_GE(Wait(source, result), kDay * 0.94) << "what can be read is read at its interval";
  EXPECT_THAT(Unreachable(), ElementsAre("sources/deepset-test"));
}

TEST_F(SourceStatusTest, AVendorInTroubleIsAskedAgainSoonThenLater) {
  const v1::Source before = Source("opal-test");
  v1::Source source;
  for (const int seconds : {30, 60, 120}) {
    const v1::SyncResult result = SyncWith({.status = 503}, "opal-test", "/v1/tokens");
    const absl::Time state_time = FromProto(source.state_time());
    const bool first = !source.has_state_time();
    source = Source("opal-test");
    EXPECT_EQ(source.state(), v1::Source::UNREACHABLE);
    EXPECT_GE(Wait(source, result), absl::Seconds(seconds) * 0.94 - absl::Seconds(1));
    EXPECT_LE(Wait(source, result), absl::Seconds(seconds) * 1.06);
    if (!first) {
      EXPECT_EQ(FromProto(source.state_time()), state_time);
    }
    EXPECT_EQ(FromProto(source.last_complete_time()), FromProto(before.last_complete_time()));
    EXPECT_THAT(Unreachable(), ElementsAre("sources/opal-test"));
  }
  const v1::SyncResult result = service_->Sync("opal-test");
  EXPECT_EQ(result.state(), v1::Source::OK);
  source = Source("opal-test");
  EXPECT_GE(Wait(source, result), kDay * 0.94);
  EXPECT_GT(FromProto(source.state_time()), FromProto(before.state_time()));
  EXPECT_THAT(Unreachable(), IsEmpty());
}

TEST_F(SourceStatusTest, TheVendorsWishIsWhenItIsAskedAgain) {
  const Fault slow_down{.status = 429, .headers = {{"Retry-After", "90000"}}};
  EXPECT_EQ(SyncWith(slow_down, "opal-test", "/v1/tokens").state(), v1::Source::RATE_LIMITED);
  const v1::Source source = Source("opal-test");
  EXPECT_EQ(source.state(), v1::Source::RATE_LIMITED);
  EXPECT_EQ(source.error(), "the vendor asks to slow down (HTTP 429)");
  // A day at most is believed.
  EXPECT_GT(FromProto(source.next_sync_time()), absl::Now() + kDay - absl::Minutes(5));
  EXPECT_LE(FromProto(source.next_sync_time()), absl::Now() + kDay);
  // A client that insists gets the answer without the vendor being asked.
  const int requests = RequestsTo("/v1/tokens");
  EXPECT_EQ(service_->Sync("opal-test").state(), v1::Source::RATE_LIMITED);
  EXPECT_EQ(RequestsTo("/v1/tokens"), requests);
  EXPECT_GT(FromProto(Source("opal-test").next_sync_time()), absl::Now() + kDay - absl::Minutes(5));
}

TEST_F(SourceStatusTest, ARefusedCredentialIsNotInsistedOn) {
  const std::size_t known = service_->ListAll().size();
  // Twice: it was good until now, and may be so elsewhere.
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(SyncWith({.status = 401, .body = "a secret"}, "opal-test", "/v1/tokens").state(),
              v1::Source::AUTH_FAILED);
  }
  const int requests = RequestsTo("/v1/tokens");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(service_->Sync("opal-test").state(), v1::Source::AUTH_FAILED);
  }
  const v1::Source source = Source("opal-test");
  EXPECT_EQ(source.state(), v1::Source::AUTH_FAILED);
  EXPECT_THAT(
      source.error(),
      MatchesRegex("the vendor refuses the credential \\(HTTP 401 at ..:..:.. UTC; not sent "
                   "again before ..:..:..\\); put a valid one into .*/opal.key"));
  EXPECT_THAT(Unreachable(), ElementsAre("sources/opal-test"));
  EXPECT_EQ(service_->ListAll().size(), known);

  grpc::ClientContext context;
  v1::RefreshTokenRequest request;
  request.set_name(absl::StrCat("sources/opal-test/tokens/",
                                sim_.ReadTruth().opal_tokens.front().id.ToString()));
  v1::Token token;
  const grpc::Status status = service_->tokens().RefreshToken(&context, request, &token);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "REFRESH_FAILED");
  EXPECT_THAT(status.error_message(), HasSubstr("HTTP 401"));
  EXPECT_EQ(RequestsTo("/v1/tokens"), requests) << "whoever asks";
}

}  // namespace
}  // namespace tokeninventory
