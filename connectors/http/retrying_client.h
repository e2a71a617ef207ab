// Asks until there is an answer worth having: waits for the vendor's rate limits,
// tries again after failures that pass.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "connectors/http/http_client.h"
#include "connectors/http/request_budget.h"
#include "connectors/http/request_meter.h"
#include "connectors/http/shared_limits.h"
#include "tokeninventory/v1/manifest.pb.h"

namespace tokeninventory {

// What an answer means for whoever could ask again.
enum class HttpVerdict {
  kFinal,        // good or bad, asking again would not change it
  kRetry,        // the vendor is in trouble
  kRateLimited,  // too fast
};

// How it ended.
struct HttpOutcome {
  // OK: `response` is the last answer. UNAVAILABLE, DEADLINE_EXCEEDED: none came.
  // RESOURCE_EXHAUSTED: too large. CANCELLED: stopped.
  absl::Status status;
  HttpResponse response;
  // What the last answer was judged to be; kRateLimited without an answer when
  // the wait for the limit would be too long.
  HttpVerdict verdict = HttpVerdict::kFinal;
  // The vendor asked not to come back before this.
  absl::Time not_before = absl::InfinitePast();
  // Answers that came, the last included.
  int answers = 0;
  int tries = 0;
};

// Used by one thread at a time. What must hold for several of them together, the
// budget of the host and the limits of the credential, they share.
class RetryingClient {
 public:
  struct Options {
    // Tries of one request, the first included.
    int max_attempts = 4;
    // Before the second try at most this, doubling: a random share of it is
    // waited (full jitter).
    absl::Duration first_backoff = absl::Seconds(1);
    absl::Duration max_backoff = absl::Seconds(30);
    // From the first try of a request to the start of its last.
    absl::Duration total_deadline = absl::Minutes(5);
    // The longest wait for a limit before the first try.
    absl::Duration max_limit_wait = absl::Minutes(5);
    // In [0, 1); the machine's randomness when empty.
    std::function<double()> random;
    v1::ManifestLimits limits;
    // Book every request, even where the vendor's headers tell the limit: the
    // operator set the pace.
    bool always_book = false;
    // Counts what is sent; null: nobody does.
    std::shared_ptr<RequestMeter> meter;
  };

  // `inner` and `clock` must outlive this. `budget` may be null; without `limits`
  // it has some of its own.
  RetryingClient(HttpClient* inner, Clock* clock, std::shared_ptr<RequestBudget> budget,
                 Options options, std::shared_ptr<SharedLimits> limits = nullptr);

  // Blocks. `judge` says what each answer is.
  HttpOutcome Send(const HttpRequest& request,
                   absl::FunctionRef<HttpVerdict(const HttpResponse&)> judge,
                   const std::stop_token& stop);

  // What the last answer said of the vendor's limits; empty when nothing.
  std::vector<v1::RateLimit> last_told() const { return limits_->last_told(); }

 private:
  // Waits until the next try may be sent, which is not before `earliest`. Returns
  // when that is or, when it is after `latest`, would be.
  absl::StatusOr<absl::Time> WaitForSlot(absl::Time earliest, absl::Time latest,
                                         const std::stop_token& stop);
  // How long to wait after try number `tries` when the vendor does not say.
  absl::Duration Backoff(int tries);

  HttpClient* const inner_;
  Clock* const clock_;
  const std::shared_ptr<RequestBudget> budget_;
  const std::shared_ptr<SharedLimits> limits_;
  const Options options_;
};

}  // namespace tokeninventory
