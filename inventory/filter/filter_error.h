// Errors that point into a text which a person typed: a filter or an order.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tokeninventory::filter {

inline constexpr absl::string_view kSyntax = "FILTER_SYNTAX";
inline constexpr absl::string_view kUnknownField = "FILTER_UNKNOWN_FIELD";
inline constexpr absl::string_view kTypeMismatch = "FILTER_TYPE_MISMATCH";
inline constexpr absl::string_view kTooComplex = "FILTER_TOO_COMPLEX";

// `text` in single quotes, at most 40 bytes of it, control characters and all
// that is not ASCII escaped: fit for messages and log lines.
std::string Quoted(absl::string_view text);

// INVALID_ARGUMENT for request field `field`, whose value is `text`:
// "column N: message", N counted in characters from 1, at byte `offset`.
absl::Status ErrorAt(absl::string_view field, absl::string_view text, std::size_t offset,
                     absl::string_view reason, absl::string_view message);

}  // namespace tokeninventory::filter
