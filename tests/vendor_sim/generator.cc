#include "tests/vendor_sim/generator.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "tests/vendor_sim/random.h"
#include "tests/vendor_sim/samples.h"
#include "tests/vendor_sim/token_factory.h"

namespace tokeninventory::vendor_sim {
namespace {

// The purposes of Random: one stream per part of the world.
enum Purpose : std::uint64_t {
  kDeepset = 1,
  kModelRegistry,
  kOpal,
  kRegistries,
  kClusters,
  kApiAccess
};

// The first four are there however few tokens: they show a space, a slash, a percent sign and
// letters beyond ASCII, all of which a client has to encode in the path.
constexpr std::array<const char*, 16> kWorkspaces = {
    "default",        "Köln/Support",  "R&D 100% live", "copilot-testing",
    "legal-research", "検索",          "staging",       "customer service",
    "prod-eu",        "prod-us",       "benchmarks",    "knowledge.base",
    "demo+sales",     "field_reports", "archive-2023",  "évaluation"};

constexpr std::array<std::pair<const char*, const char*>, 11> kMoreRegistries = {
    {{"docker-images", "oci"},
     {"npm-private", "javascript"},
     {"debian-bookworm", "deb"},
     {"python-wheels", "python"},
     {"terraform-modules", "terraform"},
     {"rpm-el9", "rpm"},
     {"helm-charts", "helm"},
     {"java-libs", "java"},
     {"alpine-edge", "alpine"},
     {"nuget-feed", "nuget"},
     {"generic-files", "files"}}};

constexpr std::array<const char*, 3> kMoreClusters = {"Production builds", "macOS & iOS",
                                                      "GPU runners"};

constexpr std::chrono::days kSpan(4 * 365);

// Creation times over the last four years, rising and, from millisecond to millisecond, unique.
class Timeline {
 public:
  Timeline(TimePoint base, std::size_t count, Random* random)
      : next_(base - kSpan),
        step_(std::chrono::duration_cast<std::chrono::milliseconds>(kSpan) /
              static_cast<std::int64_t>(count + 1)),
        random_(random) {}

  TimePoint Next() {
    const TimePoint time = next_ + std::chrono::milliseconds(
                                       random_->Below(static_cast<std::uint64_t>(step_.count())));
    next_ += step_;
    return time;
  }

