// When a token counts as missing and as gone (docs/adr/0004-absence.md).
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/token_bytes.h"
#include "tests/inventory/ledger_harness.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr v1::Token::Presence kListed = v1::Token::LISTED;
constexpr v1::Token::Presence kMissing = v1::Token::MISSING;
constexpr v1::Token::Presence kDeleted = v1::Token::DELETED;

class LedgerPresenceTest : public ::testing::Test {
 protected:
  // A pass that shows only t1 … t9 of the usual ten.
  PassOutcome PassWithoutLast() { return house_.Pass({Lists(ObservedRange("t", 1, 9))}); }
  void PassWithAll() { house_.Pass({Lists(ObservedRange("t", 1, 10))}); }

  LedgerHarness house_;
};

TEST_F(LedgerPresenceTest, OneCompleteMissMakesMissingAndASecondDeleted) {
  PassWithAll();
  house_.Advance(absl::Minutes(5));
  EXPECT_EQ(PassWithoutLast().state, v1::Source::OK);
  v1::Token token = house_.Token("t10");
  EXPECT_EQ(token.presence(), kMissing);
  EXPECT_EQ(token.revision(), 2);
  EXPECT_EQ(FromProto(token.update_time()), house_.clock().Now());
  EXPECT_EQ(house_.ChangesOf(2)[0].cause, v1::TokenChange::NOT_SEEN);

  house_.Advance(absl::Minutes(5));
  PassWithoutLast();
  token = house_.Token("t10");
  EXPECT_EQ(token.presence(), kDeleted);
  EXPECT_EQ(token.delete_cause(), v1::NOT_LISTED);
  EXPECT_EQ(FromProto(token.delete_time()), house_.clock().Now());
  EXPECT_EQ(house_.ChangesOf(3)[0].cause, v1::TokenChange::NOT_SEEN);
  EXPECT_EQ(house_.Source().last_sync_stats().tokens_deleted(), 1);

  // That was all there is to say.
  house_.Advance(absl::Minutes(5));
  PassWithoutLast();
  EXPECT_EQ(house_.revision(), 3);
  ExpectConsistent(house_);
}

TEST_F(LedgerPresenceTest, ComesBackFromMissing) {
  PassWithAll();
  const std::string uid = house_.Token("t10").uid();
  PassWithoutLast();
  PassWithAll();
  EXPECT_EQ(house_.PresenceOf("t10"), kListed);
  EXPECT_EQ(house_.Token("t10").uid(), uid);
  // Misses before do not count any more.
  PassWithoutLast();
  EXPECT_EQ(house_.PresenceOf("t10"), kMissing);
  ExpectConsistent(house_);
}

TEST_F(LedgerPresenceTest, ComesBackFromDeletedInItsRow) {
  PassWithAll();
  const v1::Token before = house_.Token("t10");
  const std::int64_t row = house_.RowOf("t10");
  PassWithoutLast();
  PassWithoutLast();
  PassWithAll();
  const v1::Token after = house_.Token("t10");
  EXPECT_EQ(after.presence(), kListed);
  EXPECT_EQ(after.uid(), before.uid());
  EXPECT_FALSE(after.has_delete_time());
  EXPECT_EQ(house_.RowOf("t10"), row);
  PassWithoutLast();
  EXPECT_EQ(house_.PresenceOf("t10"), kMissing);
  ExpectConsistent(house_);
}

TEST_F(LedgerPresenceTest, AnIncompleteScopeRemovesNothing) {
  PassWithAll();
  for (int i = 0; i < 3; ++i) {
    house_.Pass({Incomplete(Lists({Observed("t1")}))});
    EXPECT_THAT(house_.IdsWith(kListed), SizeIs(10));
  }
  EXPECT_EQ(house_.revision(), 1);
}

