// All that the three vendors know, and the lock that server threads and churn share.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/vendor_sim/buildkite_store.h"
#include "tests/vendor_sim/deepset_store.h"
#include "tests/vendor_sim/opal_store.h"
#include "tests/vendor_sim/records.h"

namespace tokeninventory::vendor_sim {

// Thread-compatible: reach it through SharedWorld.
struct World {
  DeepsetStore deepset;
  // A handful, in order of creation.
  std::vector<ModelRegistryToken> model_registry_tokens;
  OpalStore opal;
  BuildkiteStore buildkite;
};

WorldCounts CountTokens(const World& world);
Truth CopyTruth(const World& world);

ModelRegistryToken* FindModelRegistryToken(World* world, const Uuid& id);

// The following act on the token of this id, of whichever vendor, and return false when there is
// none or when its vendor has no such thing.
bool RemoveToken(World* world, const Uuid& id);
// Sets when it ends; nothing means never. Not for tokens of model registries and registries.
bool RenewToken(World* world, const Uuid& id, std::optional<TimePoint> expires_at);
// Sets the last use. Only Opal tells it.
bool UseToken(World* world, const Uuid& id, TimePoint used_at);
// Sets the name, label or description. Not for tokens of model registries.
bool RenameToken(World* world, const Uuid& id, const std::string& name);

// Thread-safe. A reader copies what it needs inside the call: nothing of the world may be kept.
class SharedWorld {
 public:
  template <typename Function>
  auto Read(Function&& function) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::forward<Function>(function)(world_);
  }

  template <typename Function>
  auto Write(Function&& function) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::forward<Function>(function)(&world_);
  }

 private:
  mutable std::mutex mutex_;
  World world_;  // guarded by mutex_
};

}  // namespace tokeninventory::vendor_sim
