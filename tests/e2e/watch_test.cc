// WatchTokens over real gRPC: what a stream does when it cannot go on, what it is
// asked to leave out, and how it ends.
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/test_service.h"
#include "tests/e2e/watcher.h"

namespace tokeninventory {
namespace {

using testing::FieldOf;
using testing::QuickSim;
using testing::ReasonOf;
using testing::TestService;
using testing::Watcher;
using vendor_sim::VendorSim;

class WatchTest : public ::testing::Test {
 protected:
  WatchTest() : sim_(QuickSim(200)) { EXPECT_TRUE(sim_.Start().ok()); }

  // A stream's messages until `done` says so of one, and how it ended otherwise.
  struct Stream {
    std::vector<v1::WatchTokensResponse> messages;
    grpc::Status status;
  };
  template <typename Done>
  static Stream Watch(TestService& service, const v1::WatchTokensRequest& request, Done done) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    const auto reader = service.tokens().WatchTokens(&context, request);
    Stream stream;
    v1::WatchTokensResponse response;
    while (reader->Read(&response)) {
      stream.messages.push_back(response);
      if (done(response)) context.TryCancel();
    }
    stream.status = reader->Finish();
    return stream;
  }

  static std::string ResumeTokenOf(TestService& service) {
    grpc::ClientContext context;
    v1::ListTokensRequest request;
    request.set_parent("sources/-");
    v1::ListTokensResponse response;
    EXPECT_TRUE(service.tokens().ListTokens(&context, request, &response).ok());
    return response.resume_token();
  }

  static v1::WatchTokensRequest After(const std::string& resume_token) {
    v1::WatchTokensRequest request;
    request.set_parent("sources/-");
    request.set_resume_token(resume_token);
    return request;
  }

  VendorSim sim_;
};

TEST_F(WatchTest, ATokenOfAnotherStoreBeginsAnewWhenAskedTo) {
  std::string foreign;
  {
    TestService other(sim_);
    foreign = ResumeTokenOf(other);
  }
  TestService service(sim_);
  service.SyncAll();
  v1::WatchTokensRequest request = After(foreign);
  request.set_on_gap(v1::RESYNC);
  const Stream stream = Watch(service, request, [](const auto& m) { return m.has_synced(); });
  ASSERT_FALSE(stream.messages.empty()) << stream.status.error_message();
  EXPECT_EQ(stream.messages[0].reset().reason(), v1::WatchReset::STORE_EPOCH_CHANGED);
  std::size_t tokens = 0;
  for (const auto& message : stream.messages) {
    for (const auto& batch : message.batches()) {
      EXPECT_TRUE(batch.initial());
      tokens += static_cast<std::size_t>(batch.events_size());
    }
  }
  EXPECT_EQ(tokens, service.ListAll().size());
  EXPECT_FALSE(stream.messages.back().resume_token().empty());

  for (const v1::GapAction action : {v1::GAP_ACTION_UNSPECIFIED, v1::FAIL}) {
    request.set_on_gap(action);
    EXPECT_EQ(ReasonOf(Watch(service, request, [](const auto&) { return true; }).status),
              "STORE_EPOCH_CHANGED");
  }
  request.set_on_gap(static_cast<v1::GapAction>(77));
  const grpc::Status status = Watch(service, request, [](const auto&) { return true; }).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "on_gap");
  // No text that is no token begins anew.
  request = After("garbage");
  request.set_on_gap(v1::RESYNC);
  EXPECT_EQ(FieldOf(Watch(service, request, [](const auto&) { return true; }).status),
            "resume_token");
}

TEST_F(WatchTest, OnlyChangesOfTheNamedFieldsAreModifications) {
  TestService service(sim_);
  service.SyncAll();
  const std::string begin = ResumeTokenOf(service);
  std::int64_t revision = 0;
  for (int round = 0; round < 5; ++round) {
    sim_.ApplyChurn(60);
    for (const char* source : {"deepset-test", "opal-test", "buildkite-test"}) {
      revision = std::max(revision, service.Sync(source).revision());
    }
  }
  const auto told = [&](const auto& message) {
    for (const auto& batch : message.batches()) {
      if (batch.revision() >= revision) return true;
    }
    return message.progress().revision() >= revision;
  };
  struct Counts {
    int modified = 0;
    int named = 0;
    int others = 0;
  };
  const auto count = [&](const Stream& stream) {
    Counts counts;
    for (const auto& message : stream.messages) {
      for (const auto& batch : message.batches()) {
        for (const auto& event : batch.events()) {
          if (event.type() != v1::TokenEvent::MODIFIED) {
            ++counts.others;
            continue;
          }
          ++counts.modified;
          for (const std::string& path : event.changed_fields().paths()) {
            if (path == "display_name") ++counts.named;
          }
        }
      }
    }
    return counts;
  };
  v1::WatchTokensRequest request = After(begin);
  request.mutable_progress_interval()->set_seconds(1);
  const Counts all = count(Watch(service, request, told));
  request.mutable_changed_fields()->add_paths("display_name");
  const Counts named = count(Watch(service, request, told));
  EXPECT_GT(all.modified, all.named) << "or this shows nothing";
  EXPECT_EQ(named.modified, all.named);
  EXPECT_EQ(named.named, all.named);
  EXPECT_EQ(named.others, all.others);

  request.mutable_changed_fields()->set_paths(0, "display_nam");
  const grpc::Status status = Watch(service, request, [](const auto&) { return true; }).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "changed_fields");
  EXPECT_NE(status.error_message().find("display_name"), std::string::npos);
}

TEST_F(WatchTest, AStreamEndsAtItsAgeAndGoesOnWhereItEnded) {
  TestService service(sim_, "watch: {max_age: 1s}\n");
  service.SyncAll();
  Watcher watcher;
  std::int64_t revision = 0;
  for (int round = 0; round < 3; ++round) {
    watcher.Connect(service.tokens());
    EXPECT_FALSE(watcher.ReadUntil([] { return false; }));
    const grpc::Status status = watcher.Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(ReasonOf(status), "MAX_AGE");
    EXPECT_TRUE(watcher.last_had_progress());
    EXPECT_FALSE(watcher.resume_token().empty());
    sim_.ApplyChurn(20);
    revision = service.Sync("opal-test").revision();
  }
  watcher.Connect(service.tokens());
  ASSERT_TRUE(watcher.ReadUntilRevision(revision));
  EXPECT_EQ(watcher.copy().size(), service.ListAll().size());
}

}  // namespace
}  // namespace tokeninventory