TEST_F(LedgerPresenceTest, AScopeThatWasNotEndedRemovesNothing) {
  PassWithAll();
  for (int i = 0; i < 3; ++i) {
    const PassId pass = house_.BeginPass({});
    ASSERT_TRUE(house_.ledger().Observe(pass, {"tokens", "", ""}, {Observed("t1")}).ok());
    house_.EndPass(pass, {{"tokens", true}});
    EXPECT_THAT(house_.IdsWith(kListed), SizeIs(10));
  }
}

TEST_F(LedgerPresenceTest, AnIncompletePassInBetweenNeitherCountsNorForgives) {
  PassWithAll();
  PassWithoutLast();
  house_.Pass({Incomplete(Lists(ObservedRange("t", 1, 9)))});
  EXPECT_EQ(house_.PresenceOf("t10"), kMissing);
  PassWithoutLast();
  EXPECT_EQ(house_.PresenceOf("t10"), kDeleted);
}

TEST_F(LedgerPresenceTest, ScopesThatWereNotReadRemoveNothing) {
  const Listing a = Lists(ObservedRange("a", 1, 3), "tokens", "name=a");
  const Listing b = Lists(ObservedRange("b", 1, 3), "tokens", "name=b");
  house_.Pass({a, b});
  // b's parent could not be read whole, so nobody knows whether it is there.
  for (int i = 0; i < 4; ++i) house_.Pass({a}, "acme", {{"tokens", false}});
  EXPECT_THAT(house_.IdsWith(kListed), SizeIs(6));
}

TEST_F(LedgerPresenceTest, ATokenInTwoScopesIsMissingWhenBothMissIt) {
  const auto both = [this](bool in_a, bool in_b, bool b_complete = true) {
    std::vector<ObservedToken> a = ObservedRange("a", 1, 5);
    std::vector<ObservedToken> b = ObservedRange("b", 1, 5);
    if (in_a) a.push_back(Observed("x"));
    if (in_b) b.push_back(Observed("x"));
    Listing second = Lists(b, "tokens", "name=b");
    if (!b_complete) second = Incomplete(second);
    house_.Pass({Lists(a, "tokens", "name=a"), second});
    return house_.PresenceOf("x");
  };
  EXPECT_EQ(both(true, true), kListed);
  EXPECT_EQ(both(false, false, /*b_complete=*/false), kListed) << "b could not say";
  EXPECT_EQ(both(true, false), kListed);
  EXPECT_EQ(both(false, true), kListed);
  EXPECT_EQ(both(false, false), kMissing);
  EXPECT_EQ(both(false, true), kListed);
  // a has missed it three times now: it is b's alone.
  EXPECT_EQ(both(false, false), kMissing);
  EXPECT_EQ(both(false, false), kDeleted);
  ExpectConsistent(house_);
}

TEST_F(LedgerPresenceTest, ATokenThatMovesToAnotherScopeStaysListed) {
  const auto pass = [this](const char* where) {
    std::vector<ObservedToken> a = ObservedRange("a", 1, 5);
    std::vector<ObservedToken> b = ObservedRange("b", 1, 5);
    (where == absl::string_view("a") ? a : b).push_back(Observed("x"));
    house_.Pass({Lists(a, "tokens", "name=a"), Lists(b, "tokens", "name=b")});
  };
  pass("a");
  for (int i = 0; i < 4; ++i) {
    pass("b");
    EXPECT_EQ(house_.PresenceOf("x"), kListed);
  }
  EXPECT_EQ(house_.revision(), 2) << "one for each scope's page, none for the move";
}

