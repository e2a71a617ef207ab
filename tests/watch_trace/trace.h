// What watches delivered beside what was really written: what the checker of
// etcd's watch properties judges (trace_checker.h). Knows neither tokens nor etcd;
// token_trace.h and etcd_trace.h make traces.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tokeninventory::watch_trace {

// An object as one revision left it.
struct Value {
  std::string bytes;
  std::int64_t revision = 0;
};

// One entry of the write log: what happened to one key at one revision.
struct Change {
  std::int64_t revision = 0;
  std::string key;
  std::optional<Value> before;  // nothing: the key was not there
  std::optional<Value> after;   // nothing: the key is gone
};

// What a watch tells of a change, or should tell.
struct Event {
  enum class Type { kPut, kDelete };

  Type type = Type::kPut;
  std::string key;
  std::string value;
  std::int64_t revision = 0;
  bool create = false;  // the key is new to the watcher
  // What it says of the value before, in the selection's own words; nothing when
  // it says nothing.
  std::optional<std::string> previous;
};

// What a watch asked for. Immutable.
class Selection {
 public:
  virtual ~Selection() = default;
  // Whether such an event has a place on the watch, by the event alone.
  virtual bool Admits(const Event& event) const = 0;
  // The event that the change owes the watcher; nothing when it owes none.
  virtual std::optional<Event> See(const Change& change) const = 0;
};

// One delivery. Holds whole revisions, unless `cut`.
struct Response {
  std::vector<Event> events;
  // The claim that everything up to this revision was delivered, these events
  // included.
  std::optional<std::int64_t> bookmark;
  // The stream broke before the last revision in `events` was complete.
  bool cut = false;
};

// What was there when the watch began, for watches that ask for it.
struct InitialState {
  std::int64_t revision = 0;  // that it shows
  std::vector<Event> events;  // each with the revision that wrote its value
  bool complete = false;      // its end was told
};

// One stream, from its request to its end.
struct Watch {
  std::shared_ptr<const Selection> selection;
  // The first revision that it asked for; 0: from now on, or the initial state.
  std::int64_t from_revision = 0;
  std::optional<InitialState> initial;
  std::vector<Response> responses;
};

struct Trace {
  // By rising revision; complete, from the store's first revision to the newest one
  // that a watch tells of.
  std::vector<Change> log;
  std::vector<Watch> watches;
};

}  // namespace tokeninventory::watch_trace
