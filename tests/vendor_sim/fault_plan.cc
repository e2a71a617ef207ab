#include "tests/vendor_sim/fault_plan.h"

#include <utility>

namespace tokeninventory::vendor_sim {

void FaultPlan::Add(Fault fault) {
  Planned planned;
  if (!fault.target_matches.empty()) planned.pattern.emplace(fault.target_matches);
  planned.fault = std::move(fault);
  const std::lock_guard<std::mutex> lock(mutex_);
  faults_.push_back(std::move(planned));
}

void FaultPlan::Clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  faults_.clear();
}

Response FaultPlan::Intercept(const Request& request, const Vendor& vendor, const Remover& remove) {
  const std::optional<Fault> fault = Take(request.target);
  if (!fault) return vendor(request);
  Response response;
  if (fault->status) {
    response.status = *fault->status;
    response.body = fault->body;
    response.content_type = fault->content_type;
  } else if (fault->edit_request) {
    Request edited = request;
    fault->edit_request(edited);
    response = vendor(edited);
  } else {
    response = vendor(request);
  }
  if (fault->edit_response) fault->edit_response(request, response);
  if (fault->remove_shown > 0) remove(response, fault->remove_shown);
  response.headers.insert(response.headers.end(), fault->headers.begin(), fault->headers.end());
  response.cut_after = fault->cut_after;
  response.delivery = fault->delivery;
  response.announce_more = fault->announce_more;
  response.padding = fault->padding;
  return response;
}

std::optional<Fault> FaultPlan::Take(const std::string& target) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto it = faults_.begin(); it != faults_.end(); ++it) {
    if (target.find(it->fault.target_contains) == std::string::npos) continue;
    if (it->pattern && !std::regex_match(target, *it->pattern)) continue;
    if (it->fault.skip > 0) {
      --it->fault.skip;
      continue;
    }
    const Fault fault = it->fault;
    if (--it->fault.count <= 0) faults_.erase(it);
    return fault;
  }
  return std::nullopt;
}

}  // namespace tokeninventory::vendor_sim
