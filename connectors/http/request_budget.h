// How fast a host may be asked, where it does not say so itself.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace tokeninventory {

// Requests at even spacing, and how many may come at once after a pause.
struct RequestPace {
  absl::Duration spacing;
  int burst = 1;
};

// The pace at which any stretch of `per` holds at most `requests` requests (or one,
// if `requests` is less): a quarter at once, the others evenly.
RequestPace PaceOf(double requests, absl::Duration per);

// Thread-safe.
class RequestBudget {
 public:
  explicit RequestBudget(RequestPace pace) : pace_(pace) {}

  // When the next request may be sent: at or after `now`. Books it, unless that is
  // after `latest`. A clock that was set back makes no wait longer.
  absl::Time Book(absl::Time now, absl::Time latest = absl::InfiniteFuture());

  // Takes the slower of its pace and this one.
  void SlowDownTo(RequestPace pace);

 private:
  Mutex mutex_;
  RequestPace pace_ ABSL_GUARDED_BY(mutex_);
  // When the booked requests would have been sent at the even pace.
  absl::Time booked_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time last_now_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

// The budgets of all sources, by origin: two sources at one host share one, because
// nothing tells whether the vendor counts by credential, organisation or address.
// Thread-safe.
class HostBudgets {
 public:
  std::shared_ptr<RequestBudget> For(const std::string& origin, RequestPace pace);

 private:
  Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<RequestBudget>> budgets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory
