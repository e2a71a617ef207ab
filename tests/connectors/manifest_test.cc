#include "connectors/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "connectors/embedded.h"

namespace tokeninventory {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Good as it is.
constexpr absl::string_view kGood = R"(vendor: acme
title: Acme
base: https://api.acme.test/v1
params:
  org: {optional: true}
secrets:
  key: {help: A key.}
auth:
  - headers: {Authorization: "Bearer ${secret.key}"}
streams:
  parents:
    get: /parents
    records: .body
    item: "{id}"
  tokens:
    for_each: parents
    get: /parents/${parent.id}/tokens
    records: .body.data
    token: |
      {providerTokenId: .id,
       displayName: .name}
    fetch: {get: "/parents/${parent.id}/tokens/${id}"}
)";

ManifestReport LoadWith(absl::string_view from, absl::string_view to) {
  EXPECT_THAT(std::string(kGood), HasSubstr(std::string(from)));
  return LoadManifest("m.yaml", absl::StrReplaceAll(kGood, {{from, to}}));
}

TEST(ManifestTest, AGoodOneIsCompiled) {
  const ManifestReport report = LoadManifest("m.yaml", kGood);
  ASSERT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.warnings, IsEmpty());
  const CompiledManifest& manifest = *report.manifest;
  ASSERT_EQ(manifest.streams.size(), 2);
  EXPECT_EQ(manifest.streams[1].parent, 0);
  EXPECT_THAT(manifest.streams[1].key_members, ElementsAre("id"));
  EXPECT_TRUE(manifest.streams[1].fetch.present);
  EXPECT_NE(manifest.NewPrograms({}), nullptr);
}

TEST(ManifestTest, TheBuiltInOnesAreGood) {
  const std::vector<EmbeddedManifest> all = BuiltInManifests();
  EXPECT_EQ(all.size(), 3);
  for (const EmbeddedManifest& embedded : all) {
    const ManifestReport report = LoadManifest(embedded.file, embedded.text);
    EXPECT_THAT(report.problems, IsEmpty());
    EXPECT_THAT(report.warnings, IsEmpty());
    ASSERT_NE(report.manifest, nullptr);
    // The catalogue finds a built-in manifest by its file's name.
    EXPECT_EQ(absl::StrCat(report.manifest->spec.vendor(), ".yaml"), std::string(embedded.file));
    // Every one can be pointed at a simulator.
    EXPECT_EQ(report.manifest->spec.base(), "${param.base_url}");
    EXPECT_FALSE(report.manifest->spec.coverage().empty());
  }
}

struct ProblemCase {
  const char* name;
  const char* from;
  const char* to;
  const char* problem;
};

class ManifestProblemTest : public ::testing::TestWithParam<ProblemCase> {};

TEST_P(ManifestProblemTest, IsReportedWithItsPlace) {
  const ProblemCase& param = GetParam();
  const ManifestReport report = LoadWith(param.from, param.to);
  EXPECT_EQ(report.manifest, nullptr);
  EXPECT_THAT(report.problems, Contains(HasSubstr(param.problem)));
}

