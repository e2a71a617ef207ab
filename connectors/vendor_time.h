// Times and durations in the forms that vendors use. The form is declared by the
// manifest and never guessed.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tokeninventory {

// `2024-09-03T06:46:39.441Z`, with any number of fraction digits (nanoseconds
// count), any offset, a space for the `T`, ` UTC` for the `Z`. A time without a
// zone is refused.
std::optional<absl::Time> ParseRfc3339(absl::string_view text);

// `2025-11-22`: midnight UTC.
std::optional<absl::Time> ParseUtcDate(absl::string_view text);

// `Mon, 13 Jun 2016 22:50:08 +0000`; the day of the week may be missing, the zone
// may be GMT.
std::optional<absl::Time> ParseRfc2822(absl::string_view text);

// `P30D`, `PT1H30M`, `P1W`: no years or months, whose length is not fixed.
std::optional<absl::Duration> ParseIsoDuration(absl::string_view text);

// Whether a protobuf Timestamp can hold it: year 1 to 9999.
bool IsTimestamp(absl::Time time);

}  // namespace tokeninventory
