#include "tokenctl/token_columns.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace tokeninventory::tokenctl {
namespace {

using ::testing::HasSubstr;

v1::Token Parse(const char* text) {
  v1::Token token;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &token));
  return token;
}

TEST(FieldTextTest, ShowsAnyField) {
  const v1::Token token = Parse(R"(
    name: "sources/opal/tokens/t1" source: "sources/opal" display_name: "CI"
    owner { id: "u1" display_name: "Ann" email: "ann@example.com" kind: USER }
    creator { id: "u2" display_name: "Bob" }
    access_level: ADMIN revision: 12 state: ACTIVE
    expire_time { seconds: 1800000000 nanos: 500000000 }
    inactivity_window { seconds: 7776000 }
    scopes { type: "workspace" id: "w1" } scopes { everything: true }
    permissions: "read" permissions: "write"
    attributes { fields { key: "team" value { string_value: "core" } }
                 fields { key: "seats" value { number_value: 3 } }
                 fields { key: "o" value { struct_value { fields { key: "k" value { bool_value: true } } } } } }
  )");
  const struct {
    const char* path;
    const char* want;
  } kCases[] = {
      {"name", "sources/opal/tokens/t1"},
      {"owner", "ann@example.com"},
      {"owner.display_name", "Ann"},
      {"owner.kind", "USER"},
      {"creator", "Bob"},
      {"creator.email", ""},
      {"access_level", "ADMIN"},
      {"revision", "12"},
      {"expire_time", "2027-01-15T08:00:00.5Z"},
      {"last_used_time", ""},
      {"inactivity_window", "90d"},
      {"scopes", "workspace:w1,everything"},
      {"scopes.id", "w1,"},
      {"scopes.everything", ",true"},
      {"permissions", "read,write"},
      {"attributes.team", "core"},
      {"attributes.seats", "3"},
      {"attributes.o.k", "true"},
      {"attributes.none", ""},
      {"attributes.none.deeper", ""},
      {"kind", ""},
      {"delete_cause", ""},
  };
  for (const auto& c : kCases) EXPECT_EQ(FieldText(token, c.path), c.want) << c.path;
}

TEST(ParseColumnsTest, TellsOfNamesThatAreNone) {
  ASSERT_TRUE(ParseColumns("name, owner.email ,attributes.x.y").ok());
  EXPECT_FALSE(NeedFullView(*ParseColumns("name,owner.email")));
  EXPECT_TRUE(NeedFullView(*ParseColumns("name,scopes.id")));
  const struct {
    const char* list;
    const char* want;
  } kCases[] = {
      {"expire_tme", "no field 'expire_tme' in a token; did you mean expire_time?"},
      {"name,", "no field ''"},
      {"owner.phone", "no field 'owner.phone'"},
      {"name.first", "no field 'name.first'"},
  };
  for (const auto& c : kCases) {
    const auto columns = ParseColumns(c.list);
    ASSERT_FALSE(columns.ok()) << c.list;
    EXPECT_THAT(std::string(columns.status().message()), HasSubstr(c.want));
  }
}

TEST(TokenCellTest, SaysWhatIsNotKnown) {
  const TimeFormat times{absl::FromUnixSeconds(1'800'000'000), absl::UTCTimeZone()};
  const auto cell = [&](const char* token, const char* column) {
    return TokenCell(Parse(token), ParseColumns(column)->front(), times);
  };
  const struct {
    const char* token;
    const char* column;
    const char* want;
    Style style;
  } kCases[] = {
      {"expiry: NEVER", "effective_expire_time", "never", Style::kPlain},
      {"expiry: UNKNOWN", "effective_expire_time", "not told", Style::kDim},
      {"effective_expire_time { seconds: 1800003600 }", "effective_expire_time",
       "2027-01-15 09:00  in 1 hour", Style::kBad},
      {"effective_expire_time { seconds: 1800259200 }", "effective_expire_time",
       "2027-01-18 08:00  in 3 days", Style::kWarning},
      {"effective_expire_time { seconds: 1799913600 } state: EXPIRED", "effective_expire_time",
       "2027-01-14 08:00  24 hours ago", Style::kDim},
      {"last_use: NEVER_USED", "last_used_time", "never", Style::kWarning},
      {"last_use: NOT_REPORTED", "last_used_time", "not told", Style::kDim},
      {"state: ACTIVE presence: LISTED", "state", "ACTIVE", Style::kGood},
      {"state: ACTIVE presence: MISSING", "state", "ACTIVE, MISSING", Style::kWarning},
      {"", "owner", "not told", Style::kDim},
      {"source: 'sources/opal'", "source", "opal", Style::kPlain},
      {"name: 'sources/o/tokens/t1'", "display_name", "t1", Style::kPlain},
      {"display_name: 'a\\033[2J'", "display_name", "a\\x1b[2J", Style::kPlain},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(cell(c.token, c.column).text, c.want);
    EXPECT_EQ(cell(c.token, c.column).style, c.style) << c.want;
  }
}

}  // namespace
}  // namespace tokeninventory::tokenctl
