#include "connectors/http/rate_limit_headers.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/proto_time.h"
#include "connectors/http/http_date.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kMaxDigits = 40;

// Digits, perhaps with a fraction: no sign, exponent or word.
std::optional<double> ReadNumber(const std::string* value) {
  if (value == nullptr || value->size() > kMaxDigits) return std::nullopt;
  bool point = false;
  for (const char c : *value) {
    if (c == '.' && !point) {
      point = true;
    } else if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      return std::nullopt;
    }
  }
  double number = 0;
  if (!absl::SimpleAtod(*value, &number)) return std::nullopt;
  return number;
}

const std::string* Find(const HttpResponse& response, const std::string& name) {
  return response.Header(absl::AsciiStrToLower(name));
}

absl::Time Believed(absl::Time time, absl::Time now) {
  return std::clamp(time, now, now + kLongestBelievedWait);
}

absl::Time TimeOf(double number, v1::RateLimitBucket::Unit unit, absl::Time now) {
  switch (unit) {
    case v1::RateLimitBucket::EPOCH_SECONDS:
      return absl::UnixEpoch() + absl::Seconds(number);
    case v1::RateLimitBucket::EPOCH_MILLIS:
      return absl::UnixEpoch() + absl::Milliseconds(number);
    default:
      return now + absl::Seconds(number);
  }
}

}  // namespace

RateLimitReport ReadRateLimits(const v1::ManifestLimits& limits, const HttpResponse& response,
                               absl::Time now) {
  RateLimitReport report;
  for (const v1::RateLimitBucket& bucket : limits.buckets()) {
    const std::optional<double> remaining = ReadNumber(Find(response, bucket.remaining()));
    if (!remaining) continue;
    v1::RateLimit& told = report.limits.emplace_back();
    told.set_name(bucket.remaining());
    told.set_remaining(static_cast<std::int64_t>(std::min(std::floor(*remaining), 1e15)));
    const std::optional<double> reset = ReadNumber(Find(response, bucket.reset()));
    if (!reset) continue;
    const absl::Time until = Believed(TimeOf(*reset, bucket.unit(), now), now);
    ToProto(until, told.mutable_reset_time());
    if (told.remaining() > 0) continue;
    report.blocked_until = std::max(report.blocked_until.value_or(until), until);
  }
  return report;
}

std::optional<absl::Time> ReadRetryAfter(const v1::ManifestLimits& limits,
                                         const HttpResponse& response, absl::Time now) {
  if (limits.has_retry_after()) {
    const std::optional<double> number = ReadNumber(Find(response, limits.retry_after().header()));
    if (!number) return std::nullopt;
    return Believed(TimeOf(*number, limits.retry_after().unit(), now), now);
  }
  const std::string* value = response.Header("retry-after");
  if (value == nullptr) return std::nullopt;
  if (const std::optional<double> seconds = ReadNumber(value)) {
    return Believed(TimeOf(*seconds, v1::RateLimitBucket::SECONDS, now), now);
  }
  const std::optional<absl::Time> date = ParseHttpDate(*value);
  if (!date) return std::nullopt;
  return Believed(*date, now);
}

}  // namespace tokeninventory
