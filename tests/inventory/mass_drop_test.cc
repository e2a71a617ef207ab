// The mass-drop guard: a pass that loses implausibly much is held back.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/inventory/ledger_harness.h"

namespace tokeninventory::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr v1::Token::Presence kListed = v1::Token::LISTED;
constexpr v1::Token::Presence kMissing = v1::Token::MISSING;
constexpr v1::Token::Presence kDeleted = v1::Token::DELETED;

class MassDropTest : public ::testing::Test {
 protected:
  LedgerHarness house_;
};

TEST_F(MassDropTest, HoldsWhatIsMoreThanTenAndMoreThanAFifth) {
  struct Case {
    int listed;
    int left;
    bool held;
  };
  const Case cases[] = {
      {50, 40, false},                                      // 10
      {50, 39, true},                                       // 11 of 50
      {11, 1, false},                                       // 10 of 11: few
      {12, 1, true},                                        // 11 of 12
      {100, 80, false},                                     // a fifth
      {100, 79, true},                                      // more
      {1000, 800, false}, {1000, 799, true}, {5, 0, true},  // emptied
      {1, 0, true},
  };
  LedgerHarness::Setup setup;
  for (std::size_t i = 0; i < std::size(cases); ++i) {
    setup.sources.push_back(MakeSourceInfo(absl::StrCat("s", i)));
  }
  house_.Reopen(setup);
  for (std::size_t i = 0; i < std::size(cases); ++i) {
    const Case& c = cases[i];
    SCOPED_TRACE(absl::StrCat(c.left, " left of ", c.listed));
    const std::string source = absl::StrCat("s", i);
    house_.Pass({Lists(ObservedRange("t", 1, c.listed))}, source);
    const PassOutcome outcome = house_.Pass({Lists(ObservedRange("t", 1, c.left))}, source);
    EXPECT_EQ(outcome.state, c.held ? v1::Source::SUSPICIOUS : v1::Source::OK);
    EXPECT_EQ(house_.Source(source).state(), outcome.state);
    EXPECT_EQ(outcome.stats.tokens_missing(), c.held ? 0 : c.listed - c.left);
    EXPECT_THAT(house_.IdsWith(kMissing, source),
                SizeIs(static_cast<std::size_t>(c.held ? 0 : c.listed - c.left)));
    if (!c.held) continue;
    ASSERT_EQ(outcome.incomplete_scopes.size(), 1u);
    EXPECT_EQ(outcome.incomplete_scopes[0].stream(), "tokens");
    EXPECT_THAT(outcome.incomplete_scopes[0].reason(),
                HasSubstr(absl::StrCat(c.listed - c.left, " of ", c.listed)));
    EXPECT_THAT(outcome.error, HasSubstr("held back"));
  }
  ExpectConsistent(house_);
}

TEST_F(MassDropTest, RepetitionNeverReleasesIt) {
  house_.Pass({Lists(ObservedRange("t", 1, 50))});
  const std::int64_t revision = house_.revision();
  const absl::Time complete = absl::FromUnixSeconds(house_.Source().last_complete_time().seconds());
  for (int i = 0; i < 20; ++i) {
    house_.Advance(absl::Hours(1));
    const PassOutcome outcome = house_.Pass({Lists(ObservedRange("t", 1, 39))});
    EXPECT_EQ(outcome.state, v1::Source::SUSPICIOUS);
    if (i == 10) house_.Reopen();
  }
  EXPECT_EQ(house_.revision(), revision);
  EXPECT_THAT(house_.IdsWith(kListed), SizeIs(50));
  EXPECT_EQ(house_.Source().last_complete_time().seconds(), absl::ToUnixSeconds(complete));
}

TEST_F(MassDropTest, ItEndsWhenTheTokensAreBack) {
  house_.Pass({Lists(ObservedRange("t", 1, 50))});
  house_.Pass({Lists({})});
  EXPECT_EQ(house_.Source().state(), v1::Source::SUSPICIOUS);
  const PassOutcome outcome = house_.Pass({Lists(ObservedRange("t", 1, 49))});
  EXPECT_EQ(outcome.state, v1::Source::OK);
  EXPECT_THAT(house_.Source().error(), IsEmpty());
  EXPECT_EQ(house_.Source().incomplete_scopes_size(), 0);
  EXPECT_EQ(house_.PresenceOf("t50"), kMissing) << "the held pass did not count";
}

TEST_F(MassDropTest, ProofOfEachTokenReleasesIt) {
  house_.Pass({Lists(ObservedRange("t", 1, 50))});
  const PassId pass = house_.BeginPass({Lists(ObservedRange("t", 1, 39))});
  const auto suspects = house_.ledger().Suspects(pass, {{"tokens", true}}, 50);
  ASSERT_THAT(*suspects, SizeIs(11)) << "also those of a scope that will be held";
  // One proof is enough to make the rest plausible.
  ASSERT_TRUE(house_.ledger().ProveGone(pass, suspects->front().row).ok());
  const PassOutcome outcome = house_.EndPass(pass, {{"tokens", true}});
  EXPECT_EQ(outcome.state, v1::Source::OK);
  EXPECT_EQ(outcome.stats.tokens_deleted(), 1);
  EXPECT_EQ(outcome.stats.tokens_missing(), 10);
}

