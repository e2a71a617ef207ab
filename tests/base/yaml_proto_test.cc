#include "base/yaml_proto.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tokeninventory/v1/config.pb.h"
#include "tokeninventory/v1/manifest.pb.h"

namespace tokeninventory {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(YamlProtoTest, ReadsEveryTypeOfField) {
  v1::ServerConfig config;
  const YamlReport report = ReadYaml("c.yaml", R"(
listen: 127.0.0.1:0
insecure: true
manifest_dirs: [a, "b"]
shutdown_grace: 1.5s
sources:
  - id: opal-prod
    vendor: opal
    params: {base_url: "http://x", number: 12}
    secrets:
      token: {env: OPAL_TOKEN}
    interval: 5m
    max_requests_per_second: 2.5
  - id: two
log_retention: {max_age: 7d, max_changes: 1000000}
)",
                                     config);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(config.listen(), "127.0.0.1:0");
  EXPECT_TRUE(config.insecure());
  EXPECT_THAT(config.manifest_dirs(), ElementsAre("a", "b"));
  EXPECT_EQ(config.shutdown_grace().seconds(), 1);
  EXPECT_EQ(config.shutdown_grace().nanos(), 500'000'000);
  ASSERT_EQ(config.sources_size(), 2);
  EXPECT_EQ(config.sources(0).params().at("number"), "12");
  EXPECT_EQ(config.sources(0).secrets().at("token").env(), "OPAL_TOKEN");
  EXPECT_EQ(config.sources(0).interval().seconds(), 300);
  EXPECT_EQ(config.sources(0).max_requests_per_second(), 2.5);
  EXPECT_EQ(config.log_retention().max_age().seconds(), 7 * 86400);
  EXPECT_EQ(config.log_retention().max_changes(), 1'000'000);
}

TEST(YamlProtoTest, AMappingByNameKeepsItsOrder) {
  v1::Manifest manifest;
  const YamlReport report = ReadYaml("m.yaml", R"(
streams:
  zebra: {get: /z}
  apple: {get: /a, default: off}
secrets:
  token:
)",
                                     manifest);
  EXPECT_THAT(report.problems, IsEmpty());
  ASSERT_EQ(manifest.streams_size(), 2);
  EXPECT_EQ(manifest.streams(0).name(), "zebra");
  EXPECT_EQ(manifest.streams(1).name(), "apple");
  EXPECT_EQ(manifest.streams(1).default_(), "off");
  ASSERT_EQ(manifest.secrets_size(), 1);
  EXPECT_EQ(manifest.secrets(0).name(), "token");
}

TEST(YamlProtoTest, AStructKeepsYamlsTypes) {
  v1::Manifest manifest;
  const YamlReport report = ReadYaml("m.yaml", R"(
streams:
  s:
    json: {a: 1, b: "1", c: null, d: true, e: "true", f: [x, 2.5], g: {h: ~}, j: 1e3, k: abc}
)",
                                     manifest);
  ASSERT_THAT(report.problems, IsEmpty());
  const auto& json = manifest.streams(0).json().fields();
  EXPECT_EQ(json.at("a").number_value(), 1);
  EXPECT_EQ(json.at("b").string_value(), "1");
  EXPECT_TRUE(json.at("c").has_null_value());
  EXPECT_TRUE(json.at("d").bool_value());
  EXPECT_EQ(json.at("e").string_value(), "true");
  EXPECT_EQ(json.at("f").list_value().values(1).number_value(), 2.5);
  EXPECT_TRUE(json.at("g").struct_value().fields().at("h").has_null_value());
  EXPECT_EQ(json.at("j").number_value(), 1000);
  EXPECT_EQ(json.at("k").string_value(), "abc");
}

