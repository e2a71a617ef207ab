// Page workers that are killed while they read, at whatever point: nothing that was known is lost,
// and passes after it find back to the vendor's truth.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "tests/connectors/worker_pids.h"
#include "tests/sync/sync_world.h"

namespace tokeninventory::testing {
namespace {

TEST(LostWorkerTest, LosesNothing) {
  for (const std::string& vendor : BuiltInVendors()) {
    SCOPED_TRACE(vendor);
    SyncWorld world({.vendor = vendor});
    ASSERT_EQ(world.Converge(1), 1) << world.Difference();
    int hit = 0;
    for (int round = 0; round < 3; ++round) {
      world.WaitForNextPass();
      const std::map<std::string, KnownToken> before = world.Known();
      // Kills every worker that it finds, also those that are started for the next page.
      std::atomic<bool> over{false};
      std::thread killer([&over] {
        while (!over) {
          for (const pid_t pid : WorkerPids()) kill(pid, SIGKILL);
        }
      });
      const v1::SyncResult result = world.Pass();
      over = true;
      killer.join();
      hit += result.state() != v1::Source::OK ? 1 : 0;
      const std::map<std::string, KnownToken> after = world.Known();
      ASSERT_EQ(after.size(), before.size());
      for (const auto& [id, token] : after) {
        EXPECT_EQ(token.presence, v1::Token::LISTED) << id;
        EXPECT_EQ(token.uid, before.at(id).uid) << id;
      }
    }
    EXPECT_GT(hit, 0);
    world.ChangeALittle();
    EXPECT_NE(world.Converge(4), -1) << world.Difference();
    EXPECT_EQ(WorkerPids().size(), 1U);
  }
}

}  // namespace
}  // namespace tokeninventory::testing
