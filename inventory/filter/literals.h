// Values as people write them in a filter.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tokeninventory::filter {

// A point in time, or a span of it: `nanos` in [0, 1e9).
struct Instant {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;

  // What google.protobuf.Timestamp and Duration hold, in one form.
  static Instant Of(std::int64_t seconds, std::int64_t nanos);
  static Instant Of(absl::Time time);

  friend bool operator==(const Instant& a, const Instant& b) {
    return a.seconds == b.seconds && a.nanos == b.nanos;
  }
  friend bool operator<(const Instant& a, const Instant& b) {
    return a.seconds != b.seconds ? a.seconds < b.seconds : a.nanos < b.nanos;
  }
};

// The bounds of google.protobuf.Timestamp.
inline constexpr std::int64_t kMinTimestampSeconds = -62135596800;
inline constexpr std::int64_t kMaxTimestampSeconds = 253402300799;

// Three-way: -1, 0, 1.
template <typename Value>
int CompareValues(const Value& a, const Value& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

// `[+-]digits[.digits][e[+-]digits]`.
struct Number {
  double real = 0;
  // Rounded down, exact for whole numbers; nothing beyond int64.
  std::optional<std::int64_t> floor;
  bool fraction = false;  // `floor` is less than the number
};
std::optional<Number> ParseNumber(absl::string_view text);

// RFC 3339, or a date alone, which is its midnight in UTC.
std::optional<Instant> ParseTimestamp(absl::string_view text);

// `[-]number unit {number unit}`, units s m h d w: `20s`, `1.5s`, `90d`, `4h30m`.
std::optional<Instant> ParseDuration(absl::string_view text);

// `now`, `now+30d`, `now-90d`.
bool IsNow(absl::string_view text);
// Of a text that IsNow; nothing when the duration is none. Stays within the
// bounds of a timestamp.
std::optional<Instant> ParseNow(absl::string_view text, absl::Time now);

}  // namespace tokeninventory::filter
