// A hundred thousand tokens through the whole service.
#include <gtest/gtest.h>

#include "tests/e2e/test_service.h"

namespace tokeninventory {
namespace {

using testing::QuickSim;
using testing::TestService;
using testing::TrueNames;
using vendor_sim::VendorSim;

TEST(ScaleTest, AHundredThousandTokensSyncListAndSurviveARestart) {
  VendorSim sim(QuickSim(100'000));
  ASSERT_TRUE(sim.Start().ok());
  TestService service(sim);
  service.SyncAll();
  const std::set<std::string> truth = TrueNames(sim.ReadTruth());
  ASSERT_EQ(truth.size(), 100'000u);
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted ? "after a restart" : "after the first passes");
    if (restarted) {
      service.Stop();
      service.Start();
    }
    std::set<std::string> listed;
    for (const auto& [name, token] : service.ListAll(1000)) listed.insert(name);
    EXPECT_EQ(listed, truth);
  }
}

}  // namespace
}  // namespace tokeninventory
