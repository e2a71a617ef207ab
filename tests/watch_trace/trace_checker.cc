#include "tests/watch_trace/trace_checker.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tokeninventory::watch_trace {
namespace {

using Broken = std::optional<std::string>;

std::string Describe(const Event& event) {
  return absl::StrCat(event.type == Event::Type::kPut ? "PUT " : "DELETE ", event.key, " at ",
                      event.revision);
}

// The log, with an index.
class History {
 public:
  explicit History(const std::vector<Change>& log) : log_(log) {
    for (std::size_t i = 0; i < log.size(); ++i) {
      by_key_.emplace(std::pair(log[i].revision, log[i].key), i);
    }
  }

  const Change* Find(std::int64_t revision, const std::string& key) const {
    const auto found = by_key_.find(std::pair(revision, key));
    return found == by_key_.end() ? nullptr : &log_[found->second];
  }

  // What revisions `first` … `last` owe a watcher.
  std::vector<Event> EventsFor(const Selection& selection, std::int64_t first,
                               std::int64_t last) const {
    std::vector<Event> events;
    for (const Change& change : log_) {
      if (change.revision < first || change.revision > last) continue;
      if (auto event = selection.See(change)) events.push_back(*std::move(event));
    }
    return events;
  }

  // What a watcher is owed of the state at a revision, by key.
  std::map<std::string, Event> StateFor(const Selection& selection, std::int64_t revision) const {
    std::map<std::string, Value> state;
    for (const Change& change : log_) {
      if (change.revision > revision) break;
      state.erase(change.key);
      if (change.after) state[change.key] = *change.after;
    }
    std::map<std::string, Event> events;
    for (const auto& [key, value] : state) {
      if (auto event = selection.See({value.revision, key, std::nullopt, value})) {
        events[key] = *std::move(event);
      }
    }
    return events;
  }

