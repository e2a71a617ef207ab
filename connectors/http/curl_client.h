// HttpClient over libcurl. The only file that includes curl.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "connectors/http/http_client.h"

namespace tokeninventory {

// One thread drives all transfers; connections are kept and shared (HTTP/2 where
// the vendor has it). TLS is always verified; nothing but http and https is
// spoken; no proxy, cookie or .netrc of the environment is used; an answer with
// more than 256 KiB or 500 lines of headers is too large. Thread-safe.
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
    std::string ca_file;
  };

  explicit CurlClient(Options options);
  // Ends running requests as CANCELLED; no Send may be running or come after.
  ~CurlClient() override;
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request, std::stop_token stop) override;

 private:
  class Loop;
  const Options options_;
  const std::unique_ptr<Loop> loop_;
};

}  // namespace tokeninventory
