// Asks a vendor as its manifest says, and tells what kind of answer came.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/secret_string.h"
#include "connectors/http/retrying_client.h"
#include "connectors/page_reader.h"
#include "connectors/page_request.h"

namespace tokeninventory {

// Why an answer is of no use.
enum class VendorFailure {
  kNone,
  kCredential,   // the credential is refused
  kForbidden,    // it may not read this
  kRateLimited,  // not now
  kServerError,  // the vendor answers, but with errors that pass
  kNoAnswer,     // no connection, no answer in time
  kGone,         // there is no such thing
  kFailed,       // the answer cannot be understood, or is a lasting error
  kStopped,      // we stop
};

// What asking came to.
struct VendorAnswer {
  VendorFailure failure = VendorFailure::kNone;
  // One line without the vendor's values; empty when all is well.
  std::string reason;
  // As page programs see it; set when all is well.
  JsonValue page;
  // With kRateLimited and kServerError: the vendor asked not to come back before.
  absl::Time not_before = absl::InfinitePast();
  int answers = 0;  // that came, retries included
};

using SecretHeaders = std::vector<std::pair<std::string, SecretString>>;

// Used by one thread at a time.
class VendorClient {
 public:
  // `pages` must outlive this. With `insecure_http`, the credential may travel
  // over http to a host that is not loopback.
  VendorClient(std::unique_ptr<RetryingClient> http, bool insecure_http)
      : http_(std::move(http)), insecure_http_(insecure_http) {}

  // The credential of the requests to come.
  void SetSecretHeaders(SecretHeaders headers) { secret_headers_ = std::move(headers); }

  // Blocks.
  VendorAnswer Ask(const PageRequest& request, PageReader& pages, const JqContext& context,
                   const std::stop_token& stop);

 private:
  const std::unique_ptr<RetryingClient> http_;
  const bool insecure_http_;
  SecretHeaders secret_headers_;
};

}  // namespace tokeninventory
