// The built-in manifests on the vendors' documented records. What each page must
// map to stands beside it: <page>.json → <page>.expected.txtpb.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "tests/connectors/manifest_fixture.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory {
namespace {

using testing::BuiltInText;
using ::testing::HasSubstr;
using testing::ManifestFixture;
using testing::ReadTestData;
using testing::Texts;

struct MappingCase {
  std::string vendor;
  std::string stream;
  std::string page;
  std::vector<std::pair<std::string, std::string>> parent;
};

class VendorMappingTest : public ::testing::TestWithParam<MappingCase> {};

TEST_P(VendorMappingTest, MapsAsExpected) {
  const MappingCase& param = GetParam();
  ManifestFixture fixture(BuiltInText(param.vendor));
  fixture.SetParam("revoke_inactive_after_days", "90");
  const std::string page = param.vendor + "/" + param.page;
  const absl::StatusOr<PageContent> content =
      fixture.Read(param.stream, ReadTestData(page + ".json"),
                   param.parent.empty() ? JsonValue() : Texts(param.parent));
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->bad_rows, 0) << content->first_bad_row;
  EXPECT_EQ(fixture.notes().dropped_secrets, 0);

  v1::ListTokensResponse got;
  for (const PageRow& row : content->rows) {
    for (const ObservedToken& token : row.tokens) {
      *got.add_tokens() = token.token;
      // Not a field of the vendor's: the id behind its prefix is the name's last part.
      got.mutable_tokens(got.tokens_size() - 1)->set_name(token.id);
    }
  }
  std::string text;
  google::protobuf::TextFormat::PrintToString(got, &text);
  // To make a new one, look at it, and keep it if it is right.
  if (std::getenv("TI_WRITE_EXPECTED") != nullptr) {
    std::ofstream(std::string(TI_TESTDATA) + "/" + page + ".expected.txtpb") << text;
  }
  v1::ListTokensResponse want;
  ASSERT_TRUE(
      google::protobuf::TextFormat::ParseFromString(ReadTestData(page + ".expected.txtpb"), &want));
  std::string difference;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(want, got)) << difference;
}

INSTANTIATE_TEST_SUITE_P(
    All, VendorMappingTest,
    ::testing::Values(
        MappingCase{"deepset", "workspace_tokens", "workspace_tokens", {{"name", "production"}}},
        MappingCase{"deepset", "model_registry_tokens", "model_registry_tokens", {}},
        MappingCase{"opal", "tokens", "tokens", {}},
        MappingCase{"buildkite",
                    "registry_tokens",
                    "registry_tokens",
                    {{"org", "my_great_org"}, {"slug", "my-registry"}}},
        MappingCase{"buildkite",
                    "agent_tokens",
                    "agent_tokens",
                    {{"org", "my_great_org"}, {"id", "42f1"}, {"name", "Default"}}},
        MappingCase{
            "buildkite", "api_access_tokens", "api_access_tokens", {{"org", "my_great_org"}}}),
    [](const auto& of) { return of.param.vendor + "_" + of.param.stream; });

TEST(DeepsetManifestTest, PagesByNumberUntilHasMoreIsFalse) {
  ManifestFixture fixture(BuiltInText("deepset"));
  const absl::StatusOr<PageContent> content =
      fixture.Read("workspace_tokens", ReadTestData("deepset/workspace_tokens.json"),
                   Texts({{"name", "staging/eu"}}));
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->total, 4);
  EXPECT_EQ(content->next.Get("query").Get("page_number").number_value(), 2);
  EXPECT_THAT(std::string(content->next.Get("url").string_value()),
              HasSubstr("/workspaces/staging%2Feu/token"));

  const absl::StatusOr<PageContent> last = fixture.Read(
      "workspace_tokens", R"({"data": [], "has_more": false, "total": 0})", Texts({{"name", "p"}}));
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_TRUE(last->next.is_null());
}

TEST(DeepsetManifestTest, AMissingEndMarkerIsAnError) {
  ManifestFixture fixture(BuiltInText("deepset"));
  for (const char* body :
       {R"({"data": [], "total": 0})", R"({"data": [], "has_more": null, "total": 0})",
        R"({"data": [], "has_more": "no", "total": 0})", R"({"data": [], "has_more": false})",
        R"({"has_more": false, "total": 0})", R"({"data": {}, "has_more": false, "total": 0})",
        R"([])", R"("x")", R"(null)"}) {
    EXPECT_FALSE(fixture.Read("workspace_tokens", body, Texts({{"name", "p"}})).ok()) << body;
  }
}

