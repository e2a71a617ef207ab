// What a pass held back, and an operator approves.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/inventory/ledger_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr v1::Token::Presence kListed = v1::Token::LISTED;
constexpr v1::Token::Presence kMissing = v1::Token::MISSING;
constexpr v1::Token::Presence kDeleted = v1::Token::DELETED;

class ApproveSyncTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::ApproveSyncResponse> Approve() {
    return house_.ledger().ApproveSync("acme", house_.Source().hold().id());
  }
  // 50 tokens, of which a pass then shows `left`.
  void Hold(int left) {
    house_.Pass({Lists(ObservedRange("t", 1, 50))});
    ASSERT_EQ(house_.Pass({Lists(ObservedRange("t", 1, left))}).state, v1::Source::SUSPICIOUS);
  }
  void ExpectRefused(const absl::Status& status, absl::StatusCode code, const std::string& reason) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_EQ(ReasonOf(status), reason);
  }

  LedgerHarness house_;
};

TEST_F(ApproveSyncTest, AHeldPassSaysWhatItHolds) {
  Hold(30);
  const v1::Hold hold = house_.Source().hold();
  EXPECT_EQ(hold.token_count(), 20);
  ASSERT_EQ(hold.scopes_size(), 1);
  EXPECT_EQ(hold.scopes(0).stream(), "tokens");
  EXPECT_EQ(hold.scopes(0).lost_count(), 20);
  EXPECT_EQ(hold.scopes(0).listed_count(), 50);
  // The same losses are the same hold, since they were first seen; after a restart, too.
  house_.Advance(absl::Hours(1));
  house_.Reopen();
  house_.Pass({Lists(ObservedRange("t", 1, 30))});
  EXPECT_EQ(house_.Source().hold().SerializeAsString(), hold.SerializeAsString());
  house_.Pass({Lists(ObservedRange("t", 1, 29))});
  EXPECT_NE(house_.Source().hold().id(), hold.id());
  house_.Pass({Lists(ObservedRange("t", 1, 50))});
  EXPECT_FALSE(house_.Source().has_hold());
}

TEST_F(ApproveSyncTest, TheLossesBecomeMissingAndThenDeleted) {
  Hold(30);
  const absl::StatusOr<v1::ApproveSyncResponse> approved = Approve();
  ASSERT_TRUE(approved.ok()) << approved.status();
  EXPECT_EQ(approved->tokens_missing(), 20);
  EXPECT_EQ(approved->tokens_deleted(), 0);
  EXPECT_EQ(approved->revision(), house_.revision());
  EXPECT_THAT(house_.IdsWith(kMissing), SizeIs(20));
  const v1::Source source = house_.Source();
  EXPECT_EQ(source.state(), v1::Source::OK);
  EXPECT_FALSE(source.has_hold());
  EXPECT_EQ(source.incomplete_scopes_size(), 0);
  EXPECT_THAT(source.error(), IsEmpty());
  EXPECT_EQ(source.last_complete_time().seconds(), absl::ToUnixSeconds(house_.clock().Now()));
  ExpectConsistent(house_);

  // The next pass needs no approval: nothing that was LISTED is lost.
  EXPECT_EQ(house_.Pass({Lists(ObservedRange("t", 1, 30))}).state, v1::Source::OK);
  EXPECT_THAT(house_.IdsWith(kDeleted), SizeIs(20));
  EXPECT_THAT(house_.IdsWith(kListed), SizeIs(30));
  ExpectConsistent(house_);
}

TEST_F(ApproveSyncTest, AnEmptiedListingToo) {
  Hold(0);
  ASSERT_TRUE(Approve().ok());
  EXPECT_THAT(house_.IdsWith(kMissing), SizeIs(50));
  EXPECT_EQ(house_.Pass({Lists({})}).state, v1::Source::OK);
  EXPECT_THAT(house_.IdsWith(kDeleted), SizeIs(50));
}

TEST_F(ApproveSyncTest, WhatComesBackAfterItIsListedAgain) {
  Hold(30);
  ASSERT_TRUE(Approve().ok());
  const std::string uid = house_.Token("t50").uid();
  EXPECT_EQ(house_.Pass({Lists(ObservedRange("t", 1, 50))}).state, v1::Source::OK);
  EXPECT_THAT(house_.IdsWith(kListed), SizeIs(50));
  EXPECT_EQ(house_.Token("t50").uid(), uid);
}

TEST_F(ApproveSyncTest, TokensThatWereMissingBeforeAreDeleted) {
  house_.Pass({Lists(ObservedRange("t", 1, 50))});
  house_.Pass({Lists(ObservedRange("t", 1, 49))});
  house_.Pass({Lists(ObservedRange("t", 1, 20))});
  EXPECT_EQ(house_.PresenceOf("t50"), kMissing) << "held";
  const absl::StatusOr<v1::ApproveSyncResponse> approved = Approve();
  ASSERT_TRUE(approved.ok()) << approved.status();
  EXPECT_EQ(approved->tokens_missing(), 29);
  EXPECT_EQ(approved->tokens_deleted(), 1);
  EXPECT_EQ(house_.PresenceOf("t50"), kDeleted);
}

TEST_F(ApproveSyncTest, NothingButWhatWasLookedAtIsApproved) {
  Hold(30);
  ExpectRefused(house_.ledger().ApproveSync("acme", "another").status(), absl::StatusCode::kAborted,
                "HOLD_CHANGED");
  const std::string first = house_.Source().hold().id();
  house_.Pass({Lists(ObservedRange("t", 1, 10))});
  ExpectRefused(house_.ledger().ApproveSync("acme", first).status(), absl::StatusCode::kAborted,
                "HOLD_CHANGED");
  EXPECT_THAT(house_.IdsWith(kListed), SizeIs(50));
  ASSERT_TRUE(Approve().ok());
  ExpectRefused(house_.ledger().ApproveSync("acme", first).status(),
                absl::StatusCode::kFailedPrecondition, "NOTHING_HELD");
  ExpectRefused(house_.ledger().ApproveSync("nobody", first).status(), absl::StatusCode::kNotFound,
                "SOURCE_NOT_FOUND");
}