TEST(YamlProtoTest, ListsEveryProblemAtOnceInTheFilesOrder) {
  v1::ServerConfig config;
  const YamlReport report = ReadYaml("c.yaml", R"(listen: [1]
insecure: yes
sorces: []
sources:
  - id: a
    id: b
    interval: 5 minutes
    params: text
    secrets: {token: {env: A, fil: B}}
  - nothing
http: {max_body_bytes: 12x, max_attempts: 99999999999}
<<: {listen: x}
)",
                                     config);
  EXPECT_THAT(
      report.problems,
      ElementsAre("c.yaml:1:9: listen: expected a text, found a list",
                  "c.yaml:2:11: insecure: expected true or false",
                  "c.yaml:3:1: sorces: unknown field; did you mean `sources`?",
                  "c.yaml:6:5: sources[0].id: duplicate key",
                  "c.yaml:7:15: sources[0].interval: expected a duration like \"30s\", \"100ms\", "
                  "\"5m\", \"1h\" or \"7d\"",
                  "c.yaml:8:13: sources[0].params: expected a mapping, found a text or number",
                  "c.yaml:9:31: sources[0].secrets.token.fil: unknown field; did you mean `file`?",
                  "c.yaml:10:5: sources[1]: expected a mapping, found a text or number",
                  "c.yaml:11:24: http.max_body_bytes: expected a whole number",
                  "c.yaml:11:43: http.max_attempts: expected a whole number",
                  "c.yaml:12:1: <<: merge keys are not supported"));
}

TEST(YamlProtoTest, Problems) {
  struct Case {
    const char* name;
    const char* yaml;
    const char* problem;
  };
  const Case cases[] = {
      {"enum", "limits: {buckets: [{unit: MINUTES}]}",
       "m.yaml:1:27: limits.buckets[0].unit: not one of: UNIT_UNSPECIFIED, SECONDS, "
       "EPOCH_SECONDS, EPOCH_MILLIS"},
      {"name twice", "streams: {a: {name: b}}", "m.yaml:1:21: streams.a.name: the key above"},
      {"list for mapping", "params: 3", "m.yaml:1:9: params: expected a mapping by name"},
      {"not yaml", "a: b: c", "m.yaml:1:"},
      {"tab", "a:\n\t- b", "m.yaml:2:"},
      // yaml-cpp finds such documents without end.
      {"endless documents", ",isten: a\nb: c\n", "one document expected"},
      {"two documents", "vendor: a\n---\nvendor: b\n", "one document expected"},
      {"list at the root", "- a\n", "m.yaml:1:1: expected a mapping, found a list"},
      {"empty value", "vendor:\n", "m.yaml:1:1: vendor: expected a text, found nothing"},
      {"duration without unit", "limits: {per: 30}", "limits.per: expected a duration"},
      {"negative duration", "limits: {per: -5s}", "limits.per: expected a duration"},
      {"camel case", "streams: {a: {forEach: b}}", "unknown field; did you mean `for_each`?"},
      {"key is a list", "[1, 2]: 3", "a key must be a text"},
      {"key of two lines", "\"a\\nb\\e\": 3", "m.yaml:1:1: a\\nb\\x1b: unknown field"},
      {"twice, of two lines", "params: {\"a\\nb\": {}, \"a\\nb\": {}}",
       "params.a\\nb: duplicate key"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    v1::Manifest manifest;
    const YamlReport report = ReadYaml("m.yaml", c.yaml, manifest);
    ASSERT_FALSE(report.ok());
    EXPECT_THAT(report.problems.front(), HasSubstr(c.problem));
  }
}

TEST(YamlProtoTest, NeverQuotesAValue) {
  v1::ServerConfig config;
  const YamlReport report = ReadYaml("c.yaml", R"(
insecure: hunter2
shutdown_grace: hunter2
sources: [{max_requests_per_second: hunter2, secrets: {a: hunter2}}]
)",
                                     config);
  EXPECT_EQ(report.problems.size(), 4);
  for (const std::string& problem : report.problems)
    EXPECT_THAT(problem, Not(HasSubstr("hunter2")));
}

