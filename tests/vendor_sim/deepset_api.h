// deepset's REST API under /api/v1.
//
// Thread-safe. Refers to the world, which must outlive it.
#pragma once

#include <optional>
#include <string>

#include "tests/vendor_sim/http_message.h"
#include "tests/vendor_sim/world.h"

namespace tokeninventory::vendor_sim {

class DeepsetApi {
 public:
  explicit DeepsetApi(const SharedWorld* world) : world_(world) {}

  Response Handle(const Request& request) const;

 private:
  Response Workspaces() const;
  Response OneWorkspace(const std::string& name) const;
  Response Token(const std::string& id) const;
  // The tokens of one workspace, or of the organization when it is null.
  Response Tokens(const Request& request, const std::string* workspace) const;
  Response ModelRegistryTokens() const;

  const SharedWorld* const world_;
};

}  // namespace tokeninventory::vendor_sim
