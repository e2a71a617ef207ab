// What a vendor's headers say about when to ask again.
#pragma once

#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "connectors/http/http_client.h"
#include "tokeninventory/v1/manifest.pb.h"
#include "tokeninventory/v1/source.pb.h"

namespace tokeninventory {

// The longest wait that is believed.
inline constexpr absl::Duration kLongestBelievedWait = absl::Hours(24);

// What the headers of one answer say.
struct RateLimitReport {
  // Those of the manifest's buckets that were among the headers, in its order.
  std::vector<v1::RateLimit> limits;
  // Some bucket is used up until then.
  std::optional<absl::Time> blocked_until;
};

// Reads the manifest's buckets. Numbers may have a fraction; what is no number is
// as if it were absent.
RateLimitReport ReadRateLimits(const v1::ManifestLimits& limits, const HttpResponse& response,
                               absl::Time now);

// The header that says when to try again: the manifest's, or Retry-After in
// seconds or as an HTTP date. A time gone by is `now`; nothing when it is absent
// or cannot be read.
std::optional<absl::Time> ReadRetryAfter(const v1::ManifestLimits& limits,
                                         const HttpResponse& response, absl::Time now);

}  // namespace tokeninventory
