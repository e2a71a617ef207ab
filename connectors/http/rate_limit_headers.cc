#include "connectors/http/rate_limit_headers.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "connectors/vendor_time.h"

namespace tokeninventory {
namespace {

std::optional<std::int64_t> ReadNumber(const std::string* value) {
  std::int64_t number = 0;
  if (value == nullptr || !absl::SimpleAtoi(*value, &number) || number < 0) return std::nullopt;
  return number;
}

const std::string* Find(const HttpResponse& response, const std::string& name) {
  return response.Header(absl::AsciiStrToLower(name));
}

absl::Time Believed(absl::Time time, absl::Time now) {
  return std::clamp(time, now, now + kLongestBelievedWait);
}

absl::Time TimeOf(std::int64_t number, v1::RateLimitBucket::Unit unit, absl::Time now) {
  // Beyond any clock; keeps the arithmetic finite.
  number = std::min<std::int64_t>(number, 1'000'000'000'000'000);
  switch (unit) {
    case v1::RateLimitBucket::EPOCH_SECONDS:
      return absl::FromUnixSeconds(number);
    case v1::RateLimitBucket::EPOCH_MILLIS:
      return absl::FromUnixMillis(number);
    default:
      return now + absl::Seconds(number);
  }
}

}  // namespace

RateLimitReport ReadRateLimits(const v1::ManifestLimits& limits, const HttpResponse& response,
                               absl::Time now) {
  RateLimitReport report;
  for (const v1::RateLimitBucket& bucket : limits.buckets()) {
    const std::optional<std::int64_t> remaining = ReadNumber(Find(response, bucket.remaining()));
    if (!remaining) continue;
    report.told = true;
    if (*remaining > 0) continue;
    const std::optional<std::int64_t> reset = ReadNumber(Find(response, bucket.reset()));
    if (!reset) continue;
    const absl::Time until = Believed(TimeOf(*reset, bucket.unit(), now), now);
    report.blocked_until = std::max(report.blocked_until.value_or(until), until);
  }
  return report;
}

std::optional<absl::Time> ReadRetryAfter(const v1::ManifestLimits& limits,
                                         const HttpResponse& response, absl::Time now) {
  if (limits.has_retry_after()) {
    const std::optional<std::int64_t> number =
        ReadNumber(Find(response, limits.retry_after().header()));
    if (!number) return std::nullopt;
    return Believed(TimeOf(*number, limits.retry_after().unit(), now), now);
  }
  const std::string* value = response.Header("retry-after");
  if (value == nullptr) return std::nullopt;
  if (const std::optional<std::int64_t> seconds = ReadNumber(value)) {
    return Believed(TimeOf(*seconds, v1::RateLimitBucket::SECONDS, now), now);
  }
  const std::optional<absl::Time> date = ParseRfc2822(*value);
  if (!date) return std::nullopt;
  return Believed(*date, now);
}

}  // namespace tokeninventory
