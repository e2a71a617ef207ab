// The dialect, rule by rule (inventory/filter/filter.h).
#include "inventory/filter/filter.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "inventory/token_bytes.h"
#include "tests/testing/error_details.h"

namespace tokeninventory {
namespace {

struct Case {
  std::string filter;
  std::string want;  // of the tokens a, b and c
};

class FilterTest : public ::testing::Test {
 protected:
  FilterTest() {
    Add(R"pb(name: "sources/opal-prod/tokens/a"
             uid: "u-a"
             source: "sources/opal-prod"
             provider: "opal"
             provider_token_id: "a"
             display_name: "Deploy Bot"
             kind: "service"
             owner { id: "7" display_name: "Ann O'Brien" email: "ann@example.com" kind: USER }
             access_level: WRITE
             role: "writer"
             create_time { seconds: 1767225600 }
             expire_time { seconds: 1800000000 }
             expiry: AT
             last_used_time { seconds: 1790000000 }
             last_use: USED
             effective_expire_time { seconds: 1800000000 }
             state: ACTIVE
             presence: LISTED
             revision: 7
             scopes { type: "workspace" id: "prod" }
             scopes { everything: true }
             permissions: "read_builds"
             permissions: "admin:org"
             inactivity_window { seconds: 7776000 }
             attributes {
               fields {
                 key: "region"
                 value { string_value: "eu-west" }
               }
               fields {
                 key: "size"
                 value { number_value: 42 }
               }
               fields {
                 key: "text"
                 value { string_value: "42" }
               }
               fields {
                 key: "mfa"
                 value { bool_value: true }
               }
               fields {
                 key: "team name"
                 value { string_value: "x" }
               }
               fields {
                 key: "none"
                 value { null_value: NULL_VALUE }
               }
               fields {
                 key: "tags"
                 value {
                   list_value {
                     values { string_value: "red" }
                     values { number_value: 5 }
                   }
                 }
               }
               fields {
                 key: "net"
                 value {
                   struct_value {
                     fields {
                       key: "zone"
                       value { string_value: "z1" }
                     }
                   }
                 }
               }
             })pb");
    Add(R"pb(name: "sources/deepset-us/tokens/b"
             uid: "u-b"
             source: "sources/deepset-us"
             provider: "deepset"
             provider_token_id: "b"
             display_name: "ci*"
             kind: "api_token"
             owner {}
             expiry: NEVER
             last_use: NEVER_USED
             state: ACTIVE
             presence: LISTED
             revision: 8)pb");
    Add(R"pb(name: "sources/opal-prod/tokens/c"
             uid: "u-c"
             source: "sources/opal-prod"
             provider: "opal"
             provider_token_id: "c"
             display_name: "deploy-\xE6\x97\xA5"
             create_time { seconds: 1767225600 nanos: 500000000 }
             expiry: UNKNOWN
             state: EXPIRED
             presence: MISSING
             revision: 9)pb");
    options_.now = absl::FromUnixSeconds(1800000000 - 20 * 24 * 3600);
  }

  void Add(const std::string& text) {
    v1::Token token;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &token));
    tokens_.push_back(SerializeToken(token));
    columns_.Set(static_cast<int>(tokens_.size()) - 1, tokens_.back());
  }

  // The tokens that pass, as letters; with columns and without it is the same.
  std::string Passing(const std::string& text) const {
    const auto compiled = Filter::Compile(text, options_);
    if (!compiled.ok()) return testing::ReasonOf(compiled);
    std::string letters;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      FilterRow row;
      row.bytes = tokens_[i];
      const bool passes = compiled->Matches(row);
      row.columns = &columns_;
      row.row = static_cast<int>(i);
      EXPECT_EQ(compiled->Matches(row), passes) << text;
      if (passes) letters += static_cast<char>('a' + i);
    }
    return letters;
  }

  void Check(const std::vector<Case>& cases) const {
    for (const Case& one : cases) EXPECT_EQ(Passing(one.filter), one.want) << one.filter;
  }

  std::vector<std::string> tokens_;
  TokenColumns columns_;
  FilterOptions options_;
};

