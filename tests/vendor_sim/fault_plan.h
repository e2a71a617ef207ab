// Answers that go wrong on demand: the one place through which every request passes on its way to
// a vendor, and every answer on its way back. Faults by name: fault_catalogue.h.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "tests/vendor_sim/http_message.h"

namespace tokeninventory::vendor_sim {

// What the next `count` requests get that are meant. A value: what it does depends on nothing but
// the request and the vendor's answer.
struct Fault {
  int count = 1;
  // Which requests are meant, by their target (path and query, as on the wire).
  std::string target_contains = {};
  // Nothing: the vendor's own answer, with what follows applied to it.
  std::optional<int> status = {};
  // With `status` only.
  std::string body = {};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
  // As in Response.
  std::optional<std::size_t> cut_after = {};

  // The whole target matches this regular expression (ECMAScript); empty: any.
  std::string target_matches = {};
  // So many requests that are meant get through before the first is hit.
  int skip = 0;
  // As in Response.
  Delivery delivery = Delivery::kWhole;
  std::ptrdiff_t announce_more = 0;
  std::size_t padding = 0;
  // Changes what the vendor is asked, and what it answered. Both may be empty, must not throw and
  // are called from any thread.
  std::function<void(Request&)> edit_request = {};
  std::function<void(const Request&, Response&)> edit_response = {};
  // So many tokens that an answer shows are removed at the vendor right after it.
  int remove_shown = 0;
};

class FaultPlan {
 public:
  using Vendor = std::function<Response(const Request&)>;
  // Removes up to so many of the tokens that an answer shows.
  using Remover = std::function<void(const Response&, int)>;

  // Faults are used in the order in which they were added.
  void Add(Fault fault);
  void Clear();

  // The answer to `request`: from `vendor`, unless a fault takes its place or spoils it.
  Response Intercept(const Request& request, const Vendor& vendor, const Remover& remove);

 private:
  struct Planned {
    Fault fault;
    std::optional<std::regex> pattern;
  };

  std::optional<Fault> Take(const std::string& target);

  std::mutex mutex_;
  std::vector<Planned> faults_;  // guarded by mutex_
};

}  // namespace tokeninventory::vendor_sim
