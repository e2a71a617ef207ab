// Keeps the requests of a source at the hosts that it is for.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "connectors/http/http_client.h"

namespace tokeninventory {

// A list of hosts, with a port or for all of them. Thread-compatible.
class AllowedHosts {
 public:
  // `HOST` (every port) or `HOST:PORT`; an IPv6 address is in brackets.
  // INVALID_ARGUMENT, without the text, for anything else.
  absl::Status Add(absl::string_view text);
  // The host and port of `url`.
  void Add(const Url& url);

  bool Has(const Url& url) const;
  bool empty() const { return hosts_.empty(); }

 private:
  // Port 0 is any.
  std::vector<std::pair<std::string, int>> hosts_;
};

// Sends what goes to `hosts` and refuses all else, with FAILED_PRECONDITION. Stands
// directly in front of the network, behind everything that makes or changes requests.
// Thread-safe.
class FencedClient final : public HttpClient {
 public:
  FencedClient(std::shared_ptr<HttpClient> inner, AllowedHosts hosts)
      : inner_(std::move(inner)), hosts_(std::move(hosts)) {}

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request, std::stop_token stop) override;

 private:
  const std::shared_ptr<HttpClient> inner_;
  const AllowedHosts hosts_;
};

}  // namespace tokeninventory
