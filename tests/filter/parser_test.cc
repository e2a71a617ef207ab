// Places and pieces; what trees mean is in case_files_test.cc and filter_test.cc.
#include "inventory/filter/parser.h"

#include <gtest/gtest.h>

#include <string>

#include "inventory/filter/lexer.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::filter {
namespace {

TEST(LexerTest, OffsetsAndStars) {
  const auto lexemes = Lex("  a*.\"b\\*c*\" <=  x");
  ASSERT_TRUE(lexemes.ok());
  ASSERT_EQ(lexemes->size(), 6u);
  EXPECT_EQ((*lexemes)[0].offset, 2u);
  EXPECT_TRUE((*lexemes)[0].space_before);
  EXPECT_EQ((*lexemes)[0].word.stars, std::vector<std::uint32_t>{1});
  EXPECT_EQ((*lexemes)[1].kind, LexemeKind::kDot);
  EXPECT_FALSE((*lexemes)[1].space_before);
  EXPECT_EQ((*lexemes)[2].word.text, "b*c*");
  EXPECT_EQ((*lexemes)[2].word.stars, std::vector<std::uint32_t>{3});
  EXPECT_TRUE((*lexemes)[2].word.quoted);
  EXPECT_EQ((*lexemes)[3].kind, LexemeKind::kLessEqual);
  EXPECT_EQ((*lexemes)[4].word.text, "x");
  EXPECT_EQ((*lexemes)[5].kind, LexemeKind::kEnd);
}

TEST(LexerTest, Escapes) {
  const auto text = [](const std::string& inside) {
    const auto lexemes = Lex("\"" + inside + "\"");
    return lexemes.ok() ? (*lexemes)[0].word.text : testing::ReasonOf(lexemes);
  };
  EXPECT_EQ(text(R"(\a\b\f\n\r\t\v\\\'\"\`\?)"), "\a\b\f\n\r\t\v\\'\"`?");
  EXPECT_EQ(text(R"(\x41\101\u00e9\U0001F600)"), "AA\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(text(R"(\xff)"), "\xC3\xBF");  // a code point, as in CEL
  EXPECT_EQ(text(R"(\x00)"), std::string(1, '\0'));
  for (const char* bad : {R"(\q)", R"(\x4)", R"(\xg0)", R"(\u12)", R"(\ud800)", R"(\U00110000)",
                          R"(\08)", R"(\400)"}) {
    EXPECT_EQ(text(bad), "FILTER_SYNTAX") << bad;
  }
}

TEST(LexerTest, Utf8) {
  for (const char* bad : {"\xFF", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xE6\x97", "a\x80"}) {
    EXPECT_EQ(testing::ReasonOf(Lex(bad)), "FILTER_SYNTAX") << bad;
  }
  EXPECT_TRUE(Lex("\xF0\x9F\x98\x80").ok());
}

TEST(ParserTest, BareTimesAreOneWord) {
  for (const std::string text :
       {"2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00+02:00",
        "2026-01-01t00:00:00.5-02:00", "2026-01-01", "2026-01-01T00:00"}) {
    const auto tree = Parse("t<" + text + " x");
    ASSERT_TRUE(tree.ok()) << tree.status();
    EXPECT_EQ((*tree)->children[0]->right.words[0].text, text);
    EXPECT_EQ((*tree)->children[0]->right.words.size(), 1u);
  }
}

TEST(ParserTest, NegativeNumbers) {
  const auto tree = Parse("a = -1.5* b:(-2 OR -x)");
  ASSERT_TRUE(tree.ok()) << tree.status();
  const Word& number = (*tree)->children[0]->right.words[0];
  EXPECT_EQ(number.text, "-1.5*");
  EXPECT_EQ(number.stars, std::vector<std::uint32_t>{4});
  const Node& group = *(*tree)->children[1]->right.group;
  EXPECT_EQ(group.children[0]->left.words[0].text, "-2");
  EXPECT_EQ(group.children[1]->kind, Node::Kind::kNot);
}

TEST(ParserTest, WhiteSpaceBetweenTerms) {
  for (const char* good : {"(a)AND(b)", "NOT(a)", "-(a)", "a AND(b)", "(a) (b)", "a=1 b=2"}) {
    EXPECT_TRUE(Parse(good).ok()) << good;
  }
  for (const char* bad : {"(a)(b)", "a\"b\"", "\"a\"b", "(a)b", "a=\"1\"b", "(a)-b"}) {
    EXPECT_EQ(testing::ReasonOf(Parse(bad)), "FILTER_SYNTAX") << bad;
  }
}

}  // namespace
}  // namespace tokeninventory::filter
