// One simulated hour of a vendor whose tokens come and go while its answers go wrong at random, for
// each vendor, and the service restarts now and then. Whenever it has been quiet for a few passes,
// the inventory is the vendor's truth.
//
// TI_CHURN_SEED=n runs another hour.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/sync/sync_world.h"
#include "tests/vendor_sim/fault_catalogue.h"

namespace tokeninventory::testing {
namespace {

using vendor_sim::FaultCatalogue;
using vendor_sim::NamedFault;
using vendor_sim::TokenKind;

constexpr absl::Duration kHour = absl::Hours(1);
constexpr absl::Duration kInterval = absl::Minutes(1);
constexpr absl::Duration kTick = absl::Seconds(10);
// What removed a small parent is believed after three passes: named no more, named no more again
// (its tokens are MISSING), and once more.
constexpr int kMostQuietPasses = 4;

std::uint64_t Seed() {
  const char* const seed = std::getenv("TI_CHURN_SEED");
  return seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
}

class ChurnHourTest : public ::testing::TestWithParam<const char*> {
 protected:
  ChurnHourTest()
      : random_(Seed()),
        world_({.vendor = GetParam(),
                .all_streams = true,
                .tokens = 600,
                .seed = Seed(),
                .page_size = 20,
                .max_pages = 100}) {}

  std::uint64_t Below(std::uint64_t bound) { return random_() % bound; }

  // A fault on one of the vendor's streams, for one request or all to come.
  void BreakSomething() {
    const NamedFault& named = FaultCatalogue()[Below(FaultCatalogue().size())];
    // Nothing would happen for the rest of the hour.
    if (named.name == "429-for-an-hour") return;
    const auto& streams = world_.manifest().streams;
    vendor_sim::Fault fault = named.fault;
    fault.target_matches = world_.TargetsOf(streams[Below(streams.size())]);
    fault.skip = static_cast<int>(Below(4));
    fault.count = Below(2) == 0 ? 1 : std::numeric_limits<int>::max();
    // A list that shrinks with every page would be empty soon.
    if (fault.remove_shown > 0) fault.count = 3;
    hasty_ |= fault.delivery == vendor_sim::Delivery::kStall ||
              fault.delivery == vendor_sim::Delivery::kStallInBody;
    world_.BeHasty(hasty_);
    world_.sim().AddFault(std::move(fault));
    ++faults_;
  }

  void Mend() {
    world_.sim().ClearFaults();
    hasty_ = false;
    world_.BeHasty(false);
  }

  // A parent with a few tokens comes, or goes with what it has.
  void ChangeParents() {
    vendor_sim::VendorSim& sim = world_.sim();
    if (has_parent_) {
      sim.RemoveWorkspace("brief");
      sim.RemoveRegistry("brief");
      sim.RemoveCluster(cluster_);
    } else {
      sim.AddWorkspace("brief");
      sim.AddRegistry("brief");
      cluster_ = sim.AddCluster("brief");
      for (int i = 0; i < 3; ++i) {
        sim.AddToken(TokenKind::kDeepset, "brief");
        sim.AddToken(TokenKind::kBuildkiteRegistry, "brief");
        sim.AddToken(TokenKind::kBuildkiteAgent, cluster_.ToString());
      }
    }
    has_parent_ = !has_parent_;
  }

  void Pass() {
    const std::map<std::string, KnownToken> before = world_.Known();
    last_ = world_.Pass();
    ++passes_;
    if (last_.state() != v1::Source::OK) ++bad_passes_;
    // A poller would come back later and later after failures; here they are what is wanted.
    next_pass_ = Now() + kInterval;
    const TokenFacts truth = world_.Truth();
    const std::map<std::string, KnownToken> known = world_.Known();
    for (const auto& [id, was] : before) {
      if (truth.count(id) == 0) continue;
      const KnownToken& is = known.at(id);
      EXPECT_NE(is.presence, v1::Token::DELETED) << id << " exists; " << last_.error();
      EXPECT_EQ(is.uid, was.uid) << id;
    }
  }

  absl::Time Now() { return world_.ledger().clock().Now(); }

  void RunBusily(absl::Duration time) {
    const absl::Time until = Now() + time;
    while (Now() < until) {
      world_.ledger().Advance(kTick);
      changes_ += static_cast<int>(world_.sim().ApplyChurn(static_cast<int>(Below(8))).size());
      if (Below(8) == 0) world_.ChangeALittle();
      if (Below(20) == 0) ChangeParents();
      if (Below(5) == 0) BreakSomething();
      if (Below(12) == 0) Mend();
      if (Below(60) == 0) {
        world_.ledger().Reopen();
        ++restarts_;
      }
      if (Now() >= next_pass_) Pass();
    }
  }

  // Passes until all is true.
  void ComeToRest() {
    Mend();
    for (int i = 0; i < kMostQuietPasses; ++i) {
      world_.ledger().Advance(kInterval);
      Pass();
      if (last_.state() == v1::Source::OK && world_.Difference().empty()) break;
    }
    EXPECT_EQ(world_.Difference(), "") << world_.Status().ShortDebugString();
    EXPECT_EQ(last_.state(), v1::Source::OK) << last_.error();
    // Time has done its part too.
    world_.ledger().Settle();
    for (const auto& [id, token] : world_.Known()) {
      if (token.presence != v1::Token::LISTED || token.state == v1::Token::INVALID) continue;
      EXPECT_EQ(token.state, token.expires <= Now() ? v1::Token::EXPIRED : v1::Token::ACTIVE) << id;
    }
    ++quiet_points_;
  }

  std::mt19937_64 random_;
  SyncWorld world_;
  bool hasty_ = false;
  bool has_parent_ = false;
  vendor_sim::Uuid cluster_;
  v1::SyncResult last_;
  absl::Time next_pass_ = absl::InfinitePast();

  int passes_ = 0;
  int bad_passes_ = 0;
  int faults_ = 0;
  int changes_ = 0;
  int restarts_ = 0;
  int quiet_points_ = 0;
};

TEST_P(ChurnHourTest, IsTheTruthAtEveryQuietPoint) {
  ASSERT_EQ(world_.Converge(1), 1) << world_.Difference();
  const absl::Time end = Now() + kHour;
  while (Now() < end && !HasFailure()) {
    RunBusily(absl::Minutes(2) + absl::Seconds(Below(240)));
    ComeToRest();
  }
  EXPECT_GT(quiet_points_, 3);
  EXPECT_GT(bad_passes_, 3);
  ExpectConsistent(world_.ledger(), /*whole_feed=*/false);
  std::printf(
      "%s, seed %llu: %d passes, %d of them not OK, %d faults, %d changes, %d restarts, equal to "
      "the "
      "truth at %d quiet points\n",
      GetParam(), static_cast<unsigned long long>(Seed()), passes_, bad_passes_, faults_, changes_,
      restarts_, quiet_points_);
}

INSTANTIATE_TEST_SUITE_P(Vendors, ChurnHourTest, ::testing::Values("deepset", "opal", "buildkite"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace tokeninventory::testing