// A child that its parent's complete listing no longer names.
TEST_F(LedgerPresenceTest, AScopeAbsentFromTwoCompleteParentPassesIsEmpty) {
  const Listing a = Lists(ObservedRange("a", 1, 30), "tokens", "name=a");
  house_.Pass({a, Lists(ObservedRange("b", 1, 3), "tokens", "name=b")});
  const std::vector<StreamReport> named_all = {{"tokens", true}};
  house_.Pass({a}, "acme", named_all);
  EXPECT_EQ(house_.PresenceOf("b1"), kListed) << "once is not enough";
  house_.Reopen();
  house_.Pass({a}, "acme", {{"tokens", false}});  // says nothing
  EXPECT_EQ(house_.PresenceOf("b1"), kListed);
  house_.Pass({a}, "acme", named_all);
  EXPECT_THAT(house_.IdsWith(kMissing), ElementsAre("b1", "b2", "b3"));
  house_.Pass({a}, "acme", named_all);
  EXPECT_THAT(house_.IdsWith(kDeleted), ElementsAre("b1", "b2", "b3"));
  EXPECT_THAT(house_.IdsWith(kListed), SizeIs(30));
  ExpectConsistent(house_, false);

  // The scope itself is forgotten, and can come back.
  house_.Pass({a, Lists({Observed("b1")}, "tokens", "name=b")}, "acme", named_all);
  EXPECT_EQ(house_.PresenceOf("b1"), kListed);
  house_.Reopen();
  house_.Pass({a}, "acme", named_all);
  EXPECT_EQ(house_.PresenceOf("b1"), kListed);
}

TEST_F(LedgerPresenceTest, AScopeThatIsNamedAgainStartsFromZero) {
  const Listing a = Lists(ObservedRange("a", 1, 30), "tokens", "name=a");
  const Listing b = Lists(ObservedRange("b", 1, 3), "tokens", "name=b");
  const std::vector<StreamReport> named_all = {{"tokens", true}};
  house_.Pass({a, b}, "acme", named_all);
  for (int i = 0; i < 4; ++i) {
    house_.Pass({a}, "acme", named_all);
    house_.Pass({a, Incomplete(Lists({}, "tokens", "name=b"))}, "acme", named_all);
    EXPECT_EQ(house_.PresenceOf("b1"), kListed);
  }
}

TEST_F(LedgerPresenceTest, ATokenThatHadEndedIsDeletedAsExpired) {
  const absl::Time end = house_.clock().Now() + absl::Hours(1);
  const auto expires = [end](v1::Token& t) { ToProto(end, t.mutable_expire_time()); };
  const auto idle = [end](v1::Token& t) { ToProto(end, t.mutable_inactivity_deadline()); };
  house_.Pass({Lists({Observed("kept"), Observed("plain"), Observed("expires", expires),
                      Observed("idle", idle)})});
  house_.Advance(absl::Hours(2));
  house_.Pass({Lists({Observed("kept")})});
  house_.Pass({Lists({Observed("kept")})});
  EXPECT_EQ(house_.Token("plain").delete_cause(), v1::NOT_LISTED);
  EXPECT_EQ(house_.Token("expires").delete_cause(), v1::EXPIRED);
  EXPECT_EQ(house_.Token("idle").delete_cause(), v1::EXPIRED);
  EXPECT_EQ(house_.Token("idle").state(), v1::Token::ACTIVE) << "only expire_time makes EXPIRED";
}

TEST_F(LedgerPresenceTest, TheVendorsWordOnOneTokenDeletesItAtOnce) {
  PassWithAll();
  const PassId pass = house_.BeginPass({Lists(ObservedRange("t", 1, 9))});
  const auto suspects = house_.ledger().Suspects(pass, {{"tokens", true}}, 50);
  ASSERT_TRUE(suspects.ok()) << suspects.status();
  ASSERT_THAT(*suspects, SizeIs(1));
  const Suspect& suspect = suspects->front();
  EXPECT_EQ(suspect.provider_token_id, "t10");
  EXPECT_EQ(suspect.scope.stream, "tokens");
  EXPECT_EQ(suspect.scope.item_json, "{\"key\":\"\"}");
  EXPECT_TRUE(suspect.scope_answered);
  EXPECT_EQ(suspect.known_provider_token_id.substr(0, 1), "t");
  EXPECT_NE(suspect.known_provider_token_id, "t10");
  ASSERT_TRUE(house_.ledger().ProveGone(pass, suspect.row).ok());
  EXPECT_THAT(*house_.ledger().Suspects(pass, {{"tokens", true}}, 50), IsEmpty());
  const PassOutcome outcome = house_.EndPass(pass, {{"tokens", true}});
  EXPECT_EQ(outcome.stats.tokens_deleted(), 1);
  EXPECT_EQ(outcome.stats.tokens_missing(), 0);
  const v1::Token token = house_.Token("t10");
  EXPECT_EQ(token.presence(), kDeleted);
  EXPECT_EQ(token.delete_cause(), v1::VENDOR_404);
  EXPECT_EQ(house_.ChangesOf(2)[0].cause, v1::TokenChange::VENDOR_DENIED);
  ExpectConsistent(house_);
}