TEST_F(MassDropTest, WhatIsProvenGoneGoesEvenWhenTheRestIsHeld) {
  house_.Pass({Lists(ObservedRange("t", 1, 50))});
  const PassId pass = house_.BeginPass({Lists(ObservedRange("t", 1, 20))});
  const auto suspects = house_.ledger().Suspects(pass, {{"tokens", true}}, 5);
  for (const Suspect& suspect : *suspects) {
    ASSERT_TRUE(house_.ledger().ProveGone(pass, suspect.row).ok());
  }
  const PassOutcome outcome = house_.EndPass(pass, {{"tokens", true}});
  EXPECT_EQ(outcome.state, v1::Source::SUSPICIOUS);
  EXPECT_THAT(house_.IdsWith(kDeleted), SizeIs(5));
  EXPECT_THAT(house_.IdsWith(kListed), SizeIs(45));
  EXPECT_THAT(house_.IdsWith(kMissing), IsEmpty());
  ExpectConsistent(house_);
}

TEST_F(MassDropTest, AnEmptiedScopeIsReleasedByProofAlone) {
  house_.Pass({Lists({Observed("a"), Observed("b")})});
  const PassId pass = house_.BeginPass({Lists({})});
  for (const char* id : {"a", "b"}) {
    ASSERT_TRUE(house_.ledger().ProveGone(pass, house_.RowOf(id)).ok());
  }
  EXPECT_EQ(house_.EndPass(pass, {{"tokens", true}}).state, v1::Source::OK);
  EXPECT_THAT(house_.IdsWith(kDeleted), SizeIs(2));
}

TEST_F(MassDropTest, HoldsTheScopeAndNotTheOthers) {
  const Listing a = Lists(ObservedRange("a", 1, 50), "tokens", "name=a");
  house_.Pass({a, Lists(ObservedRange("b", 1, 20), "tokens", "name=b")});
  const PassOutcome outcome = house_.Pass({Lists(ObservedRange("a", 1, 10), "tokens", "name=a"),
                                           Lists(ObservedRange("b", 1, 19), "tokens", "name=b")});
  EXPECT_EQ(outcome.state, v1::Source::SUSPICIOUS);
  ASSERT_EQ(outcome.incomplete_scopes.size(), 1u);
  EXPECT_EQ(outcome.incomplete_scopes[0].scope(), "name=a");
  EXPECT_THAT(house_.IdsWith(kMissing), ::testing::ElementsAre("b20"));
}

TEST_F(MassDropTest, AFailedPassKeepsItsOwnState) {
  house_.Pass({Lists(ObservedRange("t", 1, 50))});
  const PassId pass = house_.BeginPass({Lists({})});
  const PassOutcome outcome = house_.EndPass(pass, {{"tokens", true}}, v1::Source::AUTH_FAILED);
  EXPECT_EQ(outcome.state, v1::Source::AUTH_FAILED);
  EXPECT_THAT(house_.IdsWith(kListed), SizeIs(50));
}

TEST_F(MassDropTest, VanishedScopesAreJudgedTogether) {
  std::vector<Listing> all;
  for (int i = 1; i <= 20; ++i) {
    const std::string key = absl::StrCat("name=", i);
    all.push_back(
        Lists({Observed(absl::StrCat(i, "-a")), Observed(absl::StrCat(i, "-b"))}, "tokens", key));
  }
  house_.Pass(all);
  // Each of them is small, but 12 of 40 is not.
  const std::vector<Listing> rest(all.begin(), all.begin() + 14);
  for (int i = 0; i < 10; ++i) {
    const PassOutcome outcome = house_.Pass(rest);
    EXPECT_EQ(outcome.state, i == 0 ? v1::Source::OK : v1::Source::SUSPICIOUS);
    EXPECT_THAT(house_.IdsWith(kListed), SizeIs(40));
  }
  // Named again, they are as before.
  EXPECT_EQ(house_.Pass(all).state, v1::Source::OK);
  EXPECT_THAT(house_.IdsWith(kListed), SizeIs(40));
}

TEST_F(MassDropTest, AllScopesOfAStreamVanishingIsHeld) {
  house_.Pass({Lists({Observed("a")}, "tokens", "name=a"), Lists({Observed("x")}, "other")});
  for (int i = 0; i < 5; ++i) {
    house_.Pass({Lists({Observed("x")}, "other")}, "acme", {{"tokens", true}, {"other", true}});
  }
  EXPECT_EQ(house_.PresenceOf("a"), kListed);
  EXPECT_EQ(house_.Source().state(), v1::Source::SUSPICIOUS);
}

TEST_F(MassDropTest, ATokenOfTwoScopesThatOneStillListsIsNotLost) {
  const std::vector<ObservedToken> shared = ObservedRange("t", 1, 50);
  house_.Pass({Lists(shared, "org"), Lists(shared, "team")});
  const PassOutcome outcome = house_.Pass({Lists(shared, "org"), Lists({Observed("t1")}, "team")});
  EXPECT_EQ(outcome.state, v1::Source::OK);
  EXPECT_THAT(house_.IdsWith(kListed), SizeIs(50));
}

}  // namespace
}  // namespace tokeninventory::testing
