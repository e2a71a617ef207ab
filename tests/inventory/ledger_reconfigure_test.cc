// Another configuration while the Ledger runs: what a restart would do with it.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/inventory/ledger_harness.h"

namespace tokeninventory::testing {
namespace {

using ::testing::HasSubstr;

LedgerSetup TwoSources() {
  LedgerSetup setup;
  setup.sources = {MakeSourceInfo("acme"), MakeSourceInfo("beta")};
  return setup;
}

ObservedToken EndsIn(const LedgerHarness&, const std::string& id, absl::Time end) {
  return Observed(id, [&](v1::Token& token) {
    token.mutable_expire_time()->set_seconds(absl::ToUnixSeconds(end));
    token.set_expiry(v1::Token::AT);
  });
}

class LedgerReconfigureTest : public ::testing::Test {
 protected:
  static LeadRules Rules(const std::string& filter, absl::Duration lead) {
    return *LeadRules::Make({LeadRule{filter, {lead}}});
  }
  LedgerHarness house_{TwoSources()};
};

TEST_F(LedgerReconfigureTest, SourcesComeGoAndComeBack) {
  house_.Pass({Lists(ObservedRange("a", 1, 3))}, "acme");
  house_.Pass({Lists(ObservedRange("b", 1, 3))}, "beta");
  const std::string uid = house_.Token("b1", "beta").uid();
  Ledger::Configuration next;
  next.sources = {MakeSourceInfo("acme"), MakeSourceInfo("gamma")};
  ASSERT_TRUE(house_.ledger().Reconfigure(next).ok());
  EXPECT_EQ(house_.Source("beta").state(), v1::Source::DETACHED);
  EXPECT_EQ(house_.PresenceOf("b1", "beta"), v1::Token::DETACHED);
  EXPECT_EQ(house_.Source("gamma").state(), v1::Source::PENDING);
  EXPECT_EQ(house_.PresenceOf("a1", "acme"), v1::Token::LISTED);
  EXPECT_FALSE(house_.ledger().Begin("beta").ok());
  house_.Pass({Lists(ObservedRange("g", 1, 2))}, "gamma");

  next.sources.push_back(MakeSourceInfo("beta"));
  ASSERT_TRUE(house_.ledger().Reconfigure(next).ok());
  EXPECT_EQ(house_.PresenceOf("b1", "beta"), v1::Token::LISTED);
  EXPECT_EQ(house_.Token("b1", "beta").uid(), uid);
  const std::int64_t revision = house_.revision();
  ASSERT_TRUE(house_.ledger().Reconfigure(next).ok());
  EXPECT_EQ(house_.revision(), revision) << "nothing is another one";
  ExpectConsistent(house_);
}

TEST_F(LedgerReconfigureTest, WhatCannotBeKeepsTheOld) {
  house_.Pass({Lists(ObservedRange("b", 1, 3))}, "beta");
  Ledger::Configuration next;
  next.sources = {MakeSourceInfo("beta", "another-vendor")};
  const absl::Status status = house_.ledger().Reconfigure(next);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("beta"));
  EXPECT_NE(house_.Source("acme").state(), v1::Source::DETACHED);
  EXPECT_EQ(house_.PresenceOf("b1", "beta"), v1::Token::LISTED);
  house_.Pass({Lists(ObservedRange("a", 1, 1))}, "acme");
}

TEST_F(LedgerReconfigureTest, NoticesAreJudgedAnewByOtherRules) {
  const absl::Time start = house_.clock().Now();
  house_.Pass({Lists({})}, "acme");
  house_.Pass({Lists({EndsIn(house_, "a", start + absl::Hours(24 * 5)),
                      EndsIn(house_, "b", start + absl::Hours(24 * 50))})},
              "acme");
  ASSERT_TRUE(house_.NoticeOf("a").has_value());
  EXPECT_EQ(house_.NoticeOf("a")->state(), v1::Expiration::OPEN);
  EXPECT_FALSE(house_.NoticeOf("b").has_value());

  Ledger::Configuration next;
  next.sources = TwoSources().sources;
  next.rules = Rules("", absl::Hours(24 * 60));
  ASSERT_TRUE(house_.ledger().Reconfigure(next).ok());
  house_.Settle();
  ASSERT_TRUE(house_.NoticeOf("b").has_value()) << "a wider lead has come already";
  EXPECT_EQ(house_.NoticeOf("b")->state(), v1::Expiration::OPEN);

  next.rules = Rules("", absl::Hours(24));
  ASSERT_TRUE(house_.ledger().Reconfigure(next).ok());
  house_.Settle();
  EXPECT_EQ(house_.NoticeOf("b")->state(), v1::Expiration::RESOLVED);
  EXPECT_EQ(house_.NoticeOf("b")->resolution().cause(), v1::Expiration::Resolution::RULE_CHANGED);
}

TEST_F(LedgerReconfigureTest, HoldsStay) {
  house_.Pass({Lists(ObservedRange("a", 1, 100))}, "acme");
  house_.Pass({Lists(ObservedRange("a", 1, 10))}, "acme");
  const std::string hold = house_.Source("acme").hold().id();
  ASSERT_FALSE(hold.empty());
  Ledger::Configuration next;
  next.sources = TwoSources().sources;
  ASSERT_TRUE(house_.ledger().Reconfigure(next).ok());
  EXPECT_EQ(house_.Source("acme").hold().id(), hold);
  EXPECT_TRUE(house_.ledger().ApproveSync("acme", hold).ok());
}

}  // namespace
}  // namespace tokeninventory::testing
