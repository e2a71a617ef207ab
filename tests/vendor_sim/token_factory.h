// Makes believable tokens: names, people, lifetimes and the vendors' odd spellings.
//
// Thread-compatible: as its Random, which it uses and does not own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/vendor_sim/random.h"
#include "tests/vendor_sim/records.h"

namespace tokeninventory::vendor_sim {

class TokenFactory {
 public:
  explicit TokenFactory(Random* random) : random_(random) {}

  // `now` is what lifetimes and last uses are relative to.
  DeepsetToken Deepset(TimePoint created_at, TimePoint now, std::vector<std::string> workspaces,
                       bool all_workspaces);
  ModelRegistryToken ModelRegistry(TimePoint created_at);
  OpalToken Opal(TimePoint created_at, TimePoint now, const std::vector<Uuid>& users);
  RegistryToken BuildkiteRegistry(TimePoint created_at, std::string registry_slug,
                                  const std::vector<std::shared_ptr<const BuildkiteUser>>& users);
  AgentToken BuildkiteAgent(TimePoint created_at, TimePoint now, Uuid cluster_id,
                            const std::vector<std::shared_ptr<const BuildkiteUser>>& users);
  ApiAccessToken ApiAccess(TimePoint created_at, TimePoint now,
                           const std::vector<std::shared_ptr<const BuildkiteUser>>& users);
  std::shared_ptr<const BuildkiteUser> User(TimePoint created_at);

  // What people call a token, e.g. "nightly-deploy-4711".
  std::string Name();

  // When a token of unknown age ends: a share never, some long ago, some within minutes, hours,
  // days, the rest within a year. Nothing means never.
  std::optional<TimePoint> Expiry(TimePoint created_at, TimePoint now);

 private:
  Random* random_;
};

}  // namespace tokeninventory::vendor_sim
