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
  // The port of its metrics; 0 when they are not served.
  virtual int metrics_port() const = 0;

  // Goes on with other settings, which LoadServerConfig found good. Sources come, leave and
  // change as a restart would have it; those that did not change, and their passes, do not
  // notice. Open streams follow who may see what; when this returns, nothing is sent that the
  // new policy hides. The log says what changed, and names what needs a restart.
  // FAILED_PRECONDITION when the store cannot be served with these sources: everything stays as
  // it was, and the log has every reason. Another error when the store cannot be written now:
  // then sources and rules stay, all else is as the settings say.
  virtual absl::Status Reload(ServerSettings settings) = 0;

  // For the metrics: whether the service goes on as the configuration says that was read last.
  virtual void NoteReload(bool is_good) = 0;

  // Reports NOT_SERVING, ends streams with their last Progress, waits for calls
  // up to the grace, stops the sources, closes the store. Idempotent.
  virtual void Stop() = 0;
};

}  // namespace tokeninventory
