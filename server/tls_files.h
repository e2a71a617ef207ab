// The files of TLS, read and checked before gRPC sees them: gRPC itself would
// start with files that are missing or do not fit, and fail every handshake.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace tokeninventory {

// PEM files, by path.
struct TlsFiles {
  std::string certificate_file;
  std::string key_file;
  // Empty: clients are asked for no certificate.
  std::string client_ca_file;
  // With `client_ca_file`: clients without a certificate are served.
  bool client_may_be_unknown = false;
};

// What CheckTlsFiles found. No text quotes a file's content.
struct TlsReport {
  // Field of TlsConfig, and what is wrong with it. Empty: the files can be served with.
  std::vector<std::pair<std::string, std::string>> problems;
  // Right, but soon not any more, or not safe.
  std::vector<std::string> warnings;
  // The end of the service's certificate.
  absl::Time expire_time = absl::InfiniteFuture();
};

// Blocks on the files.
TlsReport CheckTlsFiles(const TlsFiles& files, absl::Time now);

}  // namespace tokeninventory
