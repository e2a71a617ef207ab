#include "tests/vendor_sim/encoding.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "tests/vendor_sim/http_message.h"
#include "tests/vendor_sim/odata_filter.h"
#include "tests/vendor_sim/opal_api.h"
#include "tests/vendor_sim/random.h"
#include "tests/vendor_sim/sim_time.h"
#include "tests/vendor_sim/uuid.h"

namespace tokeninventory::vendor_sim {
namespace {

TEST(Base64Test, EncodesAndDecodesEveryLength) {
  for (const char* text : {"", "a", "ab", "abc", "abcd", "\xff\xfe?>"}) {
    EXPECT_EQ(Base64Decode(Base64Encode(text)), text);
  }
  EXPECT_EQ(Base64Encode("RegistryToken---0191b6a2-aa51-70d0-8a5f-aabce115b0fd"),
            "UmVnaXN0cnlUb2tlbi0tLTAxOTFiNmEyLWFhNTEtNzBkMC04YTVmLWFhYmNlMTE1YjBmZA==");
}

TEST(Base64Test, RefusesWhatIsNotBase64) {
  for (const char* text : {"a", "abc", "ab c", "====", "a=bc", "ab\xc3\xa9"}) {
    EXPECT_EQ(Base64Decode(text), std::nullopt) << text;
  }
}

TEST(PercentTest, EncodesAllButUnreserved) {
  EXPECT_EQ(PercentEncode("a/b c+ö~"), "a%2Fb%20c%2B%C3%B6~");
  EXPECT_EQ(PercentDecode("a%2Fb%20c+%C3%B6", false), "a/b c+ö");
  EXPECT_EQ(PercentDecode("a+b", true), "a b");
  EXPECT_EQ(PercentDecode("100%", false), "100%");
  EXPECT_EQ(PercentDecode("%zz%4", false), "%zz%4");
}

TEST(ParseRequestTest, SplitsBeforeDecoding) {
  const Request request =
      ParseRequest("GET", "/api/v1/workspaces/K%C3%B6ln%2FX/token?a=1%262&b=&c");
  EXPECT_EQ(request.path, (std::vector<std::string>{"api", "v1", "workspaces", "Köln/X", "token"}));
  EXPECT_EQ(request.Query("a"), "1&2");
  EXPECT_EQ(request.Query("b"), "");
  EXPECT_EQ(request.Query("c"), "");
  EXPECT_EQ(request.Query("d"), std::nullopt);
}

TEST(UuidTest, ReadsAndWrites) {
  const char kText[] = "0191b6a2-aa51-70d0-8a5f-aabce115b0fd";
  EXPECT_EQ(Uuid::FromLiteral(kText).ToString(), kText);
  EXPECT_EQ(Uuid::Parse("0191B6A2AA5170D08A5FAABCE115B0FD"), Uuid::FromLiteral(kText));
  for (const char* text : {"", "x", "0191b6a2-aa51-70d0-8a5f-aabce115b0fg",
                           "0191b6a2aa51-70d0-8a5f-aabce115b0fd0", "0191b6a2-aa51-70d0-8a5f"}) {
    EXPECT_EQ(Uuid::Parse(text), std::nullopt) << text;
  }
}

TEST(RandomTest, MakesIdsOfTheRightVersion) {
  Random random(1, 2);
  EXPECT_EQ(random.RandomId().ToString()[14], '4');
  const TimePoint time = MakeUtc(2024, 9, 3, 6, 46, 39, 441);
  EXPECT_EQ(random.TimeOrderedId(time).ToString().substr(0, 15), "0191b6a2-aa51-7");
}

TEST(SimTimeTest, WritesEveryStyle) {
  const TimePoint time = MakeUtc(2021, 1, 6, 23, 24, 53) + std::chrono::microseconds(434326);
  EXPECT_EQ(FormatTime(time, TimeStyle::kMillis), "2021-01-06T23:24:53.434Z");
  EXPECT_EQ(FormatTime(time, TimeStyle::kSeconds), "2021-01-06T23:24:53Z");
  EXPECT_EQ(FormatTime(time, TimeStyle::kMicros), "2021-01-06T23:24:53.434326Z");
  EXPECT_EQ(FormatTime(time, TimeStyle::kOffset), "2021-01-07T01:24:53+02:00");
  EXPECT_EQ(FormatSpacedUtc(time), "2021-01-06 23:24:53 UTC");
  EXPECT_EQ(Truncate(time, TimeStyle::kOffset), MakeUtc(2021, 1, 6, 23, 24, 53));
  EXPECT_EQ(Truncate(time, TimeStyle::kMillis), MakeUtc(2021, 1, 6, 23, 24, 53, 434));
}

TEST(OpalCursorTest, KeepsItsTimeAndNeedsPercentEncoding) {
  const TimePoint time = MakeUtc(2021, 1, 6, 3, 24, 53) + std::chrono::microseconds(434326);
  const std::string cursor = EncodeOpalCursor(time);
  EXPECT_EQ(cursor.find("cD0yMDIxLTAxLTA2KzAzJTNBMjQlM0E1My40MzQzMjYlMkIwMCUzQTAw"), 0U) << cursor;
  for (char c : {'+', '/', '='}) EXPECT_NE(cursor.find(c), std::string::npos) << c << cursor;
  EXPECT_EQ(DecodeOpalCursor(cursor), time);
  // The vendor's own example.
  EXPECT_EQ(DecodeOpalCursor("cD0yMDIxLTAxLTA2KzAzJTNBMjQlM0E1My40MzQzMjYlMkIwMCUzQTAw"), time);
  EXPECT_EQ(DecodeOpalCursor("nonsense"), std::nullopt);
  EXPECT_EQ(DecodeOpalCursor(Base64Encode("p=2021-13-06+03:24:53.434326+00:00")), std::nullopt);
}

TEST(ODataFilterTest, ReadsExactMatchesJoinedByAnd) {
  std::string problem;
  const auto terms = ParseODataFilter(
      "name eq 'Anna''s and me' AND personal eq true and expires_at eq null", &problem);
  ASSERT_TRUE(terms) << problem;
  ASSERT_EQ(terms->size(), 3U);
  EXPECT_EQ((*terms)[0].field, "name");
  EXPECT_EQ(std::get<std::string>((*terms)[0].value), "Anna's and me");
  EXPECT_EQ(std::get<bool>((*terms)[1].value), true);
  EXPECT_TRUE(std::holds_alternative<std::nullptr_t>((*terms)[2].value));
}

TEST(ODataFilterTest, SaysWhatIsWrong) {
  const struct {
    const char* filter;
    const char* problem;
  } kCases[] = {
      {"", "expected a field name"},
      {"name", "only the operator 'eq' is supported"},
      {"name ge 'a'", "only the operator 'eq' is supported"},
      {"name eq 'a", "unterminated string"},
      {"name eq a", "expected a quoted string, true, false or null after 'eq'"},
      {"name eq 'a' or name eq 'b'", "only 'and' can join conditions"},
      {"name eq 'a' and", "expected a field name"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.filter);
    std::string problem;
    EXPECT_FALSE(ParseODataFilter(c.filter, &problem));
    EXPECT_EQ(problem, c.problem);
  }
}

}  // namespace
}  // namespace tokeninventory::vendor_sim
