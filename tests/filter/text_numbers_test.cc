#include "inventory/filter/text_numbers.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace tokeninventory {
namespace {

TEST(TextNumbersTest, ATextKeepsItsNumber) {
  TextNumbers texts;
  EXPECT_EQ(texts.Of(""), TextNumbers::kEmpty);
  EXPECT_EQ(texts[TextNumbers::kEmpty], "");
  const TextNumbers::Number opal = texts.Of("opal");
  const TextNumbers::Number cobol = texts.Of("cobol");
  EXPECT_NE(opal, cobol);
  EXPECT_EQ(texts.Of("opal"), opal);
  EXPECT_EQ(texts.Of(std::string("cobol")), cobol);
  EXPECT_EQ(texts[opal], "opal");
  EXPECT_EQ(texts[cobol], "cobol");
}

TEST(TextNumbersTest, OnlySoManyAndNoLongOnes) {
  TextNumbers texts;
  EXPECT_EQ(texts.Of(std::string(TextNumbers::kMostBytes + 1, 'a')), TextNumbers::kNone);
  EXPECT_NE(texts.Of(std::string(TextNumbers::kMostBytes, 'a')), TextNumbers::kNone);
  std::vector<TextNumbers::Number> numbers;
  // The empty text and the long one have theirs.
  for (std::size_t i = 0; i + 2 < TextNumbers::kMost; ++i) {
    numbers.push_back(texts.Of(absl::StrCat(i)));
    ASSERT_NE(numbers.back(), TextNumbers::kNone) << i;
  }
  EXPECT_EQ(texts.Of("one more"), TextNumbers::kNone);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(texts[numbers[i]], absl::StrCat(i));
    ASSERT_EQ(texts.Of(absl::StrCat(i)), numbers[i]);
  }
}

TEST(TextNumbersTest, ThreadsAgree) {
  TextNumbers texts;
  constexpr int kTexts = 2000;
  std::vector<std::vector<TextNumbers::Number>> seen(4);
  std::vector<std::thread> threads;
  for (auto& numbers : seen) {
    threads.emplace_back([&texts, &numbers] {
      for (int i = 0; i < kTexts; ++i) {
        numbers.push_back(texts.Of(absl::StrCat("text-", i)));
        EXPECT_EQ(texts[numbers.back()], absl::StrCat("text-", i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& numbers : seen) EXPECT_EQ(numbers, seen[0]);
}

}  // namespace
}  // namespace tokeninventory