 private:
  const std::vector<Change>& log_;
  std::map<std::pair<std::int64_t, std::string>, std::size_t> by_key_;
};

bool SameContent(const Event& a, const Event& b) {
  return a.type == b.type && a.key == b.key && a.value == b.value && a.revision == b.revision;
}

// The revision from which on nothing may be missing; 0: the watch does not say.
std::int64_t FirstOwed(const Watch& watch) {
  if (watch.initial) return watch.initial->revision + 1;
  if (watch.from_revision != 0) return watch.from_revision;
  if (watch.responses.empty()) return 0;
  const Response& first = watch.responses.front();
  if (!first.events.empty()) return first.events.front().revision;
  return first.bookmark ? *first.bookmark + 1 : 0;
}

// Up to which nothing may be missing.
std::int64_t LastOwed(const Watch& watch) {
  std::int64_t last = 0;
  for (const Response& response : watch.responses) {
    if (!response.events.empty()) last = std::max(last, response.events.back().revision);
    if (response.bookmark) last = std::max(last, *response.bookmark);
  }
  return last;
}

Broken BreaksFilter(const Watch& watch, const History& history) {
  if (watch.initial) {
    for (const Event& event : watch.initial->events) {
      if (!watch.selection->Admits(event)) return absl::StrCat("initially, ", Describe(event));
    }
  }
  for (const Response& response : watch.responses) {
    for (const Event& event : response.events) {
      const Change* change = history.Find(event.revision, event.key);
      if (!watch.selection->Admits(event) ||
          (change != nullptr && !watch.selection->See(*change))) {
        return Describe(event);
      }
    }
  }
  return std::nullopt;
}

Broken BreaksOrdered(const Watch& watch) {
  std::int64_t last = 0;
  for (const Response& response : watch.responses) {
    for (const Event& event : response.events) {
      if (event.revision < last) return absl::StrCat(Describe(event), " comes after ", last);
      last = event.revision;
    }
  }
  return std::nullopt;
}

Broken BreaksUnique(const Watch& watch, bool unique_revisions) {
  if (watch.initial) {
    std::set<std::string> keys;
    for (const Event& event : watch.initial->events) {
      if (!keys.insert(event.key).second) return absl::StrCat("initially, ", Describe(event));
    }
  }
  std::set<std::pair<std::int64_t, std::string>> seen;
  for (const Response& response : watch.responses) {
    for (const Event& event : response.events) {
      if (!seen.emplace(event.revision, unique_revisions ? "" : event.key).second) {
        return Describe(event);
      }
    }
  }
  return std::nullopt;
}

Broken BreaksAtomic(const Watch& watch) {
  std::int64_t last = 0;
  for (const Response& response : watch.responses) {
    if (response.events.empty()) continue;
    if (response.events.front().revision == last) {
      return absl::StrCat(Describe(response.events.front()), " is in a response of its own");
    }
    last = response.events.back().revision;
  }
  return std::nullopt;
}

Broken BreaksBookmarkable(const Watch& watch) {
  std::int64_t bookmark = 0;
  std::int64_t last = 0;
  if (watch.initial) {
    bookmark = watch.initial->revision;
    for (const Event& event : watch.initial->events) {
      if (event.revision > bookmark) {
        return absl::StrCat(Describe(event), " is in the initial state of ", bookmark);
      }
    }
  }
  for (const Response& response : watch.responses) {
    for (const Event& event : response.events) {
      if (event.revision <= bookmark) {
        return absl::StrCat(Describe(event), " comes after the bookmark ", bookmark);
      }
      last = event.revision;
    }
    if (!response.bookmark) continue;
    if (*response.bookmark < std::max(bookmark, last)) {
      return absl::StrCat("the bookmark ", *response.bookmark, " comes after ",
                          std::max(bookmark, last));
    }
    bookmark = *response.bookmark;
  }
  return std::nullopt;
}

Broken BreaksResumable(const Watch& watch, const History& history) {
  if (!watch.initial && watch.from_revision == 0) return std::nullopt;
  for (const Response& response : watch.responses) {
    if (response.events.empty()) continue;
    const Event& first = response.events.front();
    // What follows the first event is nothing to this property.
    const auto owed = history.EventsFor(*watch.selection, FirstOwed(watch), first.revision);
    if (!owed.empty() && owed.front().revision != first.revision) {
      return absl::StrCat("it begins with ", Describe(first), " instead of ",
                          Describe(owed.front()));
    }
    return std::nullopt;
  }
  return std::nullopt;
}

// What the log says of an event; nothing when the log does not know it.
std::optional<Event> Written(const Event& event, const Watch& watch, const History& history) {
  const Change* change = history.Find(event.revision, event.key);
  return change == nullptr ? std::nullopt : watch.selection->See(*change);
}

Broken BreaksIsCreate(const Watch& watch, const History& history) {
  if (watch.initial) {
    for (const Event& event : watch.initial->events) {
      if (!event.create) return absl::StrCat("initially, ", Describe(event));
    }
  }
  for (const Response& response : watch.responses) {
    for (const Event& event : response.events) {
      const auto written = Written(event, watch, history);
      if (written && written->create != event.create) return Describe(event);
    }
  }
  return std::nullopt;
}

Broken BreaksReliableInitially(const Watch& watch, const History& history) {
  if (!watch.initial) return std::nullopt;
  auto owed = history.StateFor(*watch.selection, watch.initial->revision);
  for (const Event& event : watch.initial->events) {
    const auto found = owed.find(event.key);
    if (found == owed.end() || !SameContent(found->second, event)) {
      return absl::StrCat("initially, ", Describe(event), " is not what was written");
    }
    owed.erase(found);
  }
  if (!watch.initial->complete || owed.empty()) return std::nullopt;
  return absl::StrCat("initially, without ", Describe(owed.begin()->second));
}

Broken BreaksReliable(const Watch& watch, const History& history) {
  if (auto broken = BreaksReliableInitially(watch, history)) return broken;
  const std::int64_t first = FirstOwed(watch);
  if (first == 0) return std::nullopt;
  const std::int64_t last = LastOwed(watch);
  const std::vector<Event> owed = history.EventsFor(*watch.selection, first, last);
  std::size_t next = 0;
  bool cut = false;
  for (const Response& response : watch.responses) {
    for (const Event& event : response.events) {
      if (next == owed.size()) return absl::StrCat(Describe(event), " was never written");
      if (!SameContent(owed[next], event)) {
        return absl::StrCat(Describe(event), " instead of ", Describe(owed[next]));
      }
      ++next;
    }
    cut = response.cut;
  }
  if (next == owed.size() || (cut && owed[next].revision == last)) return std::nullopt;
  return absl::StrCat("without ", Describe(owed[next]), ", told up to ", last);
}

Broken BreaksPrevious(const Watch& watch, const History& history) {
  for (const Response& response : watch.responses) {
    for (const Event& event : response.events) {
      if (!event.previous) continue;
      const auto written = Written(event, watch, history);
      if (!written || written->previous != event.previous) {
        return absl::StrCat(Describe(event), " tells of \"", *event.previous, "\" instead of \"",
                            written && written->previous ? *written->previous : "(nothing)", "\"");
      }
    }
  }
  return std::nullopt;
}

Broken Breaks(Property property, const Watch& watch, const History& history,
              const CheckOptions& options) {
  switch (property) {
    case Property::kFilter:
      return BreaksFilter(watch, history);
    case Property::kOrdered:
      return BreaksOrdered(watch);
    case Property::kUnique:
      return BreaksUnique(watch, options.unique_revisions);
    case Property::kAtomic:
      return BreaksAtomic(watch);
    case Property::kBookmarkable:
      return BreaksBookmarkable(watch);
    case Property::kResumable:
      return BreaksResumable(watch, history);
    case Property::kIsCreate:
      return BreaksIsCreate(watch, history);
    case Property::kReliable:
      return BreaksReliable(watch, history);
    case Property::kPrevious:
      return BreaksPrevious(watch, history);
  }
  return "no such property";
}

constexpr Property kProperties[] = {
    Property::kFilter,   Property::kOrdered,      Property::kUnique,
    Property::kAtomic,   Property::kBookmarkable, Property::kResumable,
    Property::kIsCreate, Property::kReliable,     Property::kPrevious,
};

}  // namespace

absl::string_view NameOf(Property property) {
  switch (property) {
    case Property::kFilter:
      return "filter";
    case Property::kOrdered:
      return "ordered";
    case Property::kUnique:
      return "unique";
    case Property::kAtomic:
      return "atomic";
    case Property::kBookmarkable:
      return "bookmarkable";
    case Property::kResumable:
      return "resumable";
    case Property::kIsCreate:
      return "is_create";
    case Property::kReliable:
      return "reliable";
    case Property::kPrevious:
      return "prev";
  }
  return "";
}

std::ostream& operator<<(std::ostream& out, const Violation& violation) {
  return out << "watch " << violation.watch << " is not " << NameOf(violation.property) << ": "
             << violation.what;
}

std::optional<Violation> FindViolation(const Trace& trace, const CheckOptions& options) {
  const History history(trace.log);
  for (const Property property : kProperties) {
    for (std::size_t i = 0; i < trace.watches.size(); ++i) {
      if (auto broken = Breaks(property, trace.watches[i], history, options)) {
        return Violation{property, i, *std::move(broken)};
      }
    }
  }
  return std::nullopt;
}

}  // namespace tokeninventory::watch_trace
