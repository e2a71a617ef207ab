#include "connectors/http/http_date.h"

#include <string>

#include "absl/strings/ascii.h"
#include "connectors/vendor_time.h"

namespace tokeninventory {

std::optional<absl::Time> ParseHttpDate(absl::string_view text) {
  if (const std::optional<absl::Time> usual = ParseRfc2822(text)) return usual;
  // absl reads "infinite-future" too.
  if (text.empty() || !absl::ascii_isupper(static_cast<unsigned char>(text[0]))) {
    return std::nullopt;
  }
  for (const char* form : {"%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    absl::Time time;
    std::string error;
    if (absl::ParseTime(form, text, &time, &error) && IsTimestamp(time)) return time;
  }
  return std::nullopt;
}

}  // namespace tokeninventory
