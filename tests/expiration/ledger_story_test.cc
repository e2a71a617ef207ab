// The Ledger tells of ends: what is committed with what, and told once whatever
// happens in between.
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/token_name.h"
#include "tests/expiration/expiry_house.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// What comes between two steps of a story.
enum class Between { kNothing, kRestart, kPutAgain };

class LedgerStoryTest : public ::testing::TestWithParam<Between> {
 protected:
  struct Step {
    std::string name;
    std::function<void()> happens;
    std::string said;
  };

  LedgerStoryTest() {
    house_.Pass({Lists({})});  // what comes later is told one by one
  }

  // A pass that shows `a` with this end, and others that nothing happens to.
  void Shows(absl::Time end, const std::function<void(v1::Token&)>& edit = {}) {
    shown_ = Expires("a", end);
    if (edit) edit(shown_.token);
    house_.Pass({Lists({shown_, Observed("b"), Observed("c")})});
  }
  void Drops() {
    shown_ = Observed("b");
    house_.Pass({Lists({Observed("b"), Observed("c")})});
  }
  void Moves(absl::Time time) {
    house_.clock().Set(time);
    expiry_.Settle();
  }
  // Time passes while passes go on.
  void MovesWell(absl::Time time) {
    house_.clock().Set(time - absl::Nanoseconds(1));
    house_.Pass({Lists({shown_, Observed("b"), Observed("c")})});
    Moves(time);
  }

  void Tell(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      SCOPED_TRACE(step.name);
      step.happens();
      expiry_.Settle();
      EXPECT_EQ(expiry_.Said(/*also_of_sources=*/false), step.said);
      Disturb();
      EXPECT_EQ(expiry_.Said(/*also_of_sources=*/false), "") << "after the disturbance";
    }
  }

  void Disturb() {
    switch (GetParam()) {
      case Between::kNothing:
        break;
      case Between::kRestart:
        expiry_.Reopen();
        break;
      case Between::kPutAgain:
        // The token changes in what no notice is about.
        shown_.token.set_display_name(absl::StrCat("name ", ++puts_));
        if (shown_.id == "a") {
          house_.Pass({Lists({shown_, Observed("b"), Observed("c")})});
        }
        break;
    }
    expiry_.Settle();
  }

  ExpiryHouse expiry_;
  LedgerHarness& house_ = expiry_.house();
  const absl::Time start_ = house_.clock().Now();
  ObservedToken shown_;
  int puts_ = 0;
};

