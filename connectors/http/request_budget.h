// How fast a host may be asked, where it does not say so itself.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace tokeninventory {

// Requests at an even pace, with a short burst. Thread-safe.
class RequestBudget {
 public:
  // One request each `spacing`, `burst` at once after a pause.
  RequestBudget(absl::Duration spacing, int burst);

  // Books the next request; returns when it may be sent, at or after `now`.
  absl::Time Book(absl::Time now);

  // Takes the slower of its pace and this one.
  void SlowDownTo(absl::Duration spacing, int burst);

 private:
  Mutex mutex_;
  absl::Duration spacing_ ABSL_GUARDED_BY(mutex_);
  int burst_ ABSL_GUARDED_BY(mutex_);
  // When the booked requests would have been sent at the even pace.
  absl::Time booked_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

// The budgets of all sources, by origin: two sources at one host share one.
// Thread-safe.
class HostBudgets {
 public:
  std::shared_ptr<RequestBudget> For(const std::string& origin, absl::Duration spacing, int burst);

 private:
  Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<RequestBudget>> budgets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory
