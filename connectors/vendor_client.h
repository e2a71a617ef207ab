// Asks a vendor as its manifest says, and tells what kind of answer came.
#pragma once

#include <cstdint>
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
#include "connectors/vendor_account.h"

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
  kReaderLost,   // what reads answers is not there, or was lost over this one
  kStopped,      // we stop
};

// What asking came to.
struct VendorAnswer {
  VendorFailure failure = VendorFailure::kNone;
  // One line without the vendor's values; empty when all is well.
  std::string reason;
  // With kRateLimited and kServerError: the vendor asked not to come back before.
  // With kCredential: the same credential is not sent before.
  absl::Time not_before = absl::InfinitePast();
  int answers = 0;  // that came, retries included
};

using SecretHeaders = std::vector<std::pair<std::string, SecretString>>;

// How a VendorClient asks.
struct VendorClientOptions {
  // The credential may travel over http to a host that is not loopback.
  bool insecure_http = false;
  RetryingClient::Options retry;
};

// What a PageReader's error means for whoever asked.
VendorFailure FailureOf(const absl::Status& status);

// Used by one thread at a time.
class VendorClient {
 public:
  // `http` and `clock` must outlive this. `budget` may be null; without `account`
  // it has one of its own.
  VendorClient(HttpClient* http, Clock* clock, std::shared_ptr<RequestBudget> budget,
               std::shared_ptr<VendorAccount> account, VendorClientOptions options);

  // The credential of the requests to come.
  void SetSecretHeaders(SecretHeaders headers);

  // Blocks. When all is well `pages` holds the answer, to be read. A credential that
  // was refused a short while ago is not sent: the answer is that refusal.
  VendorAnswer Ask(const PageRequest& request, PageReader& pages, const JqContext& context,
                   const std::stop_token& stop);

  // What the vendor's last answer said of its limits.
  std::vector<v1::RateLimit> last_told() const { return http_.last_told(); }

 private:
  Clock* const clock_;
  const std::shared_ptr<VendorAccount> account_;
  const bool insecure_http_;
  RetryingClient http_;
  SecretHeaders secret_headers_;
  std::uint64_t fingerprint_ = 0;
};

// Tells credentials apart without keeping them: equal ones have equal fingerprints
// within this process.
std::uint64_t FingerprintOf(const SecretHeaders& headers);

}  // namespace tokeninventory
