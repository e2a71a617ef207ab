// When a token is warned about.
#include <string>
#include <vector>

#include "base/proto_time.h"
#include "gtest/gtest.h"
#include "tests/expiration/judged_token.h"
#include "tests/expiration/notice_words.h"

namespace tokeninventory::testing {
namespace {

constexpr absl::Duration kTick = absl::Nanoseconds(1);

class JudgeLeadsTest : public ::testing::Test {
 protected:
  JudgedToken judged_;
  const absl::Time start_ = judged_.now;
  const absl::Time end_ = start_ + Days(100);
};

TEST_F(JudgeLeadsTest, EachLeadIsToldAtItsInstantAndNotBefore) {
  judged_.ExpiresAt(end_);
  EXPECT_EQ(judged_.Judge(), "");
  for (const int days : {30, 14, 7, 3, 1}) {
    SCOPED_TRACE(days);
    EXPECT_EQ(judged_.NextLook(), end_ - Days(days));
    EXPECT_EQ(judged_.At(end_ - Days(days) - kTick), "");
    EXPECT_EQ(judged_.At(end_ - Days(days)), absl::StrCat("LEAD ", days, "d"));
    EXPECT_EQ(FromProto(judged_.said[0].due_time()), end_ - Days(days));
    EXPECT_EQ(judged_.said[0].days_left(), days);
    EXPECT_EQ(judged_.At(end_ - Days(days) + kTick), "");
  }
  EXPECT_EQ(judged_.NextLook(), end_);
  EXPECT_EQ(judged_.At(end_ - kTick), "");
  EXPECT_EQ(judged_.At(end_), "EXPIRED");
  EXPECT_EQ(FromProto(judged_.said[0].due_time()), end_);
  EXPECT_EQ(judged_.said[0].days_left(), 0);
  EXPECT_EQ(LeadText(FromProto(judged_.said[0].lead())), "1d") << "the tightest that was told";
}

TEST_F(JudgeLeadsTest, OneNoticeTightens) {
  judged_.ExpiresAt(end_);
  judged_.At(end_ - Days(30));
  const v1::Expiration first = judged_.said.at(0);
  EXPECT_EQ(first.state(), v1::Expiration::OPEN);
  EXPECT_EQ(first.reason(), v1::Expiration::EXPIRY);
  EXPECT_EQ(first.generation(), 1);
  EXPECT_EQ(first.source(), "sources/acme");
  EXPECT_EQ(first.token_uid(), "uid-a");
  EXPECT_EQ(first.name(), absl::StrCat("sources/acme/expirations/", first.uid()));
  EXPECT_EQ(FromProto(first.effective_expire_time()), end_);
  for (const absl::Time time : {end_ - Days(14), end_ - Days(7), end_}) {
    judged_.At(time);
    const v1::Expiration& next = judged_.said.at(0);
    EXPECT_EQ(next.uid(), first.uid());
    EXPECT_EQ(next.name(), first.name());
    EXPECT_EQ(next.generation(), 1);
    EXPECT_EQ(FromProto(next.create_time()), FromProto(first.create_time()));
  }
}

// However late it looks, it says the tightest lead alone.
TEST_F(JudgeLeadsTest, AJumpOverSeveralLeadsTellsTheTightest) {
  const struct {
    absl::Duration left;
    std::string says;
  } kCases[] = {
      {Days(31), ""},         {Days(30), "LEAD 30d"},         {Days(29), "LEAD 30d"},
      {Days(14), "LEAD 14d"}, {Days(7.1), "LEAD 14d"},        {Days(7), "LEAD 7d"},
      {Days(2), "LEAD 3d"},   {Days(0.01), "LEAD 1d"},        {Days(0), "EXPIRED"},
      {Days(-29), "EXPIRED"}, {Days(-30) + kTick, "EXPIRED"}, {Days(-30), ""},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::FormatDuration(test.left));
    JudgedToken judged;
    judged.ExpiresAt(end_);
    EXPECT_EQ(judged.At(end_ - test.left), test.says);
  }
}

TEST_F(JudgeLeadsTest, AClockThatGoesBackTellsNothingTwice) {
  judged_.ExpiresAt(end_);
  EXPECT_EQ(judged_.At(end_ - Days(6)), "LEAD 7d");
  EXPECT_EQ(judged_.At(end_ - Days(20)), "");
  EXPECT_EQ(judged_.At(end_ - Days(60)), "") << "not even before its first lead";
  EXPECT_EQ(judged_.At(end_ - Days(14)), "");
  EXPECT_EQ(judged_.At(end_ - Days(7)), "");
  EXPECT_EQ(judged_.At(end_ - Days(3)), "LEAD 3d");
  EXPECT_EQ(judged_.At(end_), "EXPIRED");
  EXPECT_EQ(judged_.At(end_ - Days(1)), "");
  EXPECT_EQ(judged_.At(end_), "");
}

// Resolving by the time rather than by the rules would tell it all again.
TEST_F(JudgeLeadsTest, AClockThatGoesBackBeforeTheOnlyLeadResolvesNothing) {
  judged_.rules = LeadsOf({Days(7)});
  judged_.ExpiresAt(end_);
  EXPECT_EQ(judged_.At(end_ - Days(7)), "LEAD 7d");
  EXPECT_EQ(judged_.At(end_ - Days(8)), "");
  EXPECT_EQ(judged_.At(end_ - Days(7)), "");
}

TEST_F(JudgeLeadsTest, DaysLeftAreRoundedUp) {
  const struct {
    absl::Duration left;
    int days;
  } kCases[] = {
      {Days(30), 30}, {Days(29) + kTick, 30}, {Days(29), 29}, {Days(1) + kTick, 2}, {Days(1), 1},
      {kTick, 1},     {Days(0), 0},           {Days(-3), 0},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::FormatDuration(test.left));
    JudgedToken judged;
    judged.ExpiresAt(end_);
    judged.At(end_ - test.left);
    ASSERT_EQ(judged.said.size(), 1u);
    EXPECT_EQ(judged.said[0].days_left(), test.days);
  }
}

