#include "tests/vendor_sim/vendor_sim.h"

#include <chrono>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/vendor_sim/encoding.h"
#include "tests/vendor_sim/samples.h"
#include "tests/vendor_sim/sim_fixture.h"

namespace tokeninventory::vendor_sim {
namespace {

class VendorSimTest : public SimTest {
 protected:
  // The bodies of every list, without the network.
  static std::vector<std::string> AllBodies(VendorSim& sim) {
    const auto get = [&sim](const std::string& target, const char* token) {
      Request request = ParseRequest("GET", target);
      request.authorization = std::string("Bearer ") + token;
      request.host = "localhost";
      Response response = sim.Handle(request);
      EXPECT_EQ(response.status, 200) << target << response.body;
      return std::move(response.body);
    };
    std::vector<std::string> bodies = {
        get("/api/v1/workspaces", kDeepsetKey),
        get("/api/v1/token?limit=100", kDeepsetKey),
        get("/api/v1/model_registry_tokens", kDeepsetKey),
        get("/v1/tokens?page_size=1000", kOpalToken),
        get("/v2/organizations", kBuildkiteToken),
        get("/v2/packages/organizations/my_great_org/registries", kBuildkiteToken),
        get("/v2/organizations/my_great_org/clusters", kBuildkiteToken)};
    const Truth truth = sim.ReadTruth();
    for (const Workspace& workspace : truth.workspaces) {
      bodies.push_back(get(
          "/api/v1/workspaces/" + PercentEncode(workspace.name) + "/token?limit=100", kDeepsetKey));
    }
    for (const Registry& registry : truth.registries) {
      bodies.push_back(
          get("/v2/packages/organizations/my_great_org/registries/" + registry.slug + "/tokens",
              kBuildkiteToken));
    }
    for (const Cluster& cluster : truth.clusters) {
      bodies.push_back(get("/v2/organizations/my_great_org/clusters/" + cluster.id.ToString() +
                               "/tokens?per_page=100",
                           kBuildkiteToken));
    }
    return bodies;
  }
};

TEST_F(VendorSimTest, EqualSeedsGiveEqualBytes) {
  VendorSim first(TestOptions(500));
  VendorSim second(TestOptions(500));
  EXPECT_EQ(AllBodies(first), AllBodies(second));
  first.ApplyChurn(300);
  for (int i = 0; i < 300; ++i) second.ApplyChurn(1);
  EXPECT_EQ(AllBodies(first), AllBodies(second));

  Options other = TestOptions(500);
  other.seed = 2;
  VendorSim third(other);
  EXPECT_NE(AllBodies(first), AllBodies(third));
}

TEST_F(VendorSimTest, TheBytesOfASeedDoNotChange) {
  // FNV-1a of all bodies. A change of the generator shows here, and so does code whose outcome
  // depends on the compiler; after a wanted change, put the new number.
  VendorSim sim(TestOptions(200));
  sim.ApplyChurn(100);
  std::uint64_t hash = 14695981039346656037ULL;
  for (const std::string& body : AllBodies(sim)) {
    for (char c : body) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  EXPECT_EQ(hash, 12297602819776035619ULL);
}

TEST_F(VendorSimTest, ServesTheDocumentedSamplesWordForWord) {
  StartSim(TestOptions(100));
  const Json registry_token = Json::parse(R"json({
    "id": "0191b6a2-aa51-70d0-8a5f-aabce115b0fd",
    "graphql_id": "UmVnaXN0cnlUb2tlbi0tLTAxOTFiNmEyLWFhNTEtNzBkMC04YTVmLWFhYmNlMTE1YjBmZA==",
    "description": "Usher",
    "url": "http://api.buildkite.com/v2/packages/organizations/my_great_org/registries/my-registry/tokens/0191b6a2-aa51-70d0-8a5f-aabce115b0fd",
    "created_at": "2024-09-03T06:46:39.441Z",
    "created_by": {
      "id": "0191b13b-0eb6-470d-a4c0-2085974f3580",
      "graphql_id": "VXNlci0tLTAxOTFiMTNiLTBlYjYtNDcwZC1hNGMwLTIwODU5NzRmMzU4MA==",
      "name": "Eminem",
      "email": "eminem@buildkite.com",
      "avatar_url": null,
      "created_at": "2024-09-02T05:35:23.318Z"
    },
    "organization": {
      "id": "018a456f-e581-44b6-c5a4-1d8a5f7094ee",
      "slug": "my_great_org",
      "url": "https://api.buildkite.com/v2/analytics/organizations/my_great_org",
      "web_url": "https://buildkite.com/organizations/my_great_org"
    },
    "registry": {
      "id": "018f56ef-9ef4-70f0-aba2-0f4578e3d69d",
      "graphql_id": "UmVnaXN0cnktLS0wMThmNTZlZi05ZWY0LTcwZjAtYWJhMi0wZjQ1NzhlM2Q2OWQ=",
      "slug": "my-registry",
      "url": "http://api.buildkite.com/v2/packages/organizations/my_great_org/registries/my-registry",
      "web_url": "http://buildkite.com/organizations/buildkite/my_great_org/registries/my-registry"
    }})json");
  EXPECT_EQ(Parse(Buildkite("/v2/packages/organizations/my_great_org/registries/my-registry/tokens/"
                            "0191b6a2-aa51-70d0-8a5f-aabce115b0fd")),
            registry_token);

  const Json opal_token = Json::parse(R"json({
    "token_id": "f454d283-ca87-4a8a-bdbb-df212eca5353",
    "created_at": "2022-01-23T04:56:07.000Z",
    "token_preview": "ab123",
    "token_label": "My API Token",
    "creator_user_id": "d4a7d928-783e-4599-8ec6-088d635a5bcc",
    "user_id": "d4a7d928-783e-4599-8ec6-088d635a5bcc",
    "access_level": "READ_ONLY"})json");
  EXPECT_EQ(Parse(Opal("/tokens?token_ids=f454d283-ca87-4a8a-bdbb-df212eca5353")).at("results"),
            Json::array({opal_token}));

