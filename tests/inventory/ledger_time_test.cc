// What the clock does: expiry falls due, the log is compacted.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "tests/inventory/ledger_harness.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ObservedToken Expires(const std::string& id, absl::Time time) {
  return Observed(id, [time](v1::Token& t) { ToProto(time, t.mutable_expire_time()); });
}

// Nobody is warned before: these tests are about the end itself.
LedgerSetup WithoutLeads() {
  LedgerSetup setup;
  setup.rules = *LeadRules::Make({LeadRule{}});
  return setup;
}

class LedgerExpiryTest : public ::testing::Test {
 protected:
  v1::Token::State StateOf(const std::string& id) { return house_.Token(id).state(); }

  LedgerHarness house_{WithoutLeads()};
  const absl::Time start_ = house_.clock().Now();
  const absl::Time end_ = start_ + absl::Hours(1);
};

TEST_F(LedgerExpiryTest, ATokenExpiresAtItsInstantAndNotBefore) {
  house_.Pass({Lists({Expires("a", end_)})});
  house_.Advance(absl::Hours(1) - absl::Nanoseconds(1));
  EXPECT_EQ(StateOf("a"), v1::Token::ACTIVE);
  EXPECT_EQ(house_.revision(), 1);
  house_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(StateOf("a"), v1::Token::EXPIRED);
  EXPECT_EQ(house_.revision(), 2);
  EXPECT_EQ(FromProto(house_.Token("a").update_time()), end_);
  const auto changes = house_.ChangesOf(2);
  ASSERT_THAT(changes, SizeIs(2));
  EXPECT_EQ(changes[0].cause, v1::TokenChange::TIME_PASSED);
  EXPECT_EQ(changes[1].subject, LogSubject::kNotice) << "with the notice that it ended";
  // The vendor still lists it as before.
  house_.Advance(absl::Minutes(5));
  house_.Pass({Lists({Expires("a", end_)})});
  EXPECT_EQ(house_.revision(), 2);
  ExpectConsistent(house_);
}

TEST_F(LedgerExpiryTest, ATokenThatFellDueWhileTheServiceWasDownExpiresAtItsStart) {
  house_.Pass({Lists({Expires("a", end_), Expires("b", end_ + absl::Hours(9))})});
  house_.Close();
  house_.clock().Advance(absl::Hours(2));
  house_.Reopen();
  house_.Settle();
  EXPECT_EQ(StateOf("a"), v1::Token::EXPIRED);
  EXPECT_EQ(StateOf("b"), v1::Token::ACTIVE);
  EXPECT_EQ(house_.revision(), 2);
  house_.Reopen();
  house_.Advance(absl::Hours(8));
  EXPECT_EQ(StateOf("b"), v1::Token::EXPIRED);
  EXPECT_EQ(house_.revision(), 3);
  ExpectConsistent(house_, false);
}

TEST_F(LedgerExpiryTest, ATokenThatIsExtendedExpiresAtItsNewTime) {
  house_.Pass({Lists({Expires("a", end_)})});
  house_.Pass({Lists({Expires("a", end_ + absl::Hours(1))})});
  house_.Advance(absl::Hours(1));
  EXPECT_EQ(StateOf("a"), v1::Token::ACTIVE);
  house_.Advance(absl::Hours(1));
  EXPECT_EQ(StateOf("a"), v1::Token::EXPIRED);
  house_.Pass({Lists({Expires("a", end_ + absl::Hours(5))})});
  EXPECT_EQ(StateOf("a"), v1::Token::ACTIVE);
  house_.Advance(absl::Hours(4));
  EXPECT_EQ(StateOf("a"), v1::Token::EXPIRED);
  ExpectConsistent(house_);
}