TEST_F(JudgeLeadsTest, ADateWithoutATimeIsItsInstant) {
  judged_.ExpiresAt(end_);
  judged_.token.set_expire_time_precision(v1::Token::DAY);
  EXPECT_EQ(judged_.At(end_ - Days(1)), "LEAD 1d");
  EXPECT_EQ(judged_.said[0].expire_time_precision(), v1::Token::DAY);
}

// The life is from the creation to the end.
TEST_F(JudgeLeadsTest, LeadsAsLongAsTheLifeAreLeftOut) {
  const struct {
    absl::Duration life;
    std::vector<std::string> says;  // over the whole life
  } kCases[] = {
      {Days(90), {"LEAD 30d", "LEAD 14d", "LEAD 7d", "LEAD 3d", "LEAD 1d", "EXPIRED"}},
      {Days(30) + kTick, {"LEAD 30d", "LEAD 14d", "LEAD 7d", "LEAD 3d", "LEAD 1d", "EXPIRED"}},
      {Days(30), {"LEAD 14d", "LEAD 7d", "LEAD 3d", "LEAD 1d", "EXPIRED"}},
      {Days(7), {"LEAD 3d", "LEAD 1d", "EXPIRED"}},
      {Days(1.5), {"LEAD 1d", "EXPIRED"}},
      {Days(1), {"LEAD 8h", "EXPIRED"}},
      {absl::Minutes(9), {"LEAD 3m", "EXPIRED"}},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::FormatDuration(test.life));
    JudgedToken judged;
    ToProto(judged.now, judged.token.mutable_create_time());
    ToProto(judged.now, judged.token.mutable_first_seen_time());
    judged.ExpiresAt(judged.now + test.life);
    EXPECT_EQ(judged.Judge(), "");
    for (const std::string& says : test.says) EXPECT_EQ(judged.At(judged.NextLook()), says);
  }
}

TEST_F(JudgeLeadsTest, WhereNobodySaysWhenItWasMadeAllLeadsCount) {
  judged_.token.clear_create_time();
  judged_.ExpiresAt(start_ + Days(20));
  EXPECT_EQ(judged_.Judge(), "LEAD 30d");
}

// The first renewal is seen from a warning; from then on it is known for a short one.
TEST_F(JudgeLeadsTest, ATokenThatIsRenewedEveryDayIsAShortOne) {
  judged_.ExpiresAt(start_ + Days(7));
  EXPECT_EQ(judged_.Judge(), "LEAD 7d");
  for (int day = 1; day <= 60; ++day) {
    SCOPED_TRACE(day);
    // Passes see it some minutes late, now more, now less.
    const absl::Time renewed = start_ + Days(day);
    judged_.ExpiresAt(renewed + Days(7));
    EXPECT_EQ(judged_.At(renewed + absl::Minutes(day * 7 % 11)),
              day == 1 ? "RESOLVED EXTENDED" : "");
    EXPECT_EQ(judged_.At(renewed + Days(0.9)), "");
  }
  // Nobody renews it any more.
  const absl::Time end = start_ + Days(67);
  EXPECT_EQ(judged_.At(end - Days(3)), "LEAD 3d");
  EXPECT_EQ(judged_.said[0].generation(), 2);
  EXPECT_EQ(judged_.At(end - Days(1)), "LEAD 1d");
  EXPECT_EQ(judged_.At(end), "EXPIRED");
}

