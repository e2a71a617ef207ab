// The part of OData filters that deepset documents: exact matches joined by "and".
//
// Thread-safe: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tokeninventory::vendor_sim {

// field eq value
struct ODataTerm {
  std::string field;
  std::variant<std::nullptr_t, bool, std::string> value;
};

// Reads e.g. "name eq 'Anna''s key' and personal eq true" (a doubled quote stands for one). On
// failure returns nothing and says why in `problem`.
std::optional<std::vector<ODataTerm>> ParseODataFilter(std::string_view text, std::string* problem);

}  // namespace tokeninventory::vendor_sim
