#include "connectors/vendor_client.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory {
namespace {

// What an answer is, before anybody asks again.
struct Judgement {
  HttpVerdict verdict = HttpVerdict::kFinal;
  VendorFailure failure = VendorFailure::kNone;
  std::string reason;
};

bool IsSuccess(int status) { return status >= 200 && status < 300; }

// The words that a manifest's `error` may yield.
Judgement JudgeByWord(const std::string& word, int status) {
  const std::string http = absl::StrCat("HTTP ", status);
  if (word == "CREDENTIAL") {
    return {HttpVerdict::kFinal, VendorFailure::kCredential, http};
  }
  if (word == "FORBIDDEN") return {HttpVerdict::kFinal, VendorFailure::kForbidden, http};
  if (word == "RATE_LIMITED") {
    return {HttpVerdict::kRateLimited, VendorFailure::kRateLimited, http};
  }
  if (word == "RETRY") return {HttpVerdict::kRetry, VendorFailure::kServerError, http};
  if (word == "GONE") return {HttpVerdict::kFinal, VendorFailure::kGone, http};
  if (word == "UNSUPPORTED") {
    return {HttpVerdict::kFinal, VendorFailure::kFailed,
            absl::StrCat(http, ": the vendor does not offer this here")};
  }
  if (word == "FAILED") {
    return {HttpVerdict::kFinal, VendorFailure::kFailed,
            absl::StrCat(http, ": the vendor reports an error")};
  }
  return {HttpVerdict::kFinal, VendorFailure::kFailed,
          "error: the program yields a word that is none of its own"};
}

// The built-in table.
Judgement JudgeByStatus(int status) {
  const std::string http = absl::StrCat("HTTP ", status);
  if (IsSuccess(status)) return {};
  switch (status) {
    case 401:
      return {HttpVerdict::kFinal, VendorFailure::kCredential, http};
    case 403:
      return {HttpVerdict::kFinal, VendorFailure::kForbidden, http};
    case 404:
    case 410:
      return {HttpVerdict::kFinal, VendorFailure::kGone, http};
    case 408:
    case 425:
      return {HttpVerdict::kRetry, VendorFailure::kServerError, http};
    case 429:
      return {HttpVerdict::kRateLimited, VendorFailure::kRateLimited, http};
    default:
      break;
  }
  if (status >= 500) return {HttpVerdict::kRetry, VendorFailure::kServerError, http};
  if (status >= 300 && status < 400) {
    return {HttpVerdict::kFinal, VendorFailure::kFailed,
            absl::StrCat(http, ": redirects are not followed")};
  }
  return {HttpVerdict::kFinal, VendorFailure::kFailed, http};
}

VendorAnswer Failed(VendorFailure failure, absl::string_view reason) {
  VendorAnswer answer;
  answer.failure = failure;
  answer.reason = std::string(reason);
  return answer;
}

// What a refusal by somebody else, or a while ago, means for whoever would ask now.
VendorAnswer Held(const CredentialGuard::Refusal& refusal) {
  VendorAnswer answer =
      Failed(VendorFailure::kCredential,
             absl::StrCat(refusal.reason, " at ",
                          absl::FormatTime("%H:%M:%S", refusal.time, absl::UTCTimeZone()),
                          " UTC; not sent again before ",
                          absl::FormatTime("%H:%M:%S", refusal.hold_until, absl::UTCTimeZone())));
  answer.not_before = refusal.hold_until;
  return answer;
}

}  // namespace

VendorFailure FailureOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return VendorFailure::kNone;
    case absl::StatusCode::kCancelled:
      return VendorFailure::kStopped;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnavailable:
      return VendorFailure::kReaderLost;
    default:
      return VendorFailure::kFailed;
  }
}

std::uint64_t FingerprintOf(const SecretHeaders& headers) {
  std::uint64_t fingerprint = 0;
  for (const auto& [name, value] : headers) {
    fingerprint = absl::HashOf(fingerprint, name, value.Reveal());
  }
  return fingerprint;
}