TEST_F(JudgeLeadsTest, ATokenWhoseDailyRenewalBecameAYearlyOneIsALongOne) {
  judged_.ExpiresAt(start_ + Days(7));
  EXPECT_EQ(judged_.Judge(), "LEAD 7d");
  judged_.ExpiresAt(start_ + Days(8));
  EXPECT_EQ(judged_.At(start_ + Days(1)), "RESOLVED EXTENDED");
  judged_.ExpiresAt(start_ + Days(365));
  EXPECT_EQ(judged_.At(start_ + Days(2)), "");
  EXPECT_EQ(judged_.At(start_ + Days(335)), "LEAD 30d");
}

// What moves an end a little leaves it near.
TEST_F(JudgeLeadsTest, ARespiteIsWarnedAboutAtOnce) {
  const struct {
    absl::Duration moved;
    std::string says;
  } kCases[] = {
      {absl::Minutes(2), "RESOLVED EXTENDED, LEAD 1d"},
      {Days(1), "RESOLVED EXTENDED, LEAD 3d"},
      {Days(5), "RESOLVED EXTENDED, LEAD 7d"},
      {Days(80), "RESOLVED EXTENDED"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::FormatDuration(test.moved));
    JudgedToken judged;
    judged.ExpiresAt(end_);
    EXPECT_EQ(judged.At(end_ - Days(30)), "LEAD 30d");
    EXPECT_EQ(judged.At(end_ - Days(1)), "LEAD 1d");
    judged.ExpiresAt(end_ + test.moved);
    EXPECT_EQ(judged.At(end_ - Days(0.9)), test.says);
  }
}

TEST_F(JudgeLeadsTest, ARotationInPlaceIsWarnedAboutAgain) {
  RunSteps(judged_, {
                        {"near", [&](JudgedToken& j) { j.ExpiresAt(start_ + Days(7)); }, "LEAD 7d"},
                        {"rotated", [&](JudgedToken& j) { j.ExpiresAt(start_ + Days(97)); },
                         "RESOLVED EXTENDED"},
                        {"far", [&](JudgedToken& j) { j.now = start_ + Days(66); }, ""},
                        {"again", [&](JudgedToken& j) { j.now = start_ + Days(67); }, "LEAD 30d"},
                        {"tighter", [&](JudgedToken& j) { j.now = start_ + Days(90); }, "LEAD 7d"},
                    });
  EXPECT_EQ(judged_.known->generation(), 2);
}

TEST_F(JudgeLeadsTest, WhatEndedBeforeItWasSeenIsHistory) {
  const struct {
    absl::Duration ago;
    v1::Token::State state;
  } kCases[] = {{kTick, v1::Token::EXPIRED},
                {Days(0), v1::Token::EXPIRED},
                {Days(20), v1::Token::EXPIRED},
                {Days(500), v1::Token::EXPIRED},
                {Days(20), v1::Token::ACTIVE}};
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::FormatDuration(test.ago));
    JudgedToken judged;
    ToProto(judged.now, judged.token.mutable_first_seen_time());
    judged.ExpiresAt(judged.now - test.ago);
    judged.token.set_state(test.state);
    EXPECT_EQ(judged.Judge(), "");
    judged.token.set_display_name("another name");
    EXPECT_EQ(judged.At(judged.now + Days(1)), "");
  }
}

TEST_F(JudgeLeadsTest, AVendorsWordMayComeBeforeTheDate) {
  judged_.ExpiresAt(end_);
  EXPECT_EQ(judged_.Judge(), "");
  judged_.token.set_state(v1::Token::EXPIRED);
  EXPECT_EQ(judged_.At(start_ + Days(5)), "EXPIRED");
  EXPECT_EQ(FromProto(judged_.said[0].due_time()), start_ + Days(5));
  EXPECT_EQ(judged_.At(end_), "");
}

TEST_F(JudgeLeadsTest, AVendorsWordAtFirstSightIsHistory) {
  judged_.ExpiresAt(end_);
  judged_.token.set_state(v1::Token::EXPIRED);
  EXPECT_EQ(judged_.Judge(), "");
  judged_.token.set_display_name("another name");
  EXPECT_EQ(judged_.Judge(), "");
}

