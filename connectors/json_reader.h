// The two ways from a JSON text to a value; JsonValue::Parse takes the first that can.
#pragma once

#include <cstddef>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "connectors/json_value.h"

namespace tokeninventory {

// The largest text that ReadPlainJson takes: simdjson asks for 15 bytes of addresses for
// one of text, and a page worker has so many and no more (page_worker/worker_limits.h).
inline constexpr std::size_t kMaxPlainJsonBytes = std::size_t{8} << 20;

// By simdjson, which costs two fifths of what jq's parser does. Nothing for what is no JSON
// text (RFC 8259), and for what jq has its own answer to: larger texts, a byte order mark,
// broken UTF-8, half a surrogate pair, numbers beyond 64 bits or a double, deep nesting.
// Else the same value as ReadAnyJson's, but that -0 is 0.
std::optional<JsonValue> ReadPlainJson(absl::string_view text);

// By jq's parser; as JsonValue::Parse.
absl::StatusOr<JsonValue> ReadAnyJson(absl::string_view text);

}  // namespace tokeninventory