std::string NameOf(const ::testing::TestParamInfo<Between>& info) {
  switch (info.param) {
    case Between::kNothing:
      return "Alone";
    case Between::kRestart:
      return "Restart";
    case Between::kPutAgain:
      return "PutAgain";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(All, LedgerStoryTest,
                         ::testing::Values(Between::kNothing, Between::kRestart,
                                           Between::kPutAgain),
                         NameOf);

TEST_P(LedgerStoryTest, WarnedRenewedWarnedAndExpired) {
  const absl::Time end = start_ + Days(10);
  const absl::Time renewed = start_ + Days(100);
  Tell({
      {"seen", [&] { Shows(end); }, "a LEAD 14d"},
      {"a week before", [&] { MovesWell(end - Days(7)); }, "a LEAD 7d"},
      {"renewed", [&] { Shows(renewed); }, "a RESOLVED EXTENDED"},
      {"a month before", [&] { MovesWell(renewed - Days(30)); }, "a LEAD 30d"},
      {"jump over two", [&] { MovesWell(renewed - Days(5)); }, "a LEAD 7d"},
      {"jump back", [&] { Moves(renewed - Days(20)); }, ""},
      {"and on", [&] { MovesWell(renewed - Days(1)); }, "a LEAD 3d; a LEAD 1d"},
      {"a moment before", [&] { MovesWell(renewed - absl::Nanoseconds(1)); }, ""},
      {"the end", [&] { MovesWell(renewed); }, "a EXPIRED"},
      {"jump back again", [&] { Moves(renewed - Days(2)); }, ""},
      {"the same end", [&] { MovesWell(renewed); }, ""},
      {"long after", [&] { MovesWell(renewed + Days(30)); }, "a RESOLVED EXPIRED"},
      {"longer", [&] { MovesWell(renewed + Days(60)); }, ""},
  });
}

TEST_P(LedgerStoryTest, DroppedAfterItsEnd) {
  const absl::Time end = start_ + Days(2);
  Tell({
      {"seen", [&] { Shows(end); }, "a LEAD 3d"},
      {"a day before", [&] { MovesWell(end - Days(1)); }, "a LEAD 1d"},
      {"the end", [&] { MovesWell(end); }, "a EXPIRED"},
      {"missing", [&] { Drops(); }, ""},
      {"gone", [&] { Drops(); }, "a RESOLVED EXPIRED"},
      {"back", [&] { Shows(end); }, ""},
      {"renewed", [&] { Shows(end + Days(3)); }, "a LEAD 3d"},
      {"missing again", [&] { Drops(); }, ""},
      {"deleted by somebody", [&] { Drops(); }, "a RESOLVED DELETED"},
      {"back from the dead", [&] { Shows(end + Days(3)); }, "a LEAD 3d"},
  });
}

TEST_P(LedgerStoryTest, UnusedUsedAndEnded) {
  const absl::Duration window = Days(30);
  const auto used = [&](absl::Time time) {
    shown_ = Observed("a", [&](v1::Token& token) {
      ToProto(time, token.mutable_last_used_time());
      ToProto(window, token.mutable_inactivity_window());
    });
    house_.Pass({Lists({shown_, Observed("b"), Observed("c")})});
  };
  Tell({
      {"seen", [&] { used(start_ - Days(25)); }, "a LEAD 7d"},
      {"used",
       [&] {
         // Uses are taken down once an hour.
         house_.clock().Advance(absl::Hours(1));
         used(start_);
       },
       "a RESOLVED EXTENDED"},
      {"unused", [&] { MovesWell(start_ + Days(16)); }, "a LEAD 14d"},
      {"used a little", [&] { used(start_ + Days(3)); }, ""},
      {"its last day", [&] { MovesWell(start_ + Days(32.5)); }, "a LEAD 1d"},
      {"missing", [&] { Drops(); }, ""},
      {"gone", [&] { Drops(); }, "a RESOLVED EXPIRED"},
  });
}

TEST_P(LedgerStoryTest, TheVendorDoesNotEndIt) {
  if (GetParam() == Between::kPutAgain) GTEST_SKIP() << "its word would come sooner";
  const absl::Time end = start_ + Days(1);
  const auto word = [&](const std::string& state, v1::Token::State meaning) {
    Shows(end, [&](v1::Token& token) {
      token.set_provider_state(state);
      token.set_state(meaning);
    });
  };
  const auto move = [&](absl::Time time) { Moves(time); };
  Tell({
      {"seen", [&] { word("active", v1::Token::ACTIVE); }, "a LEAD 1d"},
      {"the end", [&] { move(end); }, "a EXPIRED"},
      {"a word at once", [&] { word("active", v1::Token::ACTIVE); }, ""},
      {"a day later", [&] { move(end + absl::Hours(23.9)); }, ""},
      {"still its word",
       [&] {
         house_.clock().Set(end + Days(1));
         word("active", v1::Token::ACTIVE);
       },
       "a OVERDUE"},
      {"and again", [&] { word("active", v1::Token::ACTIVE); }, ""},
      {"ended at last", [&] { word("expired", v1::Token::EXPIRED); }, "a RESOLVED EXPIRED"},
      {"as before", [&] { word("expired", v1::Token::EXPIRED); }, ""},
  });
}

TEST_P(LedgerStoryTest, SwitchedOffAndOn) {
  const absl::Time end = start_ + Days(5);
  const auto state = [&](v1::Token::State what) {
    return [this, end, what] { Shows(end, [what](v1::Token& t) { t.set_state(what); }); };
  };
  Tell({
      {"seen", state(v1::Token::ACTIVE), "a LEAD 7d"},
      {"off", state(v1::Token::DISABLED), "a RESOLVED REVOKED"},
      {"on", state(v1::Token::ACTIVE), "a LEAD 7d"},
      {"revoked", state(v1::Token::REVOKED), "a RESOLVED REVOKED"},
      {"its end is no matter", [&] { MovesWell(end + Days(1)); }, ""},
  });
}

TEST_P(LedgerStoryTest, ItsIdIsGivenToAnother) {
  const absl::Time end = start_ + Days(5);
  const auto made = [&](absl::Time create, absl::Time ends) {
    return [=, this] {
      Shows(ends, [create](v1::Token& t) { ToProto(create, t.mutable_create_time()); });
    };
  };
  Tell({
      {"seen", made(start_ - Days(100), end), "a LEAD 7d"},
      {"another, far from its end", made(start_ - Days(50), start_ + Days(40)),
       "a RESOLVED DELETED"},
      {"the other nears its end", [&] { MovesWell(start_ + Days(10)); }, "a LEAD 30d"},
      {"a third, near its end", made(start_ - Days(20), start_ + Days(12)),
       "a RESOLVED DELETED; a LEAD 3d"},
  });
  const auto notice = house_.NoticeOf("a");
  ASSERT_TRUE(notice.has_value());
  EXPECT_EQ(notice->generation(), 1);
  EXPECT_EQ(notice->token_uid(), house_.Token("a").uid());
}

// -- What is committed with what.

class LedgerNoticeTest : public ::testing::Test {
 protected:
  LedgerNoticeTest() { house_.Pass({Lists({})}); }

  ExpiryHouse expiry_;
  LedgerHarness& house_ = expiry_.house();
  const absl::Time start_ = house_.clock().Now();
  const absl::Time end_ = start_ + Days(1);
};

TEST_F(LedgerNoticeTest, TheStateAndTheNoticeAreOneRevision) {
  house_.Pass({Lists({Expires("a", end_)})});
  const auto opening = house_.ChangesOf(house_.revision());
  ASSERT_THAT(opening, SizeIs(2));
  EXPECT_EQ(opening[0].subject, LogSubject::kToken);
  EXPECT_EQ(opening[1].subject, LogSubject::kNotice);
  EXPECT_EQ(opening[1].row, opening[0].row);
  const std::int64_t before = house_.revision();
  house_.Advance(Days(1));
  ASSERT_EQ(house_.revision(), before + 2) << "and the source, which had no pass for a day";
  const auto changes = house_.ChangesOf(before + 1);
  ASSERT_THAT(changes, SizeIs(2));
  EXPECT_EQ(changes[0].cause, v1::TokenChange::TIME_PASSED);
  v1::Expiration notice;
  ASSERT_TRUE(notice.ParseFromString(changes[1].after));
  EXPECT_EQ(Says(notice), "EXPIRED");
  EXPECT_EQ(notice.token().state(), v1::Token::EXPIRED) << "as of the event";
  EXPECT_EQ(notice.token().revision(), before + 1);
  EXPECT_EQ(changes[1].before, opening[1].after);
  EXPECT_EQ(expiry_.Said(), "a LEAD 1d; a EXPIRED; acme SOURCE_UNHEALTHY");
}

TEST_F(LedgerNoticeTest, AStoreThatFailsIsTriedAgainWithTheSameIds) {
  house_.Pass({Lists({Expires("a", end_)})});
  EXPECT_EQ(expiry_.Said(), "a LEAD 1d");
  house_.store().FailCommits(2);
  EXPECT_EQ(expiry_.SaidAfter(absl::Hours(23.9)), "") << "nothing is due";
  EXPECT_EQ(house_.store().failed_commits(), 0);
  EXPECT_EQ(expiry_.SaidAt(end_), "");
  EXPECT_EQ(house_.NoticeOf("a")->kind(), v1::Expiration::LEAD) << "what is not stored is not said";
  EXPECT_EQ(house_.store().failed_commits(), 2) << "the token's, and the source's; then a pause";
  EXPECT_EQ(expiry_.SaidAfter(absl::Seconds(4)), "");
  EXPECT_EQ(expiry_.SaidAfter(absl::Seconds(1)), "a EXPIRED; acme SOURCE_UNHEALTHY");
  EXPECT_EQ(FromProto(house_.NoticeOf("a")->due_time()), end_);
  EXPECT_EQ(FromProto(house_.NoticeOf("a")->update_time()), end_ + absl::Seconds(5));
}

TEST_F(LedgerNoticeTest, AnObservationThatIsNotStoredSaysNothing) {
  house_.store().FailCommits(1);
  const auto pass = house_.ledger().Begin("acme");
  ASSERT_TRUE(pass.ok());
  const auto lists = Lists({Expires("a", end_)});
  EXPECT_FALSE(house_.ledger().Observe(*pass, lists.scope, lists.tokens).ok());
  EXPECT_EQ(expiry_.Said(), "");
  house_.Pass({lists});
  EXPECT_EQ(expiry_.Said(), "a LEAD 1d");
}

TEST_F(LedgerNoticeTest, AVendorThatEndsATokenLongBeforeItsDateIsHeard) {
  house_.Pass({Lists({Expires("a", start_ + Days(300))})});
  house_.Advance(absl::Hours(1));
  ObservedToken ended = Expires("a", start_ + Days(300));
  ended.token.set_state(v1::Token::EXPIRED);
  house_.Pass({Lists({ended})});
  EXPECT_EQ(expiry_.Said(), "a EXPIRED");
}

TEST_F(LedgerNoticeTest, TheConfigurationMayKnowTheWindow) {
  LedgerSetup setup = expiry_.setup();
  setup.sources[0].inactivity_window = Days(30);
  expiry_.Reopen(setup);
  const auto used = [&](const std::string& id, absl::Duration window) {
    return Observed(id, [&, window](v1::Token& token) {
      ToProto(start_ - Days(25), token.mutable_last_used_time());
      if (window > absl::ZeroDuration()) ToProto(window, token.mutable_inactivity_window());
    });
  };
  house_.Pass({Lists({used("a", {}), used("b", Days(90))})});
  EXPECT_EQ(expiry_.Said(), "a LEAD 7d") << "what the vendor says of a token itself wins";
  EXPECT_EQ(house_.NoticeOf("a")->reason(), v1::Expiration::INACTIVITY);
}

TEST_F(LedgerNoticeTest, AFieldThatDisappearsIsNoExtension) {
  house_.Pass({Lists({Expires("a", end_)})});
  EXPECT_EQ(expiry_.Said(), "a LEAD 1d");
  house_.Pass({Lists({Observed("a")})});
  EXPECT_EQ(expiry_.Said(), "");
  EXPECT_EQ(house_.NoticeOf("a")->state(), v1::Expiration::OPEN);
}

TEST_F(LedgerNoticeTest, AStaleSourceStillWarns) {
  house_.Pass({Lists({Expires("a", start_ + Days(10))})});
  EXPECT_EQ(expiry_.Said(), "a LEAD 14d");
  EXPECT_EQ(expiry_.SaidAfter(Days(2)), "acme SOURCE_UNHEALTHY");
  house_.EndPass(house_.BeginPass({}), {}, v1::Source::UNREACHABLE);
  EXPECT_EQ(expiry_.SaidAt(start_ + Days(3)), "a LEAD 7d");
  const v1::Expiration notice = *house_.NoticeOf("a");
  EXPECT_FALSE(notice.verified());
  EXPECT_EQ(FromProto(notice.last_verified_time()), start_);
  EXPECT_EQ(notice.source_state(), v1::Source::UNREACHABLE);
}

// A tick is bounded, and what it says is in order.
TEST_F(LedgerNoticeTest, TenThousandAtOneInstantAreToldInBoundedRevisions) {
  constexpr int kTokens = 10'000;
  const absl::Time end = start_ + Days(40);
  std::vector<ObservedToken> tokens;
  for (int i = 0; i < kTokens; ++i) tokens.push_back(Expires(absl::StrCat("t", i), end));
  house_.Pass({Lists(tokens)});
  ASSERT_EQ(expiry_.Said(), "");
  for (const auto& [time, kind] :
       {std::pair(end - Days(30), v1::Expiration::LEAD), {end, v1::Expiration::EXPIRED}}) {
    house_.clock().Set(time - absl::Nanoseconds(1));
    house_.Pass({Lists(tokens)});
    expiry_.Settle();
    expiry_.News();  // of the leads in between
    const std::int64_t before = house_.revision();
    house_.clock().Set(time);
    expiry_.Settle();
    EXPECT_EQ(house_.revision(), before + 10);
    const std::vector<v1::Expiration> news = expiry_.News();
    EXPECT_THAT(news, SizeIs(kTokens));
    for (const v1::Expiration& notice : news) {
      EXPECT_EQ(notice.kind(), kind);
      EXPECT_EQ(FromProto(notice.due_time()), time);
    }
    for (auto it = expiry_.sizes().upper_bound(before); it != expiry_.sizes().end(); ++it) {
      EXPECT_EQ(it->second, 1000u) << "revision " << it->first;
    }
  }
}

TEST_F(LedgerNoticeTest, IsPurgedWithItsToken) {
  LedgerSetup setup = expiry_.setup();
  setup.retention.max_age = Days(2);
  expiry_.Reopen(setup);
  house_.Pass({Lists({Expires("a", end_), Observed("b")})});
  EXPECT_EQ(expiry_.Said(), "a LEAD 1d");
  house_.Pass({Lists({Observed("b")})});
  house_.Pass({Lists({Observed("b")})});
  EXPECT_EQ(expiry_.Said(), "a RESOLVED DELETED");
  const std::int64_t row = house_.RowOf("a");
  EXPECT_NE(house_.inventory().Current()->notices().Find(row), nullptr);
  house_.Advance(Days(1));
  EXPECT_EQ(expiry_.Said(), "acme SOURCE_UNHEALTHY");
  EXPECT_NE(house_.inventory().Current()->notices().Find(row), nullptr);
  house_.Advance(Days(1.5));
  house_.Advance(absl::Minutes(10));
  EXPECT_EQ(house_.inventory().Current()->notices().Find(row), nullptr);
  EXPECT_TRUE(house_.inventory().Current()->At(row).full.empty());
  ExpectConsistent(house_, false);
  expiry_.Reopen();
  EXPECT_EQ(house_.inventory().Current()->notices().Find(row), nullptr);
  ExpectConsistent(house_, false);
}

TEST_F(LedgerNoticeTest, WhatIsAskedForAloneIsToldAtOnce) {
  house_.Pass({Lists({Expires("a", start_ + Days(90)), Observed("b")})});
  const auto target = house_.ledger().FindRefreshTarget(TokenName("acme", "a"));
  ASSERT_TRUE(target.ok()) << target.status();
  const ObservedToken nearer = Expires("a", start_ + Days(6));
  ASSERT_TRUE(house_.ledger().ApplyRefresh(*target, &nearer).ok());
  EXPECT_EQ(expiry_.Said(), "a LEAD 7d");
  ASSERT_TRUE(house_.ledger().ApplyRefresh(*target, nullptr).ok());
  EXPECT_EQ(expiry_.Said(), "a RESOLVED DELETED");
}

}  // namespace
}  // namespace tokeninventory::testing