TEST_F(LedgerPresenceTest, ASuspectThatIsFoundIsListed) {
  PassWithAll();
  for (int i = 0; i < 3; ++i) {
    const PassId pass = house_.BeginPass({Lists(ObservedRange("t", 1, 9))});
    const auto suspects = house_.ledger().Suspects(pass, {{"tokens", true}}, 50);
    ASSERT_THAT(*suspects, SizeIs(1));
    ASSERT_TRUE(house_.ledger().Observe(pass, suspects->front().scope, {Observed("t10")}).ok());
    house_.EndPass(pass, {{"tokens", true}});
    EXPECT_EQ(house_.PresenceOf("t10"), kListed);
  }
  EXPECT_EQ(house_.revision(), 1);
}

TEST_F(LedgerPresenceTest, SuspectsAreThoseLongestMissingFirst) {
  PassWithAll();
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  const PassId pass = house_.BeginPass({Lists(ObservedRange("t", 1, 7))});
  const auto suspects = house_.ledger().Suspects(pass, {{"tokens", true}}, 2);
  ASSERT_THAT(*suspects, SizeIs(2));
  EXPECT_EQ((*suspects)[0].provider_token_id, "t10");
  EXPECT_EQ((*suspects)[1].provider_token_id, "t8");
  EXPECT_THAT(*house_.ledger().Suspects(pass, {{"tokens", true}}, 50), SizeIs(3));
}

TEST_F(LedgerPresenceTest, AnIncompleteScopeHasNoSuspects) {
  PassWithAll();
  const PassId pass = house_.BeginPass({Incomplete(Lists({Observed("t1")}))});
  EXPECT_THAT(*house_.ledger().Suspects(pass, {{"tokens", true}}, 50), IsEmpty());
}

TEST_F(LedgerPresenceTest, SuspectsOfAVanishedScopeWereNotAnswered) {
  const Listing a = Lists(ObservedRange("a", 1, 30), "tokens", "name=a");
  house_.Pass({a, Lists({Observed("b1")}, "tokens", "name=b")});
  house_.Pass({a});
  const PassId pass = house_.BeginPass({a});
  const auto suspects = house_.ledger().Suspects(pass, {{"tokens", true}}, 50);
  ASSERT_THAT(*suspects, SizeIs(1));
  EXPECT_EQ(suspects->front().scope.key, "name=b");
  EXPECT_EQ(suspects->front().scope.item_json, "{\"key\":\"name=b\"}")
      << "kept to look it up later";
  EXPECT_FALSE(suspects->front().scope_answered);
  EXPECT_THAT(suspects->front().known_provider_token_id, IsEmpty());
}

TEST_F(LedgerPresenceTest, OneSourceSaysNothingOfAnother) {
  LedgerHarness::Setup setup;
  setup.sources.push_back(MakeSourceInfo("beta"));
  house_.Reopen(setup);
  house_.Pass({Lists(ObservedRange("t", 1, 5))}, "acme");
  house_.Pass({Lists(ObservedRange("t", 1, 5))}, "beta");
  for (int i = 0; i < 3; ++i) house_.Pass({Lists(ObservedRange("t", 1, 4))}, "beta");
  EXPECT_THAT(house_.IdsWith(kListed, "acme"), SizeIs(5));
  EXPECT_THAT(house_.IdsWith(kDeleted, "beta"), ElementsAre("t5"));
}

}  // namespace
}  // namespace tokeninventory::testing
