// What a vendor's headers say about when to ask again.
#pragma once

#include <optional>

#include "absl/time/time.h"
#include "connectors/http/http_client.h"
#include "tokeninventory/v1/manifest.pb.h"

namespace tokeninventory {

// The longest wait that is believed.
inline constexpr absl::Duration kLongestBelievedWait = absl::Hours(24);

// What the headers of one answer say.
struct RateLimitReport {
  // At least one of the manifest's buckets was among the headers.
  bool told = false;
  // Some bucket is used up until then.
  std::optional<absl::Time> blocked_until;
};

RateLimitReport ReadRateLimits(const v1::ManifestLimits& limits, const HttpResponse& response,
                               absl::Time now);

// The header that says when to try again: the manifest's, or Retry-After in
// seconds or as an HTTP date. A time gone by is `now`; nothing when it is absent
// or cannot be read.
std::optional<absl::Time> ReadRetryAfter(const v1::ManifestLimits& limits,
                                         const HttpResponse& response, absl::Time now);

}  // namespace tokeninventory
