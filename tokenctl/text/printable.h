// Text from elsewhere on a terminal: what is safe to print, and how wide it is.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace tokeninventory::tokenctl {

// `text` with everything that a terminal would obey, or that cannot be seen, in a visible form:
// control characters and bytes that are no UTF-8 as `\x1b`, direction marks and zero-width
// spaces as `\u202e`. Vendors' names come from whoever may name a token.
std::string Printable(absl::string_view text);

// The columns that Printable text takes: 2 for East Asian wide characters, 0 for combining
// ones. Says the same in every locale.
int DisplayWidth(absl::string_view printable);

// Printable text cut to at most `width` columns; what is cut ends in `ellipsis`.
std::string Truncate(absl::string_view printable, int width, absl::string_view ellipsis);

}  // namespace tokeninventory::tokenctl
