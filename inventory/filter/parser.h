// Filter text to tree: the grammar of AIP-160, with OR binding tighter than AND.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inventory/filter/ast.h"

namespace tokeninventory::filter {

inline constexpr std::size_t kMaxBytes = 8 * 1024;
inline constexpr int kMaxLevels = 32;  // of parentheses
inline constexpr int kMaxTerms = 100;  // bare words and values compared with

// The tree, or null for a filter of nothing but white space. FILTER_SYNTAX, or
// FILTER_TOO_COMPLEX beyond the caps; recursion ends at kMaxLevels.
absl::StatusOr<std::unique_ptr<Node>> Parse(absl::string_view filter);

}  // namespace tokeninventory::filter
