#include "connectors/http/request_budget.h"

#include <algorithm>

namespace tokeninventory {

RequestPace PaceOf(double requests, absl::Duration per) {
  if (requests < 1) return {per / requests, 1};
  const int burst = std::max(1, static_cast<int>(requests / 4));
  // From the first of a burst on: `burst` at once, then one each spacing. The
  // stretch of `per` that begins with it holds burst + per/spacing - 1. Rounded up.
  return {per / (requests - burst + 1) + absl::Nanoseconds(1), burst};
}

absl::Time RequestBudget::Book(absl::Time now, absl::Time latest) {
  MutexLock lock(mutex_);
  // Threads that read the clock at almost the same time may come out of order.
  if (now < last_now_ - absl::Seconds(1)) {
    booked_until_ -= last_now_ - now;
    last_now_ = now;
  }
  last_now_ = std::max(last_now_, now);
  const absl::Time booked = std::max(booked_until_, now) + pace_.spacing;
  const absl::Time slot = std::max(now, booked - pace_.spacing * pace_.burst);
  if (slot <= latest) booked_until_ = booked;
  return slot;
}

void RequestBudget::SlowDownTo(RequestPace pace) {
  MutexLock lock(mutex_);
  pace_.spacing = std::max(pace_.spacing, pace.spacing);
  pace_.burst = std::min(pace_.burst, pace.burst);
}

std::shared_ptr<RequestBudget> HostBudgets::For(const std::string& origin, RequestPace pace) {
  MutexLock lock(mutex_);
  std::shared_ptr<RequestBudget>& budget = budgets_[origin];
  if (budget == nullptr) {
    budget = std::make_shared<RequestBudget>(pace);
  } else {
    budget->SlowDownTo(pace);
  }
  return budget;
}

}  // namespace tokeninventory
