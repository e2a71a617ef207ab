// Buildkite's REST API under /v2, and of GraphQL the one query that lists API access tokens
// (buildkite_graphql.h), for one organization.
//
// Thread-safe. Refers to the world, which must outlive it.
#pragma once

#include <functional>
#include <string>

#include "tests/vendor_sim/http_message.h"
#include "tests/vendor_sim/rate_limit.h"
#include "tests/vendor_sim/world.h"

namespace tokeninventory::vendor_sim {

class BuildkiteApi {
 public:
  BuildkiteApi(const SharedWorld* world, bool rate_limits, std::function<TimePoint()> clock);

  Response Handle(const Request& request);

  // No page is longer than `max_page_size`; 0 for what the query says. Not counted for the REST
  // limits.
  Response HandleGraphql(const Request& request, int max_page_size) const;

 private:
  // After authentication and rate limits.
  Response Route(const Request& request, bool may_read_clusters) const;
  Response Registries(const Request& request) const;
  Response Clusters(const Request& request) const;
  Response AccessToken(bool may_read_clusters) const;

  const SharedWorld* const world_;
  const bool rate_limits_;
  const std::function<TimePoint()> clock_;
  // 200 a minute for the organization, 50 for each user: the owners of the two tokens.
  RateLimit organization_limit_;
  RateLimit user_limit_;
  RateLimit other_user_limit_;
};

}  // namespace tokeninventory::vendor_sim
