// Random filters over random tokens against tests/filter/filter_model.h.
#include "tests/filter/filter_model.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "inventory/filter/filter.h"
#include "inventory/token_bytes.h"

namespace tokeninventory {
namespace {

TEST(FilterModelTest, RandomFiltersAgreeOnRandomTokens) {
  constexpr int kTokens = 2 * TokenColumns::kRows;
  constexpr int kFilters = 6000;
  std::mt19937_64 random(160);
  std::vector<v1::Token> tokens;
  std::vector<std::string> bytes;
  std::vector<TokenColumns> columns(2);
  std::vector<FilterRow> rows;
  for (int i = 0; i < kTokens; ++i) {
    tokens.push_back(filter::testing::RandomFilterToken(random, i));
    bytes.push_back(SerializeToken(tokens.back()));
    columns[static_cast<std::size_t>(i / TokenColumns::kRows)].Set(i % TokenColumns::kRows,
                                                                   bytes.back());
  }
  for (int i = 0; i < kTokens; ++i) {
    FilterRow& row = rows.emplace_back();
    row.bytes = bytes[static_cast<std::size_t>(i)];
    row.full_offset = ReadTokenFacts(row.bytes).basic_size;
    row.columns = &columns[static_cast<std::size_t>(i / TokenColumns::kRows)];
    row.row = i % TokenColumns::kRows;
  }

  int decisive = 0;  // filters that some tokens pass and some do not
  for (int i = 0; i < kFilters; ++i) {
    const auto condition = filter::testing::RandomCondition(random, i % 4);
    const std::string text = condition->Text();
    const auto compiled = Filter::Compile(text, {});
    ASSERT_TRUE(compiled.ok()) << text << "\n" << compiled.status();
    int matches = 0;
    for (std::size_t k = 0; k < rows.size(); ++k) {
      const bool want = condition->Holds(tokens[k]);
      matches += want ? 1 : 0;
      FilterRow bare;
      bare.bytes = rows[k].bytes;
      ASSERT_EQ(compiled->Matches(bare), want) << text << "\n" << tokens[k].DebugString();
      ASSERT_EQ(compiled->Matches(rows[k]), want) << "with columns: " << text << "\n"
                                                  << tokens[k].DebugString();
    }
    for (std::size_t block = 0; block < columns.size(); ++block) {
      const auto row_of = [&](int row) {
        FilterRow at = rows[block * TokenColumns::kRows + static_cast<std::size_t>(row)];
        at.columns = nullptr;
        return at;
      };
      // All rows, some, and few.
      for (const std::uint64_t asked :
           {~std::uint64_t{0}, random(), random() & random() & random() & random()}) {
        const std::uint64_t got = compiled->MatchRows(columns[block], asked, row_of);
        for (int row = 0; row < TokenColumns::kRows; ++row) {
          const bool asked_for = (asked >> row & 1) != 0;
          ASSERT_EQ((got >> row & 1) != 0, asked_for && compiled->Matches(row_of(row)))
              << "row " << row << " in a block: " << text;
        }
      }
    }
    decisive += matches > 0 && matches < kTokens ? 1 : 0;
  }
  EXPECT_GT(decisive, kFilters / 2);
}

// Damage may change what matches, but ends nothing.
TEST(FilterModelTest, DamagedBytesAreHarmless) {
  std::mt19937_64 random(161);
  for (int i = 0; i < 300; ++i) {
    std::string bytes = SerializeToken(filter::testing::RandomFilterToken(random, i));
    const auto compiled =
        Filter::Compile(filter::testing::RandomCondition(random, 2)->Text(), FilterOptions());
    ASSERT_TRUE(compiled.ok());
    for (int k = 0; k < 50; ++k) {
      std::string damaged = bytes.substr(0, random() % (bytes.size() + 1));
      if (!damaged.empty()) damaged[random() % damaged.size()] = static_cast<char>(random());
      TokenColumns columns;
      columns.Set(0, damaged);
      FilterRow row;
      row.bytes = damaged;
      compiled->Matches(row);
      row.columns = &columns;
      row.full_offset = random() % 1000;
      compiled->Matches(row);
    }
  }
}

}  // namespace
}  // namespace tokeninventory
