#include "tests/watch_trace/trace_checker.h"

#include <algorithm>
#include <limits>
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

using Place = std::pair<std::int64_t, std::string>;  // revision, key

// What the log owes one watch.
class Owed {
 public:
  Owed(const std::vector<Change>& log, const Selection& selection)
      : log_(log), selection_(selection) {
    for (const Change& change : log) {
      const auto index = by_place_.emplace(Place(change.revision, change.key), kNothing).first;
      auto event = selection.See(change);
      if (!event) continue;
      index->second = events_.size();
      events_.push_back(*std::move(event));
    }
  }

  // Whether the log has a change there that is nothing to the watcher.
  bool IsHidden(std::int64_t revision, const std::string& key) const {
    const auto found = by_place_.find(Place(revision, key));
    return found != by_place_.end() && found->second == kNothing;
  }

  // What is owed for the change there; null when there is none, or it is hidden.
  const Event* Find(std::int64_t revision, const std::string& key) const {
    const auto found = by_place_.find(Place(revision, key));
    if (found == by_place_.end() || found->second == kNothing) return nullptr;
    return &events_[found->second];
  }

  // For revisions `first` … `last`, in order.
  std::vector<const Event*> Between(std::int64_t first, std::int64_t last) const {
    std::vector<const Event*> events;
    for (const Event& event : events_) {
      if (event.revision >= first && event.revision <= last) events.push_back(&event);
    }
    return events;
  }

  // Of the state at a revision, by key.
  std::map<std::string, Event> StateAt(std::int64_t revision) const {
    std::map<std::string, const Value*> state;
    for (const Change& change : log_) {
      if (change.revision > revision) break;
      state.erase(change.key);
      if (change.after) state[change.key] = &*change.after;
    }
    std::map<std::string, Event> events;
    for (const auto& [key, value] : state) {
      auto event = selection_.See({value->revision, key, std::nullopt, *value});
      if (event) events[key] = *std::move(event);
    }
    return events;
  }

 private:
  static constexpr std::size_t kNothing = std::numeric_limits<std::size_t>::max();

  const std::vector<Change>& log_;
  const Selection& selection_;
  std::vector<Event> events_;
  std::map<Place, std::size_t> by_place_;  // of the log, to indexes in events_
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

Broken BreaksFilter(const Watch& watch, const Owed& owed) {
  if (watch.initial) {
    for (const Event& event : watch.initial->events) {
      if (!watch.selection->Admits(event)) return absl::StrCat("initially, ", Describe(event));
    }
  }
  for (const Response& response : watch.responses) {
    for (const Event& event : response.events) {
      if (!watch.selection->Admits(event) || owed.IsHidden(event.revision, event.key)) {
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

Broken BreaksResumable(const Watch& watch, const Owed& owed) {
  if (!watch.initial && watch.from_revision == 0) return std::nullopt;
  for (const Response& response : watch.responses) {
    if (response.events.empty()) continue;
    const Event& first = response.events.front();
    // What follows the first event is nothing to this property.
    const auto events = owed.Between(FirstOwed(watch), first.revision);
    if (!events.empty() && events.front()->revision != first.revision) {
      return absl::StrCat("it begins with ", Describe(first), " instead of ",
                          Describe(*events.front()));
    }
    return std::nullopt;
  }
  return std::nullopt;
}

Broken BreaksIsCreate(const Watch& watch, const Owed& owed) {
  if (watch.initial) {
    for (const Event& event : watch.initial->events) {
      if (!event.create) return absl::StrCat("initially, ", Describe(event));
    }
  }
  for (const Response& response : watch.responses) {
    for (const Event& event : response.events) {
      const Event* written = owed.Find(event.revision, event.key);
      if (written != nullptr && written->create != event.create) return Describe(event);
    }
  }
  return std::nullopt;
}

Broken BreaksReliableInitially(const Watch& watch, const Owed& owed) {
  if (!watch.initial) return std::nullopt;
  auto state = owed.StateAt(watch.initial->revision);
  for (const Event& event : watch.initial->events) {
    const auto found = state.find(event.key);
    if (found == state.end() || !SameContent(found->second, event)) {
      return absl::StrCat("initially, ", Describe(event), " is not what was written");
    }
    state.erase(found);
  }
  if (!watch.initial->complete || state.empty()) return std::nullopt;
  return absl::StrCat("initially, without ", Describe(state.begin()->second));
}

Broken BreaksReliable(const Watch& watch, const Owed& owed) {
  if (auto broken = BreaksReliableInitially(watch, owed)) return broken;
  const std::int64_t first = FirstOwed(watch);
  if (first == 0) return std::nullopt;
  const std::int64_t last = LastOwed(watch);
  const std::vector<const Event*> events = owed.Between(first, last);
  std::size_t next = 0;
  bool cut = false;
  for (const Response& response : watch.responses) {
    for (const Event& event : response.events) {
      if (next == events.size()) return absl::StrCat(Describe(event), " was never written");
      if (!SameContent(*events[next], event)) {
        return absl::StrCat(Describe(event), " instead of ", Describe(*events[next]));
      }
      ++next;
    }
    cut = response.cut;
  }
  if (next == events.size() || (cut && events[next]->revision == last)) return std::nullopt;
  return absl::StrCat("without ", Describe(*events[next]), ", told up to ", last);
}

Broken BreaksPrevious(const Watch& watch, const Owed& owed) {
  for (const Response& response : watch.responses) {
    for (const Event& event : response.events) {
      if (!event.previous) continue;
      const Event* written = owed.Find(event.revision, event.key);
      if (written == nullptr || written->previous != event.previous) {
        return absl::StrCat(
            Describe(event), " tells of \"", *event.previous, "\" instead of \"",
            written != nullptr && written->previous ? *written->previous : "(nothing)", "\"");
      }
    }
  }
  return std::nullopt;
}

Broken Breaks(Property property, const Watch& watch, const Owed& owed,
              const CheckOptions& options) {
  switch (property) {
    case Property::kFilter:
      return BreaksFilter(watch, owed);
    case Property::kOrdered:
      return BreaksOrdered(watch);
    case Property::kUnique:
      return BreaksUnique(watch, options.unique_revisions);
    case Property::kAtomic:
      return BreaksAtomic(watch);
    case Property::kBookmarkable:
      return BreaksBookmarkable(watch);
    case Property::kResumable:
      return BreaksResumable(watch, owed);
    case Property::kIsCreate:
      return BreaksIsCreate(watch, owed);
    case Property::kReliable:
      return BreaksReliable(watch, owed);
    case Property::kPrevious:
      return BreaksPrevious(watch, owed);
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
  std::optional<Violation> first;
  for (std::size_t i = 0; i < trace.watches.size(); ++i) {
    const Owed owed(trace.log, *trace.watches[i].selection);
    for (const Property property : kProperties) {
      if (first && first->property <= property) break;
      if (auto broken = Breaks(property, trace.watches[i], owed, options)) {
        first = Violation{property, i, *std::move(broken)};
      }
    }
  }
  return first;
}

}  // namespace tokeninventory::watch_trace