  const Json agent_token =
      Parse(Buildkite("/v2/organizations/my_great_org/clusters/"
                      "e4f44564-d3ea-45eb-87c2-6506643b852a/tokens/"
                      "b6001416-0e1e-41c6-9dbe-3d96766f451a"));
  EXPECT_EQ(agent_token.at("graphql_id"),
            "Q2x1c3RlclRva2VuLS0tYjYwMDE0MTYtMGUxZS00MWM2LTlkYmUtM2Q5Njc2NmY0NTFh");
  EXPECT_EQ(agent_token.at("expires_at"), "2026-01-01T00:00:00Z");
}

TEST_F(VendorSimTest, ChurnMakesEveryKindOfChangeAndKeepsTheCount) {
  VendorSim sim(TestOptions(1000));
  std::map<Change::Kind, int> kinds;
  std::set<TokenKind> token_kinds;
  for (const Change& change : sim.ApplyChurn(5000)) {
    ++kinds[change.kind];
    token_kinds.insert(change.token_kind);
    EXPECT_FALSE(IsSample(change.token_id));
  }
  EXPECT_EQ(kinds.size(), 6U);
  EXPECT_EQ(token_kinds.size(), 5U);
  EXPECT_NEAR(static_cast<double>(sim.Counts().Listed()), 1000, 30);
}

TEST_F(VendorSimTest, ChurnTellsWhatItDid) {
  VendorSim sim(TestOptions(200));
  for (int i = 0; i < 400; ++i) {
    std::set<Uuid> before;
    for (const OpalToken& token : sim.ReadTruth().opal_tokens) before.insert(token.id);
    const std::vector<Change> changes = sim.ApplyChurn(1);
    ASSERT_EQ(changes.size(), 1U);
    if (changes[0].token_kind != TokenKind::kOpal) continue;
    std::set<Uuid> after;
    for (const OpalToken& token : sim.ReadTruth().opal_tokens) after.insert(token.id);
    const bool was = before.contains(changes[0].token_id);
    const bool is = after.contains(changes[0].token_id);
    EXPECT_EQ(was, changes[0].kind != Change::Kind::kAdded);
    EXPECT_EQ(is, changes[0].kind != Change::Kind::kRemoved);
  }
}

TEST_F(VendorSimTest, ChurnFillsAnEmptyWorldOnlySlowly) {
  VendorSim sim(TestOptions(0));
  sim.ApplyChurn(500);
  EXPECT_LT(sim.Counts().Listed(), 30U);
}

TEST_F(VendorSimTest, ChurnRunsByItselfAndStops) {
  Options options = TestOptions(200);
  options.churn = 500;
  StartSim(options);
  const std::string before = Opal("/tokens").body;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (Opal("/tokens").body == before && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_NE(Opal("/tokens").body, before);
  sim().Stop();
}

TEST_F(VendorSimTest, TestsCanChangeOneToken) {
  StartSim(TestOptions(100));
  const auto opal = [this](const Uuid& id) {
    return Parse(Opal("/tokens?token_ids=" + id.ToString())).at("results");
  };
  const std::optional<Uuid> id = sim().AddToken(TokenKind::kOpal);
  ASSERT_TRUE(id);
  EXPECT_EQ(opal(*id).size(), 1U);
  const TimePoint time = MakeUtc(2030, 1, 2, 3, 4, 5);
  EXPECT_TRUE(sim().RenewToken(*id, time));
  EXPECT_TRUE(sim().UseToken(*id, time));
  EXPECT_TRUE(sim().RenameToken(*id, "new name"));
  const Json token = opal(*id)[0];
  EXPECT_EQ(token.at("expires_at").get<std::string>().substr(0, 19), "2030-01-02T03:04:05");
  EXPECT_EQ(token.at("last_used_at").get<std::string>().substr(0, 19), "2030-01-02T03:04:05");
  EXPECT_EQ(token.at("token_label"), "new name");
  EXPECT_TRUE(sim().RenewToken(*id, std::nullopt));
  EXPECT_TRUE(opal(*id)[0].at("expires_at").is_null());
  EXPECT_TRUE(sim().RemoveToken(*id));
  EXPECT_EQ(opal(*id).size(), 0U);
  EXPECT_FALSE(sim().RemoveToken(*id));
  EXPECT_FALSE(sim().RenameToken(*id, "x"));

  for (const TokenKind kind : {TokenKind::kDeepset, TokenKind::kModelRegistry,
                               TokenKind::kBuildkiteRegistry, TokenKind::kBuildkiteAgent}) {
    const std::size_t count = sim().Counts().Listed();
    const std::optional<Uuid> other = sim().AddToken(kind);
    ASSERT_TRUE(other);
    EXPECT_EQ(sim().Counts().Listed(), count + 1);
    EXPECT_FALSE(sim().UseToken(*other, time));
    EXPECT_EQ(sim().RenewToken(*other, time),
              kind == TokenKind::kDeepset || kind == TokenKind::kBuildkiteAgent);
    EXPECT_TRUE(sim().RemoveToken(*other));
    EXPECT_EQ(sim().Counts().Listed(), count);
  }
}

TEST_F(VendorSimTest, ExactTokensCanBeAddedOnce) {
  VendorSim sim(TestOptions(10));
  DeepsetToken token;
  token.id = Uuid::FromLiteral("11111111-2222-4333-8444-555555555555");
  token.workspaces = {"default"};
  EXPECT_TRUE(sim.AddDeepsetToken(token));
  EXPECT_FALSE(sim.AddDeepsetToken(token));
  token.id = Uuid::FromLiteral("11111111-2222-4333-8444-666666666666");
  token.workspaces = {"nowhere"};
  EXPECT_FALSE(sim.AddDeepsetToken(token));
  EXPECT_FALSE(sim.AddOpalToken(SampleOpalToken()));
  EXPECT_TRUE(sim.RemoveToken(SampleOpalToken().id));
  EXPECT_TRUE(sim.AddOpalToken(SampleOpalToken()));
}

TEST_F(VendorSimTest, ParentsComeAndGoWithTheirTokens) {
  StartSim(TestOptions(500));
  ASSERT_TRUE(sim().AddWorkspace("a b/c"));
  EXPECT_FALSE(sim().AddWorkspace("a b/c"));
  ASSERT_TRUE(sim().AddToken(TokenKind::kDeepset, "a b/c"));
  EXPECT_EQ(Parse(Deepset("/api/v1/workspaces/a%20b%2Fc/token")).at("total"), 1);
  const std::size_t before = sim().Counts().Listed();
  EXPECT_TRUE(sim().RemoveWorkspace("a b/c"));
  EXPECT_EQ(sim().Counts().Listed(), before - 1);
  EXPECT_EQ(Deepset("/api/v1/workspaces/a%20b%2Fc/token").status, 404);
  EXPECT_FALSE(sim().AddToken(TokenKind::kDeepset, "a b/c"));

  ASSERT_TRUE(sim().AddRegistry("new-registry"));
  ASSERT_TRUE(sim().AddToken(TokenKind::kBuildkiteRegistry, "new-registry"));
  const std::string tokens =
      "/v2/packages/organizations/my_great_org/registries/new-registry/tokens";
  EXPECT_EQ(Parse(Buildkite(tokens)).size(), 1U);
  EXPECT_TRUE(sim().RemoveRegistry("new-registry"));
  EXPECT_EQ(Buildkite(tokens).status, 404);

  const Uuid cluster = sim().AddCluster("new cluster");
  ASSERT_TRUE(sim().AddToken(TokenKind::kBuildkiteAgent, cluster.ToString()));
  EXPECT_TRUE(sim().RemoveCluster(cluster));
  EXPECT_EQ(sim().Counts().Listed(), before - 1);
}

TEST_F(VendorSimTest, ASharedTokenLosesARemovedWorkspace) {
  StartSim(TestOptions(10));
  DeepsetToken token;
  token.id = Uuid::FromLiteral("11111111-2222-4333-8444-555555555555");
  token.created_at = Base();
  token.name = "shared";
  ASSERT_TRUE(sim().AddWorkspace("first") && sim().AddWorkspace("second"));
  token.workspaces = {"first", "second"};
  ASSERT_TRUE(sim().AddDeepsetToken(token));
  EXPECT_EQ(Parse(Deepset("/api/v1/workspaces/second/token")).at("total"), 0);
  ASSERT_TRUE(sim().RemoveWorkspace("first"));
  EXPECT_EQ(Parse(Deepset("/api/v1/workspaces/second/token")).at("total"), 1);
}

TEST_F(VendorSimTest, FaultsReplaceAnswersAndRunOut) {
  StartSim(TestOptions(10));
  sim().AddFault({.count = 2,
                  .target_contains = "/v1/tokens",
                  .status = 503,
                  .body = "busy",
                  .content_type = "text/plain",
                  .headers = {{"Retry-After", "7"}}});
  EXPECT_EQ(Deepset("/api/v1/workspaces").status, 200);
  for (int i = 0; i < 2; ++i) {
    const Reply reply = Opal("/tokens");
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.body, "busy");
    EXPECT_EQ(reply.headers.at("retry-after"), "7");
    EXPECT_EQ(reply.headers.at("content-type"), "text/plain");
  }
  EXPECT_EQ(Opal("/tokens").status, 200);

  sim().AddFault({.count = 1000, .status = 500});
  EXPECT_EQ(Opal("/tokens").status, 500);
  sim().ClearFaults();
  EXPECT_EQ(Opal("/tokens").status, 200);
}

TEST_F(VendorSimTest, AFaultCanCutTheBody) {
  StartSim(TestOptions(100));
  const std::string whole = Opal("/tokens").body;
  sim().AddFault({.target_contains = "/tokens", .cut_after = 100});
  const Reply cut = Opal("/tokens");
  EXPECT_NE(cut.error, "");
  EXPECT_EQ(cut.body, whole.substr(0, 100));
  EXPECT_EQ(Opal("/tokens").body, whole) << "the next connection is sound";
}

TEST_F(VendorSimTest, LogsEveryRequest) {
  StartSim(TestOptions(10));
  Opal("/tokens?page_size=1");
  Deepset("/api/v1/workspaces/x%2Fy/token");
  client().Post(sim().BuildkiteBaseUrl() + "/v2/organizations", kBuildkiteToken, "{\"a\":1}");
  const std::vector<LoggedRequest> log = sim().Requests();
  ASSERT_EQ(log.size(), 3U);
  EXPECT_EQ(log[0].method, "GET");
  EXPECT_EQ(log[0].target, "/v1/tokens?page_size=1");
  EXPECT_EQ(log[0].status, 200);
  EXPECT_EQ(log[1].target, "/api/v1/workspaces/x%2Fy/token");
  EXPECT_EQ(log[1].status, 404);
  EXPECT_EQ(log[2].method, "POST");
  EXPECT_EQ(log[2].status, 405);
  sim().ClearRequests();
  EXPECT_TRUE(sim().Requests().empty());
}

TEST_F(VendorSimTest, ATakenPortIsAnError) {
  StartSim(TestOptions(1));
  Options options = TestOptions(1);
  options.port = sim().port();
  VendorSim second(options);
  EXPECT_EQ(second.Start().code(), absl::StatusCode::kUnavailable);
}

TEST_F(VendorSimTest, ServesManyClientsWhileTokensChurn) {
  Options options = TestOptions(500);
  options.churn = 1000;
  StartSim(options);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this] {
      SimClient own;
      for (int n = 0; n < 40; ++n) {
        EXPECT_EQ(own.Get(sim().OpalBaseUrl() + "/tokens", kOpalToken).status, 200);
        EXPECT_EQ(own.Get(sim().DeepsetBaseUrl() + "/api/v1/token?field=name", kDeepsetKey).status,
                  200);
        EXPECT_EQ(
            own.Get(sim().BuildkiteBaseUrl() + "/v2/organizations/my_great_org/clusters?per_page=1",
                    kBuildkiteToken)
                .status,
            200);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tokeninventory::vendor_sim
