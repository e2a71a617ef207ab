// What a vendor said of its rate limits, known to all that use one credential at
// one host: the passes of its sources and the look-ups of single tokens.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "connectors/http/rate_limit_headers.h"
#include "tokeninventory/v1/source.pb.h"

namespace tokeninventory {

// Limits belong to a credential, or to the organisation behind it: what one answer
// says holds for every request that the same credential signs. Sources of one
// organisation with credentials of their own learn of its limit by themselves,
// because nothing here tells that they belong together. Thread-safe.
class SharedLimits {
 public:
  // What an answer that came at `now` said; an answer that says nothing makes
  // what the last one said old.
  void Note(const RateLimitReport& report, absl::Time now);

  // Nobody asks before `until`, which the vendor wished at `now`.
  void HoldUntil(absl::Time until, absl::Time now);

  // When the next request may be sent: at or after `now`. A clock that was set
  // back makes no wait longer.
  absl::Time FreeAt(absl::Time now);

  // Whether the last answer said what is left.
  bool told();
  std::vector<v1::RateLimit> last_told();

 private:
  Mutex mutex_;
  std::vector<v1::RateLimit> told_ ABSL_GUARDED_BY(mutex_);
  absl::Time held_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  // When `held_until_` was decided.
  absl::Time held_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace tokeninventory
