// What survives a restart, what a new configuration changes, and what happens
// when the store cannot be written.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/token_bytes.h"
#include "tests/inventory/ledger_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Some of everything: tokens of each presence and state, of several scopes.
void Fill(LedgerHarness& house) {
  std::vector<ObservedToken> tokens = ObservedRange("t", 1, 100);
  tokens[0].token.set_state(v1::Token::DISABLED);
  ToProto(house.clock().Now() + absl::Hours(1), tokens[1].token.mutable_expire_time());
  tokens[2].token.mutable_create_time()->set_seconds(1);
  house.Pass({Lists(tokens), Lists(ObservedRange("o", 1, 30), "other", "name=o")});
  tokens[2].token.mutable_create_time()->set_seconds(2);  // reused
  tokens.resize(95);
  house.Pass({Lists(tokens), Lists(ObservedRange("o", 1, 30), "other", "name=o")});
  tokens.resize(90);
  house.Pass({Lists(tokens), Lists(ObservedRange("o", 1, 29), "other", "name=o")});
  house.Advance(absl::Hours(2));
}

TEST(LedgerRestartTest, EverythingIsTheSameAfterwards) {
  LedgerHarness house;
  Fill(house);
  const std::string before = Describe(*house.inventory().Current());
  const StoreHead head = *house.store().Head();
  const std::string epoch = house.ledger().epoch();
  EXPECT_THAT(before, HasSubstr("MISSING"));
  EXPECT_THAT(before, HasSubstr("DELETED"));
  EXPECT_THAT(before, HasSubstr("EXPIRED"));
  for (int i = 0; i < 3; ++i) {
    house.Reopen();
    house.Settle();
    EXPECT_EQ(Describe(*house.inventory().Current()), before);
    EXPECT_EQ(house.store().Head()->revision, head.revision);
    EXPECT_EQ(house.store().Head()->oldest_revision, head.oldest_revision);
    EXPECT_EQ(house.ledger().epoch(), epoch);
  }
}

TEST(LedgerRestartTest, MissesCountOverARestart) {
  LedgerHarness house;
  house.Pass({Lists(ObservedRange("t", 1, 5))});
  house.Pass({Lists(ObservedRange("t", 1, 4))});
  house.Reopen();
  EXPECT_EQ(house.PresenceOf("t5"), v1::Token::MISSING);
  house.Pass({Lists(ObservedRange("t", 1, 4))});
  EXPECT_EQ(house.PresenceOf("t5"), v1::Token::DELETED);
  ExpectConsistent(house, false);
}

TEST(LedgerRestartTest, APassThatWasCutOffByARestartProvesNothing) {
  LedgerHarness house;
  house.Pass({Lists(ObservedRange("t", 1, 5))});
  house.BeginPass({Lists({Observed("t1"), Observed("new")})});
  house.Reopen();
  EXPECT_FALSE(house.Source().syncing());
  EXPECT_THAT(house.IdsWith(v1::Token::LISTED), SizeIs(6)) << "what it saw was stored";
  house.Pass({Lists(ObservedRange("t", 1, 5))});
  EXPECT_EQ(house.PresenceOf("new"), v1::Token::MISSING);
}

TEST(LedgerRestartTest, NewTokensGetNewRows) {
  LedgerHarness house;
  house.Pass({Lists(ObservedRange("t", 1, 5))});
  house.Reopen();
  house.Pass({Lists(ObservedRange("t", 1, 8))});
  for (int i = 1; i <= 8; ++i) EXPECT_EQ(house.RowOf(absl::StrCat("t", i)), i);
  ExpectConsistent(house, false);
}

