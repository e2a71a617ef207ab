// Serves one handler over HTTP/1.1 on a TCP port. The only part that knows cpp-httplib.
//
// Start and Stop are used by one thread, ReleaseStalled by any; the handler is called by up to 64
// at once. Bodies are never compressed, so that what a fault cuts is what the client sees.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "tests/vendor_sim/http_message.h"

namespace tokeninventory::vendor_sim {

class HttpServer {
 public:
  using Handler = std::function<Response(const Request&)>;

  HttpServer();
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Binds, and returns when connections are accepted; port 0 takes a free one. UNAVAILABLE when the
  // address cannot be bound. Call it once.
  absl::Status Start(const std::string& host, int port, Handler handler);

  // Refuses new connections and waits for the open ones: a second at most once they are idle.
  // Stalled answers do not hold it up.
  void Stop();

  // Closes every connection whose answer is stalled: who still waits for it sees a reset.
  void ReleaseStalled();

  // The bound port; 0 before Start.
  int port() const { return port_; }

 private:
  class Stalls;
  class Impl;
  const std::shared_ptr<Stalls> stalls_;
  std::unique_ptr<Impl> impl_;
  int port_ = 0;
};

}  // namespace tokeninventory::vendor_sim
