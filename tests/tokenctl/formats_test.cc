#include "tokenctl/output/formats.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory::tokenctl {
namespace {

TEST(ToJsonTest, HasTheApisNamesAndNoRawControls) {
  v1::Token token;
  token.set_display_name("a\x1b[31m\xe2\x81\xa6\xf3\xa0\x81\x81");
  token.set_revision(7);
  token.set_state(v1::Token::ACTIVE);
  token.mutable_expire_time()->set_seconds(1'800'000'000);
  const std::string json = ToJson(token);
  EXPECT_EQ(
      json,
      R"({"display_name":"a\u001b[31m\u2066\udb40\udc41","expire_time":"2027-01-15T08:00:00Z",)"
      R"("state":"ACTIVE","revision":"7"})");
  v1::Token read;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(json, &read).ok());
  EXPECT_EQ(read.SerializeAsString(), token.SerializeAsString());
}

TEST(JsonToYamlTest, IsTheSameValue) {
  const struct {
    const char* json;
    const char* yaml;
  } kCases[] = {
      {R"({"a":"text","b":"7","c":8,"d":true,"e":null})",
       "a: text\nb: \"7\"\nc: 8\nd: true\ne: null\n"},
      {R"({"a":{"b":"c"},"d":[],"e":{}})", "a:\n  b: c\nd: []\ne: {}\n"},
      {R"({"a":["x","y"],"b":[{"c":"1","d":"z"},{"c":"2"}]})",
       "a:\n  - x\n  - \"y\"\nb:\n  - c: \"1\"\n    d: z\n  - c: \"2\"\n"},
      {R"([{"a":"no"},{"a":"Yes"},{"a":"-x"},{"a":"q\"e: [\\"}])",
       "- a: \"no\"\n- a: \"Yes\"\n- a: \"-x\"\n- a: \"q\\\"e: [\\\\\"\n"},
      {R"({"odd key":"2026-01-01","tail":"x "})", "\"odd key\": \"2026-01-01\"\ntail: \"x \"\n"},
      {"[]", "[]\n"},
      {"{}", "{}\n"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(JsonToYaml(c.json), c.yaml) << c.json;
  }
}

TEST(CsvLineTest, QuotesWhatNeedsIt) {
  EXPECT_EQ(CsvLine({"a", "b,c", "say \"x\"", "", "two\nlines"}),
            "a,\"b,c\",\"say \"\"x\"\"\",,two\\x0alines\n");
}

}  // namespace
}  // namespace tokeninventory::tokenctl
