#include "inventory/sorted_index.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tokeninventory {
namespace {

using ::testing::ElementsAre;

constexpr SortedEntry kBeforeAll{std::numeric_limits<std::int64_t>::min(), 0, 0};

std::vector<SortedEntry> EntriesOf(const SortedIndex& index) {
  std::vector<SortedEntry> entries;
  index.Scan(kBeforeAll, [&](const SortedEntry& entry) {
    entries.push_back(entry);
    return true;
  });
  return entries;
}

TEST(SortedIndexTest, WhatIsBothRemovedAndAddedStays) {
  const SortedEntry a{1, 0, 1}, b{2, 0, 2}, c{3, 0, 3}, d{4, 0, 4};
  const SortedIndex index = SortedIndex().With({}, {c, a, b});
  EXPECT_THAT(EntriesOf(index.With({b}, {b})), ElementsAre(a, b, c));
  EXPECT_THAT(EntriesOf(index.With({b, a}, {b, d})), ElementsAre(b, c, d));
  // Added, removed and added again.
  EXPECT_THAT(EntriesOf(index.With({d}, {d, d})), ElementsAre(a, b, c, d));
  EXPECT_THAT(EntriesOf(index.With({d}, {})), ElementsAre(a, b, c));
}

// Of so many that they are not merely compared.
TEST(SortedIndexTest, ManyEntriesOfAllKindsAreInOrder) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::mt19937_64 random(2);
  const std::function<std::int64_t()> keys[] = {
      [&] { return static_cast<std::int64_t>(random()); },
      [&] { return static_cast<std::int64_t>(random() >> (random() % 64)); },
      [&] { return static_cast<std::int64_t>(random() % 100); },
      [&] { return static_cast<std::int64_t>(random() % 3) - 1; },
      [&] {
        return random() % 4 == 0 ? kMost
                                 : 1'700'000'000 + static_cast<std::int64_t>(random() % 1000);
      },
      [&] { return random() % 2 == 0 ? kMost : kLeast; },
      [] { return std::int64_t{0}; },
  };
  const std::function<std::uint64_t()> ties[] = {
      [&] { return random(); },
      [&] { return random() >> (random() % 64); },
      [] { return std::uint64_t{7}; },
  };
  for (const auto& key : keys) {
    for (const auto& tie : ties) {
      std::vector<SortedEntry> entries;
      for (std::uint32_t row = 0; row < 12'000; ++row) entries.push_back({key(), tie(), row});
      std::shuffle(entries.begin(), entries.end(), random);
      const SortedIndex index = SortedIndex().With({}, entries);
      std::sort(entries.begin(), entries.end());
      ASSERT_EQ(EntriesOf(index.With({}, {})), entries);
      ASSERT_EQ(index.size(), entries.size());
    }
  }
}

TEST(SortedIndexTest, AScanVisitsInOrderWhatItHasPreparedBefore) {
  std::mt19937_64 random(1);
  std::set<SortedEntry> entries;
  while (entries.size() < 5000) {
    entries.insert({static_cast<std::int64_t>(random() % 1000), random() % 10,
                    static_cast<std::uint32_t>(random() % 100'000)});
  }
  const SortedIndex index = SortedIndex().With({}, {entries.begin(), entries.end()});
  for (const SortedEntry& after : {kBeforeAll, *std::next(entries.begin(), 2345)}) {
    std::vector<SortedEntry> visited;
    std::set<SortedEntry> prepared;
    const auto visit = [&](const SortedEntry& entry) {
      visited.push_back(entry);
      return visited.size() < 2000;
    };
    const auto prepare = [&](const SortedEntry& entry) {
      if (!visited.empty()) {
        EXPECT_LT(visited.back(), entry);
      }
      EXPECT_TRUE(prepared.insert(entry).second);
    };
    EXPECT_FALSE(index.Scan(after, visit, prepare));
    const auto first = entries.upper_bound(after);
    EXPECT_EQ(visited, std::vector<SortedEntry>(first, std::next(first, 2000)));
    EXPECT_GT(prepared.size(), visited.size() / 2);
  }
}

}  // namespace
}  // namespace tokeninventory
