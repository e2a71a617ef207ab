// A backup of a running service, and what clients meet after it was restored.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "storage/copy_store.h"
#include "tests/e2e/service_process.h"
#include "tests/e2e/test_service.h"
#include "tests/e2e/watcher.h"

namespace tokeninventory {
namespace {

using testing::Finished;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::QuickSim;
using testing::ReasonOf;
using testing::RunService;
using testing::TestService;
using testing::TrueNames;
using testing::Watcher;
using vendor_sim::VendorSim;

std::set<std::string> NamesOf(const std::map<std::string, v1::Token>& tokens) {
  std::set<std::string> names;
  for (const auto& [name, token] : tokens) names.insert(name);
  return names;
}

// The tokens that open notices are about, with what they say.
std::set<std::pair<std::string, std::string>> OpenNotices(TestService& service) {
  std::set<std::pair<std::string, std::string>> notices;
  v1::ListExpirationsRequest request;
  request.set_parent("sources/-");
  request.set_page_size(1000);
  do {
    grpc::ClientContext context;
    v1::ListExpirationsResponse response;
    const grpc::Status status = service.tokens().ListExpirations(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    for (const v1::Expiration& notice : response.expirations()) {
      if (notice.token_uid().empty()) continue;
      notices.emplace(notice.token().name(),
                      v1::Expiration::Kind_Name(notice.kind()) + notice.lead().ShortDebugString());
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return notices;
}

class RestoreTest : public ::testing::TestWithParam<bool> {
 protected:
  RestoreTest() : sim_(QuickSim(300)) { EXPECT_TRUE(sim_.Start().ok()); }

  VendorSim sim_;
};

// By `restore`, and by somebody who just copies the file.
TEST_P(RestoreTest, WhatWatchersKnowOfTheLostFutureIsRefusedAndTheRestComesBack) {
  TestService service(sim_);
  service.SyncAll();
  const std::string store = service.folder().File("data/inventory.db");
  const std::string backup = service.folder().File("backup");
  ASSERT_TRUE(BackupStore(store, backup, false).ok());

  // The future that is going to be lost.
  sim_.ApplyChurn(80);
  service.SyncAll();
  service.SyncAll();
  const std::set<std::string> truth = TrueNames(sim_.ReadTruth());
  ASSERT_EQ(NamesOf(service.ListAll()), truth);
  const auto notices = OpenNotices(service);
  ASSERT_THAT(notices, Not(IsEmpty()));
  Watcher watcher;
  watcher.Connect(service.tokens());
  ASSERT_TRUE(
      watcher.ReadUntil([&] { return watcher.synced() && !watcher.resume_token().empty(); }));
  watcher.Cancel();
  watcher.ReadUntil([] { return false; });
  watcher.Finish();
  std::string page_token;
  {
    grpc::ClientContext context;
    v1::ListTokensRequest request;
    request.set_parent("sources/-");
    request.set_page_size(10);
    v1::ListTokensResponse response;
    ASSERT_TRUE(service.tokens().ListTokens(&context, request, &response).ok());
    page_token = response.next_page_token();
  }

  service.Stop();
  if (GetParam()) {
    const auto restored = RestoreStore(backup, store, /*replace=*/true);
    ASSERT_TRUE(restored.ok()) << restored.status();
  } else {
    std::filesystem::copy_file(backup, store, std::filesystem::copy_options::overwrite_existing);
  }
  service.Start();

  // Revisions of before may be others now, whatever the number.
  {
    grpc::ClientContext context;
    v1::WatchTokensRequest request;
    request.set_parent("sources/-");
    request.set_resume_token(watcher.resume_token());
    const auto stream = service.tokens().WatchTokens(&context, request);
    v1::WatchTokensResponse response;
    EXPECT_FALSE(stream->Read(&response));
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(ReasonOf(status), "STORE_EPOCH_CHANGED");
  }
  {
    grpc::ClientContext context;
    v1::WatchExpirationsRequest request;
    request.set_parent("sources/-");
    request.set_resume_token(watcher.resume_token());
    const auto stream = service.tokens().WatchExpirations(&context, request);
    v1::WatchExpirationsResponse response;
    EXPECT_FALSE(stream->Read(&response));
    EXPECT_EQ(ReasonOf(stream->Finish()), "STORE_EPOCH_CHANGED");
  }
  {
    grpc::ClientContext context;
    v1::WatchTokensRequest request;
    request.set_parent("sources/-");
    request.set_resume_token(watcher.resume_token());
    request.set_on_gap(v1::RESYNC);
    const auto stream = service.tokens().WatchTokens(&context, request);
    v1::WatchTokensResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.reset().reason(), v1::WatchReset::STORE_EPOCH_CHANGED);
    context.TryCancel();
    while (stream->Read(&response)) {
    }
    stream->Finish();
  }
  {
    grpc::ClientContext context;
    v1::ListTokensRequest request;
    request.set_parent("sources/-");
    request.set_page_size(10);
    request.set_page_token(page_token);
    v1::ListTokensResponse response;
    const grpc::Status status = service.tokens().ListTokens(&context, request, &response);
    EXPECT_EQ(ReasonOf(status), "INVALID_PAGE_TOKEN");
  }

  // What the vendors say is what counts.
  service.SyncAll();
  service.SyncAll();
  EXPECT_EQ(NamesOf(service.ListAll()), truth);
  EXPECT_EQ(OpenNotices(service), notices);
  Watcher anew;
  anew.Connect(service.tokens());
  ASSERT_TRUE(anew.ReadUntil([&] { return anew.synced(); }));
  EXPECT_EQ(NamesOf(anew.copy()), truth);
  anew.Cancel();
  anew.ReadUntil([] { return false; });
  anew.Finish();
  service.Stop();
  const auto report = VerifyStore(store);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->problems, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Ways, RestoreTest, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Restored" : "Copied"; });

// The commands, as an operator types them.
class StoreCommandsTest : public RestoreTest {};

TEST_F(StoreCommandsTest, BackupVerifyAndRestore) {
  TestService service(sim_);
  service.SyncAll();
  const std::string data = service.folder().File("data");
  const std::string backup = service.folder().File("backup");
  const auto expect = [](const Finished& finished, int exit_code, const std::string& said) {
    EXPECT_EQ(finished.exit_code, exit_code) << finished.output;
    EXPECT_THAT(finished.output, HasSubstr(said));
  };
  expect(RunService({"verify-store", "--data", data}), 0, "inventory.db: sound");
  expect(RunService({"backup", backup, "--data", data}), 0, "a backup, verified");
  expect(RunService({"backup", backup, "--data", data}), 1, "--overwrite");
  // --data in front, or the configuration's; its credentials are not looked at.
  expect(RunService({"--data", data, "backup", backup, "--overwrite"}), 0, "verified");
  std::filesystem::remove(service.folder().File("opal.key"));
  expect(RunService({"verify-store", "--config", service.config_file()}), 1, "data/inventory.db");
  expect(RunService({"verify-store", backup}), 0, "sound");
  expect(RunService({"verify-store"}), 2, "--data DIR or --config FILE");
  expect(RunService({"restore", backup, "--data", data, "--replace"}), 1,
         "open in another process");
  service.Stop();
  expect(RunService({"restore", backup, "--data", data}), 1, "--replace");
  expect(RunService({"restore", backup, "--data", data, "--replace"}), 0, "is kept");
  expect(RunService({"verify-store", "--data", data}), 0, "a backup");
  const std::string elsewhere = service.folder().File("new/folder");
  expect(RunService({"restore", backup, "--data", elsewhere}), 0, "restored from");
  expect(RunService({"restore", "/no/such/file", "--data", data, "--replace"}), 1, "not restored");
  // Damage is found, and said.
  std::filesystem::resize_file(backup, std::filesystem::file_size(backup) / 2);
  expect(RunService({"verify-store", backup}), 1, "");
  expect(RunService({"restore", backup, "--data", data, "--replace"}), 1, "not restored");
}

}  // namespace
}  // namespace tokeninventory
