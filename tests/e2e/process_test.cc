// The program itself: started, stopped, given bad files.
#include <SQLiteCpp/Database.h>
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "inventory/token_name.h"
#include "server/process_privacy.h"
#include "tests/e2e/service_process.h"
#include "tests/e2e/test_service.h"
#include "tests/vendor_sim/credentials.h"

namespace tokeninventory {
namespace {

using testing::Finished;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::QuickSim;
using testing::RunService;
using testing::ServiceProcess;
using testing::TempDir;
using testing::TestConfig;
using vendor_sim::VendorSim;

constexpr const char* kSources[] = {"deepset-test", "opal-test", "buildkite-test"};

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string ReadWholeFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Passes over every source that begin now.
void SyncAll(v1::Sources::Stub& stub) {
  for (const char* source : kSources) {
    grpc::ClientContext context;
    v1::SyncSourceRequest request;
    request.set_name(SourceName(source));
    request.set_fresh(true);
    const auto stream = stub.SyncSource(&context, request);
    v1::SyncSourceResponse response;
    while (stream->Read(&response)) {
    }
    EXPECT_TRUE(stream->Finish().ok());
  }
}

TEST(ProcessTest, AStopOnSigtermIsClean) {
  VendorSim sim(QuickSim(50));
  ASSERT_TRUE(sim.Start().ok());
  const TempDir folder;
  WriteFile(folder.File("config.yaml"), TestConfig(sim, folder, "1s"));
  ServiceProcess service(folder.File("config.yaml"), folder.File("data"));
  ASSERT_NE(service.port(), 0) << service.Log();
  EXPECT_EQ(service.End(SIGTERM), 0);
  EXPECT_THAT(service.Log(), HasSubstr("\"message\":\"stopped\""));
  // The last connection emptied SQLite's log.
  EXPECT_FALSE(std::filesystem::exists(folder.File("data/inventory.db-wal")));
}

TEST(ProcessTest, ASecondServiceOnTheSameStoreIsRefused) {
  VendorSim sim(QuickSim(50));
  ASSERT_TRUE(sim.Start().ok());
  const TempDir folder;
  WriteFile(folder.File("config.yaml"), TestConfig(sim, folder, "1d"));
  ServiceProcess service(folder.File("config.yaml"), folder.File("data"));
  ASSERT_NE(service.port(), 0) << service.Log();
  const Finished second = RunService({"--config", folder.File("config.yaml"), "--data",
                                      folder.File("data"), "--listen", "127.0.0.1:0"});
  EXPECT_NE(second.exit_code, 0);
  EXPECT_THAT(second.output, HasSubstr("not started"));
}

// A store that cannot be served: one line says why, and the exit code is 1.
TEST(ProcessTest, AStoreThatIsNoGoodStopsTheStart) {
  VendorSim sim(QuickSim(10));
  ASSERT_TRUE(sim.Start().ok());
  struct Case {
    const char* name;
    std::function<void(const std::string& data)> spoil;
    const char* said;
  };
  const Case cases[] = {
      {"damaged",
       [](const std::string& data) { WriteFile(data + "/inventory.db", std::string(9000, '?')); },
       "restore"},
      {"of a newer version",
       [](const std::string& data) {
         SQLite::Database(data + "/inventory.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
             .exec("PRAGMA application_id = 1414098550; PRAGMA user_version = 1000");
       },
       "newer version"},
      {"another program's",
       [](const std::string& data) {
         SQLite::Database(data + "/inventory.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
             .exec("CREATE TABLE songs (title)");
       },
       "not a token store"},
      {"a folder",
       [](const std::string& data) { std::filesystem::create_directory(data + "/inventory.db"); },
       "inventory.db"},
      {"in no folder",
       [](const std::string& data) {
         std::filesystem::remove(data);
         WriteFile(data, "");
       },
       "data"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const TempDir folder;
    WriteFile(folder.File("config.yaml"), TestConfig(sim, folder, "1d"));
    const std::string data = folder.File("data");
    std::filesystem::create_directory(data);
    c.spoil(data);
    const Finished finished = RunService(
        {"--config", folder.File("config.yaml"), "--data", data, "--listen", "127.0.0.1:0"});
    EXPECT_EQ(finished.exit_code, 1);
    const std::size_t line = finished.output.find("\"not started\"");
    ASSERT_NE(line, std::string::npos) << finished.output;
    EXPECT_THAT(finished.output.substr(line), HasSubstr(c.said));
    EXPECT_THAT(finished.output.substr(line), HasSubstr(data));
  }
}

TEST(ProcessTest, CredentialsAppearNowhere) {
  VendorSim sim(QuickSim(50));
  ASSERT_TRUE(sim.Start().ok());
  const TempDir folder;
  WriteFile(folder.File("config.yaml"),
            absl::StrCat(TestConfig(sim, folder, "1d"), "log_level: debug\n"));
  ServiceProcess service(folder.File("config.yaml"), folder.File("data"));
  ASSERT_NE(service.port(), 0) << service.Log();
  const auto sources = v1::Sources::NewStub(service.Connect());
  SyncAll(*sources);
  // A vendor that refuses, and one that repeats the credential in its answer.
  sim.AddFault({.count = 10,
                .target_contains = "/v1/tokens",
                .status = 401,
                .body = absl::StrCat(R"({"message": "bad token )", vendor_sim::kOpalToken, "\"}")});
  sim.AddFault({.count = 10,
                .target_contains = "/api/v1/workspaces",
                .status = 200,
                .body = absl::StrCat(R"([{"name": {"x": ")", vendor_sim::kDeepsetKey, "\"}}]")});
  SyncAll(*sources);
  grpc::ClientContext context;
  v1::ListSourcesResponse listed;
  ASSERT_TRUE(sources->ListSources(&context, {}, &listed).ok());
  service.End(SIGTERM);
  std::string everything = service.Log() + listed.DebugString();
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder.File("data"))) {
    if (file.is_regular_file()) everything += ReadWholeFile(file.path());
  }
  for (const char* secret :
       {vendor_sim::kDeepsetKey, vendor_sim::kOpalToken, vendor_sim::kBuildkiteToken}) {
    EXPECT_EQ(everything.find(secret), std::string::npos) << "found " << secret;
  }
}

// As a package lays them out; without the worker there is nothing to start for.
TEST(ProcessTest, TheWorkersProgramIsFoundOrMissed) {
  VendorSim sim(QuickSim(10));
  ASSERT_TRUE(sim.Start().ok());
  const TempDir folder;
  // No folder for the store: where the worker is found, the start ends there.
  WriteFile(folder.File("data"), "");
  WriteFile(folder.File("config.yaml"), TestConfig(sim, folder, "1d"));
  const std::vector<std::string> arguments = {"--config", folder.File("config.yaml"),
                                              "--data",   folder.File("data"),
                                              "--listen", "127.0.0.1:0"};
  std::filesystem::create_directories(folder.File("bin"));
  std::filesystem::create_directories(folder.File("libexec/token-inventory"));
  const std::string program = folder.File("bin/token-inventoryd");
  const std::string installed = folder.File("libexec/token-inventory/token-inventory-page-worker");
  std::filesystem::copy_file(testing::ServiceProgram(), program);

  Finished finished = testing::RunProgram(program, arguments);
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_THAT(finished.output,
              HasSubstr(absl::StrCat("the program that reads vendors' pages is missing: neither ",
                                     folder.File("bin/token-inventory-page-worker"), " nor ",
                                     installed, " can be run")));
  std::filesystem::copy_file(TI_PAGE_WORKER, installed);
  finished = testing::RunProgram(program, arguments);
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.output, HasSubstr("not started"));
}