TEST_F(FilterTest, Empty) {
  Check({{"", "abc"}, {" \t\n", "abc"}});
  EXPECT_TRUE(Filter::Compile("  ", {})->matches_all());
  EXPECT_TRUE(Filter().Matches(FilterRow()));
}

TEST_F(FilterTest, Junctions) {
  Check({
      {"provider = \"opal\" AND state = ACTIVE", "a"},
      {"provider = opal state = ACTIVE", "a"},
      {"provider = opal OR state = ACTIVE", "abc"},
      {"NOT provider = opal", "b"},
      {"-provider = opal", "b"},
      {"NOT (provider = opal AND state = ACTIVE)", "bc"},
      {"provider = deepset AND state = EXPIRED OR state = ACTIVE", "b"},
      {"(provider = deepset AND state = EXPIRED) OR state = ACTIVE", "ab"},
      {"state = EXPIRED OR state = ACTIVE AND provider = opal", "ac"},
      {"state = (EXPIRED OR REVOKED)", "c"},
      {"state = (NOT ACTIVE)", "c"},
      {"state != (ACTIVE OR EXPIRED)", "abc"},
      {"state != (ACTIVE AND EXPIRED)", ""},
      {"display_name:(deploy bot)", "a"},
      {"revision = (-1 OR 8)", "b"},
  });
}

TEST_F(FilterTest, Strings) {
  Check({
      {"display_name = \"Deploy Bot\"", "a"},
      {"display_name = 'Deploy Bot'", "a"},
      {"display_name = \"deploy bot\"", ""},
      {"display_name = Deploy*", "a"},
      {"display_name = \"*Bot\"", "a"},
      {"display_name = D*y*t", "a"},
      {"display_name = \"*\"", "abc"},
      {"display_name != Deploy*", "bc"},
      {"display_name = \"ci\\*\"", "b"},
      {"display_name = \"\\*\"", ""},
      {"display_name = deploy-\xE6\x97\xA5", "c"},
      {"display_name = \"deploy-\\u65e5\"", "c"},
      {"display_name < \"c\"", "a"},
      {"display_name >= ci*", "bc"},
      {"display_name:deploy", "ac"},
      {"display_name:\"DEP*BOT\"", "a"},
      {"role = \"\"", "bc"},
      {"role != admin", "abc"},
      {"role:*", "a"},
      {"NOT role:*", "bc"},
      {"owner.email = ann@example.com", "a"},
      {"owner.email:\"@EXAMPLE\"", "a"},
      {"owner.email != ann@example.com", "b"},  // c has no owner
      {"NOT owner.email = ann@example.com", "bc"},
      {"owner.display_name = \"Ann O'Brien\"", "a"},
      {"owner.display_name:O'Brien", "a"},
      {"name = \"sources/opal-prod/tokens/*\"", "ac"},
      {"provider_token_id = (a OR b)", "ab"},
      {"uid = u-c", "c"},
      {"hint = 1.5", ""},
      {"hint = \"*b*\"", ""},
  });
}

TEST_F(FilterTest, EnumsNumbersBooleans) {
  Check({
      {"state = ACTIVE", "ab"},
      {"state = \"ACTIVE\"", "ab"},
      {"state:ACTIVE", "ab"},
      {"state != ACTIVE", "c"},
      {"access_level = ACCESS_LEVEL_UNSPECIFIED", "bc"},
      {"access_level:*", "a"},
      {"owner.kind = USER", "a"},
      {"owner.kind != USER", "b"},
      {"owner.kind = KIND_UNSPECIFIED", "b"},
      {"revision > 7", "bc"},
      {"revision = 8.0", "b"},
      {"revision < 7.5", "a"},
      {"revision = 7.5", ""},
      {"revision > 7e0", "bc"},
      {"revision >= -1", "abc"},
      {"revision = +8", "b"},
      {"revision > -9223372036854775808", "abc"},
      {"scopes.everything:true", "a"},
  });
}

