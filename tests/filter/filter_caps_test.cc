// The caps of the language, on both sides of each (aip160_semantics.json, limits).
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "inventory/filter/filter.h"
#include "tests/testing/error_details.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {
namespace {

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::string ReasonFor(const std::string& text) {
  return testing::ReasonOf(Filter::Compile(text, {}));
}

std::string Nested(int levels) { return Repeat("(", levels) + "revision=1" + Repeat(")", levels); }

TEST(FilterCapsTest, Levels) {
  EXPECT_EQ(ReasonFor(Nested(32)), "");
  EXPECT_EQ(ReasonFor(Nested(33)), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor(Nested(4000)), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor("revision=" + Repeat("(", 32) + "1" + Repeat(")", 32)), "");
  EXPECT_EQ(ReasonFor("revision=" + Repeat("(", 33) + "1" + Repeat(")", 33)), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor(Repeat("NOT (", 32) + "a" + Repeat(")", 32)), "");
  EXPECT_EQ(ReasonFor(Repeat("NOT (", 33) + "a" + Repeat(")", 33)), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor(Repeat("f(", 33) + "a" + Repeat(")", 33)), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor("a = " + Repeat("f(", 50)), "FILTER_TOO_COMPLEX");
  // Side by side is not nested.
  EXPECT_EQ(ReasonFor(Repeat("(a) ", 90)), "");
}

TEST(FilterCapsTest, Bytes) {
  const std::string shell = "name = \"\"";
  const auto with = [&](std::size_t size) {
    return "name = \"" + std::string(size - shell.size(), 'x') + "\"";
  };
  EXPECT_EQ(ReasonFor(with(8 * 1024)), "");
  EXPECT_EQ(ReasonFor(with(8 * 1024 + 1)), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor(with(3'900'000)), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor(Repeat("(", 500'000) + "a=1" + Repeat(")", 500'000)), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor(Repeat("NOT ", 1'000'000) + "a=1"), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor(std::string(8 * 1024, ' ')), "");
}

TEST(FilterCapsTest, Terms) {
  EXPECT_EQ(ReasonFor(Repeat("revision=1 OR ", 99) + "revision=1"), "");
  EXPECT_EQ(ReasonFor(Repeat("revision=1 OR ", 100) + "revision=1"), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor(Repeat("a ", 100)), "");
  EXPECT_EQ(ReasonFor(Repeat("a ", 101)), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor("revision = (" + Repeat("1 OR ", 99) + "1)"), "");
  EXPECT_EQ(ReasonFor("revision = (" + Repeat("1 OR ", 100) + "1)"), "FILTER_TOO_COMPLEX");
}

TEST(FilterCapsTest, PathsIntoAttributes) {
  EXPECT_EQ(ReasonFor("attributes" + Repeat(".a", 31) + ":*"), "");
  EXPECT_EQ(ReasonFor("attributes" + Repeat(".a", 32) + ":*"), "FILTER_TOO_COMPLEX");
  EXPECT_EQ(ReasonFor("attributes" + Repeat(".a", 4000) + ":*"), "FILTER_TOO_COMPLEX");
}

// Linear: with backtracking, or a plain search for each part, this would not end.
TEST(FilterCapsTest, WildcardsTakeBoundedTime) {
  v1::Token token;
  token.set_display_name(std::string(60'000, 'a'));
  const std::string bytes = token.SerializeAsString();
  FilterRow row;
  row.bytes = bytes;
  for (const std::string field : {"display_name = ", "display_name:", ""}) {
    const auto many = Filter::Compile(field + "\"" + Repeat("*a", 1000) + "*b\"", {});
    const auto one = Filter::Compile(field + "\"*" + Repeat("a", 8000) + "b*\"", {});
    ASSERT_TRUE(many.ok() && one.ok());
    for (int i = 0; i < 200; ++i) {
      EXPECT_FALSE(many->Matches(row));
      EXPECT_FALSE(one->Matches(row));
    }
  }
}

}  // namespace
}  // namespace tokeninventory