INSTANTIATE_TEST_SUITE_P(
    All, ManifestProblemTest,
    ::testing::Values(
        ProblemCase{"unknown_key", "    records: .body\n", "    recods: .body\n",
                    "m.yaml:13:5: streams.parents.recods: unknown field; did you mean `records`?"},
        ProblemCase{"vendor", "vendor: acme", "vendor: Acme Inc",
                    "m.yaml:1:9: vendor: must be a name"},
        ProblemCase{"title", "title: Acme\n", "", "title: missing"},
        ProblemCase{"no_base", "base: https://api.acme.test/v1\n", "", "base: missing"},
        ProblemCase{"base", "base: https://api.acme.test/v1", "base: ftp://x",
                    "m.yaml:3:7: base: must begin with https://"},
        ProblemCase{"placeholder", "/parents/${parent.id}/tokens\n", "/parents/${item.id}/tokens\n",
                    "m.yaml:17:10: streams.tokens.get: unknown placeholder ${item.id}"},
        ProblemCase{"open_placeholder", "get: /parents\n", "get: /parents/${param.org\n",
                    "a ${ without its }"},
        ProblemCase{"undeclared_param", "get: /parents\n", "get: /${param.orq}/parents\n",
                    "${param.orq} is not among `params`; did you mean `org`?"},
        ProblemCase{"undeclared_secret", "${secret.key}", "${secret.keys}",
                    "auth[0].headers.Authorization: ${secret.keys} is not among `secrets`"},
        ProblemCase{"unused_secret", "Bearer ${secret.key}", "Bearer x",
                    "secrets.key: is used by no"},
        ProblemCase{"secret_in_path", "get: /parents\n", "get: /${secret.key}/parents\n",
                    "${secret.key} cannot be used here: secrets are for `auth` only"},
        ProblemCase{"parent_without_for_each", "get: /parents\n", "get: /${parent.id}/parents\n",
                    "${parent.id} cannot be used here: the stream has no `for_each`"},
        ProblemCase{"id_in_list", "get: /parents\n", "get: /${id}\n", "it is for `fetch`"},
        ProblemCase{"unknown_stream", "for_each: parents", "for_each: parrents",
                    "m.yaml:16:15: streams.tokens.for_each: there is no such stream; did you mean "
                    "`parents`?"},
        ProblemCase{"no_item", "    item: \"{id}\"\n", "    token: \"{providerTokenId: .id}\"\n",
                    "streams.tokens.for_each: `parents` has no `item`"},
        ProblemCase{"own_parent", "for_each: parents", "for_each: tokens",
                    "the streams are each other's parents"},
        ProblemCase{"cycle", "    get: /parents\n",
                    "    for_each: tokens\n    get: /${parent.id}/parents\n",
                    "streams.parents.for_each: the streams are each other's parents"},
        ProblemCase{"request_ignores_parent", "get: /parents/${parent.id}/tokens\n",
                    "get: /tokens\n", "all listings would be one"},
        ProblemCase{"no_records", "    records: .body.data\n", "",
                    "streams.tokens: needs `records`"},
        ProblemCase{"neither", "    item: \"{id}\"\n", "", "streams.parents: needs `token`"},
        ProblemCase{"get_and_post", "    get: /parents\n",
                    "    get: /parents\n    post: /parents\n", "has both `get` and `post`"},
        ProblemCase{"no_request", "    get: /parents\n", "", "needs `get` or `post`"},
        ProblemCase{"json_of_get", "    get: /parents\n", "    get: /parents\n    json: {a: 1}\n",
                    "only a `post` has a body"},
        ProblemCase{"query_in_path", "get: /parents\n", "get: /parents?a=1\n",
                    "parameters belong into `query`"},
        ProblemCase{"relative_path", "get: /parents\n", "get: parents\n", "must begin with /"},
        ProblemCase{"host_from_vendor", "get: /parents/${parent.id}/tokens\n",
                    "get: https://${parent.id}/tokens\n", "a host cannot have a placeholder"},
        ProblemCase{"host_glued_to_param", "get: /parents/${parent.id}/tokens\n",
                    "get: ${param.org}${parent.id}/tokens\n", "a host cannot have a placeholder"},
        ProblemCase{"default", "    get: /parents\n", "    get: /parents\n    default: maybe\n",
                    "must be `on` or `off`"},
        ProblemCase{"parent_off", "    get: /parents\n", "    get: /parents\n    default: off\n",
                    "`parents` is off by default, this is not"},
        ProblemCase{"id_prefix", "    for_each: parents\n",
                    "    for_each: parents\n    id_prefix: a/b\n", "streams.tokens.id_prefix"},
        ProblemCase{"fetch_without_id", "/tokens/${id}", "/tokens", "does not use ${id}"},
        ProblemCase{"known_id_without_records",
                    "fetch: {get: \"/parents/${parent.id}/tokens/${id}\"}",
                    "fetch: {get: \"/x\", query: {ids: \"${id},${known_id}\"}}",
                    "needs `records`: an answer that shows two tokens"},
        ProblemCase{"syntax_error", "displayName: .name}", "displayName: .name",
                    "m.yaml:21:1: streams.tokens.token: jq: syntax error"},
        ProblemCase{"unknown_function", "displayName: .name", "displayName: (.name | upcase)",
                    "m.yaml:21:1: streams.tokens.token: jq: upcase/0 is not defined"},
        ProblemCase{"unknown_variable", ".body.data", ".body[$x]",
                    "m.yaml:18:14: streams.tokens.records: jq: $x is not defined"},
        ProblemCase{"empty_program", ".body.data", "\" \"", "an empty program"},
        ProblemCase{"import", ".body.data", "'import \"a\" as a; .body'",
                    "streams.tokens.records: jq: syntax error"},
        ProblemCase{"auth_header", "vendor: acme\n", "vendor: acme\nheaders: {Authorization: x}\n",
                    "credentials belong into `auth`"},
        ProblemCase{"host_header", "vendor: acme\n", "vendor: acme\nheaders: {Host: x}\n",
                    "headers.Host: is set by the engine"},
        ProblemCase{"header_template", "vendor: acme\n",
                    "vendor: acme\nheaders: {X-Org: \"${param.org}\"}\n", "headers are constant"},
        ProblemCase{"header_break", "vendor: acme\n",
                    "vendor: acme\nheaders: {X: \"a\\r\\nb: c\"}\n", "headers.X: has a line break"},
        ProblemCase{"header_name", "vendor: acme\n", "vendor: acme\nheaders: {\"a b\": c}\n",
                    "not a header name"},
        ProblemCase{"empty_auth", "headers: {Authorization: \"Bearer ${secret.key}\"}", "{}",
                    "auth[0]: needs `headers` or `basic`"},
        ProblemCase{"bucket_unit", "vendor: acme\n",
                    "vendor: acme\nlimits: {buckets: [{remaining: A, reset: B}]}\n",
                    "limits.buckets[0].unit: missing"},
        ProblemCase{"per_alone", "vendor: acme\n", "vendor: acme\nlimits: {per: 1s}\n",
                    "limits.per: says nothing without `requests`"},
        ProblemCase{"pattern", "{optional: true}", "{optional: true, pattern: \"(\"}",
                    "params.org.pattern: not a regular expression"},
        ProblemCase{"default_and_pattern", "{optional: true}", "{default: B, pattern: \"[a-z]+\"}",
                    "params.org.default: does not match the pattern"},
        ProblemCase{"default_and_optional", "{optional: true}", "{default: b, optional: true}",
                    "is optional and has a default"},
        ProblemCase{"no_streams", "streams:\n", "strems:\n", "streams: missing"}),
    [](const auto& of) { return of.param.name; });

