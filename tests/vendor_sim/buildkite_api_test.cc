#include <map>
#include <string>

#include "tests/vendor_sim/sim_fixture.h"

namespace tokeninventory::vendor_sim {
namespace {

constexpr char kRegistries[] = "/v2/packages/organizations/my_great_org/registries";
constexpr char kClusters[] = "/v2/organizations/my_great_org/clusters";

class BuildkiteApiTest : public SimTest {
 protected:
  // The URL of a relation in a Link header; empty when it is not there.
  static std::string LinkTo(const Reply& reply, const std::string& relation) {
    const auto it = reply.headers.find("link");
    if (it == reply.headers.end()) return "";
    const std::size_t end = it->second.find(">; rel=\"" + relation + "\"");
    if (end == std::string::npos) return "";
    const std::size_t begin = it->second.rfind('<', end);
    return it->second.substr(begin + 1, end - begin - 1);
  }

  // All records, following rel="next".
  std::map<std::string, Json> Walk(const std::string& path) {
    std::map<std::string, Json> seen;
    std::string url = sim().BuildkiteBaseUrl() + path;
    while (!url.empty()) {
      const Reply reply = client().Get(url, kBuildkiteToken);
      Collect(Parse(reply), "id", &seen);
      url = LinkTo(reply, "next");
    }
    return seen;
  }
};

TEST_F(BuildkiteApiTest, AWalkOverRegistriesSeesTheTruth) {
  StartSim(TestOptions(3000));
  const Truth truth = sim().ReadTruth();
  std::map<std::string, Json> seen;
  const Reply registries = Buildkite(kRegistries);
  EXPECT_FALSE(registries.headers.contains("link"));
  for (const Json& registry : Parse(registries)) {
    const std::string slug = registry.at("slug");
    const Reply tokens = Buildkite(std::string(kRegistries) + "/" + slug + "/tokens?per_page=1");
    EXPECT_FALSE(tokens.headers.contains("link")) << "not a paginated list";
    const Json records = Parse(tokens);
    Collect(records, "id", &seen);
    for (const Json& record : records) EXPECT_EQ(record.at("registry").at("slug"), slug);
  }
  ASSERT_EQ(seen.size(), truth.registry_tokens.size());
  bool unknown_creator = false;
  for (const RegistryToken& token : truth.registry_tokens) {
    const Json& got = seen.at(token.id.ToString());
    EXPECT_EQ(got.at("description"), token.description);
    EXPECT_EQ(got.at("created_at"), FormatTime(token.created_at, TimeStyle::kMillis));
    EXPECT_EQ(got.at("created_by").is_null(), token.created_by == nullptr);
    EXPECT_EQ(got.at("registry").at("slug"), token.registry_slug);
    EXPECT_EQ(got.at("url").get<std::string>().find("http://api.buildkite.com/v2/packages/"), 0U);
    unknown_creator = unknown_creator || token.created_by == nullptr;
  }
  EXPECT_TRUE(unknown_creator);
}

TEST_F(BuildkiteApiTest, AWalkOverClustersSeesTheTruth) {
  StartSim(TestOptions(5000));
  const Truth truth = sim().ReadTruth();
  for (const char* query : {"", "?per_page=100", "?per_page=17"}) {
    SCOPED_TRACE(query);
    std::map<std::string, Json> seen;
    for (const auto& [id, cluster] : Walk(kClusters)) {
      for (const auto& [token_id, token] :
           Walk(std::string(kClusters) + "/" + id + "/tokens" + query)) {
        EXPECT_TRUE(seen.emplace(token_id, token).second);
      }
    }
    ASSERT_EQ(seen.size(), truth.agent_tokens.size());
    for (const AgentToken& token : truth.agent_tokens) {
      const Json& got = seen.at(token.id.ToString());
      EXPECT_EQ(got.at("description"), token.description);
      EXPECT_EQ(got.contains("expires_at"), token.expires_at.form != VendorTime::Form::kAbsent);
      if (token.expires_at.has_value()) {
        EXPECT_EQ(got.at("expires_at"), FormatTime(token.expires_at.value, token.time_style));
      }
      EXPECT_EQ(got.contains("allowed_ip_addresses"), token.allowed_ip_addresses.has_value());
    }
  }
}

TEST_F(BuildkiteApiTest, LinkNamesTheNeighbours) {
  StartSim(TestOptions(5000));
  const std::string path = std::string(kClusters) + "/e4f44564-d3ea-45eb-87c2-6506643b852a/tokens";
  const std::string url = sim().BuildkiteBaseUrl() + path;
  const Reply first = Buildkite(path);
  EXPECT_EQ(Parse(first).size(), 30U);
  EXPECT_EQ(LinkTo(first, "next"), url + "?page=2&per_page=30");
  EXPECT_EQ(LinkTo(first, "prev"), "");
  EXPECT_EQ(LinkTo(first, "first"), "");
  const std::string last_url = LinkTo(first, "last");
  const Reply second = client().Get(LinkTo(first, "next"), kBuildkiteToken);
  EXPECT_EQ(LinkTo(second, "prev"), url + "?page=1&per_page=30");
  EXPECT_EQ(LinkTo(second, "first"), url + "?page=1&per_page=30");
  const Reply last = client().Get(last_url, kBuildkiteToken);
  EXPECT_EQ(LinkTo(last, "next"), "");
  EXPECT_FALSE(Parse(last).empty());
  EXPECT_LE(Parse(Buildkite(path + "?per_page=1000")).size(), 100U);
  EXPECT_TRUE(Parse(Buildkite(path + "?page=100000")).empty());
  EXPECT_TRUE(Parse(Buildkite(path + "?page=18446744073709551615")).empty());
}

TEST_F(BuildkiteApiTest, RetrievesOneRecord) {
  StartSim(TestOptions(200));
  const Truth truth = sim().ReadTruth();
  const RegistryToken& registry_token = truth.registry_tokens.front();
  const std::string registry = std::string(kRegistries) + "/" + registry_token.registry_slug;
  EXPECT_EQ(Parse(Buildkite(registry)).at("slug"), registry_token.registry_slug);
  EXPECT_EQ(Parse(Buildkite(registry + "/tokens/" + registry_token.id.ToString())).at("id"),
            registry_token.id.ToString());
  const AgentToken& agent_token = truth.agent_tokens.front();
  const std::string cluster = std::string(kClusters) + "/" + agent_token.cluster_id.ToString();
  EXPECT_EQ(Parse(Buildkite(cluster)).at("id"), agent_token.cluster_id.ToString());
  EXPECT_EQ(Parse(Buildkite(cluster + "/tokens/" + agent_token.id.ToString())).at("id"),
            agent_token.id.ToString());
  EXPECT_EQ(Parse(Buildkite("/v2/organizations/my_great_org")).at("slug"), "my_great_org");
  EXPECT_EQ(Parse(Buildkite("/v2/organizations"))[0].at("slug"), "my_great_org");

  for (const std::string& path :
       {registry + "/tokens/" + agent_token.id.ToString(), registry + "/tokens/x",
        cluster + "/tokens/x", std::string(kClusters) + "/x/tokens",
        std::string(kRegistries) + "/x/tokens", registry + "/x", cluster + "/x",
        std::string("/v2/organizations/x/clusters"), std::string("/v2/x")}) {
    SCOPED_TRACE(path);
    const Reply reply = Buildkite(path);
    EXPECT_EQ(reply.status, 404);
    EXPECT_TRUE(Json::parse(reply.body).contains("message"));
  }
}

TEST_F(BuildkiteApiTest, RefusesByCredentialAndScope) {
  StartSim(TestOptions(10));
  const std::string base = sim().BuildkiteBaseUrl();
  const Reply stranger = client().Get(base + kRegistries, "nonsense");
  EXPECT_EQ(stranger.status, 401);
  EXPECT_NE(stranger.body.find("Authentication required"), std::string::npos);
  EXPECT_EQ(client().Get(base + kRegistries, kBuildkiteNoClustersToken).status, 200);
  const Reply denied = client().Get(base + kClusters, kBuildkiteNoClustersToken);
  EXPECT_EQ(denied.status, 403);
  EXPECT_EQ(denied.body, R"({"message":"Your access token doesn't have the read_clusters scope"})");
  const Json token = Parse(client().Get(base + "/v2/access-token", kBuildkiteNoClustersToken));
  EXPECT_EQ(token.at("scopes"), Json({"read_organizations", "read_registries"}));
  EXPECT_EQ(token.at("created_at").get<std::string>().substr(19), " UTC");
  EXPECT_EQ(client().Post(base + kClusters, kBuildkiteToken, "{}").status, 405);
}

TEST_F(BuildkiteApiTest, CountsRequestsPerUserAndOrganization) {
  Options options = TestOptions(10);
  options.rate_limits = true;
  StartSim(options);
  const Reply first = Buildkite("/v2/organizations");
  EXPECT_EQ(first.headers.at("ratelimit-scope"), "rest");
  EXPECT_EQ(first.headers.at("ratelimit-limit"), "200");
  EXPECT_EQ(first.headers.at("ratelimit-remaining"), "199");
  EXPECT_EQ(first.headers.at("ratelimit-reset"), "60");
  EXPECT_EQ(first.headers.at("ratelimit-user-scope"), "rest_user");
  EXPECT_EQ(first.headers.at("ratelimit-user-limit"), "50");
  EXPECT_EQ(first.headers.at("ratelimit-user-remaining"), "49");
  EXPECT_EQ(first.headers.at("ratelimit-user-reset"), "60");
  for (int i = 0; i < 49; ++i) ASSERT_EQ(Buildkite("/v2/organizations").status, 200);
  Advance(18);
  const Reply refused = Buildkite("/v2/organizations");
  EXPECT_EQ(refused.status, 429);
  EXPECT_FALSE(refused.headers.contains("retry-after"));
  EXPECT_EQ(refused.headers.at("ratelimit-user-remaining"), "0");
  EXPECT_EQ(refused.headers.at("ratelimit-user-reset"), "42");
  EXPECT_TRUE(refused.headers.contains("ratelimit-user-warning"));
  EXPECT_EQ(Json::parse(refused.body),
            Json({{"message",
                   "You have exceeded your API rate limit. Please wait 42 seconds before making "
                   "more requests."},
                  {"scope", "rest_user"},
                  {"limit", 50},
                  {"current", 51},
                  {"reset", 42}}));
  // Another user has a budget of their own.
  EXPECT_EQ(client().Get(sim().BuildkiteBaseUrl() + kRegistries, kBuildkiteNoClustersToken).status,
            200);
  Advance(42);
  EXPECT_EQ(Buildkite("/v2/organizations").status, 200);
}

TEST_F(BuildkiteApiTest, TheOrganizationHasALimitToo) {
  Options options = TestOptions(10);
  options.rate_limits = true;
  StartSim(options);
  // Refused requests count as well, so one user can use up the organization's budget.
  for (int i = 0; i < 200; ++i) Buildkite("/v2/organizations");
  const Reply refused =
      client().Get(sim().BuildkiteBaseUrl() + kRegistries, kBuildkiteNoClustersToken);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(Json::parse(refused.body).at("scope"), "rest");
}

}  // namespace
}  // namespace tokeninventory::vendor_sim
