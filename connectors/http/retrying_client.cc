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

RetryingClient::Options WithRandom(RetryingClient::Options options) {
  if (!options.random) options.random = MachineRandom();
  return options;
}

}  // namespace

RetryingClient::RetryingClient(HttpClient* inner, Clock* clock,
                               std::shared_ptr<RequestBudget> budget, Options options)
    : inner_(inner),
      clock_(clock),
      budget_(std::move(budget)),
      options_(WithRandom(std::move(options))) {}

absl::Time RetryingClient::NextSlot(absl::Time now) {
  absl::Time slot = std::max(now, blocked_until_);
  // The vendor's own word on its limit is better than a guess at it.
  if (budget_ != nullptr && (options_.always_book || !headers_tell_limit_)) {
    slot = std::max(slot, budget_->Book(now));
  }
  return slot;
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
  const absl::Time deadline = clock_->Now() + options_.total_deadline;
  for (;;) {
    const absl::Time now = clock_->Now();
    const absl::Time slot = NextSlot(now);
    if (slot - now > options_.max_limit_wait) {
      outcome.verdict = HttpVerdict::kRateLimited;
      outcome.not_before = slot;
      if (outcome.answers == 0) {
        outcome.status = absl::ResourceExhaustedError("the vendor's limit is used up");
      }
      return outcome;
    }
    if (!WaitUntilOrStop(*clock_, slot, stop)) {
      outcome.status = absl::CancelledError("stopped");
      return outcome;
    }

    absl::StatusOr<HttpResponse> response = inner_->Send(request, stop);
    ++outcome.tries;
    const absl::Time answered = clock_->Now();
    std::optional<absl::Time> asked_for;
    if (response.ok()) {
      ++outcome.answers;
      const RateLimitReport limits = ReadRateLimits(options_.limits, *response, answered);
      headers_tell_limit_ = limits.told;
      if (limits.blocked_until) blocked_until_ = *limits.blocked_until;
      outcome.verdict = judge(*response);
      outcome.response = *std::move(response);
      outcome.status = absl::OkStatus();
      if (outcome.verdict == HttpVerdict::kFinal) return outcome;
      asked_for = ReadRetryAfter(options_.limits, outcome.response, answered);
      if (!asked_for && outcome.verdict == HttpVerdict::kRateLimited) {
        asked_for = limits.blocked_until;
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
    // Everybody who was told the same second would come back in it.
    const absl::Time again = asked_for ? *asked_for + absl::Seconds(1) * options_.random()
                                       : answered + Backoff(outcome.tries);
    if (again > deadline) return outcome;
    if (!WaitUntilOrStop(*clock_, again, stop)) {
      outcome.status = absl::CancelledError("stopped");
      return outcome;
    }
  }
}

}  // namespace tokeninventory
