// Early return for absl::Status and absl::StatusOr, which Debian's Abseil
// (20220623) does not ship.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the function when `expr` is not OK.
#define TI_RETURN_IF_ERROR(expr)                                              \
  do {                                                                        \
    if (::absl::Status ti_status = (expr); !ti_status.ok()) return ti_status; \
  } while (false)

#define TI_CONCAT_INNER(a, b) a##b
#define TI_CONCAT(a, b) TI_CONCAT_INNER(a, b)
#define TI_ASSIGN_OR_RETURN_IMPL(result, lhs, expr)    \
  auto result = (expr);                                \
  if (!result.ok()) return std::move(result).status(); \
  lhs = std::move(result).value()

// Assigns the value of a StatusOr to `lhs` (a declaration or a variable), or
// returns its error.
#define TI_ASSIGN_OR_RETURN(lhs, expr) \
  TI_ASSIGN_OR_RETURN_IMPL(TI_CONCAT(ti_result_, __LINE__), lhs, expr)
