#include "connectors/vendor_time.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "absl/time/civil_time.h"

namespace tokeninventory {
namespace {

// Reads digits off the front of a text.
class Scanner {
 public:
  explicit Scanner(absl::string_view text) : text_(text) {}

  bool Digits(std::size_t count, int& value) {
    if (text_.size() < count) return false;
    value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!absl::ascii_isdigit(static_cast<unsigned char>(text_[i]))) return false;
      value = value * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(count);
    return true;
  }
  bool Skip(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  absl::string_view rest() const { return text_; }
  void Remove(std::size_t count) { text_.remove_prefix(count); }

 private:
  absl::string_view text_;
};

bool ReadDate(Scanner& in, int& year, int& month, int& day) {
  return in.Digits(4, year) && in.Skip('-') && in.Digits(2, month) && in.Skip('-') &&
         in.Digits(2, day) && year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
         absl::CivilDay(year, month, day).day() == day;  // 30 February becomes 1 March
}

// Of UTC, whose offset no time zone need be asked for.
absl::Time FromUtc(absl::CivilSecond second) {
  return absl::FromUnixSeconds(second - absl::CivilSecond(1970));
}

}  // namespace

bool IsTimestamp(absl::Time time) {
  return time >= absl::FromUnixSeconds(-62'135'596'800) &&
         time < absl::FromUnixSeconds(253'402'300'800);
}

std::optional<absl::Time> ParseRfc3339(absl::string_view text) {
  Scanner in(text);
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!ReadDate(in, year, month, day)) return std::nullopt;
  if (!in.Skip('T') && !in.Skip('t') && !in.Skip(' ')) return std::nullopt;
  if (!in.Digits(2, hour) || !in.Skip(':') || !in.Digits(2, minute) || !in.Skip(':') ||
      !in.Digits(2, second) || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  absl::Time time = FromUtc(absl::CivilSecond(year, month, day, hour, minute, second));
  if (in.Skip('.')) {
    std::int64_t nanos = 0;
    std::int64_t unit = 100'000'000;
    int digit = 0;
    int digits = 0;
    while (in.Digits(1, digit)) {
      nanos += digit * unit;
      unit /= 10;
      ++digits;
    }
    if (digits == 0) return std::nullopt;
    time += absl::Nanoseconds(nanos);
  }
  if (in.Skip('Z') || in.Skip('z')) {
    // UTC
  } else if (absl::StartsWith(in.rest(), " UTC")) {
    in.Remove(4);
  } else {
    const bool east = in.Skip('+');
    if (!east && !in.Skip('-')) return std::nullopt;
    int offset_hours = 0;
    int offset_minutes = 0;
    if (!in.Digits(2, offset_hours)) return std::nullopt;
    in.Skip(':');
    if (!in.Digits(2, offset_minutes) || offset_hours > 23 || offset_minutes > 59) {
      return std::nullopt;
    }
    const absl::Duration offset = absl::Hours(offset_hours) + absl::Minutes(offset_minutes);
    time += east ? -offset : offset;
  }
  if (!in.rest().empty() || !IsTimestamp(time)) return std::nullopt;
  return time;
}

std::optional<absl::Time> ParseUtcDate(absl::string_view text) {
  Scanner in(text);
  int year = 0;
  int month = 0;
  int day = 0;
  if (!ReadDate(in, year, month, day) || !in.rest().empty()) return std::nullopt;
  return FromUtc(absl::CivilSecond(year, month, day));
}

std::optional<absl::Time> ParseRfc2822(absl::string_view text) {
  const std::size_t comma = text.find(',');
  if (comma != absl::string_view::npos) {
    text = absl::StripLeadingAsciiWhitespace(text.substr(comma + 1));
  }
  // absl reads "infinite-future" too.
  if (text.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(text[0]))) {
    return std::nullopt;
  }
  absl::Time time;
  std::string error;
  const bool gmt = absl::EndsWith(text, " GMT") || absl::EndsWith(text, " UTC");
  if (gmt) text.remove_suffix(4);
  if (!absl::ParseTime(gmt ? "%d %b %Y %H:%M:%S" : "%d %b %Y %H:%M:%S %z", text, &time, &error) ||
      !IsTimestamp(time)) {
    return std::nullopt;
  }
  return time;
}

std::optional<absl::Duration> ParseIsoDuration(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "P") || text.empty()) return std::nullopt;
  absl::Duration sum;
  bool in_time = false;
  while (!text.empty()) {
    if (!in_time && absl::ConsumePrefix(&text, "T")) {
      in_time = true;
      if (text.empty()) return std::nullopt;
      continue;
    }
    const std::size_t digits = text.find_first_not_of("0123456789");
    std::int64_t value = 0;
    if (digits == absl::string_view::npos || digits == 0 || digits > 9 ||
        !absl::SimpleAtoi(text.substr(0, digits), &value)) {
      return std::nullopt;
    }
    const char unit = text[digits];
    text.remove_prefix(digits + 1);
    if (!in_time && unit == 'W') {
      sum += absl::Hours(24 * 7 * value);
    } else if (!in_time && unit == 'D') {
      sum += absl::Hours(24 * value);
    } else if (in_time && unit == 'H') {
      sum += absl::Hours(value);
    } else if (in_time && unit == 'M') {
      sum += absl::Minutes(value);
    } else if (in_time && unit == 'S') {
      sum += absl::Seconds(value);
    } else {
      return std::nullopt;
    }
  }
  return sum;
}

}  // namespace tokeninventory
