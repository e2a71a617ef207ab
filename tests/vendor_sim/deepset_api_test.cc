#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/vendor_sim/encoding.h"
#include "tests/vendor_sim/sim_fixture.h"

namespace tokeninventory::vendor_sim {
namespace {

class DeepsetApiTest : public SimTest {
 protected:
  static std::string TokenPath(const std::string& workspace) {
    return "/api/v1/workspaces/" + PercentEncode(workspace) + "/token";
  }

  // All records of a list, by page_number.
  std::map<std::string, Json> WalkPages(const std::string& path, const std::string& query) {
    std::map<std::string, Json> seen;
    for (int page = 1; page < 1000; ++page) {
      const Json body = Parse(Deepset(path + "?page_number=" + std::to_string(page) + query));
      Collect(body.at("data"), "api_token_id", &seen);
      if (!body.at("has_more")) {
        EXPECT_EQ(body.at("total"), seen.size());
        break;
      }
    }
    return seen;
  }

  std::vector<std::string> Ids(const Json& page) {
    std::vector<std::string> ids;
    for (const Json& token : page.at("data")) ids.push_back(token.at("api_token_id"));
    return ids;
  }
};

void ExpectSame(const DeepsetToken& want, const nlohmann::json& got) {
  EXPECT_EQ(got.at("api_token_id"), want.id.ToString());
  EXPECT_EQ(got.at("name"), want.name);
  EXPECT_EQ(got.at("masked_token"), want.masked_token);
  EXPECT_EQ(got.at("personal"), want.personal);
  EXPECT_EQ(got.at("expires"), want.expires_at.has_value());
  if (want.expires_at) {
    EXPECT_EQ(got.at("expires_at"), FormatTime(*want.expires_at, want.time_style));
  } else {
    EXPECT_TRUE(got.at("expires_at").is_null());
  }
  EXPECT_EQ(got.at("user").at("given_name"), want.given_name);
  EXPECT_EQ(got.at("user").at("family_name"), want.family_name);
  EXPECT_EQ(got.at("role"), want.role);
  EXPECT_EQ(got.at("organization_role"), want.organization_role);
  EXPECT_EQ(got.value("all_workspaces", false), want.all_workspaces);
  ASSERT_EQ(got.at("workspaces").size(), want.workspaces.size());
  for (std::size_t i = 0; i < want.workspaces.size(); ++i) {
    EXPECT_EQ(got.at("workspaces")[i].at("name"), want.workspaces[i]);
  }
}

TEST_F(DeepsetApiTest, WorkspaceListsHoldExactlyTheExclusiveTokens) {
  StartSim(TestOptions(2000));
  const Truth truth = sim().ReadTruth();
  std::map<std::string, Json> seen;
  const Json workspaces = Parse(Deepset("/api/v1/workspaces"));
  ASSERT_EQ(workspaces.size(), truth.workspaces.size());
  for (const Json& workspace : workspaces) {
    for (const auto& [id, token] :
         WalkPages(TokenPath(workspace.at("name")), "&limit=100&field=created_at&order=ASC")) {
      EXPECT_TRUE(seen.emplace(id, token).second);
      EXPECT_EQ(token.at("workspaces")[0].at("name"), workspace.at("name"));
    }
  }
  std::size_t exclusive = 0;
  for (const DeepsetToken& token : truth.deepset_tokens) {
    if (!token.IsExclusive()) continue;
    ++exclusive;
    ASSERT_TRUE(seen.contains(token.id.ToString()));
    ExpectSame(token, seen.at(token.id.ToString()));
  }
  EXPECT_EQ(seen.size(), exclusive);
  EXPECT_EQ(exclusive, sim().Counts().deepset_exclusive);
}

TEST_F(DeepsetApiTest, OrganizationListHoldsSharedTokensToo) {
  StartSim(TestOptions(500));
  const Truth truth = sim().ReadTruth();
  const std::map<std::string, Json> seen = WalkPages("/api/v1/token", "&limit=100");
  ASSERT_EQ(seen.size(), truth.deepset_tokens.size());
  int everywhere = 0;
  int several = 0;
  for (const DeepsetToken& token : truth.deepset_tokens) {
    ExpectSame(token, seen.at(token.id.ToString()));
    everywhere += token.all_workspaces ? 1 : 0;
    several += token.workspaces.size() > 1 ? 1 : 0;
  }
  EXPECT_GT(everywhere, 0);
  EXPECT_GT(several, 0);
}

TEST_F(DeepsetApiTest, PathsAreSplitBeforeTheyAreDecoded) {
  StartSim(TestOptions(100));
  for (const Workspace& workspace : sim().ReadTruth().workspaces) {
    SCOPED_TRACE(workspace.name);
    Parse(Deepset(TokenPath(workspace.name)));
    const Json one = Parse(Deepset("/api/v1/workspaces/" + PercentEncode(workspace.name)));
    EXPECT_EQ(one.at("name"), workspace.name);
    EXPECT_EQ(one.at("workspace_id"), workspace.id.ToString());
  }
  // Unencoded, the slash is one more segment.
  EXPECT_EQ(Deepset("/api/v1/workspaces/K%C3%B6ln/Support/token").status, 404);
}

TEST_F(DeepsetApiTest, DefaultsAreTenNewestFirst) {
  StartSim(TestOptions(500));
  const Truth truth = sim().ReadTruth();
  const std::vector<std::string> ids = Ids(Parse(Deepset("/api/v1/token")));
  ASSERT_EQ(ids.size(), 10U);
  const std::size_t count = truth.deepset_tokens.size();
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(ids[i], truth.deepset_tokens[count - 1 - i].id.ToString());
  }
}

TEST_F(DeepsetApiTest, SortsByEveryField) {
  StartSim(TestOptions(300));
  for (const char* field : {"name", "role", "created_at", "expires_at"}) {
    SCOPED_TRACE(field);
    const std::string query = std::string("/api/v1/token?page_number=1&limit=100&field=") + field;
    const Json ascending = Parse(Deepset(query + "&order=ASC"));
    std::vector<std::string> reversed = Ids(Parse(Deepset(query + "&order=DESC")));
    std::reverse(reversed.begin(), reversed.end());
    EXPECT_EQ(Ids(ascending), reversed);
    if (std::string(field) == "name" || std::string(field) == "role") {
      const Json& data = ascending.at("data");
      for (std::size_t i = 1; i < data.size(); ++i) {
        EXPECT_LE(data[i - 1].at(field).get<std::string>(), data[i].at(field).get<std::string>());
      }
    }
  }
  const Json page =
      Parse(Deepset("/api/v1/token?page_number=1&limit=100&field=expires_at&order=ASC"));
  EXPECT_TRUE(page.at("data").back().at("expires_at").is_null()) << "missing times come last";
}

TEST_F(DeepsetApiTest, CursorsWalkBothWays) {
  StartSim(TestOptions(300));
  const std::size_t total = sim().ReadTruth().deepset_tokens.size();
  const struct {
    const char* order;
    const char* cursor;
  } kWalks[] = {{"DESC", "before"}, {"ASC", "after"}};
  for (const auto& walk : kWalks) {
    SCOPED_TRACE(walk.cursor);
    std::map<std::string, Json> seen;
    std::string query = std::string("/api/v1/token?limit=7&order=") + walk.order;
    std::string cursor;
    while (true) {
      const Json page = Parse(Deepset(query + cursor));
      Collect(page.at("data"), "api_token_id", &seen);
      EXPECT_EQ(page.at("total"), total);
      if (!page.at("has_more")) break;
      cursor = std::string("&") + walk.cursor + "=" + Ids(page).back();
    }
    EXPECT_EQ(seen.size(), total);
  }
  EXPECT_EQ(Deepset("/api/v1/token?before=00000000-0000-4000-8000-000000000000").status, 404);
}

TEST_F(DeepsetApiTest, FiltersByExactMatch) {
  StartSim(TestOptions(300));
  const Truth truth = sim().ReadTruth();
  const auto want = std::count_if(
      truth.deepset_tokens.begin(), truth.deepset_tokens.end(),
      [](const DeepsetToken& t) { return t.personal && t.organization_role == "ADMIN"; });
  ASSERT_GT(want, 0);
  const std::string filter = PercentEncode("personal eq true and organization_role eq 'ADMIN'");
  const Json page = Parse(Deepset("/api/v1/token?limit=100&filter=" + filter));
  EXPECT_EQ(page.at("total"), want);
  EXPECT_EQ(page.at("data").size(), static_cast<std::size_t>(want));
  for (const Json& token : page.at("data")) EXPECT_EQ(token.at("organization_role"), "ADMIN");

  std::string name = truth.deepset_tokens.front().name;
  const Json one =
      Parse(Deepset("/api/v1/token?filter=" + PercentEncode("name eq '" + name + "'")));
  EXPECT_GE(one.at("total"), 1);
}

TEST_F(DeepsetApiTest, BadQueriesAreNamed) {
  StartSim(TestOptions(50));
  const struct {
    const char* query;
    const char* parameter;
    const char* type;
    const char* input;
  } kCases[] = {
      {"limit=101", "limit", "less_than_equal", "101"},
      {"limit=0", "limit", "greater_than_equal", "0"},
      {"limit=ten", "limit", "int_parsing", "ten"},
      {"limit=", "limit", "int_parsing", ""},
      {"limit=99999999999999999999", "limit", "int_parsing", "99999999999999999999"},
      {"page_number=0", "page_number", "greater_than_equal", "0"},
      {"page_number=1.5", "page_number", "int_parsing", "1.5"},
      {"before=abc", "before", "uuid_parsing", "abc"},
      {"after=", "after", "uuid_parsing", ""},
      {"field=owner", "field", "enum", "owner"},
      {"order=asc", "order", "enum", "asc"},
      {"filter=name", "filter", "value_error", "name"},
      {"filter=color%20eq%20'red'", "filter", "value_error", "color eq 'red'"},
      {"page_number=1&filter=name%20eq%20'a'", "filter", "value_error", "name eq 'a'"},
      {"page_number=1&before=00000000-0000-4000-8000-000000000000", "before", "value_error",
       "00000000-0000-4000-8000-000000000000"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.query);
    const Reply reply = Deepset(TokenPath("default") + "?" + c.query);
    EXPECT_EQ(reply.status, 422);
    const Json detail = Json::parse(reply.body).at("detail");
    ASSERT_EQ(detail.size(), 1U) << reply.body;
    EXPECT_EQ(detail[0].at("loc"), Json({"query", c.parameter}));
    EXPECT_EQ(detail[0].at("type"), c.type);
    EXPECT_EQ(detail[0].at("input"), c.input);
    EXPECT_FALSE(detail[0].at("msg").get<std::string>().empty());
  }
  EXPECT_EQ(Deepset("/api/v1/token?limit=101").body,
            R"({"detail":[{"loc":["query","limit"],"msg":"Input should be less than or equal to )"
            R"(100","type":"less_than_equal","input":"101","ctx":{"le":100}}]})");
  EXPECT_EQ(Json::parse(Deepset("/api/v1/token?limit=0&order=x&field=y").body).at("detail").size(),
            3U);
}

