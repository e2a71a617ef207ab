// Streams of tokenctl over a service that stops and comes back.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/test_service.h"
#include "tests/tokenctl/tokenctl_process.h"
#include "tests/vendor_sim/vendor_sim.h"

namespace tokeninventory {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::QuickSim;
using testing::TestService;
using testing::TokenctlProcess;
using vendor_sim::TokenKind;
using vendor_sim::VendorSim;

// A socket keeps its address when the service is started again.
constexpr char kSocket[] = "unix_socket: socket\n";
std::string SocketOf(const TestService& service) {
  return absl::StrCat("unix:", service.folder().File("socket"));
}

// Messages of the stream, from lines of JSON.
template <typename Message>
std::vector<Message> ParseLines(const std::string& output) {
  std::vector<Message> messages;
  for (absl::string_view line : absl::StrSplit(output, '\n', absl::SkipEmpty())) {
    EXPECT_TRUE(
        google::protobuf::util::JsonStringToMessage(std::string(line), &messages.emplace_back())
            .ok())
        << line;
  }
  return messages;
}

TEST(TokenctlWatchTest, ARestartNeitherLosesNorRepeatsAnEvent) {
  VendorSim sim(QuickSim(60));
  ASSERT_TRUE(sim.Start().ok());
  TestService service(sim, kSocket);
  service.SyncAll();
  TokenctlProcess watch({"watch", "-o", "json", "-s", SocketOf(service)});
  ASSERT_TRUE(watch.AwaitOutput("\"progress\"")) << watch.Errors();
  std::vector<std::string> added;
  const auto add = [&] {
    added.push_back(sim.AddToken(TokenKind::kOpal)->ToString());
    service.Sync("opal-test");
  };
  add();
  ASSERT_TRUE(watch.AwaitOutput(added.back()));
  for (int restart = 1; restart <= 2; ++restart) {
    service.Stop();
    ASSERT_TRUE(watch.AwaitError("trying again", restart));
    service.Start();
    // Perhaps before the stream is back.
    add();
    ASSERT_TRUE(watch.AwaitError("connected again", restart)) << watch.Errors();
    add();
    ASSERT_TRUE(watch.AwaitOutput(added.back())) << watch.Errors();
  }
  EXPECT_EQ(watch.End(SIGINT), -SIGINT);
  std::map<std::string, int> told;
  std::int64_t revision = 0;
  for (const auto& message : ParseLines<v1::WatchTokensResponse>(watch.Output())) {
    EXPECT_FALSE(message.has_reset());
    for (const v1::TokenEventBatch& batch : message.batches()) {
      EXPECT_GT(batch.revision(), revision);
      revision = batch.revision();
      for (const v1::TokenEvent& event : batch.events()) {
        if (event.type() == v1::TokenEvent::ADDED) ++told[event.token().provider_token_id()];
      }
    }
  }
  for (const std::string& id : added) EXPECT_EQ(told[id], 1) << id;
}

TEST(TokenctlWatchTest, BeginsWithWhatThereIsOrAfterAResumeToken) {
  VendorSim sim(QuickSim(30));
  ASSERT_TRUE(sim.Start().ok());
  TestService service(sim, kSocket);
  service.SyncAll();
  TokenctlProcess first({"watch", "--initial", "-o", "json", "-s", SocketOf(service)});
  ASSERT_TRUE(first.AwaitOutput("\"synced\""));
  first.End(SIGINT);
  std::string resume_token;
  std::size_t initial = 0;
  for (const auto& message : ParseLines<v1::WatchTokensResponse>(first.Output())) {
    if (!message.resume_token().empty()) resume_token = message.resume_token();
    for (const auto& batch : message.batches()) {
      initial += static_cast<std::size_t>(batch.events_size());
    }
  }
  EXPECT_EQ(initial, service.ListAll().size());
  const std::string id = sim.AddToken(TokenKind::kOpal)->ToString();
  service.Sync("opal-test");
  // Lines for people, in a pipe: no colour, no live table.
  TokenctlProcess second({"watch", "--after", resume_token, "-s", SocketOf(service)});
  ASSERT_TRUE(second.AwaitOutput("  ADDED     opal-test/"));
  second.End(SIGINT);
  EXPECT_THAT(second.Errors(), IsEmpty());
  EXPECT_EQ(second.Output().find('\x1b'), std::string::npos);
}

TEST(TokenctlWatchTest, TheLiveTableIsDrawnInItsTerminalAndTheCursorComesBack) {
  VendorSim sim(QuickSim(30));
  ASSERT_TRUE(sim.Start().ok());
  TestService service(sim, kSocket);
  service.SyncAll();
  TokenctlProcess watch({"watch", "-s", SocketOf(service)}, {}, 80);
  ASSERT_TRUE(watch.AwaitOutput("No change yet."));
  ASSERT_TRUE(watch.AwaitOutput("opal-test OK"));
  sim.AddToken(TokenKind::kOpal);
  service.Sync("opal-test");
  ASSERT_TRUE(watch.AwaitOutput("1 added"));
  EXPECT_EQ(watch.End(SIGINT), -SIGINT);
  EXPECT_THAT(watch.Output(), ::testing::EndsWith("\x1b[?25h"));
}

TEST(TokenctlWatchTest, NoticesAreFollowedOverARestart) {
  VendorSim sim(QuickSim(120));
  ASSERT_TRUE(sim.Start().ok());
  TestService service(sim, kSocket);
  service.SyncAll();
  TokenctlProcess watch({"expirations", "watch", "-o", "json", "-s", SocketOf(service)});
  ASSERT_TRUE(watch.AwaitOutput("\"synced\"")) << watch.Errors();
  v1::ListExpirationsRequest request;
  request.set_parent("sources/opal-test");
  v1::ListExpirationsResponse open;
  grpc::ClientContext context;
  ASSERT_TRUE(service.tokens().ListExpirations(&context, request, &open).ok());
  ASSERT_GT(open.expirations_size(), 0);
  const std::string renewed = open.expirations(0).token().provider_token_id();
  service.Stop();
  ASSERT_TRUE(watch.AwaitError("trying again"));
  service.Start();
  ASSERT_TRUE(sim.RenewToken(*vendor_sim::Uuid::Parse(renewed),
                             vendor_sim::RealNow() + std::chrono::hours(24 * 3000)));
  service.Sync("opal-test");
  ASSERT_TRUE(watch.AwaitOutput("\"EXTENDED\"")) << watch.Errors();
  watch.End(SIGINT);
  std::map<std::string, int> told;
  for (const auto& message : ParseLines<v1::WatchExpirationsResponse>(watch.Output())) {
    for (const auto& batch : message.batches()) {
      for (const auto& notice : batch.expirations()) ++told[notice.event_id()];
    }
  }
  EXPECT_FALSE(told.empty());
  for (const auto& [event, times] : told) EXPECT_EQ(times, 1) << event;
}

TEST(TokenctlWatchTest, WhatWillNotPassEndsIt) {
  VendorSim sim(QuickSim(10));
  ASSERT_TRUE(sim.Start().ok());
  TestService service(sim, kSocket);
  const testing::TokenctlRun bad =
      testing::RunTokenctl({"watch", "-f", "expires < now", "-s", SocketOf(service)});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.err, HasSubstr("no field 'expires'"));
  EXPECT_THAT(bad.err, HasSubstr("\n  expires < now\n  ^\n"));
  const testing::TokenctlRun nobody =
      testing::RunTokenctl({"watch", "-s", absl::StrCat("unix:", service.folder().File("none"))});
  EXPECT_EQ(nobody.exit_code, 3);
  EXPECT_THAT(nobody.err, HasSubstr("cannot reach unix:"));
}

}  // namespace
}  // namespace tokeninventory
