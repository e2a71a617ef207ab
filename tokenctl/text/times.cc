#include "tokenctl/text/times.h"

#include <cctype>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"

namespace tokeninventory::tokenctl {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
constexpr absl::Duration kMost = absl::Hours(24 * 36500);

struct Unit {
  char letter;
  absl::Duration length;
};
constexpr Unit kUnits[] = {{'w', absl::Hours(24 * 7)},
                           {'d', kDay},
                           {'h', absl::Hours(1)},
                           {'m', absl::Minutes(1)},
                           {'s', absl::Seconds(1)}};

const Unit* FindUnit(char letter) {
  for (const Unit& unit : kUnits) {
    if (unit.letter == letter) return &unit;
  }
  return nullptr;
}

// Up to `below`, an age is told in `unit`.
struct Step {
  absl::Duration below;
  absl::Duration unit;
  const char* name;
};
constexpr Step kSteps[] = {
    {absl::Minutes(1), absl::Seconds(1), "second"},
    {absl::Hours(1), absl::Minutes(1), "minute"},
    {absl::Hours(48), absl::Hours(1), "hour"},
    {absl::Hours(24 * 60), kDay, "day"},
    {absl::Hours(24 * 730), absl::Minutes(43830), "month"},
    {absl::InfiniteDuration(), absl::Minutes(525960), "year"},
};

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  const absl::Status bad = absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is no duration: write 30d, 12h, 90m or 1d12h (units s m h d w)"));
  absl::Duration total;
  if (text.empty()) return bad;
  while (!text.empty()) {
    std::size_t digits = 0;
    while (digits < text.size() &&
           (std::isdigit(static_cast<unsigned char>(text[digits])) != 0 || text[digits] == '.')) {
      ++digits;
    }
    double number = 0;
    const Unit* unit = digits < text.size() ? FindUnit(text[digits]) : nullptr;
    if (unit == nullptr || !absl::SimpleAtod(text.substr(0, digits), &number)) return bad;
    total += number * unit->length;
    text.remove_prefix(digits + 1);
  }
  if (total <= absl::ZeroDuration() || total > kMost) return bad;
  return total;
}

std::string DurationText(absl::Duration duration) {
  std::string out;
  absl::Duration rest = duration < absl::ZeroDuration() ? -duration : duration;
  for (const Unit& unit : kUnits) {
    if (unit.letter == 'w') continue;  // 30d, not 4w2d
    const std::int64_t count = absl::IDivDuration(rest, unit.length, &rest);
    if (count > 0) absl::StrAppend(&out, count, std::string(1, unit.letter));
  }
  if (out.empty()) return "0s";
  return duration < absl::ZeroDuration() ? absl::StrCat("-", out) : out;
}

std::string RelativeTime(absl::Time time, absl::Time now) {
  const bool ahead = time > now;
  const absl::Duration distance = ahead ? time - now : now - time;
  for (const Step& step : kSteps) {
    if (distance >= step.below) continue;
    absl::Duration rest;
    const std::int64_t count = absl::IDivDuration(distance, step.unit, &rest);
    if (count == 0) return "now";
    const std::string words = absl::StrCat(count, " ", step.name, count == 1 ? "" : "s");
    return ahead ? absl::StrCat("in ", words) : absl::StrCat(words, " ago");
  }
  return ahead ? "never" : "always";  // infinitely far
}

std::string TimeFormat::Date(absl::Time time) const {
  return absl::FormatTime("%Y-%m-%d", time, zone);
}

std::string TimeFormat::Minute(absl::Time time) const {
  return absl::FormatTime("%Y-%m-%d %H:%M", time, zone);
}

std::string TimeFormat::Full(absl::Time time) const {
  return absl::StrCat(absl::FormatTime("%Y-%m-%d %H:%M:%S %Z", time, zone), " (", Relative(time),
                      ")");
}

std::string TimeFormat::Clock(absl::Time time) const {
  return absl::FormatTime("%H:%M:%S", time, zone);
}

int TimeFormat::DaysAhead(absl::Time time) const {
  return static_cast<int>(absl::ToCivilDay(time, zone) - absl::ToCivilDay(now, zone));
}

std::string FormatRfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

}  // namespace tokeninventory::tokenctl
