#include "bench/lib/rounds.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tokeninventory::bench {
namespace {

std::vector<double> UpTo(int n) {
  std::vector<double> values;
  for (int i = n; i >= 1; --i) values.push_back(i);
  return values;
}

TEST(RoundsTest, AnIntervalIsMadeOfTheValuesThemselves) {
  // From the tables of order statistics for a median, 95 %.
  const struct {
    int values;
    double median, low, high;
  } cases[] = {{15, 8, 4, 12}, {20, 10.5, 6, 15}, {6, 3.5, 1, 6}, {3, 2, 1, 3}, {1, 1, 1, 1}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.values);
    const Interval interval = MedianOf(UpTo(each.values));
    EXPECT_EQ(interval.median, each.median);
    EXPECT_EQ(interval.low, each.low);
    EXPECT_EQ(interval.high, each.high);
  }
  EXPECT_EQ(MedianOf({}).median, 0);
}

TEST(RoundsTest, ABarIsPassedOrMissedByTheWholeInterval) {
  const Interval interval{1.0, 0.9, 1.1};
  EXPECT_EQ(Judge(AtMost(1.1), interval), Verdict::kPass);
  EXPECT_EQ(Judge(AtMost(1.05), interval), Verdict::kUndecided);
  EXPECT_EQ(Judge(AtMost(0.9), interval), Verdict::kUndecided);
  EXPECT_EQ(Judge(AtMost(0.8), interval), Verdict::kFallsShort);
  EXPECT_EQ(Judge(AtLeast(0.9), interval), Verdict::kPass);
  EXPECT_EQ(Judge(AtLeast(1.1), interval), Verdict::kUndecided);
  EXPECT_EQ(Judge(AtLeast(1.2), interval), Verdict::kFallsShort);
  EXPECT_EQ(Judge(Bar(), interval), Verdict::kNone);
}

TEST(RoundsTest, ContendersTakeTurnsAndTheFirstRoundDoesNotCount) {
  std::vector<char> order;
  double a = 0;
  double b = 100;
  const auto results = RunRounds({
                                     [&] {
                                       order.push_back('a');
                                       return a++;
                                     },
                                     [&] {
                                       order.push_back('b');
                                       return b++;
                                     },
                                 },
                                 3);
  EXPECT_EQ(results, (std::vector<std::vector<double>>{{1, 2, 3}, {101, 102, 103}}));
  EXPECT_EQ(std::string(order.begin(), order.end()), "ababbaab");
  EXPECT_EQ(Counted({7, 8, 9}), (std::vector<double>{8, 9}));
}

TEST(RoundsTest, RatiosAreOfPairs) {
  EXPECT_EQ(Ratios({2, 9}, {1, 3}), (std::vector<double>{2, 3}));
  EXPECT_TRUE(Ratios({2, 9}, {}).empty());
}

}  // namespace
}  // namespace tokeninventory::bench
