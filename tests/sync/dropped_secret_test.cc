// A vendor's user writes a secret where a name should be: the token is known, the secret is not,
// and the source's status says that something was left out.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/sync/sync_world.h"

namespace tokeninventory::testing {
namespace {

TEST(DroppedSecretTest, IsCountedAndNotKept) {
  // Put together here, so that no scanner finds a secret in this repository.
  const std::string secret = absl::StrCat("gh", "p_a8Kd03jfLq92MzXv7Tb5Rn1Wc6Yh4Gs0PeUi");
  SyncWorld world({.vendor = "opal"});
  ASSERT_EQ(world.Converge(1), 1) << world.Difference();
  EXPECT_EQ(world.Status().last_sync_stats().secrets_dropped(), 0);

  const vendor_sim::Uuid id = world.sim().ReadTruth().opal_tokens.at(0).id;
  world.sim().RenameToken(id, absl::StrCat("key ", secret));
  world.WaitForNextPass();
  const v1::SyncResult result = world.Pass();
  EXPECT_EQ(result.state(), v1::Source::OK) << result.error();
  EXPECT_EQ(result.stats().secrets_dropped(), 1);
  EXPECT_EQ(world.ledger().Token(id.ToString(), world.source()).display_name(), "");
  const v1::Source status = world.Status();
  EXPECT_EQ(status.last_sync_stats().secrets_dropped(), 1);
  EXPECT_FALSE(absl::StrContains(status.DebugString(), secret));
}

}  // namespace
}  // namespace tokeninventory::testing
