// What operators do, over real gRPC: approve a loss that was held, purge a source
// that left the configuration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/test_service.h"
#include "tests/vendor_sim/credentials.h"

namespace tokeninventory {
namespace {

using ::testing::Contains;
using testing::FieldOf;
using testing::QuickSim;
using testing::ReasonOf;
using testing::TestService;
using testing::TrueNames;
using vendor_sim::VendorSim;

class OperatorTest : public ::testing::Test {
 protected:
  OperatorTest() : sim_(QuickSim(600)) {
    EXPECT_TRUE(sim_.Start().ok());
    service_ = std::make_unique<TestService>(sim_);
    service_->SyncAll();
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
  grpc::Status Approve(const std::string& id, const std::string& hold_id,
                       v1::ApproveSyncResponse* response) {
    grpc::ClientContext context;
    v1::ApproveSyncRequest request;
    request.set_name(absl::StrCat("sources/", id));
    request.set_hold_id(hold_id);
    return service_->sources().ApproveSync(&context, request, response);
  }
  grpc::Status Purge(const std::string& id, bool force, v1::PurgeSourceResponse* response) {
    grpc::ClientContext context;
    v1::PurgeSourceRequest request;
    request.set_name(absl::StrCat("sources/", id));
    request.set_force(force);
    return service_->sources().PurgeSource(&context, request, response);
  }
  std::set<std::string> Listed() {
    std::set<std::string> names;
    for (const auto& [name, token] : service_->ListAll(1000)) names.insert(name);
    return names;
  }

  VendorSim sim_;
  std::unique_ptr<TestService> service_;
};

TEST_F(OperatorTest, AMassDropIsHeldUntilItIsApproved) {
  const std::set<std::string> before = Listed();
  // More than one pass may ask the vendor about.
  const auto opal = sim_.ReadTruth().opal_tokens;
  ASSERT_GT(opal.size(), 200u);
  for (std::size_t i = 10; i < opal.size(); ++i) ASSERT_TRUE(sim_.RemoveToken(opal[i].id));
  const v1::SyncResult held = service_->Sync("opal-test");
  EXPECT_EQ(held.state(), v1::Source::SUSPICIOUS);
  EXPECT_EQ(held.stats().tokens_deleted(), 50) << "the vendor's own word on each";
  const v1::Source source = Source("opal-test");
  ASSERT_TRUE(source.has_hold());
  EXPECT_EQ(source.hold().token_count(), static_cast<std::int64_t>(opal.size()) - 60);
  EXPECT_EQ(Listed().size(), before.size() - 50);
  {
    grpc::ClientContext context;
    v1::ListTokensRequest request;
    request.set_parent("sources/-");
    v1::ListTokensResponse response;
    ASSERT_TRUE(service_->tokens().ListTokens(&context, request, &response).ok());
    EXPECT_THAT(response.unreachable(), Contains("sources/opal-test"));
  }

  v1::ApproveSyncResponse approved;
  EXPECT_EQ(FieldOf(Approve("opal-test", "", &approved)), "hold_id");
  EXPECT_EQ(ReasonOf(Approve("opal-test", "0123", &approved)), "HOLD_CHANGED");
  EXPECT_EQ(ReasonOf(Approve("deepset-test", source.hold().id(), &approved)), "NOTHING_HELD");
  EXPECT_EQ(Approve("nobody", source.hold().id(), &approved).error_code(),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Approve("Not A Source", source.hold().id(), &approved).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);

  const grpc::Status status = Approve("opal-test", source.hold().id(), &approved);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(approved.tokens_missing(), source.hold().token_count());
  EXPECT_EQ(Source("opal-test").state(), v1::Source::OK);
  EXPECT_EQ(service_->Sync("opal-test").state(), v1::Source::OK);
  EXPECT_EQ(Listed(), TrueNames(sim_.ReadTruth()));
}

TEST_F(OperatorTest, ADetachedSourceIsPurgedOnlyByForce) {
  const std::string second =
      absl::StrCat("  - id: opal-old\n    vendor: opal\n    params: {base_url: '",
                   sim_.OpalBaseUrl(), "'}\n    secrets: {token: {file: opal.key}}\n");
  service_->Restart(second);
  const v1::SyncResult synced = service_->Sync("opal-old");
  ASSERT_EQ(synced.state(), v1::Source::OK) << synced.error();
  v1::PurgeSourceResponse response;
  EXPECT_EQ(ReasonOf(Purge("opal-old", true, &response)), "SOURCE_CONFIGURED");

  service_->Restart("");
  EXPECT_EQ(Source("opal-old").state(), v1::Source::DETACHED);
  EXPECT_EQ(Listed(), TrueNames(sim_.ReadTruth()));
  const auto count = static_cast<int>(sim_.ReadTruth().opal_tokens.size());
  ASSERT_TRUE(Purge("opal-old", false, &response).ok());
  EXPECT_EQ(response.purge_count(), count);
  EXPECT_EQ(response.purge_sample_size(), 100);
  EXPECT_EQ(Source("opal-old").state(), v1::Source::DETACHED);

  const grpc::Status purged = Purge("opal-old", true, &response);
  ASSERT_TRUE(purged.ok()) << purged.error_message();
  EXPECT_EQ(response.purge_count(), count);
  EXPECT_EQ(Purge("opal-old", true, &response).error_code(), grpc::StatusCode::NOT_FOUND);
  int tombstones = 0;
  for (const auto& [name, token] : service_->ListAll(1000, /*show_deleted=*/true)) {
    if (!absl::StartsWith(name, "sources/opal-old/")) continue;
    ++tombstones;
    EXPECT_EQ(token.delete_cause(), v1::PURGED) << name;
  }
  EXPECT_EQ(tombstones, count);

  // It may come back, and starts anew.
  service_->Restart(second);
  ASSERT_EQ(service_->Sync("opal-old").state(), v1::Source::OK);
  EXPECT_EQ(Listed().size(), TrueNames(sim_.ReadTruth()).size() + static_cast<std::size_t>(count));
}

}  // namespace
}  // namespace tokeninventory
