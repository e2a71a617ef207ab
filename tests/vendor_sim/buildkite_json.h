// Buildkite's bodies. The URLs inside records name the real host, and mostly http, as the vendor's
// pages show them.
//
// Thread-safe: pure functions.
#pragma once

#include <string>
#include <vector>

#include "tests/vendor_sim/records.h"

namespace tokeninventory::vendor_sim {

std::string OrganizationsJson(const Organization& organization);
std::string OrganizationJson(const Organization& organization);

std::string RegistriesJson(const Organization& organization,
                           const std::vector<Registry>& registries);
std::string RegistryJson(const Organization& organization, const Registry& registry);

std::string RegistryTokensJson(const Organization& organization, const Registry& registry,
                               const std::vector<RegistryToken>& tokens);
std::string RegistryTokenJson(const Organization& organization, const Registry& registry,
                              const RegistryToken& token);

std::string ClustersJson(const Organization& organization, const std::vector<Cluster>& clusters);
std::string ClusterJson(const Organization& organization, const Cluster& cluster);

std::string AgentTokensJson(const Organization& organization,
                            const std::vector<AgentToken>& tokens);
std::string AgentTokenJson(const Organization& organization, const AgentToken& token);

// The calling token itself.
std::string AccessTokenJson(const std::vector<std::string>& scopes, TimePoint created_at,
                            TimePoint expires_at);

// {"message": "…"}
std::string BuildkiteErrorJson(const std::string& message);
// The body of 429.
std::string RateLimitErrorJson(const std::string& scope, int limit, int current, int reset);

}  // namespace tokeninventory::vendor_sim