TEST(LedgerRestartTest, TokensBeyondOneLoadStepAreAllThere) {
  LedgerHarness house;
  constexpr int kTokens = 70'000;
  for (int i = 0; i < kTokens; i += 10'000) {
    const PassId pass = house.BeginPass({Lists(ObservedRange("t", i, i + 9'999))});
    house.ledger().Abandon(pass);
  }
  house.Reopen();
  const auto snapshot = house.inventory().Current();
  EXPECT_EQ(snapshot->Count({}), kTokens);
  EXPECT_EQ(house.Token("t0").provider_token_id(), "t0");
  EXPECT_EQ(house.Token("t69999").provider_token_id(), "t69999");
  EXPECT_EQ(snapshot->revision(), 7);
}

class LedgerConfigTest : public ::testing::Test {
 protected:
  static LedgerHarness::Setup With(std::vector<SourceInfo> sources) {
    LedgerHarness::Setup setup;
    setup.sources = std::move(sources);
    return setup;
  }

  LedgerHarness house_{With({MakeSourceInfo("acme"), MakeSourceInfo("beta")})};
};

TEST_F(LedgerConfigTest, ASourceThatLeavesIsDetachedWithItsTokens) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))}, "acme");
  house_.Pass({Lists(ObservedRange("t", 1, 4))}, "acme");
  house_.Pass({Lists(ObservedRange("b", 1, 3))}, "beta");
  const std::int64_t revision = house_.revision();
  house_.Reopen(With({MakeSourceInfo("beta")}));
  EXPECT_EQ(house_.Source("acme").state(), v1::Source::DETACHED);
  EXPECT_THAT(house_.Source("acme").error(), HasSubstr("configuration"));
  EXPECT_FALSE(house_.Source("acme").has_next_sync_time());
  EXPECT_THAT(house_.IdsWith(v1::Token::DETACHED), SizeIs(5));
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED, "beta"), SizeIs(3));
  EXPECT_EQ(house_.revision(), revision + 1);
  for (const LogChange& change : house_.ChangesOf(house_.revision())) {
    EXPECT_EQ(change.cause, v1::TokenChange::CONFIG_CHANGED);
  }
  EXPECT_EQ(house_.ledger().Begin("acme").status().code(), absl::StatusCode::kNotFound);
  // Once.
  house_.Reopen(With({MakeSourceInfo("beta")}));
  EXPECT_EQ(house_.revision(), revision + 1);
  ExpectConsistent(house_, false);
}

TEST_F(LedgerConfigTest, ASourceThatReturnsHasItsTokensBack) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))}, "acme");
  const v1::Token before = house_.Token("t1");
  house_.Reopen(With({MakeSourceInfo("beta")}));
  house_.clock().Advance(absl::Hours(1));
  house_.Reopen(With({MakeSourceInfo("acme"), MakeSourceInfo("beta")}));
  EXPECT_EQ(house_.Source("acme").state(), v1::Source::PENDING);
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), SizeIs(5));
  EXPECT_EQ(house_.Token("t1").uid(), before.uid());
  // Its marks were kept: what is gone meanwhile is noticed.
  house_.Pass({Lists(ObservedRange("t", 1, 4))}, "acme");
  EXPECT_EQ(house_.PresenceOf("t5"), v1::Token::MISSING);
  ExpectConsistent(house_, false);
}

TEST_F(LedgerConfigTest, TombstonesStayTombstones) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))}, "acme");
  house_.Pass({Lists(ObservedRange("t", 1, 4))}, "acme");
  house_.Pass({Lists(ObservedRange("t", 1, 4))}, "acme");
  house_.Reopen(With({MakeSourceInfo("beta")}));
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), ElementsAre("t5"));
  house_.Reopen(With({MakeSourceInfo("acme"), MakeSourceInfo("beta")}));
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED), ElementsAre("t5"));
}

TEST_F(LedgerConfigTest, AnotherVendorUnderTheSameIdIsRefused) {
  house_.Pass({Lists({Observed("t")})}, "acme");
  house_.Close();
  const absl::Status status = house_.Open(With({MakeSourceInfo("acme", "other-cloud")}));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("acme"));
  house_.Reopen(With({MakeSourceInfo("acme")}));
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), SizeIs(1));
}

TEST_F(LedgerConfigTest, ANewTitleOrIntervalIsShownAndMakesNoRevision) {
  house_.Pass({Lists({Observed("t")})}, "acme");
  SourceInfo changed = MakeSourceInfo("acme");
  changed.title = "Acme of today";
  changed.interval = absl::Hours(1);
  changed.coverage = "no personal tokens";
  house_.Reopen(With({changed, MakeSourceInfo("beta")}));
  EXPECT_EQ(house_.Source("acme").display_name(), "Acme of today");
  EXPECT_EQ(house_.Source("acme").coverage(), "no personal tokens");
  EXPECT_EQ(house_.Source("acme").sync_interval().seconds(), 3600);
  EXPECT_EQ(house_.Source("acme").state(), v1::Source::OK) << "the last pass still counts";
  EXPECT_EQ(house_.revision(), 1);
}

