// Whether a text is JSON (RFC 8259), before jq reads it: jq's own parser takes more
// than JSON, and loses memory for what it refuses.
#pragma once

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"

namespace tokeninventory {

// Why a text is not one JSON value.
struct JsonFault {
  enum class Kind {
    kEmpty,     // nothing but white space
    kBroken,    // no value can go on like this
    kTrailing,  // something stands behind the value
  };
  Kind kind = Kind::kBroken;
  int line = 1;    // from 1
  int column = 1;  // from 1, in bytes
};

// Nothing when `text` is one JSON value, of any depth. A byte order mark is
// skipped, and broken UTF-8 in strings let pass. One walk over the text.
std::optional<JsonFault> FindJsonFault(absl::string_view text);

}  // namespace tokeninventory
