// What the Ledger says of a store that fails, and how it finds it again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/inventory/ledger_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int kForEver = std::numeric_limits<int>::max();
constexpr absl::StatusCode kOk = absl::StatusCode::kOk;
constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;
constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;

class LedgerStoreTest : public ::testing::Test {
 protected:
  LedgerStoreTest() {
    house_.ledger().SetStoreListener([this](const absl::Status& store) {
      MutexLock lock(mutex_);
      told_.push_back(store.code());
    });
  }
  ~LedgerStoreTest() override { house_.ledger().SetStoreListener(nullptr); }

  std::vector<absl::StatusCode> told() {
    house_.Settle();
    MutexLock lock(mutex_);
    return told_;
  }

  // A page that cannot be stored.
  void Fail(absl::Status status = absl::UnavailableError("full"), int times = kForEver) {
    const auto pass = house_.ledger().Begin("acme");
    ASSERT_TRUE(pass.ok()) << pass.status();
    house_.store().FailCommits(times, 0, std::move(status));
    EXPECT_FALSE(house_.ledger().Observe(*pass, {"tokens", "", ""}, {Observed("new")}).ok());
  }

  Mutex mutex_;
  std::vector<absl::StatusCode> told_ ABSL_GUARDED_BY(mutex_);
  LedgerHarness house_;
};

TEST_F(LedgerStoreTest, TheListenerHearsTheStoreFailAndComeBackByItself) {
  EXPECT_THAT(told(), ElementsAre(kOk));
  Fail();
  EXPECT_THAT(told(), ElementsAre(kOk, kUnavailable));
  for (int i = 0; i < 4; ++i) house_.Advance(absl::Seconds(5));
  EXPECT_THAT(told(), SizeIs(2)) << "told again what is no news";
  house_.store().FailCommits(0);
  house_.Advance(absl::Seconds(4));
  EXPECT_THAT(told(), SizeIs(2)) << "tried before its time";
  house_.Advance(absl::Seconds(1));
  EXPECT_THAT(told(), ElementsAre(kOk, kUnavailable, kOk));
  EXPECT_EQ(house_.revision(), 0) << "trying is no revision";
  // The source still says what became of its pass, until the next one.
  EXPECT_EQ(house_.Source().state(), v1::Source::STORE_UNAVAILABLE);
  house_.Pass({Lists({Observed("new")})});
  EXPECT_EQ(house_.Source().state(), v1::Source::OK);
  EXPECT_EQ(house_.Source().error(), "");
  ExpectConsistent(house_);
}

TEST_F(LedgerStoreTest, ItIsTriedAFewTimesAMinuteAndNotMore) {
  Fail();
  const int commits = house_.store().commits();
  for (int second = 0; second < 60; ++second) house_.Advance(absl::Seconds(1));
  EXPECT_EQ(house_.store().commits() - commits, 12);
}

TEST_F(LedgerStoreTest, NoPassBeginsThatCouldNotBeKept) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  Fail();
  const auto refused = house_.ledger().Begin("acme");
  EXPECT_EQ(refused.status().code(), kUnavailable);
  EXPECT_EQ(ReasonOf(refused), "STORE_UNAVAILABLE");
  const v1::Source source = house_.Source();
  EXPECT_FALSE(source.syncing());
  EXPECT_EQ(source.state(), v1::Source::STORE_UNAVAILABLE);
  EXPECT_THAT(source.error(), HasSubstr("full"));
  EXPECT_EQ(source.error().find('\n'), std::string::npos);
  // The poller says when.
  const absl::Time next = house_.clock().Now() + absl::Seconds(30);
  house_.ledger().Postpone("acme", next);
  EXPECT_EQ(house_.Source().next_sync_time().seconds(), absl::ToUnixSeconds(next));
  // Who asks need not wait for the next attempt.
  house_.store().FailCommits(0);
  EXPECT_TRUE(house_.ledger().Begin("acme").ok());
  EXPECT_THAT(told(), ElementsAre(kOk, kUnavailable, kOk));
}

TEST_F(LedgerStoreTest, WhatTimeBroughtIsToldAsSoonAsTheStoreIsBack) {
  const absl::Time end = house_.clock().Now() + absl::Seconds(7);
  house_.Pass({Lists({Observed("t", [&](v1::Token& token) {
    token.set_expiry(v1::Token::AT);
    token.mutable_expire_time()->set_seconds(absl::ToUnixSeconds(end));
  })})});
  Fail();
  house_.Advance(absl::Seconds(8));
  EXPECT_EQ(house_.Token("t").state(), v1::Token::ACTIVE);
  house_.store().FailCommits(0);
  house_.Advance(absl::Seconds(5));
  EXPECT_EQ(house_.Token("t").state(), v1::Token::EXPIRED);
  EXPECT_THAT(told(), ElementsAre(kOk, kUnavailable, kOk));
}

TEST_F(LedgerStoreTest, ADamagedStoreIsNotTriedAgain) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  Fail(absl::DataLossError("malformed"));
  EXPECT_THAT(told(), ElementsAre(kOk, kDataLoss));
  house_.store().FailCommits(0);
  const int commits = house_.store().commits();
  const auto refused = house_.ledger().Begin("acme");
  EXPECT_EQ(refused.status().code(), kDataLoss);
  EXPECT_EQ(ReasonOf(refused), "STORE_DAMAGED");
  for (int i = 0; i < 10; ++i) house_.Advance(absl::Seconds(5));
  EXPECT_EQ(house_.store().commits(), commits);
  EXPECT_THAT(told(), ElementsAre(kOk, kDataLoss));
  // Reads go on.
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED), SizeIs(5));
  EXPECT_EQ(house_.Source().state(), v1::Source::STORE_UNAVAILABLE);
}

TEST_F(LedgerStoreTest, WhoeverListensNoMoreHearsNoMore) {
  house_.ledger().SetStoreListener(nullptr);
  Fail();
  EXPECT_THAT(told(), ElementsAre(kOk));
}

}  // namespace
}  // namespace tokeninventory::testing
