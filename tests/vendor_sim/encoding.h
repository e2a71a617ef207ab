// Base64 and percent-encoding, as URLs and cursors need them.
//
// Thread-safe: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tokeninventory::vendor_sim {

// Standard alphabet with padding.
std::string Base64Encode(std::string_view bytes);

// Strict: nothing for a wrong length, a foreign character, or misplaced padding.
std::optional<std::string> Base64Decode(std::string_view text);

// Encodes all but [A-Za-z0-9._~-].
std::string PercentEncode(std::string_view text);

// Decodes %XX; a malformed escape stays as it is. `plus_is_space` for form-encoded queries.
std::string PercentDecode(std::string_view text, bool plus_is_space);

}  // namespace tokeninventory::vendor_sim
