#include "inventory/filter/literals.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/numeric/int128.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tokeninventory::filter {
namespace {

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr std::int64_t kMaxDurationSeconds = 315'576'000'000;  // google.protobuf.Duration's

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Removes and returns the digits in front.
absl::string_view TakeDigits(absl::string_view& text) {
  std::size_t size = 0;
  while (size < text.size() && IsDigit(text[size])) ++size;
  const absl::string_view digits = text.substr(0, size);
  text.remove_prefix(size);
  return digits;
}

bool TakeChar(absl::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// Whether `text` has just this shape, where 0 stands for any digit.
bool HasShape(absl::string_view text, absl::string_view shape) {
  return text.size() == shape.size() &&
         std::equal(text.begin(), text.end(), shape.begin(),
                    [](char c, char s) { return s == '0' ? IsDigit(c) : c == s; });
}

std::int64_t SecondsOfUnit(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 24 * 3600;
    case 'w':
      return 7 * 24 * 3600;
    default:
      return 0;
  }
}

}  // namespace

Instant Instant::Of(std::int64_t seconds, std::int64_t nanos) {
  std::int64_t carry = nanos / kNanos;
  std::int64_t rest = nanos % kNanos;
  if (rest < 0) {
    rest += kNanos;
    --carry;
  }
  // Damaged bytes may hold any seconds.
  Instant instant;
  if (__builtin_add_overflow(seconds, carry, &instant.seconds)) instant.seconds = seconds;
  instant.nanos = static_cast<std::int32_t>(rest);
  return instant;
}

Instant Instant::Of(absl::Time time) {
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  return Of(seconds, absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds)));
}

std::optional<Number> ParseNumber(absl::string_view text) {
  absl::string_view rest = text;
  if (!TakeChar(rest, '-')) TakeChar(rest, '+');
  if (TakeDigits(rest).empty()) return std::nullopt;
  const bool whole = rest.empty();
  if (TakeChar(rest, '.') && TakeDigits(rest).empty()) return std::nullopt;
  if (TakeChar(rest, 'e') || TakeChar(rest, 'E')) {
    if (!TakeChar(rest, '-')) TakeChar(rest, '+');
    if (TakeDigits(rest).empty()) return std::nullopt;
  }
  if (!rest.empty()) return std::nullopt;

  Number number;
  if (!absl::SimpleAtod(text, &number.real) || !std::isfinite(number.real)) return std::nullopt;
  std::int64_t exact = 0;
  if (whole) {
    if (absl::SimpleAtoi(text, &exact)) number.floor = exact;
    return number;
  }
  const double floor = std::floor(number.real);
  number.fraction = floor < number.real;
  if (floor >= -0x1p63 && floor < 0x1p63) number.floor = static_cast<std::int64_t>(floor);
  return number;
}

std::optional<Instant> ParseTimestamp(absl::string_view text) {
  constexpr absl::string_view kDate = "0000-00-00";
  constexpr absl::string_view kSeconds = "T00:00:00";
  std::string full(text);
  if (HasShape(text, kDate)) {
    full += "T00:00:00Z";
  } else {
    // absl::ParseTime takes more than RFC 3339.
    for (char& c : full) c = c == 't' ? 'T' : (c == 'z' ? 'Z' : c);
    absl::string_view rest = full;
    if (!HasShape(rest.substr(0, kDate.size()), kDate)) return std::nullopt;
    rest.remove_prefix(kDate.size());
    if (!HasShape(rest.substr(0, kSeconds.size()), kSeconds)) return std::nullopt;
    rest.remove_prefix(kSeconds.size());
    if (TakeChar(rest, '.') && TakeDigits(rest).empty()) return std::nullopt;
    if (rest != "Z" && !HasShape(rest, "+00:00") && !HasShape(rest, "-00:00")) return std::nullopt;
  }
  absl::Time time;
  if (!absl::ParseTime(absl::RFC3339_full, full, &time, nullptr)) return std::nullopt;
  const Instant instant = Instant::Of(time);
  if (instant.seconds < kMinTimestampSeconds || instant.seconds > kMaxTimestampSeconds) {
    return std::nullopt;
  }
  return instant;
}

std::optional<Instant> ParseDuration(absl::string_view text) {
  const bool negative = TakeChar(text, '-');
  if (text.empty()) return std::nullopt;
  absl::int128 total = 0;  // nanoseconds
  while (!text.empty()) {
    const absl::string_view whole = TakeDigits(text);
    absl::string_view fraction;
    if (TakeChar(text, '.')) {
      fraction = TakeDigits(text);
      if (fraction.empty()) return std::nullopt;
    }
    const std::int64_t unit = text.empty() ? 0 : SecondsOfUnit(text.front());
    std::int64_t count = 0;
    std::int64_t billionths = 0;
    if (unit == 0 || fraction.size() > 9 || !absl::SimpleAtoi(whole, &count) ||
        count > kMaxDurationSeconds) {
      return std::nullopt;
    }
    if (!fraction.empty() &&
        !absl::SimpleAtoi(absl::StrCat(fraction, std::string(9 - fraction.size(), '0')),
                          &billionths)) {
      return std::nullopt;
    }
    text.remove_prefix(1);
    total += (absl::int128(count) * kNanos + billionths) * unit;
    if (total > absl::int128(kMaxDurationSeconds) * kNanos) return std::nullopt;
  }
  if (negative) total = -total;
  return Instant::Of(static_cast<std::int64_t>(total / kNanos),
                     static_cast<std::int64_t>(total % kNanos));
}

bool IsNow(absl::string_view text) {
  return absl::ConsumePrefix(&text, "now") &&
         (text.empty() || text.front() == '+' || text.front() == '-');
}

std::optional<Instant> ParseNow(absl::string_view text, absl::Time now) {
  absl::ConsumePrefix(&text, "now");
  Instant at = Instant::Of(now);
  if (!text.empty()) {
    const bool minus = text.front() == '-';
    text.remove_prefix(1);
    if (absl::StartsWith(text, "-")) return std::nullopt;
    const std::optional<Instant> span = ParseDuration(text);
    if (!span.has_value()) return std::nullopt;
    const std::int64_t sign = minus ? -1 : 1;
    at = Instant::Of(at.seconds + sign * span->seconds, at.nanos + sign * span->nanos);
  }
  if (at.seconds < kMinTimestampSeconds) at = Instant{kMinTimestampSeconds, 0};
  if (at.seconds > kMaxTimestampSeconds) at = Instant{kMaxTimestampSeconds, kNanos - 1};
  return at;
}

}  // namespace tokeninventory::filter
