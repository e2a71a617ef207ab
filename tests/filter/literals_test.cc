#include "inventory/filter/literals.h"

#include <gtest/gtest.h>

#include <limits>

namespace tokeninventory::filter {
namespace {

TEST(LiteralsTest, Numbers) {
  EXPECT_EQ(ParseNumber("42")->floor, 42);
  EXPECT_EQ(ParseNumber("+1")->floor, 1);
  EXPECT_EQ(ParseNumber("-9223372036854775808")->floor, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(ParseNumber("9223372036854775807")->floor, std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(ParseNumber("9223372036854775808")->floor, std::nullopt);
  EXPECT_EQ(ParseNumber("9.3e18")->floor, std::nullopt);
  EXPECT_EQ(ParseNumber("2.997e9")->floor, 2'997'000'000);
  EXPECT_FALSE(ParseNumber("2.997e9")->fraction);
  EXPECT_EQ(ParseNumber("-1.5")->floor, -2);
  EXPECT_TRUE(ParseNumber("-1.5")->fraction);
  EXPECT_EQ(ParseNumber("1E-2")->real, 0.01);
  for (const char* text : {"", "-", "5.", ".5", "1e", "1e+", "0x10", "inf", "nan", "1e999", "1 ",
                           " 1", "--1", "1_0"}) {
    EXPECT_FALSE(ParseNumber(text).has_value()) << text;
  }
}

TEST(LiteralsTest, Timestamps) {
  EXPECT_EQ(*ParseTimestamp("2026-01-01T00:00:00Z"), (Instant{1767225600, 0}));
  EXPECT_EQ(*ParseTimestamp("2026-01-01t02:00:00.25+02:00"), (Instant{1767225600, 250'000'000}));
  EXPECT_EQ(*ParseTimestamp("2026-01-01"), (Instant{1767225600, 0}));
  EXPECT_EQ(*ParseTimestamp("0001-01-01T00:00:00Z"), (Instant{kMinTimestampSeconds, 0}));
  EXPECT_EQ(*ParseTimestamp("9999-12-31T23:59:59.999999999Z"),
            (Instant{kMaxTimestampSeconds, 999'999'999}));
  for (const char* text :
       {"", "2026", "2026-1-1", "2026-01-01T00:00Z", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z",
        "2026-02-30T00:00:00Z", "2026-02-30", "2026-01-01T25:00:00Z", "infinite-future",
        " 2026-01-01T00:00:00Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+0200",
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
        "12026-01-01T00:00:00Z", "2026-01-01T00:00:00Zx"}) {
    EXPECT_FALSE(ParseTimestamp(text).has_value()) << text;
  }
}

TEST(LiteralsTest, Durations) {
  EXPECT_EQ(*ParseDuration("20s"), (Instant{20, 0}));
  EXPECT_EQ(*ParseDuration("1.5s"), (Instant{1, 500'000'000}));
  EXPECT_EQ(*ParseDuration("-1.5s"), (Instant{-2, 500'000'000}));
  EXPECT_EQ(*ParseDuration("0.000000001s"), (Instant{0, 1}));
  EXPECT_EQ(*ParseDuration("90d"), (Instant{90 * 86400, 0}));
  EXPECT_EQ(*ParseDuration("1w2d3h4m5s"), (Instant{((9 * 24 + 3) * 60 + 4) * 60 + 5, 0}));
  EXPECT_EQ(*ParseDuration("0.5h"), (Instant{1800, 0}));
  EXPECT_EQ(*ParseDuration("315576000000s"), (Instant{315'576'000'000, 0}));
  for (const char* text :
       {"", "-", "20", "s", "20y", "1.s", ".5s", "20s ", "315576000001s", "0.0000000001s", "1h-5m",
        "99999999999999999999s", "9999999999999w", "+5s", "20S"}) {
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
  }
}

TEST(LiteralsTest, Now) {
  const absl::Time now = absl::FromUnixSeconds(1000) + absl::Milliseconds(500);
  EXPECT_EQ(*ParseNow("now", now), (Instant{1000, 500'000'000}));
  EXPECT_EQ(*ParseNow("now+1.6s", now), (Instant{1002, 100'000'000}));
  EXPECT_EQ(*ParseNow("now-1.6s", now), (Instant{998, 900'000'000}));
  EXPECT_EQ(ParseNow("now+300000000000s", now)->seconds, kMaxTimestampSeconds);
  EXPECT_EQ(ParseNow("now-300000000000s", now)->seconds, kMinTimestampSeconds);
  for (const char* text : {"now+", "now-", "now+5", "now--5s", "now+-5s"}) {
    EXPECT_FALSE(ParseNow(text, now).has_value()) << text;
  }
  EXPECT_FALSE(IsNow("nowadays"));
  EXPECT_TRUE(IsNow("now-1d"));
}

TEST(LiteralsTest, InstantsOfDamagedTimes) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(Instant::Of(kMax, 2'000'000'000).seconds, kMax);
  EXPECT_EQ(Instant::Of(kMin, -1).seconds, kMin);
  EXPECT_EQ(Instant::Of(5, -1), (Instant{4, 999'999'999}));
}

}  // namespace
}  // namespace tokeninventory::filter
