// Buildkite's one organization: registries and clusters with their tokens.
//
// Thread-compatible: guarded by SharedWorld. Does no HTTP and no JSON.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tests/vendor_sim/records.h"
#include "tests/vendor_sim/token_table.h"

namespace tokeninventory::vendor_sim {

class BuildkiteStore {
 public:
  BuildkiteStore() = default;
  BuildkiteStore(const BuildkiteStore&) = delete;
  BuildkiteStore& operator=(const BuildkiteStore&) = delete;

  Organization& organization() { return organization_; }
  const Organization& organization() const { return organization_; }

  // The users who can have created a record.
  std::vector<std::shared_ptr<const BuildkiteUser>>& users() { return users_; }
  const std::vector<std::shared_ptr<const BuildkiteUser>>& users() const { return users_; }

  // False when the slug or id is taken.
  bool AddRegistry(Registry registry);
  bool AddCluster(Cluster cluster);

  // Remove the tokens too. False when there is no such parent.
  bool RemoveRegistry(const std::string& slug);
  bool RemoveCluster(const Uuid& id);

  const Registry* FindRegistry(const std::string& slug) const;
  const Cluster* FindCluster(const Uuid& id) const;
  std::vector<Registry> Registries() const;
  std::vector<Cluster> Clusters() const;
  std::size_t RegistryCount() const { return registries_.size(); }
  std::size_t ClusterCount() const { return clusters_.size(); }

  // False when the id is taken or the parent is unknown.
  bool AddRegistryToken(RegistryToken token);
  bool AddAgentToken(AgentToken token);
  bool RemoveRegistryToken(const Uuid& id);
  bool RemoveAgentToken(const Uuid& id);

  // Valid until the next change; the caller must change neither id, created_at nor parent.
  RegistryToken* FindRegistryToken(const Uuid& id);
  AgentToken* FindAgentToken(const Uuid& id);

  // The users' own tokens, in order of creation and id: a handful. False when the id is taken, or
  // not there.
  bool AddApiAccessToken(ApiAccessToken token);
  bool RemoveApiAccessToken(const Uuid& id);
  ApiAccessToken* FindApiAccessToken(const Uuid& id);
  const std::vector<ApiAccessToken>& ApiAccessTokens() const { return api_access_tokens_; }

  const CreationOrder<RegistryToken>& RegistryTokens() const { return all_registry_tokens_; }
  const CreationOrder<AgentToken>& AgentTokens() const { return all_agent_tokens_; }

  // The tokens of one parent; null when there is no such parent.
  const CreationOrder<RegistryToken>* TokensOfRegistry(const std::string& slug) const;
  const CreationOrder<AgentToken>* TokensOfCluster(const Uuid& id) const;

 private:
  struct RegistryEntry {
    Registry registry;
    CreationOrder<RegistryToken> tokens;
  };
  struct ClusterEntry {
    Cluster cluster;
    CreationOrder<AgentToken> tokens;
  };

  RegistryEntry* FindEntry(const std::string& slug);
  const RegistryEntry* FindEntry(const std::string& slug) const;
  ClusterEntry* FindEntry(const Uuid& id);
  const ClusterEntry* FindEntry(const Uuid& id) const;

  Organization organization_;
  std::vector<std::shared_ptr<const BuildkiteUser>> users_;
  TokenTable<RegistryToken> registry_tokens_;
  TokenTable<AgentToken> agent_tokens_;
  CreationOrder<RegistryToken> all_registry_tokens_{&registry_tokens_};
  CreationOrder<AgentToken> all_agent_tokens_{&agent_tokens_};
  std::vector<RegistryEntry> registries_;
  std::vector<ClusterEntry> clusters_;
  std::vector<ApiAccessToken> api_access_tokens_;
};

}  // namespace tokeninventory::vendor_sim