TEST(DeepsetManifestTest, BadRecordsAreCountedAndTheOthersKept) {
  ManifestFixture fixture(BuiltInText("deepset"));
  std::string body = ReadTestData("deepset/workspace_tokens.json");
  const std::string flag = "\"personal\": true";
  body.replace(body.find(flag), flag.size(), "\"personal\": \"hunter2\"");
  const absl::StatusOr<PageContent> content =
      fixture.Read("workspace_tokens", body, Texts({{"name", "p"}}));
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->row_count, 3);
  EXPECT_EQ(content->bad_rows, 1);
  EXPECT_EQ(content->rows.size(), 2);
  EXPECT_EQ(content->first_bad_row,
            "streams.workspace_tokens.token: record 2 of the page: expected a boolean, got string");
}

TEST(DeepsetManifestTest, ExpiresWithoutADateIsUnknown) {
  ManifestFixture fixture(BuiltInText("deepset"));
  std::string body = ReadTestData("deepset/workspace_tokens.json");
  const std::string date = "\"2027-03-01T09:30:00.123456Z\"";
  body.replace(body.find(date), date.size(), "null");
  const absl::StatusOr<PageContent> content =
      fixture.Read("workspace_tokens", body, Texts({{"name", "p"}}));
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->rows.at(0).tokens.at(0).token.expiry(), v1::Token::UNKNOWN);
}

TEST(OpalManifestTest, TheCursorEndsTheListByNullAbsentOrEmpty) {
  ManifestFixture fixture(BuiltInText("opal"));
  for (const char* body : {R"({"results": []})", R"({"results": [], "next": null})",
                           R"({"results": [], "next": ""})"}) {
    const absl::StatusOr<PageContent> content = fixture.Read("tokens", body);
    ASSERT_TRUE(content.ok()) << content.status();
    EXPECT_TRUE(content->next.is_null()) << body;
  }
  const absl::StatusOr<PageContent> content =
      fixture.Read("tokens", R"({"results": [], "next": "a+b/c=="})");
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->next.Get("query").Get("cursor").string_value(), "a+b/c==");
  EXPECT_FALSE(fixture.Read("tokens", R"({"next": null})").ok());
}

TEST(BuildkiteManifestTest, FollowsTheLinkHeader) {
  ManifestFixture fixture(BuiltInText("buildkite"));
  const absl::StatusOr<PageContent> content =
      fixture.Read("organizations", ReadTestData("buildkite/organizations.json"), JsonValue(),
                   {{"link",
                     "<https://api.buildkite.com/v2/organizations?page=2&per_page=100>; "
                     "rel=\"next\", <https://api.buildkite.com/x?page=9>; rel=\"last\""}});
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->next.Get("url").string_value(),
            "https://api.buildkite.com/v2/organizations?page=2&per_page=100");
  EXPECT_EQ(content->next.Get("query").size(), 0);
  ASSERT_EQ(content->rows.size(), 2);
  EXPECT_EQ(content->rows[0].item.Dump(), R"({"org":"my_great_org"})");
}

TEST(BuildkiteManifestTest, TheOrgParamLimitsWhatIsRead) {
  ManifestFixture fixture(BuiltInText("buildkite"));
  fixture.SetParam("org", "other");
  const absl::StatusOr<PageContent> content =
      fixture.Read("organizations", ReadTestData("buildkite/organizations.json"));
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_TRUE(content->rows[0].item.is_null());
  EXPECT_EQ(content->rows[1].item.Dump(), R"({"org":"other"})");
}

TEST(BuildkiteManifestTest, GraphQlErrorsComeWith200) {
  ManifestFixture fixture(BuiltInText("buildkite"));
  HttpResponse response;
  response.status = 200;
  response.body = R"({"errors": [{"message": "no"}]})";
  const absl::StatusOr<PageVerdict> verdict =
      fixture.pages().Take(response, JsonValue::Object(), {});
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->error_word, "FAILED");
}

TEST(BuildkiteManifestTest, GraphQlPagesChangeTheBody) {
  ManifestFixture fixture(BuiltInText("buildkite"));
  const absl::StatusOr<PageContent> content =
      fixture.Read("api_access_tokens", ReadTestData("buildkite/api_access_tokens.json"),
                   Texts({{"org", "my_great_org"}}));
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->next.Get("json").Get("variables").Get("after").string_value(), "Y3Vyc29y");
  EXPECT_EQ(content->next.Get("json").Get("variables").Get("org").string_value(), "my_great_org");
  EXPECT_EQ(content->next.Get("url").string_value(), "https://graphql.buildkite.com/v1");
}

}  // namespace
}  // namespace tokeninventory
