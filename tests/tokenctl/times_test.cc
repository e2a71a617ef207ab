#include "tokenctl/text/times.h"

#include <gtest/gtest.h>

namespace tokeninventory::tokenctl {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

TEST(ParseDurationTest, ReadsWhatPeopleWrite) {
  const struct {
    const char* text;
    absl::Duration want;
  } kCases[] = {
      {"30d", 30 * kDay},          {"12h", absl::Hours(12)}, {"90m", absl::Minutes(90)},
      {"45s", absl::Seconds(45)},  {"2w", 14 * kDay},        {"1d12h", absl::Hours(36)},
      {"1.5h", absl::Minutes(90)}, {"36500d", 36500 * kDay},
  };
  for (const auto& c : kCases) {
    const auto read = ParseDuration(c.text);
    ASSERT_TRUE(read.ok()) << c.text;
    EXPECT_EQ(*read, c.want) << c.text;
  }
  for (const char* bad :
       {"", "30", "d", "-1d", "0s", "30 d", "30days", "1e3d", "36501d", "1..2h", "nan", "infd"}) {
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  }
}

TEST(DurationTextTest, IsReadAgain) {
  const struct {
    absl::Duration duration;
    const char* want;
  } kCases[] = {
      {30 * kDay, "30d"},           {absl::Hours(36), "1d12h"}, {absl::Seconds(90), "1m30s"},
      {absl::ZeroDuration(), "0s"}, {-absl::Hours(1), "-1h"},   {absl::Milliseconds(1700), "1s"},
  };
  for (const auto& c : kCases) EXPECT_EQ(DurationText(c.duration), c.want);
}

TEST(RelativeTimeTest, CountsWholeUnits) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  const struct {
    absl::Duration from_now;
    const char* want;
  } kCases[] = {
      {absl::ZeroDuration(), "now"},     {absl::Milliseconds(900), "now"},
      {absl::Seconds(1), "in 1 second"}, {absl::Seconds(-59), "59 seconds ago"},
      {absl::Minutes(1), "in 1 minute"}, {absl::Minutes(-59), "59 minutes ago"},
      {absl::Hours(1), "in 1 hour"},     {absl::Hours(47), "in 47 hours"},
      {absl::Hours(48), "in 2 days"},    {4 * kDay - absl::Seconds(1), "in 3 days"},
      {-4 * kDay, "4 days ago"},         {59 * kDay, "in 59 days"},
      {61 * kDay, "in 2 months"},        {729 * kDay, "in 23 months"},
      {-800 * kDay, "2 years ago"},
  };
  for (const auto& c : kCases) EXPECT_EQ(RelativeTime(now + c.from_now, now), c.want);
}

TEST(TimeFormatTest, IsOfTheReadersZone) {
  absl::TimeZone zone = absl::FixedTimeZone(2 * 3600);
  absl::Time now;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, "2026-01-31T21:30:00Z", &now, nullptr));
  const TimeFormat times{now, zone};
  EXPECT_EQ(times.Date(now), "2026-01-31");
  EXPECT_EQ(times.Minute(now), "2026-01-31 23:30");
  EXPECT_EQ(times.Clock(now), "23:30:00");
  EXPECT_EQ(times.Full(now + absl::Hours(72)), "2026-02-03 23:30:00 +02 (in 3 days)");
  // Midnight is the reader's.
  EXPECT_EQ(times.DaysAhead(now + absl::Minutes(29)), 0);
  EXPECT_EQ(times.DaysAhead(now + absl::Minutes(30)), 1);
  EXPECT_EQ(FormatRfc3339(now + absl::Milliseconds(250)), "2026-01-31T21:30:00.25Z");
}

}  // namespace
}  // namespace tokeninventory::tokenctl
