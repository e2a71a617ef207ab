// The whole service: builds its parts in order, and stops them in reverse.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "server/server_config.h"

namespace tokeninventory {

// The service's store in its data folder.
std::string StoreFileIn(const std::string& data_dir);

// Used by one thread.
class ServerApp {
 public:
  virtual ~ServerApp() = default;

  // Listens, loads the store (calls are UNAVAILABLE meanwhile), starts the
  // sources, reports SERVING. Blocks until then. Errors as TokenStore's, and
  // UNAVAILABLE when the address cannot be listened on.
  static absl::StatusOr<std::unique_ptr<ServerApp>> Start(ServerSettings settings, Clock* clock);

  // The port that it listens on.
  virtual int port() const = 0;

  // Reports NOT_SERVING, ends streams with their last Progress, waits for calls
  // up to the grace, stops the sources, closes the store. Idempotent.
  virtual void Stop() = 0;
};

}  // namespace tokeninventory
