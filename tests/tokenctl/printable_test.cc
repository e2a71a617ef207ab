#include "tokenctl/text/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace tokeninventory::tokenctl {
namespace {

TEST(PrintableTest, NothingThatATerminalObeysGetsThrough) {
  const struct {
    std::string text;
    const char* want;
  } kCases[] = {
      {"plain-name_1", "plain-name_1"},
      {"Zürich 東京 🔑", "Zürich 東京 🔑"},
      {"\x1b[2J", "\\x1b[2J"},
      {"a\nb\r\tc\x7f", "a\\x0ab\\x0d\\x09c\\x7f"},
      {std::string("nul\0end", 7), "nul\\x00end"},
      {"\xc2\x9b"
       "31m",
       "\\u009b31m"},  // CSI in one character
      {"safe\xe2\x80\xae"
       "txt",
       "safe\\u202etxt"},  // right to left from here
      {"zero\xe2\x80\x8bwidth", "zero\\u200bwidth"},
      {"\xe2\x81\xa6isolate", "\\u2066isolate"},
      {"\xf3\xa0\x81\x81tag", "\\udb40\\udc41tag"},
      {"\xff\xfe", "\\xff\\xfe"},
      {"cut \xe6\x9d", "cut \\xe6\\x9d"},
      {"\xc0\xaf", "\\xc0\\xaf"},           // overlong
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // half a pair
  };
  for (const auto& c : kCases) EXPECT_EQ(Printable(c.text), c.want);
}

TEST(DisplayWidthTest, CountsColumnsInAnyLocale) {
  const struct {
    const char* text;
    int want;
  } kCases[] = {
      {"", 0}, {"abc", 3}, {"Zürich", 6}, {"東京", 4}, {"e\u0301", 1}, {"🔑", 2}, {"ｆｕｌｌ", 8},
  };
  for (const auto& c : kCases) EXPECT_EQ(DisplayWidth(c.text), c.want) << c.text;
}

TEST(TruncateTest, NeverWiderAndNeverInTheMidstOfACharacter) {
  const struct {
    const char* text;
    int width;
    const char* want;
  } kCases[] = {
      {"abcdef", 6, "abcdef"}, {"abcdef", 5, "abcd…"}, {"abcdef", 1, "…"},   {"abcdef", 0, ""},
      {"東京都", 6, "東京都"}, {"東京都", 5, "東京…"}, {"東京都", 4, "東…"}, {"ééé", 2, "é…"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Truncate(c.text, c.width, "…"), c.want) << c.text << " in " << c.width;
  }
  EXPECT_EQ(Truncate("abcdef", 4, ".."), "ab..");
}

}  // namespace
}  // namespace tokeninventory::tokenctl
