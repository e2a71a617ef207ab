#include "bench/lib/rounds.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace tokeninventory::bench {
namespace {

constexpr double kConfidence = 0.95;

// The largest k so that the true median lies between the k-th smallest and the
// k-th largest of n values with 95 %; 0 when there is none.
int RankFor(int n) {
  // Of n fair coins at most k show heads.
  double term = std::pow(0.5, n);
  double at_most = term;
  int rank = 0;
  for (int k = 1; k <= n / 2; ++k) {
    if (1 - 2 * at_most < kConfidence) break;
    rank = k;
    term = term * (n - k + 1) / k;
    at_most += term;
  }
  return rank;
}

}  // namespace

Interval MedianOf(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  const auto rank = static_cast<std::size_t>(std::max(RankFor(static_cast<int>(n)), 1));
  Interval interval;
  interval.median = (values[(n - 1) / 2] + values[n / 2]) / 2;
  interval.low = values[rank - 1];
  interval.high = values[n - rank];
  return interval;
}

std::vector<double> Counted(std::vector<double> noted) {
  noted.erase(noted.begin());
  return noted;
}

std::vector<double> Ratios(const std::vector<double>& above, const std::vector<double>& below) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(above.size(), below.size()); ++i) {
    ratios.push_back(above[i] / below[i]);
  }
  return ratios;
}

std::vector<std::vector<double>> RunRounds(const std::vector<Measure>& contenders, int rounds) {
  const std::size_t n = contenders.size();
  for (const Measure& warm_up : contenders) warm_up();
  std::vector<std::vector<double>> results(n);
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t which = (i + static_cast<std::size_t>(round)) % n;
      results[which].push_back(contenders[which]());
    }
  }
  return results;
}

Bar AtMost(double value, std::string text) {
  return {Bar::Kind::kAtMost, value, text.empty() ? absl::StrCat(value) : std::move(text)};
}

Bar AtLeast(double value, std::string text) {
  return {Bar::Kind::kAtLeast, value, text.empty() ? absl::StrCat(value) : std::move(text)};
}

Verdict Judge(const Bar& bar, const Interval& interval) {
  switch (bar.kind) {
    case Bar::Kind::kNone:
      return Verdict::kNone;
    case Bar::Kind::kAtMost:
      if (interval.high <= bar.value) return Verdict::kPass;
      return interval.low > bar.value ? Verdict::kFallsShort : Verdict::kUndecided;
    case Bar::Kind::kAtLeast:
      if (interval.low >= bar.value) return Verdict::kPass;
      return interval.high < bar.value ? Verdict::kFallsShort : Verdict::kUndecided;
  }
  return Verdict::kNone;
}

}  // namespace tokeninventory::bench
