// The configuration file: read, completed with defaults, checked. Every problem
// is listed at once.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/log.h"
#include "connectors/source_factory.h"
#include "inventory/ledger.h"
#include "server/access/access_policy.h"
#include "server/tls_files.h"
#include "tokeninventory/v1/config.pb.h"

namespace tokeninventory {

// What the command line sets over the file.
struct ConfigOverrides {
  std::string listen;    // empty: as in the file
  std::string data_dir;  // empty: as in the file
  // Of the program that reads pages; empty: FindPageWorker.
  std::string page_worker;
};

// A configuration that the service can start with.
struct ServerSettings {
  std::string listen;  // HOST:PORT
  // Empty: none.
  std::string unix_socket;
  std::optional<TlsFiles> tls;
  std::shared_ptr<const AccessPolicy> access;  // never null
  std::string data_dir;
  LogSeverity log_severity = LogSeverity::kInfo;
  absl::Duration shutdown_grace;
  Retention retention;
  LeadRules rules;
  int max_streams = 0;
  std::int64_t watch_memory_bytes = 0;
  absl::Duration stall_timeout;
  absl::Duration stream_max_age;
  absl::Duration max_connection_age;
  std::string metrics_listen;  // HOST:PORT; empty: not served
  BuiltSources sources;
  // By source: all that its connector was made from, and those that share a vendor's limits
  // with it. Equal texts: the connector that there is can stay.
  std::map<std::string, std::string> source_fingerprints;
};

// The fields that differ and that a running service cannot change, as they are called in the
// file.
std::vector<std::string> FieldsThatNeedRestart(const ServerSettings& before,
                                               const ServerSettings& after);

// What LoadServerConfig found. `settings` is good when there are no problems.
struct LoadedConfig {
  std::vector<std::string> problems;
  std::vector<std::string> warnings;
  ServerSettings settings;
};

// Reads `path`. Blocks on files; asks nobody.
LoadedConfig LoadServerConfig(const std::string& path, const ConfigOverrides& overrides,
                              Clock* clock);

// The folder of the database that the configuration at `path` names, as LoadServerConfig
// takes it. Looks at nothing else in it: whoever asks need not have its credentials.
// INVALID_ARGUMENT when it cannot be read.
absl::StatusOr<std::string> ReadDataDir(const std::string& path);

// As LoadServerConfig, for a file `path` that holds `text`: relative folders and
// files are taken from where it is. Blocks on those.
LoadedConfig CheckServerConfig(const std::string& path, absl::string_view text,
                               const ConfigOverrides& overrides, Clock* clock);

// Whether `listen` names loopback only: 127.0.0.0/8, [::1] or localhost.
bool IsLoopback(absl::string_view listen);

}  // namespace tokeninventory