TEST(ManifestTest, ListsEveryProblemAtOnce) {
  const ManifestReport report = LoadManifest("m.yaml", R"(vendor: acme
streams:
  a:
    get: /a
    records: .body |
    token: nope
    typo: x
  b:
    get: /${parent.x}
    records: .body
    token: "{"
)");
  EXPECT_EQ(report.manifest, nullptr);
  for (const char* part : {"streams.a.typo", "title", "base", "streams.b.get", "streams.a.records",
                           "streams.a.token", "streams.b.token"}) {
    EXPECT_THAT(report.problems, Contains(HasSubstr(part)));
  }
}

TEST(ManifestTest, WarnsOfAProgramThatAYamlCommentMayHaveCut) {
  const ManifestReport report = LoadWith("records: .body.data", "records: .body | .data # rows");
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.warnings,
              ElementsAre(HasSubstr("m.yaml:18:14: streams.tokens.records: YAML")));
}

TEST(ManifestTest, ForwardReferencesAreRefused) {
  const ManifestReport report = LoadManifest("m.yaml", R"(vendor: acme
title: t
base: https://a.test
streams:
  b: {for_each: a, get: "/${parent.x}", records: .body, token: "{providerTokenId: .id}"}
  a: {get: /a, records: .body, item: "{x}"}
)");
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("`a` must stand before this stream")));
}

TEST(ManifestTest, ReadsTheHeadersThatItsPageProgramsName) {
  const auto reads = [](absl::string_view program, absl::string_view name) {
    const ManifestReport report =
        LoadWith("records: .body.data", absl::StrCat("records: '", program, "'"));
    EXPECT_THAT(report.problems, IsEmpty());
    return report.manifest->ReadsHeader(name);
  };
  EXPECT_TRUE(reads(".body | select($param == .headers.age)", "age"));
  EXPECT_TRUE(reads(".headers.age-1 | [.]", "age"));
  EXPECT_TRUE(reads(".headers[\"x-rows\"] | [.]", "x-rows"));
  EXPECT_TRUE(reads("[\"x-rows\"] as $k | .[\"headers\"][$k[0]] | [.]", "x-rows"));
  EXPECT_TRUE(reads("[.links.next]", "link"));
  EXPECT_TRUE(reads("[.headers.link]", "link"));
  EXPECT_FALSE(reads(".headers.page | [.]", "age"));
  EXPECT_FALSE(reads(".headers | [.]", "date"));
  EXPECT_FALSE(reads(".body.date", "date"));
  EXPECT_FALSE(reads(".body.link", "link"));
  // Of a program over rows.
  EXPECT_FALSE(reads(".headers | [.]", "name"));
}

TEST(ManifestTest, KeyMembersAreThoseOfTheRequest) {
  const ManifestReport report = LoadManifest("m.yaml", R"(vendor: acme
title: t
base: https://a.test
streams:
  a: {get: /a, records: .body, item: "{x, y, z, name}"}
  b:
    for_each: a
    post: /${parent.y}/${parent.y}
    query: {q: "${parent.x}"}
    json: {variables: {v: "${parent.z}"}}
    records: .body
    token: "{providerTokenId: .id, displayName: $parent.name}"
)");
  ASSERT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.manifest->streams[1].key_members, ElementsAre("y", "x", "z"));
}

}  // namespace
}  // namespace tokeninventory
