// A vendor's word on one token, outside of any pass.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/token_name.h"
#include "tests/inventory/ledger_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class LedgerRefreshTest : public ::testing::Test {
 protected:
  LedgerRefreshTest() { house_.Pass({Lists(ObservedRange("t", 1, 5))}); }

  RefreshTarget TargetOf(const std::string& id) {
    const auto target = house_.ledger().FindRefreshTarget(TokenName("acme", id));
    EXPECT_TRUE(target.ok()) << target.status();
    return target.ok() ? *target : RefreshTarget{};
  }

  LedgerHarness house_;
};

TEST_F(LedgerRefreshTest, TellsWhomToAskAndHow) {
  const RefreshTarget target = TargetOf("t3");
  EXPECT_EQ(target.source, "acme");
  EXPECT_EQ(target.row, house_.RowOf("t3"));
  EXPECT_EQ(target.uid, house_.Token("t3").uid());
  EXPECT_EQ(target.provider_token_id, "t3");
  EXPECT_EQ(target.scope.stream, "tokens");
  EXPECT_EQ(target.scope.item_json, "{\"key\":\"\"}");
  EXPECT_FALSE(target.known_provider_token_id.empty());
  EXPECT_NE(target.known_provider_token_id, "t3");
}

TEST_F(LedgerRefreshTest, ATokenThatNoListingShowsCannotBeAsked) {
  Ledger& ledger = house_.ledger();
  EXPECT_EQ(ledger.FindRefreshTarget(TokenName("acme", "none")).status().code(),
            absl::StatusCode::kNotFound);
  house_.Pass({Lists(ObservedRange("t", 1, 4))});
  EXPECT_TRUE(ledger.FindRefreshTarget(TokenName("acme", "t5")).ok()) << "MISSING can be asked for";
  house_.Pass({Lists(ObservedRange("t", 1, 4))});
  EXPECT_EQ(ledger.FindRefreshTarget(TokenName("acme", "t5")).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(LedgerRefreshTest, WhatTheVendorShowsIsCommitted) {
  const RefreshTarget target = TargetOf("t3");
  const ObservedToken changed = Observed("t3", [](v1::Token& t) { t.set_role("admin"); });
  EXPECT_EQ(house_.ledger().ApplyRefresh(target, &changed).value(), 2);
  EXPECT_EQ(house_.Token("t3").role(), "admin");
  EXPECT_EQ(house_.ledger().ApplyRefresh(target, &changed).value(), 2) << "nothing new";
  ExpectConsistent(house_);
}

TEST_F(LedgerRefreshTest, ATokenThatTheVendorDeniesIsDeleted) {
  const RefreshTarget target = TargetOf("t3");
  EXPECT_EQ(house_.ledger().ApplyRefresh(target, nullptr).value(), 2);
  EXPECT_EQ(house_.Token("t3").presence(), v1::Token::DELETED);
  EXPECT_EQ(house_.Token("t3").delete_cause(), v1::VENDOR_404);
  EXPECT_EQ(house_.ChangesOf(2)[0].cause, v1::TokenChange::VENDOR_DENIED);
  EXPECT_EQ(house_.ledger().ApplyRefresh(target, nullptr).value(), 2) << "it is deleted already";
  // A listing that shows it again is believed.
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  EXPECT_EQ(house_.PresenceOf("t3"), v1::Token::LISTED);
  ExpectConsistent(house_);
}

TEST_F(LedgerRefreshTest, AMissingTokenThatIsFoundIsListed) {
  house_.Pass({Lists(ObservedRange("t", 1, 4))});
  const ObservedToken found = Observed("t5");
  EXPECT_TRUE(house_.ledger().ApplyRefresh(TargetOf("t5"), &found).ok());
  EXPECT_EQ(house_.PresenceOf("t5"), v1::Token::LISTED);
  house_.Pass({Lists(ObservedRange("t", 1, 4))});
  EXPECT_EQ(house_.PresenceOf("t5"), v1::Token::MISSING) << "misses before it do not count";
}

TEST_F(LedgerRefreshTest, APassThatReadItsListingBeforeDoesNotMissIt) {
  const PassId pass = house_.BeginPass({Lists(ObservedRange("t", 1, 4))});
  const ObservedToken found = Observed("t5");
  EXPECT_TRUE(house_.ledger().ApplyRefresh(TargetOf("t5"), &found).ok());
  house_.EndPass(pass, {{"tokens", true}});
  EXPECT_EQ(house_.PresenceOf("t5"), v1::Token::LISTED);
  house_.Pass({Lists(ObservedRange("t", 1, 4))});
  EXPECT_EQ(house_.PresenceOf("t5"), v1::Token::MISSING) << "one miss, not two";
}

TEST_F(LedgerRefreshTest, APassThatReadsItsListingAfterwardsDoesNotMissItEither) {
  const PassId pass = house_.BeginPass({});
  const ObservedToken found = Observed("t5");
  EXPECT_TRUE(house_.ledger().ApplyRefresh(TargetOf("t5"), &found).ok());
  const ScopeRef scope{"tokens", "", ""};
  ASSERT_TRUE(house_.ledger().Observe(pass, scope, ObservedRange("t", 1, 4)).ok());
  ASSERT_TRUE(house_.ledger().EndScope(pass, scope, {true, ""}).ok());
  house_.EndPass(pass, {{"tokens", true}});
  EXPECT_EQ(house_.PresenceOf("t5"), v1::Token::LISTED);
  house_.Pass({Lists(ObservedRange("t", 1, 4))});
  EXPECT_EQ(house_.PresenceOf("t5"), v1::Token::MISSING) << "one miss, not two";
}

TEST_F(LedgerRefreshTest, AnAnswerThatDoesNotFitIsRefused) {
  const RefreshTarget target = TargetOf("t3");
  const ObservedToken other = Observed("t4");
  EXPECT_EQ(house_.ledger().ApplyRefresh(target, &other).status().code(),
            absl::StatusCode::kInvalidArgument);
  const ObservedToken nameless = Observed("");
  EXPECT_EQ(house_.ledger().ApplyRefresh(target, &nameless).status().code(),
            absl::StatusCode::kInvalidArgument);
  // The id was given to another token meanwhile.
  std::vector<ObservedToken> tokens = ObservedRange("t", 1, 5);
  tokens[2].token.set_kind("another");
  house_.Pass({Lists(tokens)});
  EXPECT_EQ(house_.ledger().ApplyRefresh(target, &tokens[2]).status().code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(house_.ledger().ApplyRefresh(target, nullptr).status().code(),
            absl::StatusCode::kAborted);
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), SizeIs(5));
}

TEST_F(LedgerRefreshTest, AReusedIdIsNoticedByARefreshToo) {
  const RefreshTarget target = TargetOf("t3");
  const ObservedToken other = Observed("t3", [](v1::Token& t) { t.set_kind("another"); });
  EXPECT_TRUE(house_.ledger().ApplyRefresh(target, &other).ok());
  EXPECT_NE(house_.Token("t3").uid(), target.uid);
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), SizeIs(1));
  ExpectConsistent(house_);
}

TEST_F(LedgerRefreshTest, AStoreThatFailsChangesNothing) {
  const RefreshTarget target = TargetOf("t3");
  house_.store().FailCommits(1);
  EXPECT_EQ(ReasonOf(house_.ledger().ApplyRefresh(target, nullptr)), "STORE_UNAVAILABLE");
  EXPECT_EQ(house_.PresenceOf("t3"), v1::Token::LISTED);
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), IsEmpty());
  EXPECT_TRUE(house_.ledger().ApplyRefresh(target, nullptr).ok());
  ExpectConsistent(house_);
}

}  // namespace
}  // namespace tokeninventory::testing
