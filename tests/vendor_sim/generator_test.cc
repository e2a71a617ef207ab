#include "tests/vendor_sim/generator.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>

#include "tests/vendor_sim/samples.h"

namespace tokeninventory::vendor_sim {
namespace {

const TimePoint kBase = MakeUtc(2026, 3, 1, 12, 0, 0);

TEST(GeneratorTest, MakesExactlyTheTokensAskedFor) {
  for (const std::int64_t tokens : {0, 1, 2, 3, 4, 5, 9, 10, 11, 50, 300, 999, 20000, 200000}) {
    SCOPED_TRACE(tokens);
    World world;
    Populate(&world, tokens, 7, kBase);
    const WorldCounts counts = CountTokens(world);
    EXPECT_EQ(counts.Listed(), static_cast<std::size_t>(tokens));
    const WorldCounts split = SplitTokens(tokens);
    EXPECT_EQ(counts.deepset_exclusive, split.deepset_exclusive);
    EXPECT_EQ(counts.deepset_shared, split.deepset_shared);
    EXPECT_EQ(counts.model_registry, split.model_registry);
    EXPECT_EQ(counts.opal, split.opal);
    EXPECT_EQ(counts.registry, split.registry);
    EXPECT_EQ(counts.agent, split.agent);
  }
}

TEST(GeneratorTest, AMillionTokensStayWithinBuildkitesBudget) {
  const WorldCounts counts = SplitTokens(1'000'000);
  EXPECT_EQ(counts.Listed(), 1'000'000U);
  // organizations, registries, 12 × tokens, clusters, and pages of 100 agent tokens in 4 clusters.
  EXPECT_LE(1 + 1 + 12 + 1 + counts.agent / 100 + 4, 50U);
  World world;
  Populate(&world, 200'000, 1, kBase);
  EXPECT_LE(world.deepset.WorkspaceCount(), 16U);
  EXPECT_LE(world.buildkite.RegistryCount(), 12U);
  EXPECT_LE(world.buildkite.ClusterCount(), 4U);
}

TEST(GeneratorTest, SamplesAreThereFromThreeTokensOn) {
  for (const std::int64_t tokens : {3, 4, 10, 1000}) {
    SCOPED_TRACE(tokens);
    World world;
    Populate(&world, tokens, 3, kBase);
    EXPECT_NE(world.buildkite.FindRegistryToken(SampleRegistryToken().id), nullptr);
    EXPECT_NE(world.buildkite.FindAgentToken(SampleAgentToken().id), nullptr);
    EXPECT_NE(world.opal.FindForUpdate(SampleOpalToken().id), nullptr);
  }
}

TEST(GeneratorTest, LifetimesAreOfEveryKind) {
  World world;
  Populate(&world, 2000, 1, kBase);
  int never = 0, expired = 0, within_hours = 0, within_days = 0, later = 0;
  std::set<TimeStyle> styles;
  for (const DeepsetToken& token : world.deepset.All().Copy()) {
    styles.insert(token.time_style);
    if (!token.expires_at) {
      ++never;
    } else if (*token.expires_at <= kBase) {
      ++expired;
    } else if (*token.expires_at <= kBase + std::chrono::hours(2)) {
      ++within_hours;
    } else if (*token.expires_at <= kBase + std::chrono::days(30)) {
      ++within_days;
    } else {
      ++later;
    }
  }
  for (int count : {never, expired, within_hours, within_days, later}) EXPECT_GT(count, 5);
  EXPECT_EQ(styles.size(), 4U);
}

TEST(GeneratorTest, NamesOfWorkspacesNeedPercentEncoding) {
  World world;
  Populate(&world, 0, 1, kBase);
  std::string names;
  for (const Workspace& workspace : world.deepset.Workspaces()) names += workspace.name;
  for (const char* part : {"/", " ", "%", "ö"}) EXPECT_NE(names.find(part), std::string::npos);
}

}  // namespace
}  // namespace tokeninventory::vendor_sim
