// A hundred thousand tokens through the whole service.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/e2e/test_service.h"

namespace tokeninventory {
namespace {

using testing::QuickSim;
using testing::TestService;
using testing::TrueNames;
using vendor_sim::VendorSim;

// What a WatchExpirations stream tells from `resume_token` up to `revision`.
std::vector<v1::Expiration> NoticesUpTo(TestService& service, const std::string& resume_token,
                                        std::int64_t revision) {
  grpc::ClientContext context;
  v1::WatchExpirationsRequest request;
  request.set_parent("sources/-");
  request.set_resume_token(resume_token);
  request.mutable_progress_interval()->set_seconds(1);
  const auto stream = service.tokens().WatchExpirations(&context, request);
  std::vector<v1::Expiration> notices;
  v1::WatchExpirationsResponse response;
  while (stream->Read(&response)) {
    for (const v1::ExpirationBatch& batch : response.batches()) {
      for (const v1::Expiration& notice : batch.expirations()) notices.push_back(notice);
    }
    if (response.progress().revision() >= revision) break;
  }
  context.TryCancel();
  stream->Finish();
  return notices;
}

v1::ListExpirationsResponse ListNotices(TestService& service) {
  grpc::ClientContext context;
  v1::ListExpirationsRequest request;
  request.set_parent("sources/-");
  v1::ListExpirationsResponse response;
  const grpc::Status status = service.tokens().ListExpirations(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

TEST(ScaleTest, AHundredThousandTokensSyncListAndSurviveARestart) {
  VendorSim sim(QuickSim(100'000));
  ASSERT_TRUE(sim.Start().ok());
  TestService service(sim);
  const std::string before = ListNotices(service).resume_token();
  service.SyncAll();
  // No flood: a digest for each source, and the notices themselves are listed.
  const v1::ListExpirationsResponse open = ListNotices(service);
  EXPECT_GT(open.total_size(), 10'000);
  const auto told = NoticesUpTo(service, before, open.revision());
  int digests = 0;
  std::int64_t counted = 0;
  for (const v1::Expiration& notice : told) {
    digests += notice.kind() == v1::Expiration::DIGEST ? 1 : 0;
    for (const auto& lead : notice.digest().leads()) counted += lead.count();
  }
  EXPECT_EQ(digests, 3);
  // The longer it takes, the more of them reach their next lead, or their end, meanwhile.
  const int meanwhile = open.total_size() / 20;
  EXPECT_LT(static_cast<int>(told.size()), meanwhile);
  EXPECT_NEAR(static_cast<double>(counted), open.total_size(), meanwhile);
  const std::set<std::string> truth = TrueNames(sim.ReadTruth());
  ASSERT_EQ(truth.size(), 100'000u);
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted ? "after a restart" : "after the first passes");
    if (restarted) {
      service.Stop();
      service.Start();
    }
    std::set<std::string> listed;
    for (const auto& [name, token] : service.ListAll(1000)) listed.insert(name);
    EXPECT_EQ(listed, truth);
  }
}

}  // namespace
}  // namespace tokeninventory
