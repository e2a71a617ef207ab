// The records that the vendors print in their own pages (shared/seeds), word for word.
//
// deepset's pages print schemas only, so there is none of deepset's. The agent token is from
// Buildkite's agent-token page, moved to the organization of the registry-token page: one
// organization keeps a pass within Buildkite's 50 requests a minute.
//
// Thread-safe: pure functions.
#pragma once

#include <memory>

#include "tests/vendor_sim/records.h"

namespace tokeninventory::vendor_sim {

Organization SampleOrganization();
Registry SampleRegistry();
Cluster SampleCluster();
RegistryToken SampleRegistryToken();
AgentToken SampleAgentToken();
OpalToken SampleOpalToken();

// Whether a token is one of these. Churn leaves them alone, so that they can always be found.
bool IsSample(const Uuid& id);

}  // namespace tokeninventory::vendor_sim