TEST_F(FilterTest, TimesAndDurations) {
  Check({
      {"create_time = \"2026-01-01T00:00:00Z\"", "a"},
      {"create_time = 2026-01-01T00:00:00Z", "a"},
      {"create_time = 2026-01-01T02:00:00+02:00", "a"},
      {"create_time = 2026-01-01t00:00:00.5z", "c"},
      {"create_time:2026-01-01T00:00:00.500Z", "c"},
      {"create_time = 2026-01-01", "a"},
      {"create_time >= \"2026-01-01\"", "ac"},
      {"create_time <= timestamp(\"2026-01-01T00:00:00Z\")", "a"},
      {"create_time != 2026-01-01", "c"},
      {"NOT create_time = 2026-01-01", "bc"},
      {"create_time:*", "ac"},
      {"expire_time < now+30d", "a"},
      {"expire_time < now+10d", ""},
      {"expire_time > now", "a"},
      {"expire_time > now+2w5d23h59m59.9s", "a"},
      {"last_used_time > now-90d", ""},
      {"last_used_time > now-100d", "a"},
      {"expire_time < now+300000d", "a"},
      {"expire_time > now-3000000d", "a"},
      {"inactivity_window = 90d", "a"},
      {"inactivity_window = \"7776000s\"", "a"},
      {"inactivity_window > duration(\"2159h\")", "a"},
      {"inactivity_window < 89.5d", ""},
      {"inactivity_window:*", "a"},
  });
  EXPECT_TRUE(Filter::Compile("expire_time < now", options_)->uses_now());
  EXPECT_FALSE(Filter::Compile("expire_time < 2026-01-01", options_)->uses_now());
  EXPECT_FALSE(Filter::Compile("now", options_)->uses_now());
}

TEST_F(FilterTest, Has) {
  Check({
      {"owner:*", "ab"},
      {"NOT owner:*", "c"},
      {"owner:email", "a"},
      {"owner:kind", "a"},
      {"creator:*", ""},
      {"scopes:*", "a"},
      {"scopes.id:prod", "a"},
      {"scopes.id:pro", ""},
      {"scopes.id:\"pr*\"", "a"},
      {"scopes.id:*", "a"},
      {"scopes.type:(registry OR workspace)", "a"},
      {"permissions:read_builds", "a"},
      {"permissions:\"admin:org\"", "a"},
      {"permissions:\"read*\"", "a"},
      {"permissions:read", ""},
      {"permissions:*", "a"},
  });
}

TEST_F(FilterTest, Attributes) {
  Check({
      {"attributes:*", "a"},
      {"attributes:region", "a"},
      {"attributes:nothing", ""},
      {"attributes:\"team name\"", "a"},
      {"attributes.\"team name\" = x", "a"},
      {"attributes.region:*", "a"},
      {"attributes.region = eu-west", "a"},
      {"attributes.region = \"eu-*\"", "a"},
      {"attributes.region:eu-west", "a"},
      {"attributes.region:eu", ""},
      {"attributes.region != us", "a"},
      {"attributes.nothing != us", ""},
      {"attributes.size = 42", "a"},
      {"attributes.size = \"42\"", ""},
      {"attributes.size != \"42\"", "a"},
      {"attributes.size > 41.5", "a"},
      {"attributes.size > abc", ""},
      {"attributes.text = 42", "a"},
      {"attributes.text = \"42\"", "a"},
      {"attributes.mfa = true", "a"},
      {"attributes.mfa = \"true\"", ""},
      {"attributes.mfa != true", ""},
      {"attributes.none:*", "a"},
      {"attributes.none != x", ""},
      {"attributes.tags:red", "a"},
      {"attributes.tags:5", "a"},
      {"attributes.tags = red", ""},
      {"attributes.net.zone = z1", "a"},
      {"attributes.net.zone.x = z1", ""},
      {"attributes.net = z1", ""},
  });
}

