#include "inventory/token_name.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;

TEST(TokenNameTest, EncodesWhatIsNotPlain) {
  struct Case {
    std::string id;
    std::string encoded;
  };
  const Case cases[] = {
      {"abc-XYZ_0.9~", "abc-XYZ_0.9~"},
      {"a b", "a%20b"},
      {"a/b", "a%2Fb"},
      {"100%", "100%25"},
      {"%41", "%2541"},
      {"reg:prod:7", "reg%3Aprod%3A7"},
      {"ä", "%C3%A4"},
      {std::string("\0\xFF", 2), "%00%FF"},
      {"..", ".."},
      {"+", "%2B"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.encoded);
    EXPECT_EQ(EncodeTokenId(c.id), c.encoded);
    const std::string name = TokenName("opal-prod", c.id);
    EXPECT_EQ(name, "sources/opal-prod/tokens/" + c.encoded);
    EXPECT_TRUE(CheckTokenName(name, "name").ok());
  }
}

TEST(TokenNameTest, EveryByteHasOneEncodingThatIsAccepted) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string id(1, static_cast<char>(byte));
    EXPECT_TRUE(CheckTokenName(TokenName("s", id), "name").ok()) << byte;
  }
}

TEST(TokenNameTest, RefusesNamesThatAreNotCanonical) {
  const std::string names[] = {
      "",
      "abc",
      "tokens/a",
      "sources/",
      "sources/opal",
      "sources/opal/tokens",
      "sources/opal/tokens/",
      "sources//tokens/a",
      "sources/-/tokens/a",
      "sources/Opal/tokens/a",
      "sources/opal/tokens/a/b",
      "sources/opal/tokens/a b",
      "sources/opal/tokens/%",
      "sources/opal/tokens/%2",
      "sources/opal/tokens/a%2",
      "sources/opal/tokens/%2f",  // lower case
      "sources/opal/tokens/%G0",
      "sources/opal/tokens/%41",  // is `A`
      "sources/opal/tokens/%2E",  // is `.`
      "sources/opal/tokens/\xC3\xA4",
      "/sources/opal/tokens/a",
      "sources/opal/tokens/a/",
      " sources/opal/tokens/a",
  };
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const absl::Status status = CheckTokenName(name, "names[3]");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(status), "INVALID_NAME");
    EXPECT_THAT(FieldsOf(status), ElementsAre("names[3]"));
  }
}

TEST(TokenNameTest, RefusesNamesThatAreTooLong) {
  const std::string head = "sources/opal/tokens/";
  EXPECT_TRUE(CheckTokenName(head + std::string(kMaxNameBytes - head.size(), 'a'), "name").ok());
  EXPECT_FALSE(
      CheckTokenName(head + std::string(kMaxNameBytes - head.size() + 1, 'a'), "name").ok());
}

TEST(SourceNameTest, KnowsWhichIdsAreAllowed) {
  for (const char* id : {"a", "opal-prod", "a1", "x-9", "a--b"}) {
    EXPECT_TRUE(IsSourceId(id)) << id;
    EXPECT_EQ(ParseSourceName(SourceName(id), "name", false).value(), id);
  }
  EXPECT_TRUE(IsSourceId(std::string(63, 'a')));
  for (const char* id : {"", "-", "-a", "a-", "1a", "A", "a_b", "a.b", "a/b", "\xC3\xA4", "a b"}) {
    EXPECT_FALSE(IsSourceId(id)) << id;
  }
  EXPECT_FALSE(IsSourceId(std::string(64, 'a')));
}

TEST(SourceNameTest, AcceptsTheWildcardOnlyWhereAllowed) {
  EXPECT_EQ(ParseSourceName("sources/-", "parent", true).value(), "-");
  const auto refused = ParseSourceName("sources/-", "name", false);
  EXPECT_EQ(ReasonOf(refused), "INVALID_NAME");
  EXPECT_THAT(FieldsOf(refused), ElementsAre("name"));
  for (const char* name :
       {"", "sources", "sources/", "source/a", "sources/a/", "sources/a/b", "a"}) {
    EXPECT_THAT(FieldsOf(ParseSourceName(name, "parent", true)), ElementsAre("parent")) << name;
  }
}

}  // namespace
}  // namespace tokeninventory::testing
