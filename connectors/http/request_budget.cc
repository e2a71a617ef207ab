#include "connectors/http/request_budget.h"

#include <algorithm>

namespace tokeninventory {

RequestBudget::RequestBudget(absl::Duration spacing, int burst)
    : spacing_(spacing), burst_(burst) {}

absl::Time RequestBudget::Book(absl::Time now) {
  MutexLock lock(mutex_);
  booked_until_ = std::max(booked_until_, now) + spacing_;
  return std::max(now, booked_until_ - spacing_ * burst_);
}

void RequestBudget::SlowDownTo(absl::Duration spacing, int burst) {
  MutexLock lock(mutex_);
  spacing_ = std::max(spacing_, spacing);
  burst_ = std::min(burst_, burst);
}

std::shared_ptr<RequestBudget> HostBudgets::For(const std::string& origin, absl::Duration spacing,
                                                int burst) {
  MutexLock lock(mutex_);
  std::shared_ptr<RequestBudget>& budget = budgets_[origin];
  if (budget == nullptr) {
    budget = std::make_shared<RequestBudget>(spacing, burst);
  } else {
    budget->SlowDownTo(spacing, burst);
  }
  return budget;
}

}  // namespace tokeninventory
