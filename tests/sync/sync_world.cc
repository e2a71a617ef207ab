#include "tests/sync/sync_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "connectors/embedded.h"
#include "connectors/http/curl_client.h"
#include "connectors/manifest_catalog.h"
#include "connectors/poller.h"
#include "tests/vendor_sim/credentials.h"

namespace tokeninventory::testing {
namespace {

using vendor_sim::TokenKind;
using vendor_sim::Uuid;

constexpr std::int64_t kMaxBody = 512 * 1024;

vendor_sim::TimePoint ToSim(absl::Time time) {
  return vendor_sim::TimePoint(std::chrono::microseconds(absl::ToUnixMicros(time)));
}

std::string CredentialOf(const std::string& vendor) {
  if (vendor == "deepset") return vendor_sim::kDeepsetKey;
  if (vendor == "opal") return vendor_sim::kOpalToken;
  return vendor_sim::kBuildkiteToken;
}

template <typename Token>
std::vector<Uuid> IdsOf(const std::vector<Token>& tokens) {
  std::vector<Uuid> ids;
  for (const Token& token : tokens) ids.push_back(token.id);
  return ids;
}

}  // namespace

std::shared_ptr<const CompiledManifest> BuiltInManifest(const std::string& vendor) {
  std::vector<std::string> problems;
  ManifestCatalog catalog;
  auto manifest = catalog.Find(vendor, problems);
  for (const std::string& problem : problems) ADD_FAILURE() << problem;
  return manifest;
}

std::vector<std::string> BuiltInVendors() { return ManifestCatalog().Vendors(); }

// One client that waits long, and one that does not.
class SyncWorld::SwitchedHttp final : public HttpClient {
 public:
  SwitchedHttp()
      : patient_({.request_timeout = absl::Seconds(60), .max_body_bytes = kMaxBody, .ca_file = ""}),
        hasty_({.request_timeout = absl::Milliseconds(30),
                .max_body_bytes = kMaxBody,
                .ca_file = ""}) {}

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request, std::stop_token stop) override {
    return (hasty ? hasty_ : patient_).Send(request, std::move(stop));
  }

  std::atomic<bool> hasty{false};

 private:
  CurlClient patient_;
  CurlClient hasty_;
};