class LedgerStoreFaultTest : public ::testing::Test {
 protected:
  LedgerHarness house_;
};

TEST_F(LedgerStoreFaultTest, APageThatCannotBeStoredChangesNothing) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto pass = house_.ledger().Begin("acme");
    ASSERT_TRUE(pass.ok()) << "a pass that failed is over: " << pass.status();
    house_.store().FailCommits(1);
    std::vector<ObservedToken> tokens = ObservedRange("t", 1, 5);
    tokens[0].token.set_role("changed");
    tokens.push_back(Observed("new"));
    const auto counts = house_.ledger().Observe(*pass, {"tokens", "", ""}, tokens);
    EXPECT_EQ(counts.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ReasonOf(counts), "STORE_UNAVAILABLE");
    EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(counts.status()).has_value());
    EXPECT_FALSE(house_.Source().syncing());
    EXPECT_EQ(house_.Source().state(), v1::Source::STORE_UNAVAILABLE);
    EXPECT_EQ(house_.ledger().End(*pass, {}).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(house_.revision(), 1);
    EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), SizeIs(5));
    EXPECT_EQ(house_.Token("t1").role(), "");
    EXPECT_EQ(house_.feed().bounds().head, 1);
  }
  // The next try works, and nothing of the failed ones shows.
  house_.Pass({Lists(ObservedRange("t", 1, 6))});
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), SizeIs(6));
  EXPECT_EQ(house_.revision(), 2);
  EXPECT_EQ(house_.Source().state(), v1::Source::OK);
  ExpectConsistent(house_);
}

TEST_F(LedgerStoreFaultTest, AnEndThatCannotBeStoredMissesNothing) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  const PassId pass = house_.BeginPass({Lists(ObservedRange("t", 1, 4))});
  house_.store().FailCommits(1);
  PassEnd end;
  end.state = v1::Source::OK;
  end.streams = {{"tokens", true}};
  EXPECT_EQ(house_.ledger().End(pass, end).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(house_.PresenceOf("t5"), v1::Token::LISTED);
  EXPECT_EQ(house_.Source().state(), v1::Source::STORE_UNAVAILABLE);
  EXPECT_FALSE(house_.Source().syncing());
  // One miss, not two.
  house_.Pass({Lists(ObservedRange("t", 1, 4))});
  EXPECT_EQ(house_.PresenceOf("t5"), v1::Token::MISSING);
  ExpectConsistent(house_);
}

TEST_F(LedgerStoreFaultTest, WhatWasStoredBeforeTheFaultStays) {
  const PassId pass = house_.BeginPass({});
  house_.store().FailCommits(1, /*skip=*/2);
  const ScopeRef scope{"tokens", "", ""};
  EXPECT_TRUE(house_.ledger().Observe(pass, scope, ObservedRange("a", 1, 5)).ok());
  EXPECT_TRUE(house_.ledger().Observe(pass, scope, ObservedRange("b", 1, 5)).ok());
  EXPECT_FALSE(house_.ledger().Observe(pass, scope, ObservedRange("c", 1, 5)).ok());
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), SizeIs(10));
  house_.Reopen();
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), SizeIs(10));
  ExpectConsistent(house_, false);
}

TEST_F(LedgerStoreFaultTest, ARestartAfterAFaultIsWhatWasStored) {
  Fill(house_);
  const PassId pass = house_.BeginPass({});
  house_.store().FailCommits(1);
  EXPECT_FALSE(house_.ledger().Observe(pass, {"new", "k", ""}, ObservedRange("n", 1, 5)).ok());
  house_.Reopen();
  // Scopes and rows that the failed page would have made are free for others.
  house_.Pass({Lists(ObservedRange("m", 1, 5), "new", "k2")}, "acme", {{"x", false}});
  EXPECT_EQ(house_.PresenceOf("m1"), v1::Token::LISTED);
  ExpectConsistent(house_, false);
}

}  // namespace
}  // namespace tokeninventory::testing
