// Lists that are read while they change, or that end too early: what they do not show is not gone.
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "tests/sync/sync_world.h"
#include "tests/vendor_sim/fault_catalogue.h"
#include "tests/vendor_sim/spoilers.h"

namespace tokeninventory::testing {
namespace {

using vendor_sim::Fault;
using vendor_sim::FindFault;
using vendor_sim::TokenKind;

// The ids of tokens that exist and are believed gone.
std::string FalselyDeleted(SyncWorld& world) {
  std::string ids;
  const TokenFacts truth = world.Truth();
  for (const auto& [id, token] : world.Known()) {
    if (token.presence == v1::Token::DELETED && truth.count(id) > 0) absl::StrAppend(&ids, id, " ");
  }
  return ids;
}

// 700 tokens, 140 pages. The list ends 130 tokens too early, in every pass: too few for the guard,
// too many to look up each.
TEST(ListShiftTest, AListThatIsTooShortByMoreThanCanBeLookedUp) {
  SyncWorld world({.vendor = "opal", .max_pages = 200});
  for (int i = 0; i < 668; ++i) ASSERT_TRUE(world.sim().AddToken(TokenKind::kOpal));
  ASSERT_EQ(world.Converge(1), 1) << world.Difference();
  for (int pass = 0; pass < 4; ++pass) {
    Fault fault = FindFault("no-next")->fault;
    fault.target_matches = world.TargetsOf(world.manifest().streams[0]);
    fault.skip = 113;
    world.sim().AddFault(fault);
    const v1::SyncResult result = world.Pass();
    world.sim().ClearFaults();
    EXPECT_EQ(FalselyDeleted(world), "") << "pass " << pass;
    EXPECT_EQ(result.state(), v1::Source::DEGRADED);
    EXPECT_EQ(result.stats().tokens_missing(), 0);
  }
  EXPECT_EQ(world.Converge(1), 1) << world.Difference();
}

// The parents' list shows one less, for good: its tokens are looked up and found, and every pass
// from the second on says that something is wrong.
TEST(ListShiftTest, AParentThatIsNoLongerNamedButWhoseTokensExist) {
  for (const bool all : {false, true}) {
    SyncWorld world({.vendor = "buildkite"});
    ASSERT_EQ(world.Converge(1), 1) << world.Difference();
    const std::map<std::string, KnownToken> before = world.Known();
    const std::string slug = world.sim().ReadTruth().registries.back().slug;
    for (int pass = 0; pass < 5; ++pass) {
      Fault fault;
      fault.count = 1'000'000;
      fault.target_matches = world.TargetsOf(
          world.manifest()
              .streams[static_cast<std::size_t>(world.manifest().FindStream("registries"))]);
      fault.edit_response = [&](const vendor_sim::Request&, vendor_sim::Response& response) {
        all ? vendor_sim::EmptyTheList(response) : vendor_sim::DropRecords(response, "slug", slug);
      };
      world.sim().AddFault(fault);
      const v1::SyncResult result = world.Pass();
      world.sim().ClearFaults();
      EXPECT_EQ(result.state(), pass == 0 ? v1::Source::OK : v1::Source::DEGRADED);
      EXPECT_EQ(result.incomplete_scopes_size(), pass == 0 ? 0 : all ? 3 : 1);
      for (const auto& [id, token] : world.Known()) {
        EXPECT_EQ(token.presence, before.at(id).presence) << id;
      }
    }
    EXPECT_EQ(world.Converge(1), 1) << world.Difference();
  }
}

// There is always another page, and it is empty.
TEST(ListShiftTest, AListThatNeverEndsIsNotFollowedForEver) {
  SyncWorld world({.vendor = "buildkite", .max_pages = 100'000});
  ASSERT_EQ(world.Converge(1), 1) << world.Difference();
  Fault fault = FindFault("never-ends")->fault;
  fault.count = 1'000'000;
  fault.target_contains = "/v2/organizations/my_great_org/clusters?";
  world.sim().AddFault(fault);
  const v1::SyncResult result = world.Pass();
  world.sim().ClearFaults();
  EXPECT_EQ(result.state(), v1::Source::DEGRADED);
  EXPECT_EQ(result.incomplete_scopes(0).reason(), "100 pages in a row without a record");
  EXPECT_EQ(world.Converge(1), 1) << world.Difference();
}

// Tokens are removed and added at random between any two pages, in every one of many passes. Pages
// by number shift under the reader; cursors do not.
class ShiftingListTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ShiftingListTest, NothingThatExistsIsEverDeleted) {
  SyncWorld world({.vendor = GetParam(), .all_streams = true});
  ASSERT_EQ(world.Converge(1), 1) << world.Difference();
  std::mt19937 random(7);
  for (int pass = 0; pass < 25; ++pass) {
    Fault fault;
    fault.count = 1'000'000;
    fault.edit_response = [&](const vendor_sim::Request&, vendor_sim::Response&) {
      // Seldom enough that the guard has no reason to hold a pass of a vendor that cannot be asked.
      if (random() % 12 == 0) world.ChangeALittle();
    };
    world.sim().AddFault(fault);
    const v1::SyncResult result = world.Pass();
    world.sim().ClearFaults();
    EXPECT_EQ(FalselyDeleted(world), "") << "pass " << pass << " " << result.error();
  }
  EXPECT_GT(world.Converge(4), 0) << world.Difference() << world.Status().ShortDebugString();
}

INSTANTIATE_TEST_SUITE_P(Vendors, ShiftingListTest,
                         ::testing::Values("deepset", "opal", "buildkite"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace tokeninventory::testing
