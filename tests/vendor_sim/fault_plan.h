// Answers that go wrong on demand: the one place through which every request passes on its way to
// a vendor, and every answer on its way back.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/vendor_sim/http_message.h"

namespace tokeninventory::vendor_sim {

// What the next `count` requests get whose target (path and query, as on the wire) contains
// `target_contains`.
struct Fault {
  int count = 1;
  std::string target_contains = {};
  // Nothing: the vendor's own answer, with what follows applied to it.
  std::optional<int> status = {};
  // With `status` only.
  std::string body = {};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
  // Announce the whole body, send only this many bytes, then close the connection.
  std::optional<std::size_t> cut_after = {};
};

class FaultPlan {
 public:
  using Vendor = std::function<Response(const Request&)>;

  // Faults are used in the order in which they were added.
  void Add(Fault fault);
  void Clear();

  // The answer to `request`: from `vendor`, unless a fault takes its place or spoils it.
  Response Intercept(const Request& request, const Vendor& vendor);

 private:
  std::optional<Fault> Take(const std::string& target);

  std::mutex mutex_;
  std::vector<Fault> faults_;  // guarded by mutex_
};

}  // namespace tokeninventory::vendor_sim
