#include "tests/vendor_sim/churn.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "tests/vendor_sim/samples.h"

namespace tokeninventory::vendor_sim {
namespace {

constexpr std::uint64_t kPurpose = 200;

// How often to look for a token that fits before a step turns to something else.
constexpr int kTries = 16;

template <typename Token>
Uuid AnyOf(const CreationOrder<Token>& order, Random* random) {
  return order[random->Below(order.size())].id;
}

std::optional<TimePoint> CurrentExpiry(World* world, const Uuid& id) {
  if (const DeepsetToken* token = world->deepset.Find(id)) return token->expires_at;
  VendorTime expiry;
  if (const OpalToken* opal_token = world->opal.FindForUpdate(id)) {
    expiry = opal_token->expires_at;
  } else if (const AgentToken* agent_token = world->buildkite.FindAgentToken(id)) {
    expiry = agent_token->expires_at;
  }
  if (!expiry.has_value()) return std::nullopt;
  return expiry.value;
}

}  // namespace

Churn::Churn(std::uint64_t seed, WorldCounts target)
    : random_(seed, kPurpose), factory_(&random_), target_(target) {}

std::optional<Change> Churn::Step(World* world, TimePoint now) {
  const std::uint64_t share = random_.Below(100);
  std::optional<Change> change;
  if (share < 30) {
    change = UseOne(world, now);
  } else if (share < 50) {
    change = RenewOne(world, now);
  } else if (share < 65) {
    change = RenameOne(world);
  }
  if (change) return change;
  // Adding and removing are equally likely at the target, and pull back to it otherwise.
  const std::size_t count = CountTokens(*world).Listed();
  const unsigned add_chance = count == target_.Listed() ? 50 : count < target_.Listed() ? 75 : 25;
  if (!random_.Percent(add_chance)) change = RemoveOne(world);
  return change ? change : AddOne(world, now);
}

std::optional<Uuid> Churn::Add(World* world, TokenKind kind, const std::string& parent,
                               TimePoint now) {
  std::optional<TimePoint> short_life;
  if (random_.Percent(30)) short_life = now + std::chrono::seconds(random_.Between(60, 900));
  Uuid id;
  bool added = false;
  switch (kind) {
    case TokenKind::kDeepset: {
      const std::vector<Workspace> workspaces = world->deepset.Workspaces();
      if (workspaces.empty()) return std::nullopt;
      const std::string name = parent.empty() ? random_.Pick(workspaces).name : parent;
      DeepsetToken token = factory_.Deepset(now, now, {name}, false);
      id = token.id;
      added = world->deepset.Add(std::move(token));
      break;
    }
    case TokenKind::kModelRegistry:
      world->model_registry_tokens.push_back(factory_.ModelRegistry(now));
      return world->model_registry_tokens.back().id;
    case TokenKind::kOpal: {
      OpalToken token = factory_.Opal(now, now, world->opal.users());
      id = token.id;
      added = world->opal.Add(std::move(token));
      break;
    }
    case TokenKind::kBuildkiteRegistry: {
      const std::vector<Registry> registries = world->buildkite.Registries();
      if (registries.empty()) return std::nullopt;
      const std::string slug = parent.empty() ? random_.Pick(registries).slug : parent;
      RegistryToken token = factory_.BuildkiteRegistry(now, slug, world->buildkite.users());
      id = token.id;
      added = world->buildkite.AddRegistryToken(std::move(token));
      break;
    }
    case TokenKind::kBuildkiteAgent: {
      const std::vector<Cluster> clusters = world->buildkite.Clusters();
      if (clusters.empty()) return std::nullopt;
      const std::optional<Uuid> cluster =
          parent.empty() ? random_.Pick(clusters).id : Uuid::Parse(parent);
      if (!cluster) return std::nullopt;
      AgentToken token = factory_.BuildkiteAgent(now, now, *cluster, world->buildkite.users());
      id = token.id;
      added = world->buildkite.AddAgentToken(std::move(token));
      break;
    }
  }
  if (!added) return std::nullopt;
  if (short_life) RenewToken(world, id, short_life);
  return id;
}

std::optional<Change> Churn::AddOne(World* world, TimePoint now) {
  const TokenKind kind = PickKind(target_).value_or(TokenKind::kOpal);
  const std::optional<Uuid> id = Add(world, kind, "", now);
  if (!id) return std::nullopt;
  return Change{Change::Kind::kAdded, kind, *id};
}

std::optional<Change> Churn::RemoveOne(World* world) {
  const std::optional<TokenKind> kind = PickKind(CountTokens(*world));
  if (!kind) return std::nullopt;
  const std::optional<Uuid> id = PickToken(*world, *kind);
  if (!id || !RemoveToken(world, *id)) return std::nullopt;
  return Change{Change::Kind::kRemoved, *kind, *id};
}

std::optional<Change> Churn::UseOne(World* world, TimePoint now) {
  const std::optional<Uuid> id = PickToken(*world, TokenKind::kOpal);
  if (!id) return std::nullopt;
  TimePoint used_at = now;
  const VendorTime last = world->opal.FindForUpdate(*id)->last_used_at;
  // A use always shows, even twice within what the vendor's spelling of times can tell.
  if (last.has_value()) used_at = std::max(used_at, last.value + std::chrono::seconds(1));
  UseToken(world, *id, used_at);
  return Change{Change::Kind::kUsed, TokenKind::kOpal, *id};
}

std::optional<Change> Churn::RenewOne(World* world, TimePoint now) {
  for (int i = 0; i < kTries; ++i) {
    const std::optional<TokenKind> kind = PickKind(CountTokens(*world));
    if (!kind) return std::nullopt;
    const std::optional<Uuid> id = PickToken(*world, *kind);
    if (!id) continue;
    const std::optional<TimePoint> expiry = CurrentExpiry(world, *id);
    if (!expiry) continue;
    RenewToken(world, *id,
               std::max(*expiry, now) + std::chrono::hours(24 * random_.Between(7, 90)));
    return Change{Change::Kind::kRenewed, *kind, *id};
  }
  return std::nullopt;
}

std::optional<Change> Churn::RenameOne(World* world) {
  const std::optional<TokenKind> kind = PickKind(CountTokens(*world));
  if (!kind) return std::nullopt;
  const std::optional<Uuid> id = PickToken(*world, *kind);
  if (!id) return std::nullopt;
  if (*kind == TokenKind::kModelRegistry) {
    ModelRegistryToken* token = FindModelRegistryToken(world, *id);
    token->invalid = !token->invalid;
    return Change{Change::Kind::kUpdated, *kind, *id};
  }
  RenameToken(world, *id, factory_.Name());
  return Change{Change::Kind::kRenamed, *kind, *id};
}

std::optional<TokenKind> Churn::PickKind(const WorldCounts& counts) {
  std::uint64_t share = random_.Below(counts.Listed());
  const std::pair<TokenKind, std::size_t> kinds[] = {
      {TokenKind::kDeepset, counts.deepset_exclusive},
      {TokenKind::kModelRegistry, counts.model_registry},
      {TokenKind::kOpal, counts.opal},
      {TokenKind::kBuildkiteRegistry, counts.registry},
      {TokenKind::kBuildkiteAgent, counts.agent}};
  for (const auto& [kind, count] : kinds) {
    if (share < count) return kind;
    share -= count;
  }
  return std::nullopt;
}

std::optional<Uuid> Churn::PickToken(const World& world, TokenKind kind) {
  for (int i = 0; i < kTries; ++i) {
    Uuid id;
    switch (kind) {
      case TokenKind::kDeepset:
        if (world.deepset.ExclusiveCount() == 0) return std::nullopt;
        id = AnyOf(world.deepset.All(), &random_);
        // The shared tokens are not part of the count that churn keeps.
        if (!world.deepset.Find(id)->IsExclusive()) continue;
        break;
      case TokenKind::kModelRegistry:
        if (world.model_registry_tokens.empty()) return std::nullopt;
        id = random_.Pick(world.model_registry_tokens).id;
        break;
      case TokenKind::kOpal:
        if (world.opal.All().size() == 0) return std::nullopt;
        id = AnyOf(world.opal.All(), &random_);
        break;
      case TokenKind::kBuildkiteRegistry:
        if (world.buildkite.RegistryTokens().size() == 0) return std::nullopt;
        id = AnyOf(world.buildkite.RegistryTokens(), &random_);
        break;
      case TokenKind::kBuildkiteAgent:
        if (world.buildkite.AgentTokens().size() == 0) return std::nullopt;
        id = AnyOf(world.buildkite.AgentTokens(), &random_);
        break;
    }
    if (!IsSample(id)) return id;
  }
  return std::nullopt;
}

}  // namespace tokeninventory::vendor_sim