TEST(YamlProtoTest, DurationsOfEveryUnit) {
  struct Case {
    const char* text;
    std::int64_t seconds;
    std::int32_t nanos;
  };
  for (const Case& c :
       {Case{"100ms", 0, 100'000'000}, Case{"30s", 30, 0}, Case{"0.5s", 0, 500'000'000},
        Case{"5m", 300, 0}, Case{"1.5h", 5400, 0}, Case{"7d", 604'800, 0}, Case{"0s", 0, 0}}) {
    SCOPED_TRACE(c.text);
    v1::Manifest manifest;
    EXPECT_TRUE(ReadYaml("m", absl::StrCat("limits: {per: ", c.text, "}"), manifest).ok());
    EXPECT_EQ(manifest.limits().per().seconds(), c.seconds);
    EXPECT_EQ(manifest.limits().per().nanos(), c.nanos);
  }
}

TEST(YamlProtoTest, AliasesAreSharedButCapped) {
  v1::Manifest manifest;
  EXPECT_TRUE(ReadYaml("m", "streams: {a: {token: &t x}, b: {token: *t}}", manifest).ok());
  EXPECT_EQ(manifest.streams(1).token(), "x");

  std::string bomb = "streams:\n  s:\n    json:\n      l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    absl::StrAppend(&bomb, "      l", i, ": &l", i, " [*l", i - 1, ", *l", i - 1, ", *l", i - 1,
                    ", *l", i - 1, ", *l", i - 1, ", *l", i - 1, ", *l", i - 1, ", *l", i - 1,
                    "]\n");
  }
  v1::Manifest bombed;
  const YamlReport report = ReadYaml("m", bomb, bombed);
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(report.problems.front(), HasSubstr("too large"));
}

TEST(YamlProtoTest, DeepNestingIsAProblem) {
  for (const std::size_t depth : {100U, 5000U}) {
    v1::Manifest manifest;
    const YamlReport report =
        ReadYaml("m",
                 absl::StrCat("streams: {s: {json: {a: ", std::string(depth, '['),
                              std::string(depth, ']'), "}}}"),
                 manifest);
    EXPECT_FALSE(report.ok()) << depth;
  }
}

TEST(YamlProtoTest, AnEmptyFileIsAnEmptyMessage) {
  for (const char* text : {"", "# nothing\n", "---\n"}) {
    v1::ServerConfig config;
    EXPECT_TRUE(ReadYaml("c", text, config).ok()) << text;
    EXPECT_EQ(config.ByteSizeLong(), 0);
  }
}

TEST(YamlLocationsTest, PlacesPathsAndLinesOfBlocks) {
  v1::Manifest manifest;
  const YamlReport report = ReadYaml("m.yaml", R"(vendor: x
streams:
  s:
    token: &t |
      line one
      line two
    item: plain
    next: .a | b # cut
  t:
    token: *t
)",
                                     manifest);
  ASSERT_THAT(report.problems, IsEmpty());
  const YamlLocations& at = report.locations;
  EXPECT_EQ(at.DescribeLine("streams.s.token", 2, "w"), "m.yaml:6:1: streams.s.token: w");
  EXPECT_EQ(at.DescribeLine("streams.t.token", 1, "w"), "m.yaml:5:1: streams.t.token: w");
  EXPECT_EQ(at.DescribeLine("streams.s.item", 1, "w"), "m.yaml:7:11: streams.s.item: w");
  EXPECT_EQ(at.Describe("streams.s.records", "missing"), "m.yaml:4:5: streams.s.records: missing");
  EXPECT_EQ(at.Describe("nowhere", "w"), "m.yaml:1:1: nowhere: w");
  EXPECT_TRUE(at.HasCommentBehind("streams.s.next"));
  EXPECT_FALSE(at.HasCommentBehind("streams.s.item"));
  EXPECT_FALSE(at.HasCommentBehind("streams.s.token"));
  EXPECT_EQ(YamlLocations().Describe("a.b", "w"), "a.b: w");
}

TEST(NearestNameTest, FindsMisspellingsOnly) {
  const std::vector<std::string> names = {"streams", "secrets", "auth"};
  EXPECT_EQ(NearestName("stream", names), "streams");
  EXPECT_EQ(NearestName("secretes", names), "secrets");
  EXPECT_EQ(NearestName("quite_different", names), "");
}

}  // namespace
}  // namespace tokeninventory
