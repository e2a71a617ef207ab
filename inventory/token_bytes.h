// Reading a serialised Token without parsing it: what the memory view's
// columns, the BASIC view and watch events need.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {

// The first field that only the FULL view has (proto/tokeninventory/v1/token.proto).
inline constexpr int kFirstFullOnlyField = 40;

// Serialises fields in number order and maps in key order: equal tokens have
// equal bytes.
std::string SerializeToken(const v1::Token& token);

// Facts read from the wire form. The views point into the bytes.
struct TokenFacts {
  absl::string_view name;
  absl::string_view uid;
  absl::string_view source;  // `sources/{source}`
  v1::Token::Presence presence = v1::Token::PRESENCE_UNSPECIFIED;
  v1::Token::State state = v1::Token::STATE_UNSPECIFIED;
  std::int64_t revision = 0;
  // Serialised, as Timestamp; empty when the token has none.
  absl::string_view effective_expire_time;
  // The length of the BASIC view: the bytes before the first FULL-only field.
  std::size_t basic_size = 0;
  bool valid = false;  // false: `bytes` is no serialised Token
};

// Never fails hard: damaged bytes give `valid == false`.
TokenFacts ReadTokenFacts(absl::string_view bytes);

// The name alone, which comes first in the bytes. Empty for damaged bytes.
absl::string_view ReadTokenName(absl::string_view bytes);

// Whether List and watchers show a token of this presence.
inline bool IsShown(v1::Token::Presence presence) {
  return presence == v1::Token::LISTED || presence == v1::Token::MISSING;
}

// Whether a field differs between any two states of a token: `revision` and
// `update_time`.
bool AlwaysChanges(int field);

// The top-level fields in which two serialised tokens differ, by rising number;
// those that always do are left out.
std::vector<int> ChangedFields(absl::string_view before, absl::string_view after);

// The names of top-level fields of Token.
std::vector<std::string> FieldNames(const std::vector<int>& numbers);

}  // namespace tokeninventory
