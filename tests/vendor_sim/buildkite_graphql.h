// Buildkite's GraphQL, as far as listing an organization's API access tokens goes: no parser, it
// looks for the connection's name in the query and reads the variables `org` and `after`.
//
// Thread-safe: a pure function.
#pragma once

#include <string>
#include <vector>

#include "tests/vendor_sim/records.h"

namespace tokeninventory::vendor_sim {

// The body of the answer to the request `body`: a page of at most `max_page_size` tokens (0: as the
// query's `first` says), or `errors`.
std::string AnswerGraphql(const std::string& body, const Organization& organization,
                          const std::vector<ApiAccessToken>& tokens, int max_page_size);

}  // namespace tokeninventory::vendor_sim