TEST_F(LedgerExpiryTest, AnExpiryThatMovesAndComesBackIsOneChange) {
  house_.Pass({Lists({Expires("a", end_)})});
  house_.Pass({Lists({Expires("a", end_ + absl::Hours(1))})});
  house_.Pass({Lists({Expires("a", end_)})});
  house_.Advance(absl::Hours(1));
  EXPECT_EQ(StateOf("a"), v1::Token::EXPIRED);
  EXPECT_THAT(house_.ChangesOf(house_.revision()), SizeIs(2)) << "the token and its notice";
  house_.Advance(absl::Hours(1));
  EXPECT_EQ(house_.revision(), 4);
  ExpectConsistent(house_);
}

TEST_F(LedgerExpiryTest, ADeletedTokenDoesNotExpire) {
  house_.Pass({Lists({Expires("a", end_), Observed("b")})});
  house_.Pass({Lists({Observed("b")})});
  house_.Pass({Lists({Observed("b")})});
  const std::int64_t revision = house_.revision();
  house_.Advance(absl::Hours(2));
  EXPECT_EQ(house_.revision(), revision);
  EXPECT_EQ(StateOf("a"), v1::Token::ACTIVE);
}

TEST_F(LedgerExpiryTest, AMissingTokenExpires) {
  house_.Pass({Lists({Expires("a", end_), Observed("b")})});
  house_.Pass({Lists({Observed("b")})});
  house_.Advance(absl::Hours(1));
  EXPECT_EQ(StateOf("a"), v1::Token::EXPIRED);
  EXPECT_EQ(house_.PresenceOf("a"), v1::Token::MISSING);
}

TEST_F(LedgerExpiryTest, ManyThatFallDueAtOnceExpireInBoundedRevisions) {
  std::vector<ObservedToken> tokens;
  for (int i = 0; i < 2500; ++i) tokens.push_back(Expires(absl::StrCat("t", i), end_));
  house_.Pass({Lists(tokens)});
  house_.Advance(absl::Hours(1));
  EXPECT_EQ(house_.revision(), 4);
  for (std::int64_t revision = 2; revision <= 4; ++revision) {
    EXPECT_LE(house_.ChangesOf(revision).size(), 2000u) << "each with its notice";
  }
  for (int i = 0; i < 2500; ++i) EXPECT_EQ(StateOf(absl::StrCat("t", i)), v1::Token::EXPIRED);
  ExpectConsistent(house_);
}

TEST_F(LedgerExpiryTest, AStoreThatFailsIsTriedAgain) {
  house_.Pass({Lists({Expires("a", end_), Expires("b", end_)})});
  house_.store().FailCommits(2);
  house_.Advance(absl::Hours(1));
  EXPECT_EQ(StateOf("a"), v1::Token::ACTIVE) << "what is not stored is not shown";
  EXPECT_EQ(house_.revision(), 1);
  EXPECT_EQ(house_.store().failed_commits(), 1) << "not at once again";
  house_.Advance(absl::Seconds(5));
  EXPECT_EQ(house_.store().failed_commits(), 2);
  house_.Advance(absl::Seconds(5));
  EXPECT_EQ(StateOf("a"), v1::Token::EXPIRED);
  EXPECT_EQ(StateOf("b"), v1::Token::EXPIRED);
  EXPECT_EQ(house_.revision(), 2);
  ExpectConsistent(house_);
}

class LedgerCompactionTest : public ::testing::Test {
 protected:
  LedgerCompactionTest() {
    LedgerHarness::Setup setup;
    setup.retention.max_age = absl::Hours(24);
    house_.Reopen(setup);
    house_.Settle();
  }
  void Forget() {  // all that was written so far
    house_.Advance(absl::Hours(25));
    house_.Advance(absl::Minutes(10));
  }

  LedgerHarness house_;
};

TEST_F(LedgerCompactionTest, ForgetsTheLogAfterItsAge) {
  house_.Pass({Lists({Observed("a")})});
  house_.Advance(absl::Hours(23));
  house_.Pass({Lists({Observed("a"), Observed("b")})});
  EXPECT_EQ(house_.feed().bounds().oldest, 0);
  house_.Advance(absl::Hours(2));
  house_.Advance(absl::Minutes(10));
  EXPECT_EQ(house_.feed().bounds().oldest, 1);
  EXPECT_EQ(house_.store().Head()->oldest_revision, 1);
  Forget();
  EXPECT_EQ(house_.feed().bounds().oldest, 2);
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), ElementsAre("a", "b"));
}

