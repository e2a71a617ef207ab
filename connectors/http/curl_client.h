// HttpClient over libcurl. The only file that includes curl.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "connectors/http/address_policy.h"
#include "connectors/http/http_client.h"

namespace tokeninventory {

// One thread drives all transfers; connections are kept and shared (HTTP/2 where
// the vendor has it). TLS is always verified; nothing but http and https is
// spoken; no proxy, cookie or .netrc of the environment is used; an answer with
// more than 256 KiB or 500 lines of headers is too large. What a name resolves to
// is judged by AddressPolicy when the connection is made; a refused one is
// FAILED_PRECONDITION. Thread-safe.
class CurlClient final : public HttpClient {
 public:
  struct Options {
    absl::Duration connect_timeout = absl::Seconds(10);
    absl::Duration request_timeout = absl::Seconds(60);
    // Longest time in which next to nothing comes (on average less than 64 bytes a
    // second), before the answer or in it. In whole seconds, rounded up.
    absl::Duration stall_timeout = absl::Seconds(30);
    // Of a body as it comes and decompressed.
    std::int64_t max_body_bytes = std::int64_t{32} * 1024 * 1024;
    // A file of CA certificates instead of the system's. For tests.
    std::string ca_file = {};
    // Addresses that may be connected to although AddressPolicy refuses them.
    std::vector<AddressRange> allowed_addresses = {};
    // `http://HOST:PORT` that all requests go through, without exception; see
    // CheckProxy. Names are then resolved by it: only its own address, and hosts that
    // are written as addresses, can be judged here. Empty: none.
    std::string proxy = {};
    // `HOST:PORT:ADDRESS`: what names resolve to, instead of asking. For tests.
    std::vector<std::string> resolve = {};
  };

  // Whether `proxy` can be one: INVALID_ARGUMENT, without its text, when it is no
  // `http://HOST:PORT`, or holds a user or password, which do not belong into a
  // configuration.
  static absl::Status CheckProxy(absl::string_view proxy);

  explicit CurlClient(Options options);
  // Ends running requests as CANCELLED; no Send may be running or come after.
  ~CurlClient() override;
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request, std::stop_token stop) override;

 private:
  class Loop;
  const Options options_;
  const AddressPolicy addresses_;
  bool proxy_is_loopback_ = false;
  const std::unique_ptr<Loop> loop_;
};

}  // namespace tokeninventory
