// Opal's REST API under /v1. The bodies of its errors are not documented; these are plausible ones.
//
// Thread-safe. Refers to the world, which must outlive it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tests/vendor_sim/http_message.h"
#include "tests/vendor_sim/opal_store.h"
#include "tests/vendor_sim/rate_limit.h"
#include "tests/vendor_sim/world.h"

namespace tokeninventory::vendor_sim {

class OpalApi {
 public:
  OpalApi(const SharedWorld* world, bool rate_limits, std::function<TimePoint()> clock);

  Response Handle(const Request& request);

 private:
  Response Tokens(const Request& request) const;

  const SharedWorld* const world_;
  const bool rate_limits_;
  const std::function<TimePoint()> clock_;
  // 100 requests a second for the whole organization; no header tells.
  RateLimit organization_limit_;
};

// The opaque cursor for "created before `time`". It holds every character that a client must
// percent-encode in a query: + / and =.
std::string EncodeOpalCursor(TimePoint time);
std::optional<TimePoint> DecodeOpalCursor(const std::string& cursor);

}  // namespace tokeninventory::vendor_sim
