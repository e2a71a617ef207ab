// Buildkite's two rate limits, as the simulator keeps and tells them: 200 requests a
// minute for the organization and 50 for a user. The simulator and the connectors
// have one clock, on which waiting takes no time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "connectors/source_factory.h"
#include "tests/connectors/fake_pass_recorder.h"
#include "tests/testing/crowd_clock.h"
#include "tests/vendor_sim/credentials.h"
#include "tests/vendor_sim/vendor_sim.h"

namespace tokeninventory {
namespace {

using testing::CrowdClock;
using testing::FakePassRecorder;
using vendor_sim::VendorSim;

class VendorSimLimitsTest : public ::testing::Test {
 protected:
  VendorSimLimitsTest() {
    vendor_sim::Options options;
    options.tokens = 300;
    options.clock = [this] {
      return vendor_sim::TimePoint(std::chrono::microseconds(absl::ToUnixMicros(clock_.Now())));
    };
    sim_ = std::make_unique<VendorSim>(options);
    EXPECT_TRUE(sim_->Start().ok());
    setenv("TI_SIM_BUILDKITE", vendor_sim::kBuildkiteToken, 1);
    // More requests than a minute allows.
    for (int i = 0; i < 70; ++i) EXPECT_TRUE(sim_->AddRegistry(absl::StrCat("more-", i)));
  }

  std::vector<std::unique_ptr<PolledSource>> Build(int count) {
    std::string yaml = "sources:\n";
    for (int i = 0; i < count; ++i) {
      absl::StrAppend(&yaml, "  - {id: s", i, ", vendor: buildkite, params: {base_url: '",
                      sim_->BuildkiteBaseUrl(), "'}, secrets: {token: {env: TI_SIM_BUILDKITE}}}\n");
    }
    v1::ServerConfig config;
    const YamlReport report = ReadYaml("c.yaml", yaml, config);
    BuiltSources built =
        BuildSources(config, "", report.locations, &clock_, std::string(TI_PAGE_WORKER));
    for (const std::string& problem : built.problems) ADD_FAILURE() << problem;
    return std::move(built.sources);
  }

  static v1::SyncResult Run(PolledSource& source, FakePassRecorder& recorder) {
    PassContext context;
    context.recorder = &recorder;
    const absl::StatusOr<v1::SyncResult> result = source.RunPass(context);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(v1::SyncResult());
  }
  int Refused() {
    int refused = 0;
    for (const vendor_sim::LoggedRequest& request : sim_->Requests()) {
      if (request.status == 429) ++refused;
    }
    return refused;
  }

  CrowdClock clock_;
  std::unique_ptr<VendorSim> sim_;
};

TEST_F(VendorSimLimitsTest, AUsersBucketIsWaitedFor) {
  const CrowdClock::Member member(clock_);
  const absl::Time start = clock_.Now();
  const auto sources = Build(1);
  FakePassRecorder recorder;
  const v1::SyncResult result = Run(*sources[0], recorder);
  EXPECT_EQ(result.state(), v1::Source::OK) << result.error();
  EXPECT_GT(result.stats().requests(), 70);
  EXPECT_EQ(Refused(), 0) << "the headers tell in time";
  // Every fifty requests a minute; a second more or less where windows are rounded.
  const std::int64_t windows = (result.stats().requests() - 1) / 50;
  EXPECT_GE(clock_.Now() - start, windows * absl::Seconds(59));
  EXPECT_LE(clock_.Now() - start, windows * absl::Seconds(61));
}

TEST_F(VendorSimLimitsTest, SourcesOfOneUserWaitForItTogether) {
  const auto sources = Build(3);
  std::vector<FakePassRecorder> recorders(3);
  std::vector<std::unique_ptr<CrowdClock::Member>> members;
  for (int i = 0; i < 3; ++i) members.push_back(std::make_unique<CrowdClock::Member>(clock_));
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      const v1::SyncResult result = Run(*sources[i], recorders[i]);
      EXPECT_EQ(result.state(), v1::Source::OK) << result.error();
      members[i] = nullptr;
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::printf("%d of %zu requests refused\n", Refused(), sim_->Requests().size());
  // Two that are on their way when the third hears that nothing is left.
  EXPECT_LE(Refused(), 2 * 10) << "of " << sim_->Requests().size();
}

}  // namespace
}  // namespace tokeninventory