TEST_F(DeepsetApiTest, RetrievesOneToken) {
  StartSim(TestOptions(100));
  const DeepsetToken token = sim().ReadTruth().deepset_tokens.front();
  ExpectSame(token, Parse(Deepset("/api/v1/token/" + token.id.ToString())));
  const Reply missing = Deepset("/api/v1/token/00000000-0000-4000-8000-000000000000");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.body, R"({"detail":"Token not found"})");
  const Reply malformed = Deepset("/api/v1/token/abc");
  EXPECT_EQ(malformed.status, 422);
  EXPECT_EQ(Json::parse(malformed.body).at("detail")[0].at("loc"), Json({"path", "api_token_id"}));
}

TEST_F(DeepsetApiTest, ListsModelRegistryTokensInOneArray) {
  StartSim(TestOptions(1000));
  const Truth truth = sim().ReadTruth();
  const Json body = Parse(Deepset("/api/v1/model_registry_tokens"));
  ASSERT_EQ(body.size(), truth.model_registry_tokens.size());
  for (std::size_t i = 0; i < body.size(); ++i) {
    const ModelRegistryToken& token = truth.model_registry_tokens[i];
    EXPECT_EQ(body[i], Json({{"model_registry_token_id", token.id.ToString()},
                             {"provider", token.provider},
                             {"provider_domain", token.provider_domain},
                             {"invalid", token.invalid}}));
  }
}

TEST_F(DeepsetApiTest, RefusesWithTheVendorsBodies) {
  StartSim(TestOptions(10));
  const std::string url = sim().DeepsetBaseUrl() + "/api/v1/workspaces";
  const Reply wrong = client().Get(url, "nonsense");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.body, R"({"detail":"invalid API key"})");
  EXPECT_EQ(client().Get(url, "").status, 403);
  EXPECT_EQ(client().Get(url, kOpalToken).status, 401);
  EXPECT_EQ(client().Post(url, kDeepsetKey, "{}").status, 405);
  EXPECT_EQ(Deepset("/api/v1/nothing").body, R"({"detail":"Not Found"})");
  const Reply workspace = Deepset("/api/v1/workspaces/nowhere/token");
  EXPECT_EQ(workspace.status, 404);
  EXPECT_EQ(workspace.body, R"({"detail":"Workspace not found"})");
}

}  // namespace
}  // namespace tokeninventory::vendor_sim
