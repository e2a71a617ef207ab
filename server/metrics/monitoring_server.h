// Metrics and health by plain HTTP, for Prometheus and for those who cannot speak gRPC.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace tokeninventory {

// Answers GET of
//   /metrics  what `metrics` returns
//   /healthz  200 while the process lives
//   /readyz   200 when all of `readiness` is true, else 503; the body has a line for each.
// Two threads and a short queue: whoever connects beyond that waits, and gRPC does not notice.
class MonitoringServer {
 public:
  // Called by the server's threads.
  struct Pages {
    std::function<std::string()> metrics;
    std::function<std::vector<std::pair<std::string, bool>>()> readiness;
  };

  virtual ~MonitoringServer() = default;

  // Listens on HOST:PORT; port 0 takes any. UNAVAILABLE when that cannot be done.
  static absl::StatusOr<std::unique_ptr<MonitoringServer>> Start(const std::string& listen,
                                                                 Pages pages);

  // The port that it listens on.
  virtual int port() const = 0;
};

}  // namespace tokeninventory
