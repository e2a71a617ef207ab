// Dates in HTTP headers.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tokeninventory {

// An HTTP-date (RFC 9110, section 5.6.7) in any of its three forms:
//   Sun, 06 Nov 1994 08:49:37 GMT
//   Sunday, 06-Nov-94 08:49:37 GMT
//   Sun Nov  6 08:49:37 1994
// Also with a numeric zone, as mail has it. Nothing when it is none.
std::optional<absl::Time> ParseHttpDate(absl::string_view text);

}  // namespace tokeninventory
