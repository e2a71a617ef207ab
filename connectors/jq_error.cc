#include "connectors/jq_error.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory {
namespace {

constexpr absl::string_view kOpeners = "(\"'{[`";
constexpr absl::string_view kClosers = ")\"'}]`";

// jq's messages begin like this; whatever else there is may begin with a value.
bool IsKnown(absl::string_view message) {
  for (const absl::string_view start :
       {"Cannot ", "Out of bounds", "Object keys must be", "Range bounds must be",
        "Invalid path expression", "Invalid numeric literal", "Path must be", "Paths must be",
        "Start and end indices", "split input and separator", "Regex failure",
        "Exceeds depth limit", "null ", "boolean ", "number ", "string ", "array ", "object "}) {
    if (absl::StartsWith(message, start)) return true;
  }
  return false;
}

}  // namespace

std::string CleanJqError(absl::string_view message,
                         absl::FunctionRef<bool(absl::string_view)> is_program_text) {
  if (absl::StartsWith(message, "\x01")) return std::string(message.substr(1));
  if (absl::StartsWith(message, "\x02")) {
    const absl::string_view text = message.substr(1);
    if (text.size() > 2 && is_program_text(text)) return std::string(text);
    return "the program raised an error";
  }
  if (!IsKnown(message)) return "the program failed";
  // A regular expression stands unquoted behind this one.
  if (absl::StartsWith(message, "Regex failure")) return "a regular expression failed";
  if (absl::StartsWith(message, "Invalid path expression")) return "Invalid path expression";
  if (absl::StartsWith(message, "Invalid numeric literal")) return "Invalid numeric literal";
  const std::size_t open = message.find_first_of(kOpeners);
  if (open == absl::string_view::npos) return std::string(message);
  const std::size_t close = message.find_last_of(kClosers);
  const absl::string_view before = absl::StripTrailingAsciiWhitespace(message.substr(0, open));
  if (close == absl::string_view::npos || close <= open) return std::string(before);
  return absl::StrCat(before, message.substr(close + 1));
}

}  // namespace tokeninventory
