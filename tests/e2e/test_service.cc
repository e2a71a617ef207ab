#include "tests/e2e/test_service.h"

#include <google/protobuf/any.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "inventory/token_name.h"
#include "server/reload.h"
#include "tests/vendor_sim/credentials.h"

namespace tokeninventory::testing {
namespace {

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

template <typename Detail>
bool FindDetail(const grpc::Status& status, Detail& detail) {
  google::rpc::Status wire;
  if (!wire.ParseFromString(status.error_details())) return false;
  for (const google::protobuf::Any& any : wire.details()) {
    if (any.UnpackTo(&detail)) return true;
  }
  return false;
}

}  // namespace

vendor_sim::Options QuickSim(std::int64_t tokens) {
  vendor_sim::Options options;
  options.tokens = tokens;
  options.rate_limits = false;
  return options;
}

std::set<std::string> TrueNames(const vendor_sim::Truth& truth) {
  std::set<std::string> names;
  const auto add = [&](const char* source, const std::string& id) {
    names.insert(TokenName(source, id));
  };
  for (const auto& token : truth.deepset_tokens) {
    if (token.IsExclusive()) add("deepset-test", token.id.ToString());
  }
  for (const auto& token : truth.model_registry_tokens) {
    add("deepset-test", absl::StrCat("model-", token.id.ToString()));
  }
  for (const auto& token : truth.opal_tokens) add("opal-test", token.id.ToString());
  for (const auto& token : truth.registry_tokens) add("buildkite-test", token.id.ToString());
  for (const auto& token : truth.agent_tokens) add("buildkite-test", token.id.ToString());
  return names;
}

std::string TestConfig(const vendor_sim::VendorSim& sim, const TempDir& folder,
                       const std::string& interval) {
  WriteFile(folder.File("deepset.key"), absl::StrCat(vendor_sim::kDeepsetKey, "\n"));
  WriteFile(folder.File("opal.key"), absl::StrCat(vendor_sim::kOpalToken, "\n"));
  WriteFile(folder.File("buildkite.key"), absl::StrCat(vendor_sim::kBuildkiteToken, "\n"));
  const auto source = [&](const char* vendor, const std::string& base, const char* secret) {
    return absl::StrCat("  - id: ", vendor, "-test\n    vendor: ", vendor,
                        "\n    params: {base_url: '", base, "'}\n    secrets: {", secret,
                        ": {file: ", vendor, ".key}}\n    interval: ", interval,
                        "\n    max_requests_per_second: 1000\n");
  };
  return absl::StrCat("sources:\n", source("deepset", sim.DeepsetBaseUrl(), "api_key"),
                      source("opal", sim.OpalBaseUrl(), "token"),
                      source("buildkite", sim.BuildkiteBaseUrl(), "token"));
}

TestService::TestService(vendor_sim::VendorSim& sim, std::string extra_config, Clock* clock)
    : sim_(sim), extra_config_(std::move(extra_config)), clock_(clock) {
  Start();
}

void TestService::Start() {
  WriteFile(config_file(), absl::StrCat(TestConfig(sim_, folder_, "1d"), extra_config_));
  LoadedConfig config = LoadServerConfig(config_file(), Overrides(), clock_);
  for (const std::string& problem : config.problems) ADD_FAILURE() << problem;
  auto app = ServerApp::Start(std::move(config.settings), clock_);
  if (!app.ok()) {
    ADD_FAILURE() << app.status().ToString();
    std::abort();  // nothing can be tested
  }
  app_ = *std::move(app);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(8 << 20);
  // Channels to other services of this process must not be shared.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ = grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", app_->port()),
                                       grpc::InsecureChannelCredentials(), arguments);
  tokens_ = v1::TokenInventory::NewStub(channel_);
  sources_ = v1::Sources::NewStub(channel_);
}

ConfigOverrides TestService::Overrides() const {
  ConfigOverrides overrides;
  overrides.listen = "127.0.0.1:0";
  overrides.data_dir = folder_.File("data");
  overrides.page_worker = TI_PAGE_WORKER;
  return overrides;
}

absl::Status TestService::Reload(std::string extra_config) {
  extra_config_ = std::move(extra_config);
  return ReloadFile(absl::StrCat(SourcesConfig(), extra_config_));
}

absl::Status TestService::ReloadFile(const std::string& text) {
  WriteFile(config_file(), text);
  return ReloadConfig(*app_, config_file(), Overrides(), clock_);
}

void TestService::Stop() {
  if (app_ == nullptr) return;
  app_->Stop();
  app_ = nullptr;
}

void TestService::Restart(std::string extra_config) {
  Stop();
  extra_config_ = std::move(extra_config);
  Start();
}

v1::SyncResult TestService::Sync(const std::string& source) {
  v1::SyncResult result;
  const grpc::Status status = TrySync(source, &result);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return result;
}

grpc::Status TestService::TrySync(const std::string& source, v1::SyncResult* result) {
  grpc::ClientContext context;
  v1::SyncSourceRequest request;
  request.set_name(SourceName(source));
  request.set_fresh(true);
  const auto stream = sources_->SyncSource(&context, request);
  v1::SyncSourceResponse response;
  while (stream->Read(&response)) {
    if (response.has_result()) *result = response.result();
  }
  return stream->Finish();
}

void TestService::SyncAll() {
  for (const char* source : {"deepset-test", "opal-test", "buildkite-test"}) {
    const v1::SyncResult result = Sync(source);
    EXPECT_EQ(result.state(), v1::Source::OK) << source << ": " << result.DebugString();
  }
}

std::map<std::string, v1::Token> TestService::ListAll(int page_size, bool show_deleted) {
  std::map<std::string, v1::Token> tokens;
  v1::ListTokensRequest request;
  request.set_parent("sources/-");
  request.set_page_size(page_size);
  request.set_show_deleted(show_deleted);
  request.set_view(v1::FULL);
  do {
    grpc::ClientContext context;
    v1::ListTokensResponse response;
    const grpc::Status status = tokens_->ListTokens(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (!status.ok()) break;
    for (const v1::Token& token : response.tokens()) {
      EXPECT_TRUE(tokens.emplace(token.name(), token).second) << token.name() << " came twice";
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return tokens;
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::ErrorInfo info;
  return FindDetail(status, info) && info.domain() == "tokeninventory" ? info.reason() : "";
}

bool HasRetryInfo(const grpc::Status& status) {
  google::rpc::RetryInfo info;
  return FindDetail(status, info) && info.has_retry_delay();
}

std::string FieldOf(const grpc::Status& status) {
  google::rpc::BadRequest bad;
  if (!FindDetail(status, bad) || bad.field_violations().empty()) return "";
  return bad.field_violations(0).field();
}

}  // namespace tokeninventory::testing
