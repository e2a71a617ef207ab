// The built-in manifests against the simulator of the three vendors: all that the
// vendors know arrives, field by field, and faults are told apart from absence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "absl/strings/str_cat.h"
#include "connectors/source_factory.h"
#include "tests/connectors/fake_pass_recorder.h"
#include "tests/vendor_sim/credentials.h"
#include "tests/vendor_sim/vendor_sim.h"

namespace tokeninventory {
namespace {

using testing::FakePassRecorder;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using vendor_sim::VendorSim;

absl::Time ToAbsl(vendor_sim::TimePoint time) {
  return absl::FromUnixMicros(time.time_since_epoch().count());
}

absl::Time ToAbsl(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

class VendorSimSyncTest : public ::testing::Test {
 protected:
  VendorSimSyncTest() {
    vendor_sim::Options options;
    options.tokens = 2000;
    options.rate_limits = false;
    sim_ = std::make_unique<VendorSim>(options);
    EXPECT_TRUE(sim_->Start().ok());
    setenv("TI_SIM_DEEPSET", vendor_sim::kDeepsetKey, 1);
    setenv("TI_SIM_OPAL", vendor_sim::kOpalToken, 1);
    setenv("TI_SIM_BUILDKITE", vendor_sim::kBuildkiteToken, 1);
    const BuiltSources built = BuildFrom(absl::StrCat(R"(
sources:
  - id: deepset
    vendor: deepset
    params: {base_url: ")",
                                                      sim_->DeepsetBaseUrl(), R"("}
    secrets: {api_key: {env: TI_SIM_DEEPSET}}
    max_requests_per_second: 10000
  - id: opal
    vendor: opal
    params: {base_url: ")",
                                                      sim_->OpalBaseUrl(), R"("}
    secrets: {token: {env: TI_SIM_OPAL}}
  - id: buildkite
    vendor: buildkite
    params: {base_url: ")",
                                                      sim_->BuildkiteBaseUrl(), R"("}
    secrets: {token: {env: TI_SIM_BUILDKITE}}
    max_requests_per_second: 10000
)"));
  }

  BuiltSources BuildFrom(const std::string& yaml) {
    v1::ServerConfig config;
    const YamlReport report = ReadYaml("c.yaml", yaml, config);
    EXPECT_THAT(report.problems, IsEmpty());
    BuiltSources built =
        BuildSources(config, "", report.locations, Clock::Real(), std::string(TI_PAGE_WORKER));
    EXPECT_THAT(built.problems, IsEmpty());
    sources_ = std::move(built.sources);
    return built;
  }

  v1::SyncResult Run(const std::string& id) {
    for (const std::unique_ptr<PolledSource>& source : sources_) {
      if (source->id() != id) continue;
      PassContext context;
      context.recorder = &recorder_;
      const absl::StatusOr<v1::SyncResult> result = source->RunPass(context);
      EXPECT_TRUE(result.ok()) << result.status();
      // Nothing of what vendors say as a rule looks like a secret.
      EXPECT_EQ(result.ok() ? result->stats().secrets_dropped() : -1, 0);
      return result.ok() ? *result : v1::SyncResult();
    }
    ADD_FAILURE() << "no source " << id;
    return {};
  }

  const v1::Token* Find(const std::string& id) const {
    for (const auto& [scope, tokens] : recorder_.tokens) {
      const auto found = tokens.find(id);
      if (found != tokens.end()) return &found->second;
    }
    return nullptr;
  }

  std::unique_ptr<VendorSim> sim_;
  std::vector<std::unique_ptr<PolledSource>> sources_;
  FakePassRecorder recorder_;
};

TEST_F(VendorSimSyncTest, DeepsetArrivesWhole) {
  const v1::SyncResult result = Run("deepset");
  EXPECT_EQ(result.state(), v1::Source::OK) << result.error();
  const vendor_sim::Truth truth = sim_->ReadTruth();
  std::set<std::string> want;
  for (const vendor_sim::DeepsetToken& token : truth.deepset_tokens) {
    if (!token.IsExclusive()) continue;
    want.insert(token.id.ToString());
    const v1::Token* const got = Find(token.id.ToString());
    ASSERT_NE(got, nullptr);
    EXPECT_EQ(got->display_name(), token.name);
    EXPECT_EQ(got->kind(), token.personal ? "personal" : "service");
    EXPECT_EQ(got->role(), token.organization_role);
    EXPECT_EQ(got->owner().display_name(), absl::StrCat(token.given_name, " ", token.family_name));
    EXPECT_NE(got->hint(), "");
    EXPECT_EQ(got->expiry(), token.expires_at ? v1::Token::AT : v1::Token::NEVER);
    if (token.expires_at) {
      EXPECT_EQ(ToAbsl(got->expire_time()), ToAbsl(*token.expires_at));
    }
    ASSERT_EQ(got->scopes_size(), 1);
    EXPECT_EQ(got->scopes(0).id(), token.workspaces.at(0));
  }
  for (const vendor_sim::ModelRegistryToken& token : truth.model_registry_tokens) {
    want.insert("model-" + token.id.ToString());
    const v1::Token* const got = Find("model-" + token.id.ToString());
    ASSERT_NE(got, nullptr);
    EXPECT_EQ(got->expiry(), v1::Token::UNKNOWN);
    EXPECT_EQ(got->state(), token.invalid ? v1::Token::INVALID : v1::Token::ACTIVE);
  }
  EXPECT_EQ(recorder_.AllIds(), want);
}

TEST_F(VendorSimSyncTest, OpalArrivesWhole) {
  const v1::SyncResult result = Run("opal");
  EXPECT_EQ(result.state(), v1::Source::OK) << result.error();
  std::set<std::string> want;
  for (const vendor_sim::OpalToken& token : sim_->ReadTruth().opal_tokens) {
    want.insert(token.id.ToString());
    const v1::Token* const got = Find(token.id.ToString());
    ASSERT_NE(got, nullptr);
    EXPECT_EQ(got->display_name(), token.label);
    EXPECT_EQ(got->owner().id(), token.user_id.ToString());
    EXPECT_EQ(got->creator().id(), token.creator_user_id.ToString());
    EXPECT_EQ(got->access_level(), token.full_access ? v1::Token::ADMIN : v1::Token::READ);
    EXPECT_EQ(got->expiry(), token.expires_at.has_value() ? v1::Token::AT : v1::Token::NEVER);
    EXPECT_EQ(got->last_use(),
              token.last_used_at.has_value() ? v1::Token::USED : v1::Token::NOT_REPORTED);
    if (token.expires_at.has_value()) {
      EXPECT_EQ(ToAbsl(got->expire_time()), ToAbsl(token.expires_at.value));
    }
    if (token.last_used_at.has_value()) {
      EXPECT_EQ(ToAbsl(got->last_used_time()), ToAbsl(token.last_used_at.value));
    }
  }
  EXPECT_EQ(recorder_.AllIds(), want);
}

TEST_F(VendorSimSyncTest, BuildkiteArrivesWhole) {
  const v1::SyncResult result = Run("buildkite");
  EXPECT_EQ(result.state(), v1::Source::OK) << result.error();
  const vendor_sim::Truth truth = sim_->ReadTruth();
  std::set<std::string> want;
  for (const vendor_sim::RegistryToken& token : truth.registry_tokens) {
    want.insert(token.id.ToString());
    const v1::Token* const got = Find(token.id.ToString());
    ASSERT_NE(got, nullptr);
    EXPECT_EQ(got->display_name(), token.description);
    EXPECT_EQ(got->expiry(), v1::Token::UNKNOWN);
    EXPECT_EQ(got->has_creator(), token.created_by != nullptr);
    EXPECT_THAT(got->provider_uri(), ::testing::StartsWith("https://"));
    EXPECT_EQ(got->scopes(0).display_name(), token.registry_slug);
  }
  for (const vendor_sim::AgentToken& token : truth.agent_tokens) {
    want.insert(token.id.ToString());
    const v1::Token* const got = Find(token.id.ToString());
    ASSERT_NE(got, nullptr);
    EXPECT_EQ(got->expiry(),
              token.expires_at.form == vendor_sim::VendorTime::Form::kValue  ? v1::Token::AT
              : token.expires_at.form == vendor_sim::VendorTime::Form::kNull ? v1::Token::NEVER
                                                                             : v1::Token::UNKNOWN);
    EXPECT_EQ(got->scopes(0).id(), token.cluster_id.ToString());
  }
  EXPECT_EQ(recorder_.AllIds(), want);
}

TEST_F(VendorSimSyncTest, FaultsFailTheirListing) {
  vendor_sim::Fault fault;
  fault.count = 1;
  fault.target_contains = "/token?";
  fault.cut_after = 100;
  sim_->AddFault(fault);  // one cut answer is retried
  EXPECT_EQ(Run("deepset").state(), v1::Source::OK);
  fault.cut_after.reset();
  fault.status = 200;
  fault.body = "<html>busy</html>";
  fault.content_type = "text/html";
  sim_->AddFault(fault);
  const v1::SyncResult result = Run("deepset");
  EXPECT_EQ(result.state(), v1::Source::DEGRADED);
  EXPECT_EQ(result.incomplete_scopes_size(), 1);
  EXPECT_THAT(result.error(), HasSubstr("not a JSON text"));
}

TEST_F(VendorSimSyncTest, TokensThatAreGoneAreProvenSo) {
  const vendor_sim::Truth truth = sim_->ReadTruth();
  const auto suspect = [](std::int64_t row, const std::string& id, ScopeRef scope,
                          const std::string& known) {
    Suspect made;
    made.row = row;
    made.provider_token_id = id;
    made.scope = std::move(scope);
    made.scope_answered = true;
    made.known_provider_token_id = known;
    return made;
  };
  const vendor_sim::RegistryToken& registry_token = truth.registry_tokens.at(0);
  const ScopeRef registry{
      "registry_tokens",
      absl::StrCat("org=", truth.organization.slug, ",slug=", registry_token.registry_slug),
      absl::StrCat(R"({"org":")", truth.organization.slug, R"(","slug":")",
                   registry_token.registry_slug, "\"}")};
  recorder_.suspects = {suspect(1, registry_token.id.ToString(), registry, "")};
  ASSERT_TRUE(sim_->RemoveToken(registry_token.id));
  EXPECT_EQ(Run("buildkite").state(), v1::Source::OK);
  EXPECT_THAT(recorder_.gone, ::testing::ElementsAre(1));

  const vendor_sim::OpalToken& opal = truth.opal_tokens.at(0);
  const std::string known = truth.opal_tokens.at(1).id.ToString();
  recorder_.suspects = {suspect(2, opal.id.ToString(), {"tokens", "", ""}, known),
                        suspect(3, known, {"tokens", "", ""}, known)};
  ASSERT_TRUE(sim_->RemoveToken(opal.id));
  EXPECT_EQ(Run("opal").state(), v1::Source::OK);
  EXPECT_THAT(recorder_.gone, ::testing::ElementsAre(2));

  const vendor_sim::DeepsetToken* deepset = nullptr;
  for (const vendor_sim::DeepsetToken& token : truth.deepset_tokens) {
    if (token.IsExclusive()) deepset = &token;
  }
  const ScopeRef workspace{"workspace_tokens", absl::StrCat("name=", deepset->workspaces[0]),
                           absl::StrCat(R"({"name":")", deepset->workspaces[0], "\"}")};
  recorder_.suspects = {suspect(4, deepset->id.ToString(), workspace, "")};
  ASSERT_TRUE(sim_->RemoveToken(deepset->id));
  EXPECT_EQ(Run("deepset").state(), v1::Source::OK);
  EXPECT_THAT(recorder_.gone, ::testing::ElementsAre(4));
}

TEST_F(VendorSimSyncTest, AWrongCredentialIsToldAsSuch) {
  setenv("TI_SIM_DEEPSET", "wrong", 1);
  setenv("TI_SIM_OPAL", vendor_sim::kOpalNonAdminToken, 1);
  setenv("TI_SIM_BUILDKITE", vendor_sim::kBuildkiteNoClustersToken, 1);
  EXPECT_EQ(Run("deepset").state(), v1::Source::AUTH_FAILED);
  EXPECT_EQ(Run("opal").state(), v1::Source::AUTH_FAILED);
  const v1::SyncResult buildkite = Run("buildkite");
  EXPECT_EQ(buildkite.state(), v1::Source::DEGRADED);
  EXPECT_THAT(buildkite.error(), HasSubstr("it needs read_clusters"));
  EXPECT_FALSE(recorder_.parents_complete.at("agent_tokens"));
  EXPECT_TRUE(recorder_.parents_complete.at("registry_tokens"));
}

}  // namespace
}  // namespace tokeninventory
