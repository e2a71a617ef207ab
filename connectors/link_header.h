// The Link header (RFC 8288).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace tokeninventory {

// Relation type in lower case → target as it stands, for each link of the header;
// the first of a relation counts. What cannot be read is left out.
std::vector<std::pair<std::string, std::string>> ParseLinkHeader(absl::string_view value);

}  // namespace tokeninventory
