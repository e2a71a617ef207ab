#include "tests/vendor_sim/fault_plan.h"

#include <utility>

namespace tokeninventory::vendor_sim {

void FaultPlan::Add(Fault fault) {
  const std::lock_guard<std::mutex> lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FaultPlan::Clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  faults_.clear();
}

Response FaultPlan::Intercept(const Request& request, const Vendor& vendor) {
  const std::optional<Fault> fault = Take(request.target);
  if (!fault) return vendor(request);
  Response response;
  if (fault->status) {
    response.status = *fault->status;
    response.body = fault->body;
    response.content_type = fault->content_type;
  } else {
    response = vendor(request);
  }
  response.headers.insert(response.headers.end(), fault->headers.begin(), fault->headers.end());
  response.cut_after = fault->cut_after;
  return response;
}

std::optional<Fault> FaultPlan::Take(const std::string& target) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto it = faults_.begin(); it != faults_.end(); ++it) {
    if (target.find(it->target_contains) == std::string::npos) continue;
    const Fault fault = *it;
    if (--it->count <= 0) faults_.erase(it);
    return fault;
  }
  return std::nullopt;
}

}  // namespace tokeninventory::vendor_sim
