// Where the service is and how to reach it: from the command line, the environment and a file.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "base/secret_string.h"

namespace tokeninventory::tokenctl {

// What one of the three says. Empty: nothing.
struct ConnectionWords {
  std::string server;
  bool tls = false;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string tls_server_name;
  std::string token;
  std::string token_file;
};

// What holds.
struct ConnectionSettings {
  std::string server;  // HOST:PORT or unix:PATH
  bool tls = false;
  // Contents of the files. Empty: none.
  std::string ca_certificates;
  std::string certificate;
  SecretString key;
  std::string tls_server_name;
  SecretString token;
};

inline constexpr char kDefaultServer[] = "127.0.0.1:50051";

// The value of an environment variable; empty when it is not set.
using Environment = std::function<std::string(const char*)>;

// Merges, and reads the files. `config_file` as given on the command line; empty means
// TOKENCTL_CONFIG, else `tokenctl/config.yaml` in XDG_CONFIG_HOME or ~/.config, which need not be
// there. INVALID_ARGUMENT with every problem of a file, or the one of the rest:
// a token that would go over the network in the clear is one.
absl::StatusOr<ConnectionSettings> ResolveSettings(const ConnectionWords& command_line,
                                                   const std::string& config_file,
                                                   const Environment& environment);

// Whether what is sent to `server` stays on this machine.
bool IsLocal(const std::string& server);

}  // namespace tokeninventory::tokenctl