// In a process of its own: whether it is kept private.
bool IsKeptPrivate() {
  setenv("SSLKEYLOGFILE", "keys", 1);
  KeepProcessPrivate();
  rlimit core = {};
  core.rlim_max = 1;
  getrlimit(RLIMIT_CORE, &core);
  return prctl(PR_GET_DUMPABLE) == 0 && core.rlim_max == 0 && umask(0) == 0077 &&
         getenv("SSLKEYLOGFILE") == nullptr;
}

TEST(ProcessTest, KeepsItsMemoryAndFilesToItself) {
  EXPECT_EXIT(_exit(IsKeptPrivate() ? 0 : 1), ::testing::ExitedWithCode(0), "");
}

// The credential of a variable is read again at every pass, though nobody finds it in
// the environment any more.
TEST(ProcessTest, CredentialsLeaveTheEnvironment) {
  VendorSim sim(QuickSim(10));
  ASSERT_TRUE(sim.Start().ok());
  const TempDir folder;
  setenv("TI_PROCESS_TEST_TOKEN", vendor_sim::kOpalToken, 1);
  WriteFile(
      folder.File("config.yaml"),
      absl::StrCat("sources: [{id: a, vendor: opal, interval: 1d, params: {base_url: '",
                   sim.OpalBaseUrl(), "'}, secrets: {token: {env: TI_PROCESS_TEST_TOKEN}}},",
                   "{id: b, vendor: opal, interval: 1d, params: {base_url: '", sim.OpalBaseUrl(),
                   "'}, secrets: {token: {env: TI_PROCESS_TEST_TOKEN}}}]"));
  ServiceProcess service(folder.File("config.yaml"), folder.File("data"));
  unsetenv("TI_PROCESS_TEST_TOKEN");
  ASSERT_NE(service.port(), 0) << service.Log();
  const auto sources = v1::Sources::NewStub(service.Connect());
  for (const char* source : {"a", "b", "a"}) {
    grpc::ClientContext context;
    v1::SyncSourceRequest request;
    request.set_name(SourceName(source));
    request.set_fresh(true);
    const auto stream = sources->SyncSource(&context, request);
    v1::SyncSourceResponse response;
    v1::Source::State state = v1::Source::STATE_UNSPECIFIED;
    while (stream->Read(&response)) {
      if (response.has_result()) state = response.result().state();
    }
    EXPECT_TRUE(stream->Finish().ok());
    EXPECT_EQ(state, v1::Source::OK);
  }
  const std::string environment = ReadWholeFile(absl::StrCat("/proc/", service.pid(), "/environ"));
  EXPECT_THAT(environment, HasSubstr("TI_PROCESS_TEST_TOKEN="));
  EXPECT_THAT(environment, Not(HasSubstr(vendor_sim::kOpalToken)));
  const std::string limits = ReadWholeFile(absl::StrCat("/proc/", service.pid(), "/limits"));
  EXPECT_THAT(limits, ::testing::ContainsRegex("Max core file size +0 +0 "));
}

