// SIGHUP: the configuration file read again, whole.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/server_app.h"
#include "server/server_config.h"

namespace tokeninventory {

// Has `app` go on as `config_file` says now. A bad file changes nothing. Every problem and every
// warning is a line of the log, and so are begin and end. INVALID_ARGUMENT for a bad file, else
// as ServerApp::Reload. Blocks; by the thread that uses `app`.
absl::Status ReloadConfig(ServerApp& app, const std::string& config_file,
                          const ConfigOverrides& overrides, Clock* clock);

}  // namespace tokeninventory