TEST_F(LedgerCompactionTest, ATombstoneLivesAsLongAsTheLogTellsOfIt) {
  house_.Pass({Lists(ObservedRange("t", 1, 10))});
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  house_.Advance(absl::Hours(20));
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), ElementsAre("t10"));
  house_.Advance(absl::Hours(20));
  house_.Advance(absl::Minutes(10));
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), ElementsAre("t10"));
  const std::int64_t revision = house_.revision();
  Forget();
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), IsEmpty());
  EXPECT_TRUE(house_.inventory().Current()->Find(TokenName("acme", "t10")).full.empty());
  ASSERT_EQ(house_.revision(), revision + 1) << "no watcher needs to hear of it";
  const auto changes = house_.ChangesOf(house_.revision());
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].subject, LogSubject::kNotice) << "a day without a pass";
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), SizeIs(9));
  ExpectConsistent(house_, false);
  house_.Reopen();
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), IsEmpty());
  ExpectConsistent(house_, false);
}

TEST_F(LedgerCompactionTest, ATombstoneIsPurgedAlsoAfterARestart) {
  house_.Pass({Lists(ObservedRange("t", 1, 10))});
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  house_.Close();
  house_.clock().Advance(absl::Hours(25));
  house_.Reopen();
  house_.Settle();
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), IsEmpty());
}

TEST_F(LedgerCompactionTest, ATokenThatCameBackIsNotPurged) {
  house_.Pass({Lists(ObservedRange("t", 1, 10))});
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  house_.Pass({Lists(ObservedRange("t", 1, 10))});
  Forget();
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), SizeIs(10));
  // Nor does its first tombstone purge a second one too early.
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  house_.Advance(absl::Hours(1));
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), ElementsAre("t10"));
  Forget();
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), IsEmpty());
}

TEST_F(LedgerCompactionTest, AnIdThatComesBackAfterThePurgeIsANewToken) {
  house_.Pass({Lists(ObservedRange("t", 1, 10))});
  const std::string uid = house_.Token("t10").uid();
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  Forget();
  house_.Pass({Lists(ObservedRange("t", 1, 10))});
  EXPECT_EQ(house_.PresenceOf("t10"), v1::Token::LISTED);
  EXPECT_NE(house_.Token("t10").uid(), uid);
  ExpectConsistent(house_, false);
}

TEST_F(LedgerCompactionTest, AStoreThatFailsToPurgeIsTriedAgain) {
  house_.Pass({Lists(ObservedRange("t", 1, 10))});
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  // A day without a pass is told first, by a commit of its own.
  house_.store().FailCommits(1, 1);
  house_.Advance(absl::Hours(25));
  EXPECT_EQ(house_.store().failed_commits(), 1);
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), ElementsAre("t10"));
  house_.Advance(absl::Minutes(10));
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), IsEmpty());
  ExpectConsistent(house_, false);
}

TEST_F(LedgerCompactionTest, ManyTombstonesArePurgedInSteps) {
  house_.Pass({Lists(ObservedRange("keep", 1, 9000))});
  std::vector<ObservedToken> with = ObservedRange("keep", 1, 9000);
  for (ObservedToken& gone : ObservedRange("gone", 1, 1700)) with.push_back(std::move(gone));
  house_.Pass({Lists(with)});
  house_.Pass({Lists(ObservedRange("keep", 1, 9000))});
  house_.Pass({Lists(ObservedRange("keep", 1, 9000))});
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), SizeIs(1700));
  Forget();
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), IsEmpty());
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), SizeIs(9000));
}

}  // namespace
}  // namespace tokeninventory::testing
