// How much each principal may call, and what it has open.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "server/access/access_policy.h"

namespace tokeninventory {

// Thread-safe.
class CallMeter {
 public:
  // Counts a call that begins. RESOURCE_EXHAUSTED (CALL_RATE) with RetryInfo when
  // there were too many.
  absl::Status Begin(const Principal& principal, absl::Time now);

  // A stream, from its begin until the ticket is let go.
  class Ticket {
   public:
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

   private:
    friend class CallMeter;
    Ticket(CallMeter& meter, std::string id) : meter_(meter), id_(std::move(id)) {}
    CallMeter& meter_;
    const std::string id_;
  };
  // RESOURCE_EXHAUSTED (TOO_MANY_STREAMS) with RetryInfo. The meter outlives the ticket.
  absl::StatusOr<std::unique_ptr<Ticket>> OpenStream(const Principal& principal);

 private:
  struct Use {
    // Calls that it may still begin, as of `as_of`.
    double left = 0;
    absl::Time as_of = absl::InfinitePast();
    int streams = 0;
  };

  Mutex mutex_;
  absl::flat_hash_map<std::string, Use> uses_ ABSL_GUARDED_BY(mutex_);  // by principal
};

}  // namespace tokeninventory
