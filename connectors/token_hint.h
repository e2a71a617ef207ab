// The masked form of a token that a vendor shows.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace tokeninventory {

// The longest hint, in bytes.
inline constexpr std::size_t kMaxHintBytes = 64;
// The most characters of a hint that may stand unmasked: more may be a secret.
inline constexpr std::size_t kMaxShownCharacters = 24;

// `hint` as the vendor shows it; if that is too long, with runs of masking
// characters (`*`, `.`, `x`, `•`, …) shortened to four. Nothing when it shows more
// than a mask allows: some vendors use one field for the masked and for the whole
// secret.
std::optional<std::string> CleanHint(absl::string_view hint);

}  // namespace tokeninventory
