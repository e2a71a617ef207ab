// Tokens that their vendor ends when nobody uses them.
#include <string>

#include "base/proto_time.h"
#include "gtest/gtest.h"
#include "tests/expiration/judged_token.h"
#include "tests/expiration/notice_words.h"

namespace tokeninventory::testing {
namespace {

class JudgeInactivityTest : public ::testing::Test {
 protected:
  JudgedToken judged_;
  const absl::Time start_ = judged_.now;
  const absl::Duration window_ = Days(30);
};

TEST_F(JudgeInactivityTest, IsWarnedAboutByItsDeadline) {
  judged_.UsedAt(start_ - Days(25), window_);
  EXPECT_EQ(judged_.Judge(), "LEAD 7d");
  EXPECT_EQ(judged_.said[0].reason(), v1::Expiration::INACTIVITY);
  EXPECT_EQ(FromProto(judged_.said[0].effective_expire_time()), start_ + Days(5));
  EXPECT_EQ(judged_.said[0].expire_time_precision(), v1::Token::INSTANT);
  EXPECT_EQ(judged_.said[0].days_left(), 5);
}

TEST_F(JudgeInactivityTest, AUseMovesIt) {
  judged_.UsedAt(start_ - Days(25), window_);
  EXPECT_EQ(judged_.Judge(), "LEAD 7d");
  judged_.UsedAt(start_, window_);
  EXPECT_EQ(judged_.Judge(), "RESOLVED EXTENDED");
  EXPECT_EQ(judged_.At(start_ + Days(16)), "LEAD 14d");
  EXPECT_EQ(judged_.said[0].generation(), 2);
}

// Leads of its window or longer are no warning but noise.
TEST_F(JudgeInactivityTest, IsNeverWarnedAboutRightAfterAUse) {
  for (const absl::Duration window : {Days(30), Days(14), Days(7), Days(1), absl::Hours(1)}) {
    SCOPED_TRACE(absl::FormatDuration(window));
    JudgedToken judged;
    for (int day = 0; day < 40; ++day) {
      judged.now = start_ + Days(day);
      judged.UsedAt(judged.now, window);
      EXPECT_EQ(judged.Judge(), "");
      EXPECT_EQ(judged.At(judged.now + window / 10), "");
    }
  }
}

TEST_F(JudgeInactivityTest, AMoveByATenthOfTheWindowIsNone) {
  const absl::Duration tenth = window_ / 10;
  const struct {
    absl::Duration moved;
    std::string says;
  } kCases[] = {
      {absl::Minutes(2), ""},
      {tenth, ""},
      {-tenth, "LEAD 7d"},
      {tenth + absl::Nanoseconds(1), "RESOLVED EXTENDED, LEAD 14d"},
      {-tenth - absl::Nanoseconds(1), "RESOLVED SHORTENED, LEAD 7d"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::FormatDuration(test.moved));
    JudgedToken judged;
    judged.token.clear_create_time();
    judged.UsedAt(start_ - Days(20), window_);
    EXPECT_EQ(judged.Judge(), "LEAD 14d");
    judged.UsedAt(start_ - Days(20) + test.moved, window_);
    EXPECT_EQ(judged.Judge(), test.says);
  }
}

TEST_F(JudgeInactivityTest, WhicheverEndsItFirstIsTheReason) {
  judged_.UsedAt(start_, window_);
  judged_.ExpiresAt(start_ + window_);
  EXPECT_EQ(judged_.At(start_ + Days(29)), "LEAD 1d");
  EXPECT_EQ(judged_.said[0].reason(), v1::Expiration::EXPIRY) << "when both do";
  JudgedToken sooner;
  sooner.UsedAt(start_, window_);
  sooner.ExpiresAt(start_ + window_ + absl::Seconds(1));
  EXPECT_EQ(sooner.At(start_ + Days(29)), "LEAD 1d");
  EXPECT_EQ(sooner.said[0].reason(), v1::Expiration::INACTIVITY);
}

TEST_F(JudgeInactivityTest, ItsEndIsToldThoughItsStateSaysNothing) {
  judged_.UsedAt(start_ - Days(29), window_);
  EXPECT_EQ(judged_.Judge(), "LEAD 1d");
  EXPECT_EQ(judged_.At(start_ + Days(1)), "EXPIRED");
  EXPECT_EQ(judged_.token.state(), v1::Token::ACTIVE);
  judged_.UsedAt(start_ + Days(2), window_);
  EXPECT_EQ(judged_.At(start_ + Days(2)), "RESOLVED EXTENDED") << "the vendor did not end it";
}

// Vendors count in days, and some drop what they ended.
TEST_F(JudgeInactivityTest, WhatLeavesTheListInItsLastDayWasEnded) {
  const struct {
    absl::Duration left;
    std::string says;
  } kCases[] = {
      {Days(1) + absl::Nanoseconds(1), "RESOLVED DELETED"},
      {Days(1), "RESOLVED EXPIRED"},
      {absl::Hours(1), "RESOLVED EXPIRED"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::FormatDuration(test.left));
    JudgedToken judged;
    judged.UsedAt(start_ - Days(25), window_);
    EXPECT_EQ(judged.Judge(), "LEAD 7d");
    judged.now = start_ + Days(5) - test.left;
    EXPECT_EQ(HasEnded(judged.token, judged.now), test.says == "RESOLVED EXPIRED");
    judged.token.set_presence(v1::Token::DELETED);
    EXPECT_EQ(judged.Judge(), test.says);
  }
}

}  // namespace
}  // namespace tokeninventory::testing