// What the source's status says when its requests may not go where they would.
TEST(ProcessTest, RefusedAddressesAreTheErrorOfTheSource) {
  const TempDir folder;
  WriteFile(folder.File("key"), "a-key");
  chmod(folder.File("key").c_str(), 0600);
  WriteFile(folder.File("config.yaml"), R"(sources:
  - {id: metadata, vendor: opal, interval: 1d, insecure_http: true,
     params: {base_url: 'http://169.254.169.254/v1'}, secrets: {token: {file: key}}}
)");
  ServiceProcess service(folder.File("config.yaml"), folder.File("data"));
  ASSERT_NE(service.port(), 0) << service.Log();
  const auto sources = v1::Sources::NewStub(service.Connect());
  grpc::ClientContext context;
  v1::SyncSourceRequest request;
  request.set_name(SourceName("metadata"));
  request.set_fresh(true);
  const auto stream = sources->SyncSource(&context, request);
  v1::SyncSourceResponse response;
  v1::SyncResult result;
  while (stream->Read(&response)) {
    if (response.has_result()) result = response.result();
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_NE(result.state(), v1::Source::OK);
  grpc::ClientContext get;
  v1::GetSourceRequest name;
  name.set_name(SourceName("metadata"));
  v1::Source source;
  ASSERT_TRUE(sources->GetSource(&get, name, &source).ok());
  EXPECT_THAT(source.error(), HasSubstr("the address of the host is of a cloud's metadata service; "
                                        "http.allowed_addresses may allow it"));
}

TEST(ProcessTest, ABadConfigurationStopsTheStartWithEveryProblem) {
  const TempDir folder;
  WriteFile(folder.File("config.yaml"), R"(
listen: 0.0.0.0:50051
shutdown_grace: 2h
log_level: loud
watch: {max_age: 8d}
sorces: []
sources:
  - id: Bad_Id
    vendor: opal
    secrets: {token: {file: missing.key}}
  - id: other
    vendor: nobody
)");
  const Finished finished = RunService({"--config", folder.File("config.yaml")});
  EXPECT_EQ(finished.exit_code, 2);
  for (const char* part :
       {"config.yaml:2:", "is not loopback", "shutdown_grace", "log_level", "watch.max_age",
        "sorces", "sources[0].id", "missing.key", "sources[1].vendor"}) {
    EXPECT_THAT(finished.output, HasSubstr(part));
  }
}

TEST(ProcessTest, CheckManifestTellsWhatIsWrong) {
  const TempDir folder;
  WriteFile(folder.File("bad.yaml"), R"(vendor: acme
title: Acme
base: https://acme.example
streams:
  tokens:
    get: /tokens/${nothing}
    records: .body[
    token: "{providerTokenId: .id}"
)");
  const Finished bad = RunService({"check-manifest", folder.File("bad.yaml")});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.output, HasSubstr("bad.yaml:6"));
  EXPECT_THAT(bad.output, HasSubstr("streams.tokens.records"));

  WriteFile(folder.File("good.yaml"), R"(vendor: acme
title: Acme
base: https://acme.example
secrets:
  key: {help: a key}
auth:
  - headers: {Authorization: "Bearer ${secret.key}"}
streams:
  tokens:
    get: /tokens
    records: .body
    token: "{providerTokenId: .id, displayName: .name, kind: \"api_token\"}"
)");
  WriteFile(folder.File("page.json"), R"([{"id": "t1", "name": "first"}])");
  const Finished good =
      RunService({"check-manifest", folder.File("good.yaml"), "--page", folder.File("page.json")});
  EXPECT_EQ(good.exit_code, 0) << good.output;
  EXPECT_THAT(good.output, HasSubstr("first"));
}

// The same verdict as a start's, without one.
TEST(ProcessTest, CheckConfigTellsEveryProblemAndStartsNothing) {
  VendorSim sim(QuickSim(10));
  ASSERT_TRUE(sim.Start().ok());
  const TempDir folder;
  WriteFile(folder.File("good.yaml"), TestConfig(sim, folder, "1d"));
  const Finished good = RunService({"check-config", folder.File("good.yaml")});
  EXPECT_EQ(good.exit_code, 0) << good.output;
  EXPECT_THAT(good.output, HasSubstr("good; 3 sources"));

  const Finished warned =
      RunService({"check-config", folder.File("good.yaml"), "--listen", "0.0.0.0:50051"});
  EXPECT_EQ(warned.exit_code, 2);
  EXPECT_THAT(warned.output, HasSubstr("0.0.0.0:50051 is not loopback"));
  EXPECT_THAT(warned.output, HasSubstr("serving without TLS"));
  EXPECT_THAT(warned.output, HasSubstr("(warning)"));

  WriteFile(folder.File("bad.yaml"), R"(log_level: loud
sources:
  - id: a
    vendor: opall
)");
  const Finished bad = RunService({"check-config", folder.File("bad.yaml")});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.output, HasSubstr("bad.yaml:1"));
  EXPECT_THAT(bad.output, HasSubstr("did you mean `opal`?"));
  EXPECT_THAT(bad.output, HasSubstr("2 problem(s)"));

  EXPECT_EQ(RunService({"check-config", folder.File("missing.yaml")}).exit_code, 2);
  EXPECT_TRUE(sim.Requests().empty());
  EXPECT_FALSE(std::filesystem::exists(folder.File("data")));
}

}  // namespace
}  // namespace tokeninventory