 private:
  TimePoint next_;
  std::chrono::milliseconds step_;
  Random* random_;
};

void PopulateDeepset(World* world, const WorldCounts& counts, std::uint64_t seed, TimePoint base) {
  Random random(seed, kDeepset);
  TokenFactory factory(&random);
  const std::size_t exclusive = counts.deepset_exclusive;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(kWorkspaces.size(), 4 + exclusive / 1000); ++i) {
    names.emplace_back(kWorkspaces[i]);
    world->deepset.AddWorkspace({random.RandomId(), names.back()});
  }
  const std::size_t total = exclusive + counts.deepset_shared;
  world->deepset.Reserve(total);
  Timeline timeline(base, total, &random);
  std::size_t shared = 0;
  for (std::size_t i = 0; i < total; ++i) {
    const TimePoint created_at = timeline.Next();
    // Spreads the shared tokens evenly among the others.
    if (shared * total < counts.deepset_shared * i || exclusive + shared == i) {
      const bool all = shared++ % 2 == 0;
      const std::size_t first = random.Below(names.size() - 1);
      std::vector<std::string> workspaces;
      if (!all) workspaces = {names[first], names[first + 1]};
      world->deepset.Add(factory.Deepset(created_at, base, std::move(workspaces), all));
    } else {
      world->deepset.Add(factory.Deepset(created_at, base, {random.Pick(names)}, false));
    }
  }
}

void PopulateModelRegistry(World* world, std::size_t count, std::uint64_t seed, TimePoint base) {
  Random random(seed, kModelRegistry);
  TokenFactory factory(&random);
  Timeline timeline(base, count, &random);
  for (std::size_t i = 0; i < count; ++i) {
    world->model_registry_tokens.push_back(factory.ModelRegistry(timeline.Next()));
  }
}

void PopulateOpal(World* world, std::size_t count, std::uint64_t seed, TimePoint base) {
  Random random(seed, kOpal);
  TokenFactory factory(&random);
  world->opal.users().push_back(SampleOpalToken().user_id);
  for (std::size_t i = 0; i < 5 + count / 20; ++i) {
    world->opal.users().push_back(random.RandomId());
  }
  world->opal.Reserve(count);
  Timeline timeline(base, count, &random);
  for (std::size_t i = 1; i < count; ++i) {
    world->opal.Add(factory.Opal(timeline.Next(), base, world->opal.users()));
  }
  if (count > 0) world->opal.Add(SampleOpalToken());
}

void PopulateBuildkiteUsers(World* world, std::uint64_t seed, TimePoint base) {
  Random random(seed, kRegistries + 100);
  TokenFactory factory(&random);
  for (int i = 0; i < 12; ++i) world->buildkite.users().push_back(factory.User(base - kSpan));
}

void PopulateRegistries(World* world, std::size_t count, std::uint64_t seed, TimePoint base) {
  Random random(seed, kRegistries);
  TokenFactory factory(&random);
  world->buildkite.AddRegistry(SampleRegistry());
  std::vector<std::string> slugs = {SampleRegistry().slug};
  for (std::size_t i = 0; i < std::min(kMoreRegistries.size(), 2 + count / 100); ++i) {
    const auto& [slug, ecosystem] = kMoreRegistries[i];
    slugs.emplace_back(slug);
    world->buildkite.AddRegistry({random.TimeOrderedId(base - kSpan), slug, slug, ecosystem});
  }
  Timeline timeline(base, count, &random);
  for (std::size_t i = 1; i < count; ++i) {
    const TimePoint created_at = timeline.Next();
    const std::string& slug = random.Pick(slugs);
    world->buildkite.AddRegistryToken(
        factory.BuildkiteRegistry(created_at, slug, world->buildkite.users()));
  }
  if (count > 0) world->buildkite.AddRegistryToken(SampleRegistryToken());
}

void PopulateClusters(World* world, std::size_t count, std::uint64_t seed, TimePoint base) {
  Random random(seed, kClusters);
  TokenFactory factory(&random);
  std::vector<Uuid> ids = {SampleCluster().id};
  world->buildkite.AddCluster(SampleCluster());
  for (std::size_t i = 0; i < std::min(kMoreClusters.size(), 1 + count / 100); ++i) {
    Cluster cluster;
    cluster.id = random.RandomId();
    cluster.default_queue_id = random.RandomId();
    cluster.created_at = Truncate(base - kSpan, TimeStyle::kMillis);
    cluster.name = kMoreClusters[i];
    cluster.created_by = random.Pick(world->buildkite.users());
    ids.push_back(cluster.id);
    world->buildkite.AddCluster(std::move(cluster));
  }
  Timeline timeline(base, count, &random);
  for (std::size_t i = 1; i < count; ++i) {
    const TimePoint created_at = timeline.Next();
    const Uuid cluster = random.Pick(ids);
    world->buildkite.AddAgentToken(
        factory.BuildkiteAgent(created_at, base, cluster, world->buildkite.users()));
  }
  if (count > 0) world->buildkite.AddAgentToken(SampleAgentToken());
}

void PopulateApiAccess(World* world, std::size_t count, std::uint64_t seed, TimePoint base) {
  Random random(seed, kApiAccess);
  TokenFactory factory(&random);
  Timeline timeline(base, count, &random);
  for (std::size_t i = 0; i < count; ++i) {
    world->buildkite.AddApiAccessToken(
        factory.ApiAccess(timeline.Next(), base, world->buildkite.users()));
  }
}

}  // namespace

WorldCounts SplitTokens(std::int64_t tokens) {
  const auto total = static_cast<std::size_t>(std::max<std::int64_t>(tokens, 0));
  const auto share = [total](std::size_t percent, std::size_t least, std::size_t most) {
    return std::clamp(total * percent / 100, least, most);
  };
  WorldCounts counts;
  counts.registry = share(15, total >= 1 ? 1 : 0, 24000);
  counts.agent = share(8, total >= 3 ? 1 : 0, 2000);
  counts.model_registry = share(2, total >= 10 ? 1 : 0, 24);
  counts.deepset_exclusive = share(30, 0, 60000);
  counts.opal = total - counts.Listed();
  counts.deepset_shared = total == 0 ? 0 : std::min<std::size_t>(2 + total / 50, 25);
  return counts;
}

void Populate(World* world, std::int64_t tokens, std::uint64_t seed, TimePoint base) {
  const WorldCounts counts = SplitTokens(tokens);
  world->buildkite.organization() = SampleOrganization();
  PopulateBuildkiteUsers(world, seed, base);
  PopulateDeepset(world, counts, seed, base);
  PopulateModelRegistry(world, counts.model_registry, seed, base);
  PopulateOpal(world, counts.opal, seed, base);
  PopulateRegistries(world, counts.registry, seed, base);
  PopulateClusters(world, counts.agent, seed, base);
  // Like the shared ones, in no list that a connector reads by default.
  PopulateApiAccess(world, counts.deepset_shared, seed, base);
}

}  // namespace tokeninventory::vendor_sim
