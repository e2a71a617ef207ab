#include "connectors/http/retrying_client.h"

#include <algorithm>
#include <random>
#include <utility>

#include "connectors/http/rate_limit_headers.h"
#include "connectors/http/stoppable_wait.h"

namespace tokeninventory {
namespace {

bool IsRetryable(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

std::function<double()> MachineRandom() {
  return [engine = std::mt19937_64(std::random_device()())]() mutable {
    return std::uniform_real_distribution<double>(0, 1)(engine);
  };
}

// A request that we stopped says nothing of the vendor.
void Count(RequestMeter& meter, const absl::StatusOr<HttpResponse>& response, bool is_retry) {
  if (absl::IsCancelled(response.status())) return;
  if (is_retry) meter.CountRetry();
  if (response.ok()) {
    meter.CountAnswer(response->status);
  } else {
    meter.CountNoAnswer();
  }
}

RetryingClient::Options WithRandom(RetryingClient::Options options) {
  if (!options.random) options.random = MachineRandom();
  return options;
}

}  // namespace

RetryingClient::RetryingClient(HttpClient* inner, Clock* clock,
                               std::shared_ptr<RequestBudget> budget, Options options,
                               std::shared_ptr<SharedLimits> limits)
    : inner_(inner),
      clock_(clock),
      budget_(std::move(budget)),
      limits_(limits != nullptr ? std::move(limits) : std::make_shared<SharedLimits>()),
      options_(WithRandom(std::move(options))) {}

absl::StatusOr<absl::Time> RetryingClient::WaitForSlot(absl::Time earliest, absl::Time latest,
                                                       const std::stop_token& stop) {
  for (;;) {
    const absl::Time now = clock_->Now();
    const absl::Time free = std::max(earliest, limits_->FreeAt(now));
    if (free > latest) return free;
    if (free > now) {
      if (!WaitUntilOrStop(*clock_, free, stop)) return absl::CancelledError("stopped");
      continue;  // meanwhile somebody may have been told to wait longer
    }
    // Booked only now: one who waits takes no turn from others. The vendor's own
    // word on its limit is better than a guess at it.
    if (budget_ == nullptr || (!options_.always_book && limits_->told())) return now;
    const absl::Time slot = budget_->Book(now, latest);
    if (slot <= now || slot > latest) return slot;
    if (!WaitUntilOrStop(*clock_, slot, stop)) return absl::CancelledError("stopped");
    if (limits_->FreeAt(slot) <= slot) return slot;
  }
}

absl::Duration RetryingClient::Backoff(int tries) {
  absl::Duration most = options_.first_backoff;
  for (int i = 1; i < tries && most < options_.max_backoff; ++i) most *= 2;
  return std::min(most, options_.max_backoff) * options_.random();
}

HttpOutcome RetryingClient::Send(const HttpRequest& request,
                                 absl::FunctionRef<HttpVerdict(const HttpResponse&)> judge,
                                 const std::stop_token& stop) {
  HttpOutcome outcome;
  absl::Time earliest = absl::InfinitePast();
  absl::Time latest = clock_->Now() + options_.max_limit_wait;
  for (;;) {
    const absl::StatusOr<absl::Time> slot = WaitForSlot(earliest, latest, stop);
    if (!slot.ok()) {
      outcome.status = slot.status();
      return outcome;
    }
    if (*slot > latest) {
      // After a failure this is the end of trying, which has its own reason.
      if (outcome.tries > 0) return outcome;
      outcome.verdict = HttpVerdict::kRateLimited;
      outcome.not_before = *slot;
      outcome.status = absl::ResourceExhaustedError("the limit on requests is used up");
      return outcome;
    }

    if (outcome.tries == 0) latest = clock_->Now() + options_.total_deadline;
    absl::StatusOr<HttpResponse> response = inner_->Send(request, stop);
    if (options_.meter != nullptr) Count(*options_.meter, response, outcome.tries > 0);
    ++outcome.tries;
    const absl::Time answered = clock_->Now();
    std::optional<absl::Time> asked_for;
    if (response.ok()) {
      ++outcome.answers;
      const RateLimitReport report = ReadRateLimits(options_.limits, *response, answered);
      limits_->Note(report, answered);
      outcome.verdict = judge(*response);
      outcome.response = *std::move(response);
      outcome.status = absl::OkStatus();
      if (outcome.verdict == HttpVerdict::kFinal) return outcome;
      asked_for = ReadRetryAfter(options_.limits, outcome.response, answered);
      if (outcome.verdict == HttpVerdict::kRateLimited) {
        if (!asked_for) asked_for = report.blocked_until;
        // That is said to everybody; a server in trouble may be so for one listing.
        if (asked_for) limits_->HoldUntil(*asked_for, answered);
      }
    } else {
      outcome.verdict = HttpVerdict::kRetry;
      outcome.status = response.status();
      if (!IsRetryable(outcome.status)) {
        outcome.verdict = HttpVerdict::kFinal;
        return outcome;
      }
    }

    if (asked_for) outcome.not_before = std::max(outcome.not_before, *asked_for);
    if (outcome.tries >= options_.max_attempts) return outcome;
    if (asked_for) {
      // No wait is no wait, however little time is left.
      if (*asked_for > answered && *asked_for >= latest) return outcome;
      // Everybody who was told the same second would come back in it.
      earliest = std::min(*asked_for + absl::Seconds(1) * options_.random(), latest);
    } else {
      earliest = answered + Backoff(outcome.tries);
    }
  }
}

}  // namespace tokeninventory
