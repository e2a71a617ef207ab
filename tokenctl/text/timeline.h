// What ends when: a bar for each day, to be read at a glance.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tokenctl/text/terminal.h"
#include "tokenctl/text/times.h"

namespace tokeninventory::tokenctl {

// One token on the line.
struct TimelineEntry {
  absl::Time end;
  // Printable texts.
  std::string name;
  std::string owner;
  std::string source;
};

// How near the end is, as a colour: a day, a week, further.
Style UrgencyOf(absl::Time end, absl::Time now);

// Three parts: by day (each to `within`; runs of days without any are one line; weeks in place of
// days beyond 45 days), by owner and by source, the largest first and at most 10 of each. Entries
// are ordered by `end`; those that ended before `now` come first, as one line.
std::string RenderTimeline(const std::vector<TimelineEntry>& entries, absl::Duration within,
                           const TimeFormat& times, const Terminal& terminal);

// A bar of `value` on a scale that `most` fills: at least a sliver when `value` is not 0.
std::string Bar(std::int64_t value, std::int64_t most, int width, const Terminal& terminal);

}  // namespace tokeninventory::tokenctl
