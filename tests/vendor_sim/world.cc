#include "tests/vendor_sim/world.h"

namespace tokeninventory::vendor_sim {
namespace {

VendorTime ToVendorTime(std::optional<TimePoint> time, TimeStyle style) {
  return time ? VendorTime::At(Truncate(*time, style)) : VendorTime::Null();
}

}  // namespace

WorldCounts CountTokens(const World& world) {
  WorldCounts counts;
  counts.deepset_exclusive = world.deepset.ExclusiveCount();
  counts.deepset_shared = world.deepset.All().size() - counts.deepset_exclusive;
  counts.model_registry = world.model_registry_tokens.size();
  counts.opal = world.opal.All().size();
  counts.registry = world.buildkite.RegistryTokens().size();
  counts.agent = world.buildkite.AgentTokens().size();
  counts.workspaces = world.deepset.WorkspaceCount();
  counts.registries = world.buildkite.RegistryCount();
  counts.clusters = world.buildkite.ClusterCount();
  return counts;
}

Truth CopyTruth(const World& world) {
  Truth truth;
  truth.workspaces = world.deepset.Workspaces();
  truth.deepset_tokens = world.deepset.All().Copy();
  truth.model_registry_tokens = world.model_registry_tokens;
  truth.opal_tokens = world.opal.All().Copy();
  truth.organization = world.buildkite.organization();
  truth.registries = world.buildkite.Registries();
  truth.registry_tokens = world.buildkite.RegistryTokens().Copy();
  truth.clusters = world.buildkite.Clusters();
  truth.agent_tokens = world.buildkite.AgentTokens().Copy();
  truth.api_access_tokens = world.buildkite.ApiAccessTokens();
  return truth;
}

ModelRegistryToken* FindModelRegistryToken(World* world, const Uuid& id) {
  for (ModelRegistryToken& token : world->model_registry_tokens) {
    if (token.id == id) return &token;
  }
  return nullptr;
}

bool RemoveToken(World* world, const Uuid& id) {
  if (world->deepset.Remove(id) || world->opal.Remove(id)) return true;
  if (world->buildkite.RemoveRegistryToken(id) || world->buildkite.RemoveAgentToken(id) ||
      world->buildkite.RemoveApiAccessToken(id)) {
    return true;
  }
  return std::erase_if(world->model_registry_tokens,
                       [&id](const ModelRegistryToken& token) { return token.id == id; }) > 0;
}

bool RenewToken(World* world, const Uuid& id, std::optional<TimePoint> expires_at) {
  if (DeepsetToken* token = world->deepset.FindForUpdate(id)) {
    token->expires_at = expires_at;
    if (expires_at) token->expires_at = Truncate(*expires_at, token->time_style);
    return true;
  }
  if (OpalToken* token = world->opal.FindForUpdate(id)) {
    token->expires_at = ToVendorTime(expires_at, token->time_style);
    return true;
  }
  if (AgentToken* token = world->buildkite.FindAgentToken(id)) {
    token->expires_at = ToVendorTime(expires_at, token->time_style);
    return true;
  }
  if (ApiAccessToken* token = world->buildkite.FindApiAccessToken(id)) {
    token->expires_at = ToVendorTime(expires_at, TimeStyle::kSeconds);
    return true;
  }
  return false;
}

bool UseToken(World* world, const Uuid& id, TimePoint used_at) {
  OpalToken* token = world->opal.FindForUpdate(id);
  if (token == nullptr) return false;
  token->last_used_at = ToVendorTime(used_at, token->time_style);
  return true;
}

bool RenameToken(World* world, const Uuid& id, const std::string& name) {
  if (DeepsetToken* token = world->deepset.FindForUpdate(id)) {
    token->name = name;
  } else if (OpalToken* opal_token = world->opal.FindForUpdate(id)) {
    opal_token->label = name;
  } else if (RegistryToken* registry_token = world->buildkite.FindRegistryToken(id)) {
    registry_token->description = name;
  } else if (AgentToken* agent_token = world->buildkite.FindAgentToken(id)) {
    agent_token->description = name;
  } else if (ApiAccessToken* access_token = world->buildkite.FindApiAccessToken(id)) {
    access_token->description = name;
  } else {
    return false;
  }
  return true;
}

}  // namespace tokeninventory::vendor_sim
