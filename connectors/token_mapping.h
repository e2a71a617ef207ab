// From what a `token` program yields to v1::Token: the jq value is walked into the
// message by reflection, without JSON text in between.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "connectors/json_value.h"
#include "inventory/pass.h"

namespace tokeninventory {

// What a mapping left out without failing.
struct MappingNotes {
  // Texts that look like whole secrets, and hints that show more than a mask.
  int dropped_secrets = 0;
};

// The largest `attributes`, serialised.
inline constexpr std::size_t kMaxAttributesBytes = 16 * 1024;
// The largest mapped token: what the Ledger adds must fit below 64 KiB.
inline constexpr std::size_t kMaxMappedTokenBytes = 62 * 1024;

// Appends the tokens of `value` to `tokens`: an object is one, an array several,
// null none. Their ids get `id_prefix`.
//
// Names are those of Token's JSON form; null is unset; times and durations are
// tagged objects as the prelude's functions make them. Unset expiry is UNKNOWN
// (AT with an expire time), unset last use NOT_REPORTED (USED with a time), unset
// state ACTIVE.
//
// INVALID_ARGUMENT with the field's path, and never its value, for: an unknown
// field, one that is the inventory's own, a wrong type, a missing or broken id, an
// expiry or last use that contradicts its time, attributes or a token too large.
//
// A text that looks like a secret (secret_text.h) is left out, with the key in front of
// it in `attributes`, and counted; a key that does, with what stands behind it. An id
// that does is a broken one: tokens without it would become one.
absl::Status MapTokens(const JsonValue& value, absl::string_view id_prefix,
                       std::vector<ObservedToken>& tokens, MappingNotes& notes);

// Makes sure that MapTokens could have made `token`, which came from elsewhere.
// INVALID_ARGUMENT with the field, and never its value.
absl::Status CheckMapped(v1::Token& token, absl::string_view id_prefix);

}  // namespace tokeninventory
