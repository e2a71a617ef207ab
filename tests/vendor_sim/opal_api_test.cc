#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "tests/vendor_sim/encoding.h"
#include "tests/vendor_sim/sim_fixture.h"

namespace tokeninventory::vendor_sim {
namespace {

class OpalApiTest : public SimTest {
 protected:
  std::map<std::string, Json> Walk(const std::string& query) {
    std::map<std::string, Json> seen;
    std::string cursor;
    while (true) {
      const Json page = Parse(Opal("/tokens?" + query + cursor));
      Collect(page.at("results"), "token_id", &seen);
      if (!page.contains("next") || page.at("next").is_null()) break;
      cursor = "&cursor=" + PercentEncode(page.at("next").get<std::string>());
    }
    return seen;
  }
};

void ExpectTime(const VendorTime& want, TimeStyle style, const nlohmann::json& record,
                const char* key) {
  EXPECT_EQ(record.contains(key), want.form != VendorTime::Form::kAbsent);
  if (!record.contains(key)) return;
  EXPECT_EQ(record.at(key).is_null(), want.form == VendorTime::Form::kNull);
  if (want.has_value()) {
    EXPECT_EQ(record.at(key), FormatTime(want.value, style));
  }
}

TEST_F(OpalApiTest, AWalkSeesTheTruth) {
  StartSim(TestOptions(5000));
  const Truth truth = sim().ReadTruth();
  for (const char* query : {"page_size=1000", "page_size=7", ""}) {
    SCOPED_TRACE(query);
    const std::map<std::string, Json> seen = Walk(query);
    ASSERT_EQ(seen.size(), truth.opal_tokens.size());
    for (const OpalToken& token : truth.opal_tokens) {
      const Json& got = seen.at(token.id.ToString());
      EXPECT_EQ(got.at("created_at"), FormatTime(token.created_at, TimeStyle::kMillis));
      EXPECT_EQ(got.at("token_label"), token.label);
      EXPECT_EQ(got.contains("token_preview"), token.preview.has_value());
      if (token.preview) {
        EXPECT_EQ(got.at("token_preview"), *token.preview);
      }
      EXPECT_EQ(got.at("creator_user_id"), token.creator_user_id.ToString());
      EXPECT_EQ(got.at("user_id"), token.user_id.ToString());
      EXPECT_EQ(got.at("access_level"), token.full_access ? "FULL_ACCESS" : "READ_ONLY");
      ExpectTime(token.last_used_at, token.time_style, got, "last_used_at");
      ExpectTime(token.expires_at, token.time_style, got, "expires_at");
    }
  }
}

TEST_F(OpalApiTest, ShowsEveryFormOfAMissingTime) {
  StartSim(TestOptions(1000));
  std::set<VendorTime::Form> used;
  std::set<VendorTime::Form> expires;
  for (const OpalToken& token : sim().ReadTruth().opal_tokens) {
    used.insert(token.last_used_at.form);
    expires.insert(token.expires_at.form);
  }
  EXPECT_EQ(used.size(), 3U);
  EXPECT_EQ(expires.size(), 3U);
}

TEST_F(OpalApiTest, TheEndIsNullOrAbsent) {
  StartSim(TestOptions(100));
  std::set<bool> present;
  for (int i = 0; i < 2; ++i) {
    const Json page = Parse(Opal("/tokens"));
    present.insert(page.contains("next"));
    if (page.contains("next")) {
      EXPECT_TRUE(page.at("next").is_null());
    }
    sim().AddToken(TokenKind::kOpal);
  }
  EXPECT_EQ(present.size(), 2U);
}

TEST_F(OpalApiTest, PageSizeHasADefaultAndALimit) {
  StartSim(TestOptions(5000));
  EXPECT_EQ(Parse(Opal("/tokens")).at("results").size(), 200U);
  EXPECT_EQ(Parse(Opal("/tokens?page_size=1000")).at("results").size(), 1000U);
  for (const char* bad :
       {"page_size=1001", "page_size=0", "page_size=-1", "page_size=x", "cursor=nonsense",
        "token_ids=x", "user_id=x",
        // '+' of the cursor sent as it is means a space.
        "cursor=cD0yMDIxLTAxLTA2KzAzJTNBMjQlM0E1My40MzQzMjYlMkIwMCUzQTAwJm8/Jm8+MA=="}) {
    SCOPED_TRACE(bad);
    const Reply reply = Opal(std::string("/tokens?") + bad);
    EXPECT_EQ(reply.status, 400);
    EXPECT_TRUE(Json::parse(reply.body).is_object());
  }
}

TEST_F(OpalApiTest, FiltersByIdAndUser) {
  StartSim(TestOptions(1000));
  const Truth truth = sim().ReadTruth();
  const std::string first = truth.opal_tokens[3].id.ToString();
  const std::string second = truth.opal_tokens[300].id.ToString();
  const std::string unknown = "00000000-0000-4000-8000-000000000000";
  for (const char* comma : {",", "%2C"}) {
    const std::string ids = first + comma + unknown + comma + second + comma + first;
    EXPECT_EQ(Walk("token_ids=" + ids).size(), 2U);
  }
  EXPECT_EQ(Walk("token_ids=" + unknown).size(), 0U);

  const Uuid user = truth.opal_tokens[5].user_id;
  const auto want = std::count_if(truth.opal_tokens.begin(), truth.opal_tokens.end(),
                                  [&user](const OpalToken& t) { return t.user_id == user; });
  EXPECT_EQ(Walk("page_size=2&user_id=" + user.ToString()).size(), static_cast<std::size_t>(want));
  EXPECT_EQ(Walk("user_id=" + unknown).size(), 0U);
}

TEST_F(OpalApiTest, ATokenAddedDuringAWalkMovesNothing) {
  StartSim(TestOptions(100));
  const Json first = Parse(Opal("/tokens?page_size=5"));
  ASSERT_TRUE(sim().AddToken(TokenKind::kOpal));
  const Json second = Parse(
      Opal("/tokens?page_size=5&cursor=" + PercentEncode(first.at("next").get<std::string>())));
  std::map<std::string, Json> seen;
  Collect(first.at("results"), "token_id", &seen);
  Collect(second.at("results"), "token_id", &seen);
  EXPECT_EQ(seen.size(), 10U);
  EXPECT_EQ(second.at("previous"), first.at("next"));
}

TEST_F(OpalApiTest, RefusesStrangersAndNonAdmins) {
  StartSim(TestOptions(10));
  const std::string url = sim().OpalBaseUrl() + "/tokens";
  EXPECT_EQ(client().Get(url, "").status, 401);
  EXPECT_EQ(client().Get(url, "nonsense").status, 401);
  EXPECT_EQ(client().Get(url, kOpalNonAdminToken).status, 403);
  EXPECT_EQ(Opal("/nothing").status, 404);
  EXPECT_EQ(Opal("/tokens/f454d283-ca87-4a8a-bdbb-df212eca5353").status, 404);
  EXPECT_EQ(client().Post(url, kOpalToken, "{}").status, 405);
}

TEST_F(OpalApiTest, AllowsAHundredRequestsASecond) {
  Options options = TestOptions(10);
  options.rate_limits = true;
  StartSim(options);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Opal("/tokens?page_size=1").status, 200) << i;
  const Reply refused = Opal("/tokens?page_size=1");
  EXPECT_EQ(refused.status, 429);
  EXPECT_FALSE(refused.headers.contains("retry-after"));
  Advance(1);
  EXPECT_EQ(Opal("/tokens?page_size=1").status, 200);
}

}  // namespace
}  // namespace tokeninventory::vendor_sim
