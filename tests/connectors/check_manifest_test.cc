#include "connectors/check_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/connectors/manifest_fixture.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory {
namespace {

using ::testing::HasSubstr;

class CheckManifestTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_.path() + "/" + name) << text;
    return dir_.path() + "/" + name;
  }
  int Check() {
    std::ostringstream out;
    const int code = CheckManifest(options_, out);
    said_ = out.str();
    return code;
  }

  testing::TempDir dir_;
  CheckManifestOptions options_;
  std::string said_;
};

TEST_F(CheckManifestTest, SaysThatAManifestIsGood) {
  options_.manifest_file = Write("opal.yaml", testing::BuiltInText("opal"));
  EXPECT_EQ(Check(), 0);
  EXPECT_THAT(said_, HasSubstr("opal.yaml: good; vendor opal, 1 streams"));
}

TEST_F(CheckManifestTest, ListsWhatIsWrong) {
  options_.manifest_file = Write("bad.yaml", "vendor: x\ntitel: y\nstreams: {}\n");
  EXPECT_EQ(Check(), 1);
  EXPECT_THAT(said_, HasSubstr("bad.yaml:2:1: titel: unknown field; did you mean `title`?"));
  EXPECT_THAT(said_, HasSubstr("base: missing"));
  options_.manifest_file = dir_.path() + "/nowhere.yaml";
  EXPECT_EQ(Check(), 2);
}

TEST_F(CheckManifestTest, ShowsTheTokensOfAPage) {
  options_.manifest_file = Write("opal.yaml", testing::BuiltInText("opal"));
  options_.page_file = std::string(TI_TESTDATA) + "/opal/tokens.json";
  EXPECT_EQ(Check(), 0);
  EXPECT_THAT(said_, HasSubstr("\"providerTokenId\": \"f454d283-ca87-4a8a-bdbb-df212eca5353\""));
  EXPECT_THAT(said_, HasSubstr("\"expiry\": \"NEVER\""));
  EXPECT_THAT(said_, HasSubstr("opal tokens: 3 records, 3 tokens, 0 records cannot be read"));
  EXPECT_THAT(said_,
              HasSubstr("next: {\"json\":null,\"method\":\"GET\",\"query\":{\"cursor\":\"cD0y"));
}

TEST_F(CheckManifestTest, TellsOfSecretsInThePage) {
  options_.manifest_file = Write("opal.yaml", testing::BuiltInText("opal"));
  const std::string secret = std::string("gh") + "p_a8Kd03jfLq92MzXv7Tb5Rn1Wc6Yh4Gs0PeUi";
  std::string page = testing::ReadTestData("opal/tokens.json");
  page.replace(page.find("My API Token"), 12, secret);
  options_.page_file = Write("page.json", page);
  EXPECT_EQ(Check(), 0);
  EXPECT_THAT(said_, HasSubstr("left out because they look like whole secrets: 1 texts"));
  EXPECT_THAT(said_, ::testing::Not(HasSubstr(secret)));
}

TEST_F(CheckManifestTest, AsksForWhatAPageNeeds) {
  options_.manifest_file = Write("deepset.yaml", testing::BuiltInText("deepset"));
  options_.page_file = std::string(TI_TESTDATA) + "/deepset/workspace_tokens.json";
  EXPECT_EQ(Check(), 2);
  EXPECT_THAT(said_, HasSubstr("--stream: which one is the page of?"));
  options_.stream = "nope";
  EXPECT_EQ(Check(), 2);
  options_.stream = "workspace_tokens";
  EXPECT_EQ(Check(), 2);
  EXPECT_THAT(said_, HasSubstr("${parent.name}: is not set"));
  options_.parent = {"name"};
  EXPECT_EQ(Check(), 2);
  options_.parent = {"name=production"};
  EXPECT_EQ(Check(), 0) << said_;
  EXPECT_THAT(said_, HasSubstr("total: 4"));
  EXPECT_THAT(said_, HasSubstr("\"page_number\":2"));
}

TEST_F(CheckManifestTest, ShowsTheItemsOfAParent) {
  options_.manifest_file = Write("deepset.yaml", testing::BuiltInText("deepset"));
  options_.page_file = std::string(TI_TESTDATA) + "/deepset/workspaces.json";
  options_.stream = "workspaces";
  EXPECT_EQ(Check(), 0);
  EXPECT_THAT(said_, HasSubstr("item {\"name\":\"staging/eu\"}"));
}

TEST_F(CheckManifestTest, SaysWhyAPageCannotBeRead) {
  options_.manifest_file = Write("opal.yaml", testing::BuiltInText("opal"));
  options_.page_file = Write("page.json", "<html>");
  EXPECT_EQ(Check(), 1);
  EXPECT_THAT(said_, HasSubstr("not a JSON text at line 1"));
  options_.page_file = Write("page.json", R"({"results": [{"token_id": 3}, {}]})");
  EXPECT_EQ(Check(), 1);
  EXPECT_THAT(said_,
              HasSubstr("2 records cannot be read\nthe first: streams.tokens.token: record 1"));
  options_.page_file = Write("page.json", "{}");
  EXPECT_EQ(Check(), 1);
  EXPECT_THAT(said_, HasSubstr("streams.tokens.records: expected an array, got null"));
  options_.page_file = dir_.path() + "/nowhere";
  EXPECT_EQ(Check(), 2);
}

TEST_F(CheckManifestTest, GraphQlErrorsAreSeen) {
  options_.manifest_file = Write("bk.yaml", testing::BuiltInText("buildkite"));
  options_.page_file = Write("page.json", R"({"errors": []})");
  options_.stream = "api_access_tokens";
  options_.parent = {"org=o"};
  options_.params = {"org=o"};
  EXPECT_EQ(Check(), 1);
  EXPECT_THAT(said_, HasSubstr("error: the page is FAILED"));
}

}  // namespace
}  // namespace tokeninventory
