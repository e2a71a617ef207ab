// deepset's bodies.
//
// Thread-safe: pure functions.
#pragma once

#include <string>
#include <vector>

#include "tests/vendor_sim/deepset_query.h"
#include "tests/vendor_sim/deepset_store.h"

namespace tokeninventory::vendor_sim {

std::string DeepsetWorkspacesJson(const std::vector<Workspace>& workspaces);
std::string DeepsetWorkspaceJson(const Workspace& workspace);
std::string DeepsetTokenJson(const DeepsetToken& token);
std::string DeepsetPageJson(const DeepsetPage& page);
std::string ModelRegistryTokensJson(const std::vector<ModelRegistryToken>& tokens);

// {"detail": "…"}
std::string DeepsetErrorJson(const std::string& detail);
// {"detail": [{loc, msg, type, input, ctx?}, …]}
std::string DeepsetErrorJson(const std::vector<ValidationError>& errors);

}  // namespace tokeninventory::vendor_sim
