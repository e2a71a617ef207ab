#include "tests/vendor_sim/buildkite_store.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

namespace tokeninventory::vendor_sim {

bool BuildkiteStore::AddRegistry(Registry registry) {
  if (FindEntry(registry.slug) != nullptr) return false;
  registries_.push_back({std::move(registry), CreationOrder<RegistryToken>(&registry_tokens_)});
  return true;
}

bool BuildkiteStore::AddCluster(Cluster cluster) {
  if (FindEntry(cluster.id) != nullptr) return false;
  clusters_.push_back({std::move(cluster), CreationOrder<AgentToken>(&agent_tokens_)});
  return true;
}

bool BuildkiteStore::RemoveRegistry(const std::string& slug) {
  const RegistryEntry* entry = FindEntry(slug);
  if (entry == nullptr) return false;
  for (const RegistryToken& token : entry->tokens.Copy()) RemoveRegistryToken(token.id);
  std::erase_if(registries_, [&slug](const RegistryEntry& e) { return e.registry.slug == slug; });
  return true;
}

bool BuildkiteStore::RemoveCluster(const Uuid& id) {
  const ClusterEntry* entry = FindEntry(id);
  if (entry == nullptr) return false;
  for (const AgentToken& token : entry->tokens.Copy()) RemoveAgentToken(token.id);
  std::erase_if(clusters_, [&id](const ClusterEntry& e) { return e.cluster.id == id; });
  return true;
}

const Registry* BuildkiteStore::FindRegistry(const std::string& slug) const {
  const RegistryEntry* entry = FindEntry(slug);
  return entry == nullptr ? nullptr : &entry->registry;
}

const Cluster* BuildkiteStore::FindCluster(const Uuid& id) const {
  const ClusterEntry* entry = FindEntry(id);
  return entry == nullptr ? nullptr : &entry->cluster;
}

std::vector<Registry> BuildkiteStore::Registries() const {
  std::vector<Registry> registries;
  for (const RegistryEntry& entry : registries_) registries.push_back(entry.registry);
  return registries;
}

std::vector<Cluster> BuildkiteStore::Clusters() const {
  std::vector<Cluster> clusters;
  for (const ClusterEntry& entry : clusters_) clusters.push_back(entry.cluster);
  return clusters;
}

bool BuildkiteStore::AddRegistryToken(RegistryToken token) {
  RegistryEntry* parent = FindEntry(token.registry_slug);
  if (parent == nullptr) return false;
  const std::optional<Slot> slot = registry_tokens_.Insert(std::move(token));
  if (!slot) return false;
  all_registry_tokens_.Insert(*slot);
  parent->tokens.Insert(*slot);
  return true;
}

bool BuildkiteStore::AddAgentToken(AgentToken token) {
  ClusterEntry* parent = FindEntry(token.cluster_id);
  if (parent == nullptr) return false;
  const std::optional<Slot> slot = agent_tokens_.Insert(std::move(token));
  if (!slot) return false;
  all_agent_tokens_.Insert(*slot);
  parent->tokens.Insert(*slot);
  return true;
}

bool BuildkiteStore::RemoveRegistryToken(const Uuid& id) {
  const std::optional<Slot> slot = registry_tokens_.Find(id);
  if (!slot) return false;
  all_registry_tokens_.Erase(*slot);
  FindEntry(registry_tokens_[*slot].registry_slug)->tokens.Erase(*slot);
  registry_tokens_.Erase(*slot);
  return true;
}

bool BuildkiteStore::RemoveAgentToken(const Uuid& id) {
  const std::optional<Slot> slot = agent_tokens_.Find(id);
  if (!slot) return false;
  all_agent_tokens_.Erase(*slot);
  FindEntry(agent_tokens_[*slot].cluster_id)->tokens.Erase(*slot);
  agent_tokens_.Erase(*slot);
  return true;
}

RegistryToken* BuildkiteStore::FindRegistryToken(const Uuid& id) {
  const std::optional<Slot> slot = registry_tokens_.Find(id);
  return slot ? &registry_tokens_[*slot] : nullptr;
}

AgentToken* BuildkiteStore::FindAgentToken(const Uuid& id) {
  const std::optional<Slot> slot = agent_tokens_.Find(id);
  return slot ? &agent_tokens_[*slot] : nullptr;
}

bool BuildkiteStore::AddApiAccessToken(ApiAccessToken token) {
  if (FindApiAccessToken(token.id) != nullptr) return false;
  const auto older = [](const ApiAccessToken& a, const ApiAccessToken& b) {
    return std::tie(a.created_at, a.id) < std::tie(b.created_at, b.id);
  };
  const auto place =
      std::upper_bound(api_access_tokens_.begin(), api_access_tokens_.end(), token, older);
  api_access_tokens_.insert(place, std::move(token));
  return true;
}

bool BuildkiteStore::RemoveApiAccessToken(const Uuid& id) {
  return std::erase_if(api_access_tokens_,
                       [&id](const ApiAccessToken& token) { return token.id == id; }) > 0;
}

ApiAccessToken* BuildkiteStore::FindApiAccessToken(const Uuid& id) {
  for (ApiAccessToken& token : api_access_tokens_) {
    if (token.id == id) return &token;
  }
  return nullptr;
}

const CreationOrder<RegistryToken>* BuildkiteStore::TokensOfRegistry(
    const std::string& slug) const {
  const RegistryEntry* entry = FindEntry(slug);
  return entry == nullptr ? nullptr : &entry->tokens;
}

const CreationOrder<AgentToken>* BuildkiteStore::TokensOfCluster(const Uuid& id) const {
  const ClusterEntry* entry = FindEntry(id);
  return entry == nullptr ? nullptr : &entry->tokens;
}

BuildkiteStore::RegistryEntry* BuildkiteStore::FindEntry(const std::string& slug) {
  return const_cast<RegistryEntry*>(std::as_const(*this).FindEntry(slug));
}

const BuildkiteStore::RegistryEntry* BuildkiteStore::FindEntry(const std::string& slug) const {
  for (const RegistryEntry& entry : registries_) {
    if (entry.registry.slug == slug) return &entry;
  }
  return nullptr;
}

BuildkiteStore::ClusterEntry* BuildkiteStore::FindEntry(const Uuid& id) {
  return const_cast<ClusterEntry*>(std::as_const(*this).FindEntry(id));
}

const BuildkiteStore::ClusterEntry* BuildkiteStore::FindEntry(const Uuid& id) const {
  for (const ClusterEntry& entry : clusters_) {
    if (entry.cluster.id == id) return &entry;
  }
  return nullptr;
}

}  // namespace tokeninventory::vendor_sim