TEST_F(JudgeLeadsTest, TokensThatDoNotWorkOrAreNotThereAreNotWarnedAbout) {
  const struct {
    v1::Token::State state;
    v1::Token::Presence presence;
    bool warns;
  } kCases[] = {
      {v1::Token::ACTIVE, v1::Token::LISTED, true},
      {v1::Token::ACTIVE, v1::Token::MISSING, true},
      {v1::Token::ACTIVE, v1::Token::DELETED, false},
      {v1::Token::ACTIVE, v1::Token::DETACHED, false},
      {v1::Token::DISABLED, v1::Token::LISTED, false},
      {v1::Token::INVALID, v1::Token::LISTED, false},
      {v1::Token::REVOKED, v1::Token::LISTED, false},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::StrCat(v1::Token::State_Name(test.state), " ",
                              v1::Token::Presence_Name(test.presence)));
    JudgedToken judged;
    judged.ExpiresAt(end_);
    judged.token.set_state(test.state);
    judged.token.set_presence(test.presence);
    EXPECT_EQ(judged.At(end_ - Days(7)), test.warns ? "LEAD 7d" : "");
  }
}

TEST_F(JudgeLeadsTest, ATokenWithoutAnEndIsNeverWarnedAbout) {
  for (const v1::Token::Expiry expiry : {v1::Token::NEVER, v1::Token::UNKNOWN}) {
    judged_.token.set_expiry(expiry);
    EXPECT_EQ(judged_.Judge(), "");
    EXPECT_EQ(judged_.NextLook(), absl::InfiniteFuture());
  }
}

TEST_F(JudgeLeadsTest, WhatStaleDataTellsIsNotVerified) {
  const struct {
    std::string name;
    absl::Duration since_pass;
    absl::Duration interval;
    v1::Token::Presence presence;
    bool verified;
  } kCases[] = {
      {"just now", absl::ZeroDuration(), absl::Hours(1), v1::Token::LISTED, true},
      {"a day, and no more", Days(1), absl::Hours(1), v1::Token::LISTED, true},
      {"more than a day", Days(1) + kTick, absl::Hours(1), v1::Token::LISTED, false},
      {"three long intervals", absl::Hours(36), absl::Hours(12), v1::Token::LISTED, true},
      {"more", absl::Hours(36) + kTick, absl::Hours(12), v1::Token::LISTED, false},
      {"the pass did not see it", absl::ZeroDuration(), absl::Hours(1), v1::Token::MISSING, false},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    JudgedToken judged;
    judged.ExpiresAt(end_);
    judged.now = end_ - Days(7);
    judged.token.set_presence(test.presence);
    ToProto(test.interval, judged.source.mutable_sync_interval());
    ToProto(judged.now - test.since_pass, judged.source.mutable_last_complete_time());
    judged.source.set_state(v1::Source::UNREACHABLE);
    ASSERT_EQ(judged.Judge(), "LEAD 7d");
    EXPECT_EQ(judged.said[0].verified(), test.verified);
    EXPECT_EQ(FromProto(judged.said[0].last_verified_time()), judged.now - test.since_pass);
    EXPECT_EQ(judged.said[0].source_state(), v1::Source::UNREACHABLE);
  }
  judged_.ExpiresAt(end_);
  judged_.now = end_ - Days(7);
  judged_.source.clear_last_complete_time();
  ASSERT_EQ(judged_.Judge(), "LEAD 7d");
  EXPECT_FALSE(judged_.said[0].verified()) << "no complete pass so far";
  EXPECT_FALSE(judged_.said[0].has_last_verified_time());
}

TEST_F(JudgeLeadsTest, OpeningsAreDigestedAndNothingElseIs) {
  judged_.ExpiresAt(end_);
  judged_.digested = true;
  EXPECT_EQ(judged_.At(end_ - Days(7)), "LEAD 7d");
  EXPECT_TRUE(judged_.said[0].digested());
  EXPECT_EQ(judged_.At(end_ - Days(3)), "LEAD 3d");
  EXPECT_FALSE(judged_.said[0].digested());
  JudgedToken resolved;
  resolved.ExpiresAt(end_);
  resolved.digested = true;
  EXPECT_EQ(resolved.At(end_ - Days(7)), "LEAD 7d");
  resolved.token.set_state(v1::Token::REVOKED);
  EXPECT_EQ(resolved.Judge(), "RESOLVED REVOKED");
  EXPECT_FALSE(resolved.said[0].digested()) << "whoever was told hears that it is over";
  JudgedToken other;
  other.ExpiresAt(end_);
  other.digested = true;
  EXPECT_EQ(other.At(end_), "EXPIRED");
  EXPECT_FALSE(other.said[0].digested()) << "a DIGEST has no place for it";
}

}  // namespace
}  // namespace tokeninventory::testing
