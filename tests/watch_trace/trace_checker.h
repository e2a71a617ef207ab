// etcd's nine watch properties, https://etcd.io/docs/v3.6/learning/api_guarantees/
// and etcd's tests/robustness/validate.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "tests/watch_trace/trace.h"

namespace tokeninventory::watch_trace {

// In the order in which they are looked at. The first four and kBookmarkable judge
// a watch by itself, the others compare it with the write log.
enum class Property {
  // No event beyond what the watch asked for.
  kFilter,
  // No event comes after one of a higher revision.
  kOrdered,
  // No event comes twice, and no key twice in the initial state.
  kUnique,
  // One revision comes in one response.
  kAtomic,
  // Nothing up to a bookmark's revision comes after it, bookmarks never fall, and
  // none is below an event before it. The initial state's revision is one too.
  kBookmarkable,
  // The first event is the first one from the requested revision on.
  kResumable,
  // Created is what was not there for the watcher.
  kIsCreate,
  // No gap: from the beginning to the last event or bookmark, every event, as it
  // was written; and the initial state is that of its revision.
  kReliable,
  // What an event tells of the value before is right.
  kPrevious,
};

// As the case files write it: `filter`, `ordered`, `unique`, `atomic`,
// `bookmarkable`, `resumable`, `is_create`, `reliable`, `prev`.
absl::string_view NameOf(Property property);

// A broken promise.
struct Violation {
  Property property;
  std::size_t watch;  // index in the trace
  std::string what;
};

std::ostream& operator<<(std::ostream& out, const Violation& violation);

struct CheckOptions {
  // No two events of a watch may share a revision: the writers made none that did.
  bool unique_revisions = false;
};

// The first property that `trace` breaks, in the order above, with the first watch
// that breaks it. Watches are judged apart from each other. A function of its
// arguments, so thread-safe.
std::optional<Violation> FindViolation(const Trace& trace, const CheckOptions& options = {});

}  // namespace tokeninventory::watch_trace
