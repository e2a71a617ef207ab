#include "tests/vendor_sim/request_log.h"

#include <utility>

namespace tokeninventory::vendor_sim {

void RequestLog::Add(LoggedRequest request) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (requests_.size() == kCapacity) requests_.pop_front();
  requests_.push_back(std::move(request));
}

std::vector<LoggedRequest> RequestLog::Copy() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return {requests_.begin(), requests_.end()};
}

void RequestLog::Clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  requests_.clear();
}

}  // namespace tokeninventory::vendor_sim
