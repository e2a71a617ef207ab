// What the services answer from, once the store is loaded.
#pragma once

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "base/clock.h"
#include "connectors/poller.h"
#include "connectors/refresher.h"
#include "inventory/inventory.h"
#include "inventory/ledger.h"
#include "inventory/watch_hub.h"

namespace tokeninventory {

// All live longer than the gRPC server.
struct Backend {
  Clock* clock = nullptr;
  Inventory* inventory = nullptr;
  Ledger* ledger = nullptr;
  WatchHub* hub = nullptr;
  Poller* poller = nullptr;
  Refresher* refresher = nullptr;
  std::string epoch;
};

// Null while the store loads.
using BackendPointer = std::atomic<const Backend*>;

// What every call answers meanwhile.
absl::Status StillLoadingError();

}  // namespace tokeninventory