VendorClient::VendorClient(HttpClient* http, Clock* clock, std::shared_ptr<RequestBudget> budget,
                           std::shared_ptr<VendorAccount> account, VendorClientOptions options)
    : clock_(clock),
      account_(account != nullptr ? std::move(account) : std::make_shared<VendorAccount>()),
      insecure_http_(options.insecure_http),
      http_(http, clock, std::move(budget), std::move(options.retry),
            std::shared_ptr<SharedLimits>(account_, &account_->limits)) {}

void VendorClient::SetSecretHeaders(SecretHeaders headers) {
  fingerprint_ = FingerprintOf(headers);
  secret_headers_ = std::move(headers);
}

VendorAnswer VendorClient::Ask(const PageRequest& request, PageReader& pages,
                               const JqContext& context, const std::stop_token& stop) {
  absl::StatusOr<HttpRequest> http_request = request.ToHttp();
  if (!http_request.ok()) {
    return Failed(VendorFailure::kFailed, http_request.status().message());
  }
  if (request.url.scheme != "https" && !insecure_http_ && !IsLoopbackHost(request.url.host)) {
    return Failed(VendorFailure::kFailed, "the credential is not sent over plain http");
  }
  if (const std::optional<CredentialGuard::Refusal> refusal =
          account_->guard.Enter(fingerprint_, *clock_, stop)) {
    return Held(*refusal);
  }
  const absl::Cleanup leave = [this] { account_->guard.Leave(); };
  http_request->secret_headers = secret_headers_;

  Judgement judgement;
  const JsonValue request_json = request.ToJson();
  const HttpOutcome outcome = http_.Send(
      *http_request,
      [&](const HttpResponse& response) {
        const absl::StatusOr<PageVerdict> taken = pages.Take(response, request_json, context);
        if (!taken.ok()) {
          judgement = {HttpVerdict::kFinal, FailureOf(taken.status()),
                       std::string(taken.status().message())};
        } else if (!taken->error_word.empty()) {
          judgement = JudgeByWord(taken->error_word, response.status);
        } else {
          judgement = JudgeByStatus(response.status);
        }
        if (judgement.failure == VendorFailure::kNone && !taken->body.ok()) {
          judgement = {
              HttpVerdict::kFinal, VendorFailure::kFailed,
              absl::StrCat("HTTP ", response.status, ", but the body is ", taken->body.message())};
        }
        return judgement.verdict;
      },
      stop);

  VendorAnswer answer;
  answer.answers = outcome.answers;
  answer.not_before = outcome.not_before;
  const std::string tries =
      outcome.tries > 1 ? absl::StrCat(" after ", outcome.tries, " tries") : std::string();
  if (outcome.status.code() == absl::StatusCode::kCancelled) {
    answer.failure = VendorFailure::kStopped;
    answer.reason = "stopped";
  } else if (!outcome.status.ok()) {
    answer.failure = outcome.verdict == HttpVerdict::kRateLimited ? VendorFailure::kRateLimited
                     : outcome.verdict == HttpVerdict::kRetry     ? VendorFailure::kNoAnswer
                                                                  : VendorFailure::kFailed;
    answer.reason = absl::StrCat(outcome.status.message(), tries);
  } else {
    answer.failure = outcome.verdict == HttpVerdict::kRateLimited ? VendorFailure::kRateLimited
                                                                  : judgement.failure;
    answer.reason =
        judgement.failure == VendorFailure::kNone ? std::string() : judgement.reason + tries;
    if (answer.failure == VendorFailure::kNone) {
      account_->guard.Accepted(fingerprint_);
    } else if (answer.failure == VendorFailure::kCredential) {
      answer.not_before = account_->guard.Refused(fingerprint_, judgement.reason, clock_->Now());
    }
  }
  return answer;
}

}  // namespace tokeninventory
