#include "tokenctl/text/timeline.h"

#include <algorithm>
#include <cstdint>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "tokenctl/text/printable.h"

namespace tokeninventory::tokenctl {
namespace {

constexpr int kLongestByDay = 45;      // days; weeks beyond
constexpr std::size_t kMostRows = 10;  // of owners, of sources
constexpr int kWidthOfFiles = 100;     // where there is no terminal

std::string Padded(const std::string& text, int width) {
  return text + std::string(static_cast<std::size_t>(std::max(0, width - DisplayWidth(text))), ' ');
}

// A line: a label, how many, their bar, and what they are as far as there is room.
struct Line {
  std::string label = {};
  std::int64_t count = 0;  // 0: days without any
  Style style = Style::kPlain;
  std::string names = {};
};

std::string RenderLines(const std::vector<Line>& lines, const Terminal& terminal) {
  const int width = terminal.width > 0 ? terminal.width : kWidthOfFiles;
  int label_width = 0;
  std::int64_t most = 1;
  for (const Line& line : lines) {
    label_width = std::max(label_width, DisplayWidth(line.label));
    most = std::max(most, line.count);
  }
  label_width = std::min(label_width, width / 3);
  const int count_width = static_cast<int>(absl::StrCat(most).size());
  const int bar_width = std::clamp(width / 4, 8, 40);
  const int names_width = width - 2 - label_width - 2 - count_width - 1 - bar_width - 2;
  const char* ellipsis = terminal.glyphs().ellipsis;
  std::string out;
  for (const Line& line : lines) {
    const std::string label = Padded(Truncate(line.label, label_width, ellipsis), label_width);
    if (line.count == 0) {
      absl::StrAppend(&out, "  ",
                      terminal.Paint(Truncate(line.label, label_width, ellipsis), Style::kDim),
                      "\n");
      continue;
    }
    const std::string bar = Bar(line.count, most, bar_width, terminal);
    absl::StrAppend(&out, "  ", label, "  ", absl::StrFormat("%*d", count_width, line.count), " ",
                    terminal.Paint(bar, line.style));
    if (!line.names.empty() && names_width >= 10) {
      absl::StrAppend(&out,
                      std::string(static_cast<std::size_t>(bar_width - DisplayWidth(bar) + 2), ' '),
                      terminal.Paint(Truncate(line.names, names_width, ellipsis), Style::kDim));
    }
    out += "\n";
  }
  return out;
}

void AddName(std::string& names, const std::string& name) {
  // More than any terminal shows.
  if (names.size() > 1000) return;
  absl::StrAppend(&names, names.empty() ? "" : ", ", name);
}

std::string DayLabel(absl::CivilDay day, int ahead) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const std::string date = absl::FormatTime("%a %e %b", absl::FromCivil(day, utc), utc);
  if (ahead == 0) return absl::StrCat(date, "  today");
  if (ahead == 1) return absl::StrCat(date, "  tomorrow");
  return absl::StrCat(date, "  in ", ahead, " days");
}

std::string ByDay(const std::vector<TimelineEntry>& entries, absl::Duration within,
                  const TimeFormat& times, const Terminal& terminal) {
  const absl::CivilDay today = absl::ToCivilDay(times.now, times.zone);
  const int last = times.DaysAhead(times.now + within);
  const int step = last > kLongestByDay ? 7 : 1;
  Line ended{.label = "ended already", .style = Style::kBad};
  std::vector<Line> slots(static_cast<std::size_t>(last / step + 1));
  for (const TimelineEntry& entry : entries) {
    Line& line = entry.end <= times.now
                     ? ended
                     : slots[static_cast<std::size_t>(
                           std::clamp(times.DaysAhead(entry.end), 0, last) / step)];
    if (line.count++ == 0 && &line != &ended) line.style = UrgencyOf(entry.end, times.now);
    AddName(line.names, entry.name);
  }
  std::vector<Line> lines;
  if (ended.count > 0) lines.push_back(std::move(ended));
  for (std::size_t i = 0; i < slots.size();) {
    std::size_t next = i;
    while (next < slots.size() && slots[next].count == 0) ++next;
    if (next > i) {
      const std::size_t run = next - i;
      const char* unit = step == 1 ? "day" : "week";
      lines.push_back({.label = absl::StrCat(terminal.glyphs().gap, " ", run, " ", unit,
                                             run == 1 ? "" : "s", " without")});
      i = next;
      continue;
    }
    const int ahead = static_cast<int>(i) * step;
    slots[i].label = step == 1 ? DayLabel(today + ahead, ahead)
                               : absl::StrCat("week of ", DayLabel(today + ahead, ahead));
    lines.push_back(std::move(slots[i]));
    ++i;
  }
  return RenderLines(lines, terminal);
}

std::string ByKey(const std::vector<TimelineEntry>& entries, std::string TimelineEntry::*key,
                  const TimeFormat& times, const Terminal& terminal) {
  // In the order of their first end, which is also that of equal counts.
  std::vector<Line> lines;
  std::map<std::string, std::size_t> places;
  for (const TimelineEntry& entry : entries) {
    const auto [place, is_new] = places.try_emplace(entry.*key, lines.size());
    if (is_new) lines.emplace_back();
    Line& line = lines[place->second];
    if (line.count++ == 0) {
      line.label = (entry.*key).empty() ? "(not told)" : entry.*key;
      line.style = UrgencyOf(entry.end, times.now);
      line.names = absl::StrCat(entry.end <= times.now ? "" : "first ", times.Relative(entry.end),
                                ": ", entry.name);
    }
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.count > b.count; });
  std::string more;
  if (lines.size() > kMostRows) {
    std::int64_t rest = 0;
    for (std::size_t i = kMostRows; i < lines.size(); ++i) rest += lines[i].count;
    more = absl::StrCat("  ",
                        terminal.Paint(absl::StrCat(terminal.glyphs().gap, " ",
                                                    lines.size() - kMostRows, " more with ", rest),
                                       Style::kDim),
                        "\n");
    lines.resize(kMostRows);
  }
  return RenderLines(lines, terminal) + more;
}

}  // namespace

Style UrgencyOf(absl::Time end, absl::Time now) {
  if (end <= now + absl::Hours(24)) return Style::kBad;
  return end <= now + absl::Hours(24 * 7) ? Style::kWarning : Style::kGood;
}

std::string Bar(std::int64_t value, std::int64_t most, int width, const Terminal& terminal) {
  if (value <= 0 || most <= 0) return "";
  const Glyphs& glyphs = terminal.glyphs();
  // In halves of a cell, where there are any.
  const bool halves = *glyphs.half != '\0';
  const std::int64_t parts = halves ? 2 : 1;
  const std::int64_t filled = std::max<std::int64_t>(1, value * width * parts / most);
  std::string bar;
  for (std::int64_t i = 0; i < filled / parts; ++i) bar += glyphs.bar;
  if (filled % parts != 0) bar += glyphs.half;
  return bar;
}

std::string RenderTimeline(const std::vector<TimelineEntry>& entries, absl::Duration within,
                           const TimeFormat& times, const Terminal& terminal) {
  if (entries.empty()) return "";
  const auto part = [&](const char* title, const std::string& lines) {
    return absl::StrCat(terminal.Paint(title, Style::kBold), "\n", lines);
  };
  return absl::StrCat(part("By day", ByDay(entries, within, times, terminal)), "\n",
                      part("By owner", ByKey(entries, &TimelineEntry::owner, times, terminal)),
                      "\n",
                      part("By source", ByKey(entries, &TimelineEntry::source, times, terminal)));
}

}  // namespace tokeninventory::tokenctl
