// Paired rounds and what they say, without assumptions about how noise is spread.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace tokeninventory::bench {

// A median, and an interval that holds the true one with 95 % (order statistics:
// with 15 values from the 4th to the 12th). With fewer than six values there is no
// such interval: then it is everything.
struct Interval {
  double median = 0;
  double low = 0;
  double high = 0;
};
Interval MedianOf(std::vector<double> values);

// What was noted besides in each round of RunRounds: without the one that does not count.
std::vector<double> Counted(std::vector<double> noted);

// Of each pair.
std::vector<double> Ratios(const std::vector<double>& above, const std::vector<double>& below);

// What one of those that are compared costs: measures one round.
using Measure = std::function<double()>;

// Runs all of them in turn, `rounds` times, after one round that does not count; a
// round begins with another one each time. The results by contender, then round.
std::vector<std::vector<double>> RunRounds(const std::vector<Measure>& contenders, int rounds);

enum class Verdict { kNone, kPass, kUndecided, kFallsShort };

struct Bar {
  enum class Kind { kNone, kAtMost, kAtLeast };
  Kind kind = Kind::kNone;
  double value = 0;
  std::string text;  // as people wrote it: "1/2.2"
};
Bar AtMost(double value, std::string text = "");
Bar AtLeast(double value, std::string text = "");

// PASS when the whole interval is within the bar, FALLS SHORT when none of it is.
Verdict Judge(const Bar& bar, const Interval& interval);

}  // namespace tokeninventory::bench