SyncWorld::SyncWorld(Options options)
    : options_(std::move(options)), manifest_(BuiltInManifest(options_.vendor)) {
  LedgerSetup setup;
  setup.sources = {MakeSourceInfo(source(), options_.vendor)};
  harness_ = std::make_unique<LedgerHarness>(setup);
  clock_ = std::make_unique<SkippingClock>(&harness_->clock());

  vendor_sim::Options sim;
  sim.tokens = options_.tokens;
  sim.seed = options_.seed;
  sim.rate_limits = false;
  sim.max_page_size = options_.page_size;
  sim.base_time = ToSim(harness_->clock().Now());
  sim.clock = [clock = &harness_->clock()] { return ToSim(clock->Now()); };
  sim_ = std::make_unique<vendor_sim::VendorSim>(std::move(sim));
  EXPECT_TRUE(sim_->Start().ok());
  if (options_.tokens == 0) Populate();

  v1::ServerConfig config;
  config.mutable_http()->set_max_attempts(options_.max_attempts);
  config.mutable_http()->set_max_pages(options_.max_pages);
  v1::SourceConfig& made = *config.add_sources();
  made.set_id(source());
  made.set_vendor(options_.vendor);
  made.set_max_requests_per_second(10'000);
  for (const auto& [name, value] : Params()) (*made.mutable_params())[name] = value;
  std::ofstream(secrets_.File("credential")) << CredentialOf(options_.vendor);
  for (const v1::ManifestSecret& secret : manifest_->spec.secrets()) {
    (*made.mutable_secrets())[secret.name()].set_file(secrets_.File("credential"));
  }
  for (const v1::ManifestStream& stream : manifest_->spec.streams()) {
    if (options_.all_streams && stream.default_() == "off") made.add_enable_streams(stream.name());
  }
  http_ = std::make_shared<SwitchedHttp>();
  BuiltSources built =
      BuildSources(config, "", YamlLocations(), clock_.get(), std::string(TI_PAGE_WORKER), http_);
  for (const std::string& problem : built.problems) ADD_FAILURE() << problem;
  connector_ = std::move(built.sources.at(0));
}

SyncWorld::~SyncWorld() { sim_->ClearFaults(); }

std::map<std::string, std::string> SyncWorld::Params() const {
  if (options_.vendor == "deepset") return {{"base_url", sim_->DeepsetBaseUrl()}};
  if (options_.vendor == "opal") return {{"base_url", sim_->OpalBaseUrl()}};
  std::map<std::string, std::string> params = {{"base_url", sim_->BuildkiteBaseUrl()}};
  if (options_.all_streams) params["graphql_url"] = sim_->BuildkiteGraphqlUrl();
  return params;
}

void SyncWorld::Populate() {
  const auto add = [&](TokenKind kind, const std::string& parent, int count) {
    for (int i = 0; i < count; ++i) EXPECT_TRUE(sim_->AddToken(kind, parent));
  };
  const vendor_sim::Truth truth = sim_->ReadTruth();
  if (options_.vendor == "deepset") {
    for (const vendor_sim::Workspace& workspace : truth.workspaces) {
      add(TokenKind::kDeepset, workspace.name, 12);
    }
    add(TokenKind::kModelRegistry, "", 12);
    for (int i = 0; i < 4; ++i) {
      vendor_sim::DeepsetToken shared;
      shared.id = *Uuid::Parse(absl::StrCat("11111111-2222-4333-8444-55555555555", i));
      shared.created_at = ToSim(harness_->clock().Now());
      shared.name = absl::StrCat("shared ", i);
      shared.organization_role = "MEMBER";
      shared.all_workspaces = true;
      EXPECT_TRUE(sim_->AddDeepsetToken(shared));
    }
  } else if (options_.vendor == "opal") {
    add(TokenKind::kOpal, "", 32);
  } else {
    for (int i = 0; i < 3; ++i) sim_->AddCluster(absl::StrCat("cluster ", i));
    for (const vendor_sim::Cluster& cluster : sim_->ReadTruth().clusters) {
      add(TokenKind::kBuildkiteAgent, cluster.id.ToString(), 7);
    }
    for (const vendor_sim::Registry& registry : truth.registries) {
      add(TokenKind::kBuildkiteRegistry, registry.slug, 9);
    }
    for (int i = 0; i < 32; ++i) AddAccessToken();
  }
}

void SyncWorld::AddAccessToken() {
  vendor_sim::ApiAccessToken token;
  token.id =
      *Uuid::Parse(absl::StrCat("99999999-2222-4333-8444-", 100'000'000'000 + ++access_tokens_));
  token.created_at =
      vendor_sim::Truncate(ToSim(harness_->clock().Now()), vendor_sim::TimeStyle::kMillis);
  token.description = absl::StrCat("access ", access_tokens_);
  token.scopes = {"READ_BUILDS"};
  token.expires_at = vendor_sim::VendorTime::Null();
  EXPECT_TRUE(sim_->AddApiAccessToken(token));
}

void SyncWorld::ChangeALittle() {
  ++changes_;
  const vendor_sim::Truth truth = sim_->ReadTruth();
  const auto change = [&](const std::vector<Uuid>& ids, const auto& add) {
    if (ids.size() > 2) {
      sim_->RemoveToken(ids[changes_ * 7 % ids.size()]);
      sim_->RenameToken(ids[(changes_ * 7 + 1) % ids.size()], absl::StrCat("renamed ", changes_));
    }
    add();
  };
  const auto another = [&](TokenKind kind) {
    return [this, kind] { EXPECT_TRUE(sim_->AddToken(kind)); };
  };
  if (options_.vendor == "deepset") {
    change(IdsOf(truth.deepset_tokens), another(TokenKind::kDeepset));
    change(IdsOf(truth.model_registry_tokens), another(TokenKind::kModelRegistry));
  } else if (options_.vendor == "opal") {
    change(IdsOf(truth.opal_tokens), another(TokenKind::kOpal));
  } else {
    change(IdsOf(truth.registry_tokens), another(TokenKind::kBuildkiteRegistry));
    change(IdsOf(truth.agent_tokens), another(TokenKind::kBuildkiteAgent));
    change(IdsOf(truth.api_access_tokens), [this] { AddAccessToken(); });
  }
}

v1::SyncResult SyncWorld::Pass(const std::stop_token& stop) {
  PassContext context;
  context.recorder = &harness_->ledger();
  context.stop = stop;
  context.next_sync_time = [this](v1::Source::State state, absl::Time not_before) {
    const int failures = state == v1::Source::OK ? 0 : 1;
    const absl::Duration delay = Poller::DelayAfter(state, failures, connector_->interval());
    return std::max(clock_->Now() + delay, not_before);
  };
  const absl::StatusOr<v1::SyncResult> result = connector_->RunPass(context);
  EXPECT_TRUE(result.ok() || stop.stop_requested()) << result.status();
  return result.ok() ? *result : v1::SyncResult();
}

void SyncWorld::WaitForNextPass() {
  const v1::Source status = Status();
  if (!status.has_next_sync_time()) return;
  clock_->SkipTo(FromProto(status.next_sync_time()));
}

int SyncWorld::Converge(int most) {
  for (int passes = 1; passes <= most; ++passes) {
    WaitForNextPass();
    const v1::SyncResult result = Pass();
    if (result.state() == v1::Source::OK && Difference().empty()) return passes;
  }
  return -1;
}

void SyncWorld::BeHasty(bool hasty) { http_->hasty = hasty; }

TokenFacts SyncWorld::Truth() const {
  return TrueFacts(sim_->ReadTruth(), options_.vendor, options_.all_streams);
}

std::map<std::string, KnownToken> SyncWorld::Known() {
  return KnownTokens(*harness_->inventory().Current(), source());
}

std::string SyncWorld::Difference() { return testing::Difference(Truth(), Known()); }

v1::Source SyncWorld::Status() { return harness_->Source(source()); }

std::string SyncWorld::PathOf(const std::string& param) const {
  const std::map<std::string, std::string> params = Params();
  const auto found = params.find(param);
  if (found == params.end()) return "";
  const std::size_t host = found->second.find("//") + 2;
  const std::size_t path = found->second.find('/', host);
  return path == std::string::npos ? "" : found->second.substr(path);
}

std::string SyncWorld::PathsOf(const std::string& text) const {
  std::string pattern = text.rfind("${param.", 0) == 0 ? "" : PathOf("base_url");
  for (std::size_t at = 0; at < text.size();) {
    if (text.compare(at, 2, "${") == 0) {
      const std::size_t end = text.find('}', at);
      const std::string name = text.substr(at + 2, end - at - 2);
      absl::StrAppend(&pattern, name.rfind("param.", 0) == 0 ? PathOf(name.substr(6)) : "[^/?]+");
      at = end + 1;
      continue;
    }
    if (std::string(".+*?()[]{}|^$\\").find(text[at]) != std::string::npos) pattern += '\\';
    pattern += text[at++];
  }
  return pattern;
}

std::string SyncWorld::TargetsOf(const CompiledStream& stream) const {
  const v1::ManifestStream& spec = *stream.spec;
  std::string not_a_look_up;
  if (spec.fetch().get() == spec.get()) {
    for (const auto& [name, value] : spec.fetch().query()) {
      absl::StrAppend(&not_a_look_up, "(?!.*[?&]", name, "=)");
    }
  }
  return absl::StrCat(not_a_look_up, PathsOf(spec.get().empty() ? spec.post() : spec.get()),
                      R"((\?.*)?)");
}

std::string SyncWorld::LookUpsOf(const CompiledStream& stream) const {
  const v1::ManifestFetch& fetch = stream.spec->fetch();
  if (fetch.get().empty()) return "";
  std::string query;
  for (const auto& [name, value] : fetch.query()) {
    absl::StrAppend(&query, "(?=.*[?&]", name, "=)");
  }
  return absl::StrCat(query, PathsOf(fetch.get()), R"((\?.*)?)");
}

}  // namespace tokeninventory::testing
