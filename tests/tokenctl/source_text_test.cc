#include "tokenctl/source_text.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace tokeninventory::tokenctl {
namespace {

TEST(JudgeSourceTest, FreshLateAndStale) {
  const absl::Time now = absl::FromUnixSeconds(100'000);
  const struct {
    const char* source;
    absl::Duration max_age;
    SourceHealth::Level level;
    const char* why;
  } kCases[] = {
      {"state: OK last_complete_time { seconds: 99500 }", {}, SourceHealth::kFresh, ""},
      {"state: OK last_complete_time { seconds: 99300 }",
       {},
       SourceHealth::kStale,
       "s OK, last read whole 11 minutes ago"},
      {"state: OK last_complete_time { seconds: 99300 } sync_interval { seconds: 300 }",
       {},
       SourceHealth::kFresh,
       ""},
      {"state: OK last_complete_time { seconds: 99500 }", absl::Minutes(5), SourceHealth::kStale,
       "s OK, last read whole 8 minutes ago"},
      {"state: AUTH_FAILED error: '401\\033' last_complete_time { seconds: 99900 }",
       {},
       SourceHealth::kWarning,
       "s AUTH_FAILED (401\\x1b)"},
      {"state: AUTH_FAILED error: '401' last_complete_time { seconds: 90000 }",
       {},
       SourceHealth::kStale,
       "s AUTH_FAILED, last read whole 2 hours ago (401)"},
      {"state: PENDING create_time { seconds: 99990 }",
       {},
       SourceHealth::kWarning,
       "s PENDING, never read whole"},
      {"state: UNREACHABLE create_time { seconds: 1000 }",
       {},
       SourceHealth::kStale,
       "s UNREACHABLE, never read whole"},
      {"state: DETACHED", {}, SourceHealth::kFresh, ""},
  };
  for (const auto& c : kCases) {
    v1::Source source;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
        absl::StrCat("name: 'sources/s' ", c.source), &source));
    const SourceHealth health = JudgeSource(source, c.max_age, now);
    EXPECT_EQ(health.level, c.level) << c.source;
    EXPECT_EQ(health.why, c.why);
  }
}

TEST(RequestsLeftTest, IsTheLeastOfTheLimits) {
  v1::Source source;
  EXPECT_EQ(RequestsLeft(source.rate_limits()), "");
  source.add_rate_limits()->set_remaining(180);
  source.add_rate_limits()->set_remaining(32);
  EXPECT_EQ(RequestsLeft(source.rate_limits()), "32");
}

}  // namespace
}  // namespace tokeninventory::tokenctl
