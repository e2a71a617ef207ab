#include "connectors/token_mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "connectors/token_hint.h"
#include "connectors/vendor_time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"

namespace tokeninventory {
namespace {

using ::testing::HasSubstr;

struct Mapped {
  absl::Status status;
  std::vector<ObservedToken> tokens;
  MappingNotes notes;

  const v1::Token& token() const { return tokens.at(0).token; }
};

Mapped Map(const std::string& json, absl::string_view prefix = "") {
  Mapped mapped;
  const absl::StatusOr<JsonValue> value = JsonValue::Parse(json);
  EXPECT_TRUE(value.ok()) << json;
  mapped.status = MapTokens(*value, prefix, mapped.tokens, mapped.notes);
  return mapped;
}

// A token with an id and `more`.
Mapped MapWith(const std::string& more) {
  return Map(absl::StrCat(R"({"providerTokenId": "t1", )", more, "}"));
}

std::string WithId(const std::string& id) {
  return absl::StrCat("{\"providerTokenId\": \"", id, "\"}");
}

std::string ErrorWith(const std::string& more) {
  return std::string(MapWith(more).status.message());
}

TEST(TokenMappingTest, OneNoneOrSeveral) {
  EXPECT_EQ(Map(R"({"providerTokenId": "a"})", "model-").tokens.at(0).id, "model-a");
  EXPECT_TRUE(Map("null").tokens.empty());
  EXPECT_EQ(Map(R"([{"providerTokenId": "a"}, null, {"providerTokenId": "b"}])").tokens.size(), 2);
}

TEST(TokenMappingTest, UnsaidIsUnknown) {
  const Mapped mapped = MapWith(R"("displayName": null)");
  ASSERT_TRUE(mapped.status.ok()) << mapped.status;
  EXPECT_EQ(mapped.token().expiry(), v1::Token::UNKNOWN);
  EXPECT_EQ(mapped.token().last_use(), v1::Token::NOT_REPORTED);
  EXPECT_EQ(mapped.token().state(), v1::Token::ACTIVE);
  EXPECT_EQ(mapped.token().expire_time_precision(), v1::Token::TIME_PRECISION_UNSPECIFIED);
}

TEST(TokenMappingTest, TimesAndTheirKinds) {
  const Mapped mapped = MapWith(R"("expireTime": {"utc_date": "2025-11-22"},
      "lastUsedTime": {"unix_s": 1609459200}, "createTime": {"unix_ms": 1609459200001},
      "inactivityWindow": {"iso_duration": "P30D"})");
  ASSERT_TRUE(mapped.status.ok()) << mapped.status;
  EXPECT_EQ(mapped.token().expiry(), v1::Token::AT);
  EXPECT_EQ(mapped.token().expire_time_precision(), v1::Token::DAY);
  EXPECT_EQ(mapped.token().last_use(), v1::Token::USED);
  EXPECT_EQ(mapped.token().create_time().nanos(), 1'000'000);
  EXPECT_EQ(mapped.token().inactivity_window().seconds(), 30 * 86400);
  EXPECT_EQ(MapWith(R"("expireTime": "2025-11-22T00:00:00Z")").token().expire_time_precision(),
            v1::Token::INSTANT);
}

TEST(TokenMappingTest, EmptyMessagesAreUnset) {
  const Mapped mapped =
      MapWith(R"("owner": {"id": null}, "scopes": [{"id": null}, null, {"id": "s"}],
      "attributes": {"a": null}, "permissions": ["x", null])");
  ASSERT_TRUE(mapped.status.ok()) << mapped.status;
  EXPECT_FALSE(mapped.token().has_owner());
  EXPECT_FALSE(mapped.token().has_attributes());
  EXPECT_EQ(mapped.token().scopes_size(), 1);
  EXPECT_EQ(mapped.token().permissions_size(), 1);
}

TEST(TokenMappingTest, ErrorsNameThePathAndNotTheValue) {
  struct Case {
    const char* more;
    const char* error;
  };
  const Case cases[] = {
      {R"("nope": 1)", "nope: no such field"},
      {R"("hunter2 is a key": 1)", "has a field of no such name"},
      {R"("name": "hunter2")", "name: is the inventory's own and not for a mapping to set"},
      {R"("uid": "hunter2")", "uid: is the inventory's own"},
      {R"("revision": 3)", "revision: is the inventory's own"},
      {R"("presence": "LISTED")", "presence: is the inventory's own"},
      {R"("firstSeenTime": {"unix_s": 3})", "firstSeenTime: is the inventory's own"},
      {R"("effectiveExpireTime": {"unix_s": 3})", "effectiveExpireTime: is the inventory's own"},
      {R"("provider": "x")", "provider: is the inventory's own"},
      {R"("displayName": 7)", "displayName: expected a string, got number"},
      {R"("owner": "hunter2")", "owner: expected an object, got string"},
      {R"("owner": {"idd": "x"})", "owner.idd: no such field"},
      {R"("owner": {"kind": "hunter2"})",
       "owner.kind: not one of USER, SERVICE, TEAM, ORGANIZATION"},
      {R"("scopes": [{"id": "a"}, {"id": 3}])", "scopes[1].id: expected a string, got number"},
      {R"("scopes": {})", "scopes: expected an array, got object"},
      {R"("scopes": [{"everything": "hunter2"}])", "scopes[0].everything: expected a boolean"},
      {R"("permissions": [3])", "permissions[0]: expected a string, got number"},
      {R"("state": "STATE_UNSPECIFIED")", "state: not one of ACTIVE, EXPIRED"},
      {R"("createTime": "hunter2")", "createTime: not a time in the form rfc3339"},
      {R"("createTime": "infinite-future")", "createTime: not a time"},
      {R"("createTime": "")", "createTime: not a time"},
      {R"("createTime": "0001-01-01T00:00:00Z")", "createTime: says that there is none"},
      {R"("createTime": "2025-11-22")", "createTime: not a time in the form rfc3339"},
      {R"("createTime": 3)", "createTime: expected a time as rfc3339"},
      {R"("createTime": {"rfc3339": "2024-01-01T00:00:00Z"})", "createTime: expected a time"},
      {R"("createTime": {"utc_date": "hunter2"})", "createTime: not a time in the form utc_date"},
      {R"("createTime": {"utc_date": 3})", "createTime: expected a time"},
      {R"("createTime": {"unix_s": 1e18})", "createTime: not a time"},
      {R"("createTime": {"a": 1, "b": 2})", "createTime: expected a time"},
      {R"("inactivityWindow": {"iso_duration": "P1M"})", "inactivityWindow: not an ISO 8601"},
      {R"("inactivityWindow": 3)", "inactivityWindow: expected a duration"},
      {R"("attributes": [])", "attributes: expected an object, got array"},
      {R"("expiry": "AT")", "expiry: AT without an expireTime"},
      {R"("expiry": "NEVER", "expireTime": {"unix_s": 3})", "expiry: not AT beside an expireTime"},
      {R"("lastUse": "USED")", "lastUse: USED without a lastUsedTime"},
      {R"("lastUse": "NEVER_USED", "lastUsedTime": {"unix_s": 3})", "lastUse: not USED beside"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.more);
    const std::string error = ErrorWith(c.more);
    EXPECT_THAT(error, HasSubstr(c.error));
    EXPECT_THAT(error, Not(HasSubstr("hunter2")));
    EXPECT_THAT(error, Not(HasSubstr("\x01")));
  }
}

TEST(TokenMappingTest, IdsAreChecked) {
  struct Case {
    const char* json;
    const char* error;
  };
  const Case cases[] = {
      {"{}", "providerTokenId: missing"},
      {R"({"providerTokenId": ""})", "providerTokenId: missing"},
      {R"({"providerTokenId": null})", "providerTokenId: missing"},
      {R"({"providerTokenId": 3})", "providerTokenId: expected a string"},
      {"{\"providerTokenId\": \"a\xff\"}", "providerTokenId: has a broken character"},
      {R"({"providerTokenId": "a\nb"})", "providerTokenId: has a control"},
      {R"({"providerTokenId": "a\u0000b"})", "providerTokenId: has a control"}};
  for (const Case& c : cases) {
    EXPECT_THAT(std::string(Map(c.json).status.message()), HasSubstr(c.error)) << c.json;
  }
  const std::string longest(512, 'a');
  EXPECT_TRUE(Map(WithId(longest)).status.ok());
  EXPECT_FALSE(Map(WithId(longest), "p-").status.ok());
  // Its name would be three times as long.
  EXPECT_TRUE(Map(WithId(std::string(298, '/'))).status.ok());
  for (const auto& [slashes, prefix] : {std::pair(299u, ""), std::pair(298u, "p--")}) {
    EXPECT_THAT(std::string(Map(WithId(std::string(slashes, '/')), prefix).status.message()),
                HasSubstr("name"));
  }
}

TEST(TokenMappingTest, SizesAreBounded) {
  const std::string big(17'000, 'a');
  EXPECT_THAT(ErrorWith(absl::StrCat("\"attributes\": {\"x\": \"", big, "\"}")),
              HasSubstr("attributes: larger than 16 KiB"));
  const std::string huge(70'000, 'a');
  EXPECT_FALSE(MapWith(absl::StrCat("\"displayName\": \"", huge, "\"")).status.ok());
  std::string permissions;
  for (int i = 0; i < 10'000; ++i) absl::StrAppend(&permissions, i == 0 ? "" : ",", "\"abcdefgh\"");
  EXPECT_THAT(ErrorWith(absl::StrCat("\"permissions\": [", permissions, "]")),
              HasSubstr("too large"));
  EXPECT_THAT(ErrorWith(absl::StrCat("\"attributes\": {\"x\": ", std::string(60, '['),
                                     std::string(60, ']'), "}")),
              HasSubstr("attributes: nested too deeply"));
}

TEST(TokenMappingTest, AttributesKeepTheirTypes) {
  const Mapped mapped = MapWith(
      R"("attributes": {"b": true, "n": 1.5, "s": "x", "l": [1, null], "o": {"k": null, "v": 2}})");
  ASSERT_TRUE(mapped.status.ok()) << mapped.status;
  const auto& fields = mapped.token().attributes().fields();
  EXPECT_TRUE(fields.at("b").bool_value());
  EXPECT_EQ(fields.at("n").number_value(), 1.5);
  EXPECT_TRUE(fields.at("l").list_value().values(1).has_null_value());
  EXPECT_EQ(fields.at("o").struct_value().fields_size(), 1);
}

TEST(TokenMappingTest, AHintThatShowsTooMuchIsDroppedAndCounted) {
  const Mapped mapped = MapWith(R"("hint": "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789")");
  ASSERT_TRUE(mapped.status.ok()) << mapped.status;
  EXPECT_EQ(mapped.token().hint(), "");
  EXPECT_EQ(mapped.notes.dropped_secrets, 1);
}

// Put together here, so that no scanner finds a secret in this repository.
std::string Secret() { return absl::StrCat("gh", "p_a8Kd03jfLq92MzXv7Tb5Rn1Wc6Yh4Gs0PeUi"); }

TEST(TokenMappingTest, SecretsAreLeftOutAndCounted) {
  struct Case {
    const char* fields;  // with a secret where a $ is
    int dropped;
    const char* left;
  };
  for (const Case& c : {
           Case{R"("displayName": "$", "role": "r")", 1, R"(role: "r")"},
           Case{R"("displayName": "see $ there")", 1, ""},
           Case{R"("hint": "$")", 1, ""},
           Case{R"("providerState": "$", "kind": "$")", 2, ""},
           Case{R"("providerUri": "https://x/?t=$")", 1, ""},
           Case{R"("permissions": ["a", "$", "b"])", 1, R"(permissions: "a" permissions: "b")"},
           Case{R"("owner": {"id": "7", "displayName": "$", "email": "$"})", 2,
                R"(owner { id: "7" })"},
           Case{R"("creator": {"id": "$"})", 1, ""},
           Case{R"("scopes": [{"type": "t", "id": "$"}, {"id": "$"}])", 2,
                R"(scopes { type: "t" })"},
           Case{R"("attributes": {"k": "$", "l": "v"})", 1,
                R"(attributes { fields { key: "l" value { string_value: "v" } } })"},
           Case{R"("attributes": {"$": "v", "k": {"$": {"deep": 1}, "m": ["$", ["$"]]}})", 4,
                R"(attributes { fields { key: "k" value { struct_value { fields { key: "m" value )"
                R"({ list_value { values { list_value { } } } } } } } } })"},
       }) {
    SCOPED_TRACE(c.fields);
    const Mapped mapped = MapWith(absl::StrReplaceAll(c.fields, {{"$", Secret()}}));
    ASSERT_TRUE(mapped.status.ok()) << mapped.status;
    EXPECT_EQ(mapped.notes.dropped_secrets, c.dropped);
    v1::Token left = mapped.token();
    left.clear_provider_token_id();
    left.clear_expiry();
    left.clear_last_use();
    left.clear_state();
    EXPECT_EQ(left.ShortDebugString(), c.left);
  }
}

TEST(TokenMappingTest, AnIdThatLooksLikeASecretIsNone) {
  const Mapped mapped = Map(WithId(Secret()));
  EXPECT_EQ(mapped.status.message(), "providerTokenId: looks like a secret");
  EXPECT_TRUE(mapped.tokens.empty());
  // Nor does a complaint quote one.
  EXPECT_THAT(ErrorWith(absl::StrCat("\"", Secret(), "\": 1")),
              ::testing::Not(HasSubstr(Secret())));
}

v1::Token MinimalToken() {
  v1::Token token;
  token.set_provider_token_id("t1");
  token.set_expiry(v1::Token::UNKNOWN);
  token.set_last_use(v1::Token::NOT_REPORTED);
  token.set_state(v1::Token::ACTIVE);
  return token;
}

// Whatever fields a Token will have: CheckMapped names those that it looks at.
TEST(CheckMappedTest, RefusesEachFieldThatNoMappingSetsAndEachBrokenTime) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Descriptor* type = v1::Token::descriptor();
  int ours = 0;
  int times = 0;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    SCOPED_TRACE(field->name());
    // MapTokens says so whatever the value is.
    const bool is_ours = absl::StrContains(
        ErrorWith(absl::StrCat("\"", field->json_name(), "\": true")), "is the inventory's own");
    const bool is_time = field->message_type() == google::protobuf::Timestamp::descriptor();
    if (!is_ours && !is_time) continue;
    v1::Token token = MinimalToken();
    const google::protobuf::Reflection* reflection = token.GetReflection();
    ASSERT_FALSE(field->is_repeated());
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        reflection->SetString(&token, field, "x");
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection->SetEnumValue(&token, field, 1);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection->SetInt64(&token, field, -1);
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        reflection->MutableMessage(&token, field);
        break;
      default:
        FAIL() << "set it here";
    }
    if (is_ours) {
      ++ours;
      EXPECT_EQ(CheckMapped(token, "").message(),
                absl::StrCat(field->json_name(), ": is the inventory's own"));
      continue;
    }
    ++times;
    auto& time =
        static_cast<google::protobuf::Timestamp&>(*reflection->MutableMessage(&token, field));
    token.set_expiry(token.has_expire_time() ? v1::Token::AT : v1::Token::UNKNOWN);
    token.set_last_use(token.has_last_used_time() ? v1::Token::USED : v1::Token::NOT_REPORTED);
    struct Case {
      std::int64_t seconds;
      int nanos;
      bool good;
    };
    for (const Case& c :
         {Case{0, 999'999'999, true}, Case{0, -1, false}, Case{0, 1'000'000'000, false},
          Case{-62'135'596'800, 0, true}, Case{-62'135'596'801, 999'999'999, false},
          Case{253'402'300'799, 999'999'999, true}, Case{253'402'300'800, 0, false},
          Case{std::numeric_limits<std::int64_t>::min(), 0, false}}) {
      time.set_seconds(c.seconds);
      time.set_nanos(c.nanos);
      EXPECT_EQ(CheckMapped(token, "").message(),
                c.good ? "" : absl::StrCat(field->json_name(), ": no time"))
          << c.seconds << " " << c.nanos;
    }
  }
  EXPECT_EQ(ours, 11);
  EXPECT_EQ(times, 4);
  v1::Token token = MinimalToken();
  EXPECT_TRUE(CheckMapped(token, "").ok());
}

TEST(TokenHintTest, MasksAreKeptAndSecretsAreNot) {
  EXPECT_EQ(CleanHint("ab123"), "ab123");
  EXPECT_EQ(CleanHint("api_****wxyz"), "api_****wxyz");
  EXPECT_EQ(CleanHint("npm_aBcD...7890"), "npm_aBcD...7890");
  EXPECT_EQ(CleanHint("abcd…wxyz"), "abcd…wxyz");
  EXPECT_EQ(CleanHint("abcd••••••••••wxyz"), "abcd••••••••••wxyz");
  EXPECT_EQ(CleanHint("abcd" + std::string(80, '*') + "wxyz"), "abcd****wxyz");
  EXPECT_EQ(
      CleanHint("sk-1xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx9"),
      "sk-1xxxx9");
  EXPECT_EQ(CleanHint(std::string(24, 'a')), std::string(24, 'a'));
  EXPECT_EQ(CleanHint(std::string(25, 'a')), std::nullopt);
  EXPECT_EQ(CleanHint("glpat-abcdefghijklmnopqrst.01.abcdef"), std::nullopt);
  EXPECT_EQ(CleanHint("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghij"), std::nullopt);
  EXPECT_EQ(CleanHint("***" + std::string(25, 'a')), std::nullopt);
}

TEST(VendorTimeTest, Rfc3339) {
  struct Case {
    const char* text;
    const char* want;  // RFC 3339 in UTC; null: refused
  };
  const Case cases[] = {
      {"2024-09-03T06:46:39.441Z", "2024-09-03T06:46:39.441+00:00"},
      {"2025-07-23 06:07:42 UTC", "2025-07-23T06:07:42+00:00"},
      {"2023-11-16T08:47:09.000-07:00", "2023-11-16T15:47:09+00:00"},
      {"2022-05-12T12:25:09+02:00", "2022-05-12T10:25:09+00:00"},
      {"2022-05-12t12:25:09+0200", "2022-05-12T10:25:09+00:00"},
      {"2006-01-02 15:04:05-07:00", "2006-01-02T22:04:05+00:00"},
      {"2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00.1234567+00:00"},
      {"2024-01-01T00:00:00.123456789123Z", "2024-01-01T00:00:00.123456789+00:00"},
      {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"},
      {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00+00:00"},
      {"1900-02-28T23:59:60Z", "1900-03-01T00:00:00+00:00"},
      {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"},
      {"2024-05-01T12:30:00", nullptr},  // no zone
      {"2024-05-01", nullptr},
      {"2023-02-29T00:00:00Z", nullptr},
      {"2024-13-01T00:00:00Z", nullptr},
      {"2024-01-01T24:00:00Z", nullptr},
      {"2024-01-01T00:00:00.Z", nullptr},
      {"2024-01-01T00:00:00Zx", nullptr},
      {" 2024-01-01T00:00:00Z", nullptr},
      {"0000-01-01T00:00:00Z", nullptr},
      {"9999-12-31T23:59:59-01:00", nullptr},
      {"infinite-future", nullptr},
      {"", nullptr},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const std::optional<absl::Time> time = ParseRfc3339(c.text);
    ASSERT_EQ(time.has_value(), c.want != nullptr);
    if (!time) continue;
    EXPECT_EQ(absl::FormatTime(absl::RFC3339_full, *time, absl::UTCTimeZone()), c.want);
  }
}

TEST(VendorTimeTest, OtherForms) {
  EXPECT_EQ(ParseUtcDate("2025-11-22"), ParseRfc3339("2025-11-22T00:00:00Z"));
  EXPECT_EQ(ParseUtcDate("2025-11-31"), std::nullopt);
  EXPECT_EQ(ParseUtcDate("2025-11-22T"), std::nullopt);
  EXPECT_EQ(ParseRfc2822("Mon, 13 Jun 2016 22:50:08 +0000"), ParseRfc3339("2016-06-13T22:50:08Z"));
  EXPECT_EQ(ParseRfc2822("13 Jun 2016 22:50:08 +0200"), ParseRfc3339("2016-06-13T20:50:08Z"));
  EXPECT_EQ(ParseRfc2822("Fri, 31 Dec 1999 23:59:59 GMT"), ParseRfc3339("1999-12-31T23:59:59Z"));
  EXPECT_EQ(ParseRfc2822("infinite-future"), std::nullopt);
  EXPECT_EQ(ParseRfc2822("61,60"), std::nullopt);
  EXPECT_EQ(ParseIsoDuration("P30D"), absl::Hours(720));
  EXPECT_EQ(ParseIsoDuration("P1DT1H1M1S"), absl::Hours(25) + absl::Seconds(61));
  EXPECT_EQ(ParseIsoDuration("P2W"), absl::Hours(24 * 14));
  for (const char* bad : {"", "P", "P1Y", "P1M", "PT", "PT1D", "P1H", "30D", "P-1D", "P1.5D"}) {
    EXPECT_EQ(ParseIsoDuration(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace tokeninventory
