#include "inventory/inventory.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/inventory/snapshot_maker.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

TEST(InventoryTest, ShowsAnEmptySnapshotBeforeTheFirst) {
  const Inventory inventory;
  ASSERT_NE(inventory.Current(), nullptr);
  EXPECT_EQ(inventory.Current()->revision(), 0);
}

TEST(InventoryTest, ARevisionThatIsThereIsNotWaitedFor) {
  Inventory inventory;
  SnapshotMaker maker;
  inventory.Publish(maker.Build());
  std::vector<bool> calls;
  for (const std::int64_t revision : {0, 1}) {
    inventory.WhenRevision(revision, kStart, [&](bool reached) { calls.push_back(reached); });
  }
  EXPECT_THAT(calls, ElementsAre(true, true));
}

TEST(InventoryTest, WaitsAreOverWhenTheirRevisionComes) {
  Inventory inventory;
  SnapshotMaker maker;
  std::vector<int> calls;
  for (const int revision : {2, 1, 3, 2}) {
    inventory.WhenRevision(revision, kStart + absl::Hours(1),
                           [&calls, revision, &inventory](bool ok) {
                             EXPECT_TRUE(ok);
                             // No lock is held here.
                             EXPECT_GE(inventory.Current()->revision(), revision);
                             calls.push_back(revision);
                           });
  }
  EXPECT_THAT(calls, IsEmpty());
  inventory.Publish(maker.Build());
  EXPECT_THAT(calls, ElementsAre(1));
  inventory.Publish(maker.Build());
  EXPECT_THAT(calls, ElementsAre(1, 2, 2));
  inventory.Publish(maker.Build());
  EXPECT_THAT(calls, ElementsAre(1, 2, 2, 3));
}

TEST(InventoryTest, AWaitMayBeOverByARevisionBeyondIt) {
  Inventory inventory;
  SnapshotMaker maker;
  maker.Build();
  maker.Build();
  bool reached = false;
  inventory.WhenRevision(2, kStart, [&](bool ok) { reached = ok; });
  inventory.Publish(maker.Build());
  EXPECT_TRUE(reached);
}

TEST(InventoryTest, WaitsAreGivenUpAtTheirDeadline) {
  Inventory inventory;
  std::vector<std::string> calls;
  const auto note = [&calls](const std::string& name) {
    return [&calls, name](bool reached) { calls.push_back(name + (reached ? " yes" : " no")); };
  };
  inventory.WhenRevision(1, kStart + absl::Seconds(2), note("late"));
  inventory.WhenRevision(9, kStart + absl::Seconds(1), note("early"));
  inventory.ExpireWaits(kStart);
  EXPECT_THAT(calls, IsEmpty());
  inventory.ExpireWaits(kStart + absl::Seconds(1));
  EXPECT_THAT(calls, ElementsAre("early no"));
  SnapshotMaker maker;
  inventory.Publish(maker.Build());
  EXPECT_THAT(calls, ElementsAre("early no", "late yes"));
  inventory.ExpireWaits(kStart + absl::Hours(1));
  EXPECT_EQ(calls.size(), 2u) << "each is called once";
}

TEST(InventoryTest, EveryWaitIsCalledOnceWhateverTheThreadsDo) {
  constexpr int kRevisions = 200;
  Inventory inventory;
  std::atomic<int> calls{0};
  std::thread waiter([&] {
    for (int i = 0; i < kRevisions; ++i) {
      inventory.WhenRevision(i, kStart, [&](bool) { ++calls; });
    }
  });
  std::thread clock([&] {
    for (int i = 0; i < kRevisions; ++i) inventory.ExpireWaits(kStart);
  });
  SnapshotMaker maker;
  for (int i = 0; i < kRevisions; ++i) inventory.Publish(maker.Build());
  waiter.join();
  clock.join();
  inventory.ExpireWaits(kStart);
  EXPECT_EQ(calls, kRevisions);
}

}  // namespace
}  // namespace tokeninventory::testing
