// A source that left the configuration, purged.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/answers.h"
#include "tests/inventory/ledger_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PurgeSourceTest : public ::testing::Test {
 protected:
  PurgeSourceTest() {
    both_.sources = {MakeSourceInfo("acme"), MakeSourceInfo("old")};
    house_.Reopen(both_);
    house_.Pass({Lists(ObservedRange("a", 1, 3))}, "acme");
    house_.Pass({Lists(ObservedRange("o", 1, 2500))}, "old");
  }
  void Detach() { house_.Reopen(LedgerHarness::Setup()); }
  std::vector<std::string> SourceNames() {
    std::vector<std::string> names;
    const auto list =
        ListSources(*house_.inventory().Current(), SourceSet(), house_.ledger().epoch(), {});
    for (const v1::Source& source : list->sources()) names.push_back(source.name());
    return names;
  }

  LedgerHarness::Setup both_;
  LedgerHarness house_;
};

TEST_F(PurgeSourceTest, AConfiguredOneIsRefused) {
  const absl::Status status = house_.ledger().PurgeSource("old", true).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "SOURCE_CONFIGURED");
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED, "old"), SizeIs(2500));
  EXPECT_EQ(house_.ledger().PurgeSource("nobody", true).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(PurgeSourceTest, WithoutForceItOnlyTells) {
  Detach();
  const std::int64_t revision = house_.revision();
  const absl::StatusOr<v1::PurgeSourceResponse> told = house_.ledger().PurgeSource("old", false);
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_EQ(told->purge_count(), 2500);
  EXPECT_EQ(told->purge_sample_size(), 100);
  EXPECT_EQ(told->purge_sample(0), "sources/old/tokens/o1");
  EXPECT_EQ(house_.revision(), revision);
}

TEST_F(PurgeSourceTest, ItsTokensBecomeTombstonesAndItIsListedNoMore) {
  Detach();
  EXPECT_THAT(SourceNames(), ElementsAre("sources/acme", "sources/old"));
  const absl::StatusOr<v1::PurgeSourceResponse> purged = house_.ledger().PurgeSource("old", true);
  ASSERT_TRUE(purged.ok()) << purged.status();
  EXPECT_EQ(purged->purge_count(), 2500);
  EXPECT_EQ(purged->revision(), house_.revision());
  const v1::Token token = house_.Token("o1", "old");
  EXPECT_EQ(token.presence(), v1::Token::DELETED);
  EXPECT_EQ(token.delete_cause(), v1::PURGED);
  EXPECT_THAT(SourceNames(), ElementsAre("sources/acme"));
  v1::GetSourceRequest get;
  get.set_name("sources/old");
  EXPECT_EQ(GetSource(*house_.inventory().Current(), SourceSet(), get).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(house_.ledger().PurgeSource("old", true).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED, "acme"), SizeIs(3));
  ExpectConsistent(house_, /*whole_feed=*/false);
  for (const LogChange& change : house_.ChangesOf(house_.revision())) {
    EXPECT_EQ(change.cause, v1::TokenChange::OPERATOR_PURGED);
  }
}

TEST_F(PurgeSourceTest, AnInterruptedOneGoesOn) {
  Detach();
  house_.store().FailCommits(1, /*skip=*/1);
  EXPECT_EQ(house_.ledger().PurgeSource("old", true).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_THAT(house_.IdsWith(v1::Token::DELETED, "old"), SizeIs(1000));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(ReasonOf(house_.ledger().PurgeSource("old", true, stop.get_token()).status()),
            "PURGE_INTERRUPTED");
  const absl::StatusOr<v1::PurgeSourceResponse> rest = house_.ledger().PurgeSource("old", true);
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(rest->purge_count(), 1500);
}

TEST_F(PurgeSourceTest, ComingBackItStartsAnew) {
  const std::string uid = house_.Token("o1", "old").uid();
  Detach();
  ASSERT_TRUE(house_.ledger().PurgeSource("old", true).ok());
  house_.Reopen(both_);
  EXPECT_THAT(house_.IdsWith(v1::Token::LISTED, "old"), IsEmpty());
  house_.Pass({Lists({Observed("o1")})}, "old");
  EXPECT_EQ(house_.PresenceOf("o1", "old"), v1::Token::LISTED);
  EXPECT_NE(house_.Token("o1", "old").uid(), uid) << "what was purged stays purged";
  ExpectConsistent(house_, /*whole_feed=*/false);
}

TEST_F(PurgeSourceTest, AnotherVendorMayTakeTheIdOnlyAfterIt) {
  LedgerHarness::Setup other;
  other.sources = {MakeSourceInfo("acme"), MakeSourceInfo("old", "other-vendor")};
  Detach();
  house_.Close();
  EXPECT_EQ(house_.Open(other).code(), absl::StatusCode::kFailedPrecondition);
  house_.Close();
  ASSERT_TRUE(house_.Open(LedgerHarness::Setup()).ok());
  ASSERT_TRUE(house_.ledger().PurgeSource("old", true).ok());
  house_.Reopen(other);
  house_.Pass({Lists({Observed("o1")})}, "old");
  EXPECT_EQ(house_.Token("o1", "old").provider(), "other-vendor");
}

TEST_F(PurgeSourceTest, TheLastTombstoneTakesTheSourceAlong) {
  Detach();
  ASSERT_TRUE(house_.ledger().PurgeSource("old", true).ok());
  house_.Advance(absl::Hours(24 * 8));
  for (int i = 0; i < 10; ++i) house_.Settle();
  EXPECT_EQ(house_.inventory().Current()->Find("sources/old/tokens/o1").full.size(), 0u);
  Detach();
  // The store forgot it: the next start loads none.
  Detach();
  EXPECT_LT(house_.inventory().Current()->FindSource("old"), 0);
}

}  // namespace
}  // namespace tokeninventory::testing
