#include "tokenctl/text/timeline.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace tokeninventory::tokenctl {
namespace {

const Terminal kTerminal = {
    .is_terminal = true, .colour = false, .utf8 = true, .width = 72, .height = 24};

TimeFormat At(const char* time) {
  absl::Time now;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, time, &now, nullptr));
  return {now, absl::UTCTimeZone()};
}

TEST(TimelineTest, ShowsDaysOwnersAndSources) {
  const TimeFormat times = At("2026-11-23T13:00:00Z");
  const auto in = [&](int hours) { return times.now + absl::Hours(hours); };
  const std::vector<TimelineEntry> entries = {
      {in(-2), "late", "ann", "opal"},         {in(2), "deploy", "bob", "opal"},
      {in(3), "backup", "ann", "opal"},        {in(30), "ci", "", "deepset"},
      {in(24 * 6), "notebook", "ann", "opal"},
  };
  EXPECT_EQ(RenderTimeline(entries, absl::Hours(24 * 8), times, kTerminal),
            "By day\n"
            "  ended already          1 █████████           late\n"
            "  Mon 23 Nov  today      2 ██████████████████  deploy, backup\n"
            "  Tue 24 Nov  tomorrow   1 █████████           ci\n"
            "  ⋮ 4 days without\n"
            "  Sun 29 Nov  in 6 days  1 █████████           notebook\n"
            "  ⋮ 2 days without\n"
            "\n"
            "By owner\n"
            "  ann         3 ██████████████████  2 hours ago: late\n"
            "  bob         1 ██████              first in 2 hours: deploy\n"
            "  (not told)  1 ██████              first in 30 hours: ci\n"
            "\n"
            "By source\n"
            "  opal     4 ██████████████████  2 hours ago: late\n"
            "  deepset  1 ████▌               first in 30 hours: ci\n");
}

TEST(TimelineTest, ManyOwnersAreTheTenLargest) {
  const TimeFormat times = At("2026-11-23T13:00:00Z");
  std::vector<TimelineEntry> entries;
  for (int owner = 0; owner < 13; ++owner) {
    for (int i = 0; i <= (owner == 5 ? 3 : 0); ++i) {
      entries.push_back({times.now + absl::Hours(1), "t", absl::StrCat("owner-", owner), "opal"});
    }
  }
  const std::string text = RenderTimeline(entries, absl::Hours(24), times, kTerminal);
  EXPECT_NE(text.find("By owner\n  owner-5  4 "), std::string::npos) << text;
  EXPECT_NE(text.find("  ⋮ 3 more with 3\n"), std::string::npos) << text;
}

TEST(TimelineTest, FarEndsAreByWeek) {
  const TimeFormat times = At("2026-11-23T13:00:00Z");
  const std::vector<TimelineEntry> entries = {{times.now + absl::Hours(24 * 15), "a", "o", "s"}};
  const std::string text = RenderTimeline(entries, absl::Hours(24 * 90), times, kTerminal);
  EXPECT_NE(text.find("  ⋮ 2 weeks without\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  week of Mon  7 Dec "), std::string::npos) << text;
}

TEST(BarTest, IsNeverEmptyNorTooLong) {
  const struct {
    std::int64_t value, most;
    const char* want;
  } kCases[] = {{0, 10, ""},      {1, 1000, "▌"}, {5, 10, "██"},
                {10, 10, "████"}, {3, 8, "█▌"},   {1, 0, ""}};
  for (const auto& c : kCases) EXPECT_EQ(Bar(c.value, c.most, 4, kTerminal), c.want);
  Terminal ascii = kTerminal;
  ascii.utf8 = false;
  EXPECT_EQ(Bar(1, 1000, 4, ascii), "#");
  EXPECT_EQ(Bar(3, 4, 4, ascii), "###");
}

}  // namespace
}  // namespace tokeninventory::tokenctl
