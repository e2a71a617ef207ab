// Tree to program: names against the message's descriptor, values against the
// fields' types.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inventory/filter/ast.h"
#include "inventory/filter/filter.h"
#include "inventory/filter/program.h"

namespace tokeninventory::filter {

// The program of `tree`, which Parse made of `text`. FILTER_UNKNOWN_FIELD,
// FILTER_TYPE_MISMATCH; FILTER_SYNTAX for an unknown function.
absl::StatusOr<Program> Check(absl::string_view text, const Node& tree,
                              const FilterOptions& options);

}  // namespace tokeninventory::filter
