#include "tests/vendor_sim/sim_time.h"

#include <cstdio>

namespace tokeninventory::vendor_sim {
namespace {

using std::chrono::duration_cast;
using std::chrono::floor;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Civil {
  int year;
  unsigned month, day;
  int hour, minute, second, micros;
};

Civil ToCivil(TimePoint time) {
  const auto day = floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          static_cast<int>(clock.hours().count()),
          static_cast<int>(clock.minutes().count()),
          static_cast<int>(clock.seconds().count()),
          static_cast<int>(duration_cast<microseconds>(clock.subseconds()).count())};
}

std::string Seconds(const Civil& c, char separator) {
  char text[80];
  std::snprintf(text, sizeof(text), "%04d-%02u-%02u%c%02d:%02d:%02d", c.year, c.month, c.day,
                separator, c.hour, c.minute, c.second);
  return text;
}

std::string Fraction(int value, int digits) {
  char text[16];
  std::snprintf(text, sizeof(text), ".%0*d", digits, value);
  return text;
}

}  // namespace

TimePoint Truncate(TimePoint time, TimeStyle style) {
  switch (style) {
    case TimeStyle::kMillis:
      return floor<milliseconds>(time);
    case TimeStyle::kSeconds:
    case TimeStyle::kOffset:
      return floor<seconds>(time);
    case TimeStyle::kMicros:
      break;
  }
  return time;
}

std::string FormatTime(TimePoint time, TimeStyle style) {
  switch (style) {
    case TimeStyle::kMillis: {
      const Civil c = ToCivil(time);
      return Seconds(c, 'T') + Fraction(c.micros / 1000, 3) + "Z";
    }
    case TimeStyle::kMicros: {
      const Civil c = ToCivil(time);
      return Seconds(c, 'T') + Fraction(c.micros, 6) + "Z";
    }
    case TimeStyle::kOffset:
      return Seconds(ToCivil(time + std::chrono::hours(2)), 'T') + "+02:00";
    case TimeStyle::kSeconds:
      break;
  }
  return Seconds(ToCivil(time), 'T') + "Z";
}

std::string FormatSpacedUtc(TimePoint time) { return Seconds(ToCivil(time), ' ') + " UTC"; }

TimePoint MakeUtc(int year, unsigned month, unsigned day, int hour, int minute, int second,
                  int millis) {
  const std::chrono::sys_days date =
      std::chrono::year(year) / static_cast<int>(month) / std::chrono::day(day);
  return TimePoint(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         seconds(second) + milliseconds(millis);
}

TimePoint RealNow() {
  return std::chrono::time_point_cast<microseconds>(std::chrono::system_clock::now());
}

}  // namespace tokeninventory::vendor_sim
