#include "bench/lib/report.h"

#include <cstdio>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/lib/process.h"

namespace tokeninventory::bench {
namespace {

constexpr int kQuickRounds = 6;  // the fewest that have an interval

const char* NameOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNone:
      return "-";
    case Verdict::kPass:
      return "PASS";
    case Verdict::kUndecided:
      return "UNDECIDED";
    case Verdict::kFallsShort:
      return "FALLS SHORT";
  }
  return "-";
}

std::string Json(const Interval& interval) {
  return absl::StrFormat(R"({"median":%.6g,"low":%.6g,"high":%.6g})", interval.median, interval.low,
                         interval.high);
}

std::string Json(const Compared& compared) {
  if (compared.values.empty()) return "null";
  return absl::StrFormat(R"({"name":"%s","value":%s})", compared.name,
                         Json(MedianOf(compared.values)));
}

}  // namespace

Setup ReadArguments(int argc, char** argv) {
  Setup setup;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--quick") {
      setup.quick = true;
      setup.rounds = kQuickRounds;
    } else if (word == "--data" && i + 1 < argc) {
      setup.data = argv[++i];
    } else {
      Fail(absl::StrCat("usage: ", argv[0], " [--quick] [--data DIR]"));
    }
  }
  return setup;
}

void Print(const Row& row) {
  const Compared& other = row.limit.values.empty() ? row.peer : row.limit;
  const bool has_ratio = !other.values.empty();
  const Interval value = MedianOf(row.values);
  const Interval ratio = MedianOf(Ratios(row.values, other.values));
  const char* const comparison = row.bar.kind == Bar::Kind::kNone     ? "-"
                                 : row.bar.kind == Bar::Kind::kAtMost ? "<="
                                                                      : ">=";
  std::printf(
      R"({"name":"%s","unit":"%s","better":"%s","rounds":%zu,"value":%s,"limit":%s,"peer":%s,)"
      R"("ratio":%s,"bar":"%s","verdict":"%s"})"
      "\n",
      row.name.c_str(), row.unit.c_str(), row.more_is_better ? "more" : "less", row.values.size(),
      Json(value).c_str(), Json(row.limit).c_str(), Json(row.peer).c_str(),
      has_ratio ? Json(ratio).c_str() : "null",
      row.bar.kind == Bar::Kind::kNone ? "-" : absl::StrCat(comparison, " ", row.bar.text).c_str(),
      NameOf(Judge(row.bar, has_ratio ? ratio : value)));
  std::fflush(stdout);
}

void Note(const std::string& text) { std::fprintf(stderr, "  %s\n", text.c_str()); }

}  // namespace tokeninventory::bench