TEST_F(ApproveSyncTest, AfterARestartThePassMustBeRepeatedFirst) {
  Hold(30);
  house_.Reopen();
  ASSERT_TRUE(house_.Source().has_hold());
  const absl::Status status = Approve().status();
  ExpectRefused(status, absl::StatusCode::kFailedPrecondition, "NOTHING_HELD");
  EXPECT_THAT(std::string(status.message()), HasSubstr("SyncSource"));
  house_.Pass({Lists(ObservedRange("t", 1, 30))});
  EXPECT_TRUE(Approve().ok());
}

TEST_F(ApproveSyncTest, TokensThatTheVendorShowedSinceAreLeftAlone) {
  Hold(30);
  // A pass that is under way has seen some of them again.
  const PassId pass = house_.BeginPass({Incomplete(Lists(ObservedRange("t", 41, 45)))});
  const absl::StatusOr<v1::ApproveSyncResponse> approved = Approve();
  ASSERT_TRUE(approved.ok()) << approved.status();
  EXPECT_EQ(approved->tokens_missing(), 15);
  EXPECT_EQ(house_.PresenceOf("t41"), kListed);
  EXPECT_EQ(house_.PresenceOf("t46"), kMissing);
  house_.EndPass(pass, {{"tokens", true}}, v1::Source::DEGRADED);
  EXPECT_EQ(house_.PresenceOf("t46"), kMissing);
}

TEST_F(ApproveSyncTest, OtherListingsAreNotCountedTwice) {
  const auto pass = [&](int a, int b) {
    return house_.Pass({Lists(ObservedRange("a", 1, a), "tokens", "name=a"),
                        Lists(ObservedRange("b", 1, b), "tokens", "name=b")});
  };
  pass(50, 20);
  EXPECT_EQ(pass(10, 19).state, v1::Source::SUSPICIOUS);
  ASSERT_TRUE(Approve().ok());
  EXPECT_EQ(house_.PresenceOf("b20"), kMissing) << "one complete pass without it";
  EXPECT_EQ(pass(10, 19).state, v1::Source::OK);
  EXPECT_EQ(house_.PresenceOf("b20"), kDeleted);
}

TEST_F(ApproveSyncTest, WhatElseWasWrongWithThePassStaysSo) {
  house_.Pass({Lists(ObservedRange("a", 1, 50), "tokens", "name=a"),
               Lists({Observed("b1")}, "tokens", "name=b")});
  const PassId id = house_.BeginPass({Lists(ObservedRange("a", 1, 10), "tokens", "name=a"),
                                      Incomplete(Lists({}, "tokens", "name=b"))});
  PassEnd end;
  end.state = v1::Source::DEGRADED;
  end.error = "tokens: name=b: HTTP 500";
  end.incomplete_scopes.emplace_back().set_scope("name=b");
  end.streams = {{"tokens", true}};
  ASSERT_EQ(house_.ledger().End(id, end)->state, v1::Source::SUSPICIOUS);
  EXPECT_EQ(house_.Source().incomplete_scopes_size(), 2);
  const std::int64_t complete = house_.Source().last_complete_time().seconds();
  house_.Advance(absl::Minutes(1));
  ASSERT_TRUE(Approve().ok());
  EXPECT_EQ(house_.Source().state(), v1::Source::DEGRADED);
  EXPECT_EQ(house_.Source().error(), "tokens: name=b: HTTP 500");
  EXPECT_EQ(house_.Source().incomplete_scopes_size(), 1);
  EXPECT_EQ(house_.Source().last_complete_time().seconds(), complete);
  EXPECT_EQ(house_.PresenceOf("b1"), kListed);
  EXPECT_THAT(house_.IdsWith(kMissing), SizeIs(40));
}

TEST_F(ApproveSyncTest, VanishedListingsAreApprovedTogether) {
  std::vector<Listing> all;
  for (int i = 1; i <= 20; ++i) {
    all.push_back(Lists({Observed(absl::StrCat(i, "-a")), Observed(absl::StrCat(i, "-b"))},
                        "tokens", absl::StrCat("name=", i)));
  }
  house_.Pass(all);
  const std::vector<Listing> rest(all.begin(), all.begin() + 10);
  house_.Pass(rest);
  ASSERT_EQ(house_.Pass(rest).state, v1::Source::SUSPICIOUS);
  EXPECT_EQ(house_.Source().hold().token_count(), 20);
  ASSERT_TRUE(Approve().ok());
  EXPECT_THAT(house_.IdsWith(kMissing), SizeIs(20));
  EXPECT_EQ(house_.Pass(rest).state, v1::Source::OK);
  EXPECT_THAT(house_.IdsWith(kDeleted), SizeIs(20));
  ExpectConsistent(house_);
}

TEST_F(ApproveSyncTest, AStoreThatFailsLosesNoHold) {
  Hold(30);
  house_.store().FailCommits(1);
  EXPECT_EQ(Approve().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(house_.IdsWith(kListed), SizeIs(50));
  const absl::StatusOr<v1::ApproveSyncResponse> approved = Approve();
  ASSERT_TRUE(approved.ok()) << approved.status();
  EXPECT_EQ(approved->tokens_missing(), 20);
}

}  // namespace
}  // namespace tokeninventory::testing
