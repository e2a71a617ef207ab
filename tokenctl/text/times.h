// Times and durations as people write and read them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tokeninventory::tokenctl {

// Reads `30d`, `12h`, `1d12h`, `1.5h`: numbers with a unit of s m h d w, in a row; more than 0
// and at most 100 years.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);

// `30d`, `1d12h`, `90s` as `1m30s`: exact to the second.
std::string DurationText(absl::Duration duration);

// `in 3 days`, `5 minutes ago`, `now`. Rounds towards now: a day that has not passed whole is not
// counted.
std::string RelativeTime(absl::Time time, absl::Time now);

// How times are shown: where the reader is, and when.
struct TimeFormat {
  absl::Time now;
  absl::TimeZone zone;

  std::string Relative(absl::Time time) const { return RelativeTime(time, now); }
  std::string Date(absl::Time time) const;    // 2026-01-31
  std::string Minute(absl::Time time) const;  // 2026-01-31 14:05
  std::string Full(absl::Time time) const;    // 2026-01-31 14:05:59 CET (in 3 days)
  std::string Clock(absl::Time time) const;   // 14:05:59
  // Days from today to that day, where the reader is.
  int DaysAhead(absl::Time time) const;
};

// `2026-01-31T14:05:59.25Z`, for programs.
std::string FormatRfc3339(absl::Time time);

}  // namespace tokeninventory::tokenctl
