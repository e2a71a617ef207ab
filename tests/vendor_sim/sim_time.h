// Times as the vendors write them: one instant, several spellings.
//
// Thread-safe: values and pure functions.
#pragma once

#include <chrono>
#include <string>

namespace tokeninventory::vendor_sim {

using TimePoint = std::chrono::sys_time<std::chrono::microseconds>;

// The spellings seen in the vendors' pages and test fixtures (PROVIDERS.md A1-A3).
enum class TimeStyle {
  kMillis,   // 2022-01-23T04:56:07.000Z
  kSeconds,  // 2025-01-01T00:00:00Z
  kMicros,   // 2021-01-06T03:24:53.434326Z
  kOffset,   // 2022-05-12T12:25:09+02:00
};

// Cuts what `style` cannot show, so that the truth equals what a client can read.
TimePoint Truncate(TimePoint time, TimeStyle style);

std::string FormatTime(TimePoint time, TimeStyle style);

// "2025-07-16 06:07:42 UTC", which only Buildkite's access-token page uses.
std::string FormatSpacedUtc(TimePoint time);

TimePoint MakeUtc(int year, unsigned month, unsigned day, int hour, int minute, int second,
                  int millis = 0);

// The real clock.
TimePoint RealNow();

}  // namespace tokeninventory::vendor_sim