TEST_F(FilterTest, Search) {
  Check({
      {"deploy", "ac"},
      {"DEPLOY", "ac"},
      {"\"deploy bot\"", "a"},
      {"deploy bot", "a"},
      {"deploy OR api_token", "abc"},
      {"NOT deploy", "b"},
      {"-deploy", "b"},
      {"ann@example.com", "a"},
      {"example.com", "a"},
      {"o'brien", "a"},
      {"opal-prod", "ac"},
      {"sources", ""},
      {"sources/opal-prod/tokens/a", "a"},
      {"dep*bot", "a"},
      {"u-a", ""},
      {"ci\\*", ""},
      {"\"ci\\*\"", "b"},
      {"*", "abc"},
  });
}

// Words of more than 32 bytes are looked for by their first 32.
TEST(FilterSearchTest, LongWords) {
  const std::string begin(32, 'b');
  v1::Token token;
  token.set_name("sources/s/tokens/t");
  token.set_display_name("x" + begin + "1 " + begin + "2 end");
  const std::string bytes = SerializeToken(token);
  FilterRow row;
  row.bytes = bytes;
  const auto matches = [&](const std::string& word) {
    const absl::StatusOr<Filter> filter = Filter::Compile("\"" + word + "\"", {});
    return filter.ok() && filter->Matches(row);
  };
  EXPECT_TRUE(matches(begin + "1"));
  EXPECT_TRUE(matches("B" + begin.substr(1) + "2 END"));
  EXPECT_FALSE(matches(begin + "3"));
  EXPECT_FALSE(matches(begin + "2 end of it"));
}

// Texts are looked through many bytes at once, whatever their length and where the word is.
TEST(FilterSearchTest, WordsAtEveryPlace) {
  for (const std::string word : {"q", "qz", "qaz", "qqqaqqqz", "qaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaz",
                                 "qaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaz"}) {
    const absl::StatusOr<Filter> filter = Filter::Compile("display_name:" + word, {});
    ASSERT_TRUE(filter.ok());
    // Begins and ends as the word does, or nearly.
    std::string near = word;
    near[word.size() / 2] = 'x';
    for (std::size_t size = word.size(); size < 110; ++size) {
      std::string others;
      while (others.size() < size) others += word.size() > 2 ? near : "xaz";
      others.resize(size);
      const auto matches = [&](const std::string& text) {
        v1::Token token;
        token.set_display_name(text);
        const std::string bytes = SerializeToken(token);
        FilterRow row;
        row.bytes = bytes;
        return filter->Matches(row);
      };
      EXPECT_FALSE(matches(others)) << word << " in " << others;
      for (std::size_t place = 0; place + word.size() <= size; ++place) {
        std::string text = others;
        text.replace(place, word.size(), place % 2 == 0 ? word : absl::AsciiStrToUpper(word));
        EXPECT_TRUE(matches(text)) << word << " in " << text;
      }
    }
  }
}

TEST_F(FilterTest, BareWordsThatLookLikeMore) {
  Check({
      {"deploy owner.email", ""},  // text, too
      {"state", ""},
      {"-30", "abc"},
      {"now", ""},
  });
}

TEST_F(FilterTest, ReadsBytes) {
  EXPECT_FALSE(Filter::Compile("state = ACTIVE expire_time < now provider:x owner:*", options_)
                   ->reads_bytes());
  EXPECT_TRUE(Filter::Compile("state = ACTIVE deploy", options_)->reads_bytes());
  EXPECT_TRUE(Filter::Compile("owner.email = x", options_)->reads_bytes());
}

}  // namespace
}  // namespace tokeninventory
