// Why there is nothing left to warn about, and what comes after it.
#include <string>

#include "base/proto_time.h"
#include "gtest/gtest.h"
#include "tests/expiration/judged_token.h"
#include "tests/expiration/notice_words.h"

namespace tokeninventory::testing {
namespace {

using Word = TokenSight::VendorWord;

class JudgeResolutionTest : public ::testing::Test {
 protected:
  // Warned about, a week before its end.
  JudgeResolutionTest() {
    judged_.ExpiresAt(end_);
    EXPECT_EQ(judged_.Judge(), "LEAD 7d");
  }

  JudgedToken judged_;
  const absl::Time start_ = judged_.now;
  const absl::Time end_ = start_ + Days(7);
};

TEST_F(JudgeResolutionTest, Causes) {
  const struct {
    std::string name;
    std::function<void(JudgedToken&)> happens;
    std::string says;
  } kCases[] = {
      {"a minute later", [&](auto& j) { j.ExpiresAt(end_ + kEndTolerance); }, ""},
      {"a minute sooner", [&](auto& j) { j.ExpiresAt(end_ - kEndTolerance); }, ""},
      {"more than a minute later",
       [&](auto& j) { j.ExpiresAt(end_ + kEndTolerance + absl::Nanoseconds(1)); },
       "RESOLVED EXTENDED"},
      {"more than a minute sooner",
       [&](auto& j) { j.ExpiresAt(end_ - kEndTolerance - absl::Nanoseconds(1)); },
       "RESOLVED SHORTENED, LEAD 7d"},
      {"ends never",
       [&](auto& j) {
         j.token.clear_expire_time();
         j.token.set_expiry(v1::Token::NEVER);
       },
       "RESOLVED EXTENDED"},
      {"ends in hours", [&](auto& j) { j.ExpiresAt(start_ + absl::Hours(12)); },
       "RESOLVED SHORTENED, LEAD 1d"},
      {"ended", [&](auto& j) { j.ExpiresAt(start_ - absl::Hours(12)); },
       "RESOLVED SHORTENED, EXPIRED"},
      {"ended before it was first seen",
       [&](auto& j) {
         ToProto(start_, j.token.mutable_first_seen_time());
         j.ExpiresAt(start_ - absl::Hours(12));
       },
       "RESOLVED SHORTENED, EXPIRED"},
      {"ended long ago", [&](auto& j) { j.ExpiresAt(start_ - Days(31)); }, "RESOLVED SHORTENED"},
      {"revoked", [](auto& j) { j.token.set_state(v1::Token::REVOKED); }, "RESOLVED REVOKED"},
      {"disabled", [](auto& j) { j.token.set_state(v1::Token::DISABLED); }, "RESOLVED REVOKED"},
      {"invalid", [](auto& j) { j.token.set_state(v1::Token::INVALID); }, "RESOLVED REVOKED"},
      {"missing", [](auto& j) { j.token.set_presence(v1::Token::MISSING); }, ""},
      {"deleted", [](auto& j) { j.token.set_presence(v1::Token::DELETED); }, "RESOLVED DELETED"},
      {"detached", [](auto& j) { j.token.set_presence(v1::Token::DETACHED); }, "RESOLVED DETACHED"},
      {"no lead at all", [](auto& j) { j.rules = LeadsOf({}); }, "RESOLVED RULE_CHANGED"},
      {"a tighter lead", [](auto& j) { j.rules = LeadsOf({Days(3)}); }, "RESOLVED RULE_CHANGED"},
      {"another lead that is reached", [](auto& j) { j.rules = LeadsOf({Days(9)}); }, ""},
      {"a rule of others", [](auto& j) { j.rules = LeadsOf({Days(3)}, "kind = 'x'"); }, ""},
      {"another token of the same id",
       [&](auto& j) {
         j.token.set_uid("uid-b");
         j.ExpiresAt(end_ + Days(300));
       },
       "RESOLVED DELETED"},
      {"another token, as near its end", [](auto& j) { j.token.set_uid("uid-b"); },
       "RESOLVED DELETED, LEAD 7d"},
      {"renamed", [](auto& j) { j.token.set_display_name("another"); }, ""},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    JudgedToken judged = judged_;
    test.happens(judged);
    EXPECT_EQ(judged.Judge(), test.says);
    if (judged.said.empty()) continue;
    const v1::Expiration& resolved = judged.said.front();
    EXPECT_EQ(resolved.uid(), judged_.known->uid());
    EXPECT_NE(resolved.event_id(), judged_.known->event_id());
    EXPECT_EQ(resolved.kind(), v1::Expiration::LEAD);
    EXPECT_EQ(FromProto(resolved.effective_expire_time()), end_) << "as told";
    EXPECT_EQ(FromProto(resolved.resolution().resolve_time()), start_);
    if (judged.said.size() == 2) {
      EXPECT_NE(judged.said[1].uid(), resolved.uid());
    }
  }
}

TEST_F(JudgeResolutionTest, SaysHowManyDaysAreLeftAndWhatIsVerifiedNow) {
  EXPECT_EQ(judged_.said[0].days_left(), 7);
  EXPECT_TRUE(judged_.said[0].verified());
  judged_.now = start_ + Days(2.5);
  judged_.token.set_presence(v1::Token::DETACHED);
  EXPECT_EQ(judged_.Judge(), "RESOLVED DETACHED");
  EXPECT_EQ(judged_.said[0].days_left(), 5);
  EXPECT_FALSE(judged_.said[0].verified());
}

// A token that its vendor drops after its end is not one that somebody deleted.
TEST_F(JudgeResolutionTest, WhatLeftTheListAfterItsEndExpired) {
  const struct {
    std::string name;
    absl::Duration after_end;
    v1::DeleteCause cause;
    std::string says;
  } kCases[] = {
      {"before", -absl::Nanoseconds(1), v1::NOT_LISTED, "RESOLVED DELETED"},
      {"at its end", absl::ZeroDuration(), v1::NOT_LISTED, "RESOLVED EXPIRED"},
      {"proven", Days(1), v1::VENDOR_404, "RESOLVED EXPIRED"},
      {"as the Ledger says", -absl::Nanoseconds(1), v1::EXPIRED, "RESOLVED EXPIRED"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    JudgedToken judged = judged_;
    judged.token.set_presence(v1::Token::DELETED);
    judged.token.set_delete_cause(test.cause);
    EXPECT_EQ(judged.At(end_ + test.after_end), test.says);
  }
}

TEST_F(JudgeResolutionTest, TheNoticeOfItsEndIsOverAfterThirtyDays) {
  EXPECT_EQ(judged_.At(end_), "EXPIRED");
  EXPECT_EQ(judged_.NextLook(), end_ + Days(30));
  EXPECT_EQ(judged_.At(end_ + Days(30) - absl::Nanoseconds(1)), "");
  EXPECT_EQ(judged_.At(end_ + Days(30)), "RESOLVED EXPIRED");
  EXPECT_EQ(judged_.NextLook(), absl::InfiniteFuture());
  judged_.token.set_state(v1::Token::EXPIRED);
  judged_.token.set_display_name("another");
  EXPECT_EQ(judged_.At(end_ + Days(31)), "") << "not told again";
}

TEST_F(JudgeResolutionTest, AnEndThatNobodySawForAMonthIsOver) {
  EXPECT_EQ(judged_.At(end_ + Days(45)), "RESOLVED EXPIRED");
  EXPECT_EQ(judged_.At(end_ + Days(46)), "");
}

TEST_F(JudgeResolutionTest, OverdueByTheVendorsWordAlone) {
  const auto at = [&](absl::Duration after_end) {
    return [=, this](JudgedToken& j) { j.now = end_ + after_end; };
  };
  JudgedToken silent = judged_;
  RunSteps(judged_, {
                        {"ends", at({}), "EXPIRED"},
                        {"a word too early", at(Days(1) - absl::Nanoseconds(1)), "", Word::kActive},
                        {"no word", at(Days(1)), ""},
                        {"a word", at(Days(1)), "OVERDUE", Word::kActive},
                        {"the same word", at(Days(2)), "", Word::kActive},
                        {"no word is no end", at(Days(3)), ""},
                        {"not over by time", at(Days(40)), ""},
                        {"still", at(Days(41)), "", Word::kActive},
                        {"the vendor ends it", at(Days(42)), "RESOLVED EXPIRED", Word::kEnded},
                        {"and says so again", at(Days(43)), "", Word::kEnded},
                    });
  EXPECT_EQ(judged_.known->generation(), 1);
  RunSteps(silent, {
                       {"ends", at({}), "EXPIRED"},
                       {"ended by the vendor too", at(Days(2)), "", Word::kEnded},
                       {"and no longer", at(Days(3)), "OVERDUE", Word::kActive},
                       {"renewed", [&](JudgedToken& j) { j.ExpiresAt(end_ + Days(100)); },
                        "RESOLVED EXTENDED", Word::kActive},
                   });
}

TEST_F(JudgeResolutionTest, OnlyTheWordThatMattersIsHeard) {
  const struct {
    Word word;
    v1::Expiration::Kind kind;
    bool matters;
  } kCases[] = {
      {Word::kNone, v1::Expiration::EXPIRED, false},
      {Word::kNone, v1::Expiration::OVERDUE, false},
      {Word::kActive, v1::Expiration::LEAD, false},
      {Word::kActive, v1::Expiration::EXPIRED, true},
      {Word::kActive, v1::Expiration::OVERDUE, false},
      {Word::kEnded, v1::Expiration::LEAD, false},
      {Word::kEnded, v1::Expiration::EXPIRED, false},
      {Word::kEnded, v1::Expiration::OVERDUE, true},
  };
  for (const auto& test : kCases) EXPECT_EQ(WordMatters(test.word, test.kind), test.matters);
}

TEST_F(JudgeResolutionTest, WhatComesBackIsToldAnewUnderAnotherUid) {
  const std::string first_uid = judged_.known->uid();
  const struct {
    std::string name;
    std::function<void(JudgedToken&)> goes;
    std::function<void(JudgedToken&)> returns;
  } kCases[] = {
      {"tombstone", [](auto& j) { j.token.set_presence(v1::Token::DELETED); },
       [](auto& j) { j.token.set_presence(v1::Token::LISTED); }},
      {"source", [](auto& j) { j.token.set_presence(v1::Token::DETACHED); },
       [](auto& j) { j.token.set_presence(v1::Token::LISTED); }},
      {"switch", [](auto& j) { j.token.set_state(v1::Token::DISABLED); },
       [](auto& j) { j.token.set_state(v1::Token::ACTIVE); }},
      {"rule", [](auto& j) { j.rules = LeadsOf({}); }, [](auto& j) { j.rules = LeadRules(); }},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    JudgedToken judged = judged_;
    test.goes(judged);
    judged.Judge();
    EXPECT_EQ(judged.known->state(), v1::Expiration::RESOLVED);
    test.returns(judged);
    EXPECT_EQ(judged.Judge(), "LEAD 7d");
    EXPECT_EQ(judged.known->generation(), 2);
    EXPECT_NE(judged.known->uid(), first_uid);
    EXPECT_FALSE(judged.known->has_resolution());
  }
}

TEST_F(JudgeResolutionTest, ATombstoneThatComesBackAfterItsEndTellsItOnce) {
  const auto gone = [](JudgedToken& j) { j.token.set_presence(v1::Token::DELETED); };
  const auto back = [](JudgedToken& j) { j.token.set_presence(v1::Token::LISTED); };
  const auto ends = [&](JudgedToken& j) { j.now = end_; };
  JudgedToken untold = judged_;
  RunSteps(judged_,
           {{"ends", ends, "EXPIRED"}, {"gone", gone, "RESOLVED EXPIRED"}, {"back", back, ""}});
  RunSteps(untold, {{"gone", gone, "RESOLVED DELETED"},
                    {"ends", ends, ""},
                    {"back", back, "EXPIRED"},
                    {"gone again", gone, "RESOLVED EXPIRED"},
                    {"back again", back, ""}});
}

TEST_F(JudgeResolutionTest, AnotherTokensNoticesAreItsOwn) {
  judged_.token.set_uid("uid-b");
  judged_.Judge();
  ASSERT_EQ(judged_.said.size(), 2u);
  EXPECT_EQ(judged_.said[0].token_uid(), "uid-a");
  EXPECT_EQ(judged_.said[1].token_uid(), "uid-b");
  EXPECT_EQ(judged_.said[1].generation(), 1);
}

TEST_F(JudgeResolutionTest, ANoticeAboutASourceHasItsOwnIds) {
  const Surroundings around{start_, nullptr, &judged_.source, false, 7};
  const v1::Expiration first =
      MakeSourceNotice(v1::Expiration::SOURCE_UNHEALTHY, nullptr, start_ - Days(1), around);
  EXPECT_EQ(first.state(), v1::Expiration::OPEN);
  EXPECT_EQ(first.generation(), 1);
  EXPECT_EQ(first.token_uid(), "");
  EXPECT_FALSE(first.has_lead());
  EXPECT_FALSE(first.has_effective_expire_time());
  const v1::Expiration over = Resolve(first, v1::Expiration::Resolution::RECOVERED, around);
  const v1::Expiration again =
      MakeSourceNotice(v1::Expiration::SOURCE_UNHEALTHY, &over, start_, around);
  const v1::Expiration digest = MakeSourceNotice(v1::Expiration::DIGEST, nullptr, start_, around);
  EXPECT_EQ(digest.state(), v1::Expiration::RESOLVED);
  EXPECT_EQ(over.uid(), first.uid());
  EXPECT_NE(over.event_id(), first.event_id());
  EXPECT_NE(again.uid(), first.uid());
  EXPECT_NE(digest.uid(), first.uid());
  EXPECT_EQ(again.generation(), 2);
}

TEST(HealthTest, ASourceHasThreeIntervalsAndADayAtLeast) {
  v1::Source source;
  const absl::Time made = absl::FromUnixSeconds(1'800'000'000);
  ToProto(made, source.mutable_create_time());
  ToProto(absl::Minutes(5), source.mutable_sync_interval());
  EXPECT_EQ(UnhealthyAt(source), made + Days(1));
  ToProto(absl::Hours(12), source.mutable_sync_interval());
  EXPECT_EQ(UnhealthyAt(source), made + absl::Hours(36));
  ToProto(made + Days(9), source.mutable_last_complete_time());
  EXPECT_EQ(UnhealthyAt(source), made + Days(9) + absl::Hours(36));
  ToProto(made + Days(20), source.mutable_create_time());  // detached, and back
  EXPECT_EQ(UnhealthyAt(source), made + Days(20) + absl::Hours(36));
  source.set_state(v1::Source::DETACHED);
  EXPECT_EQ(UnhealthyAt(source), absl::InfiniteFuture());
}

}  // namespace
}  // namespace tokeninventory::testing
