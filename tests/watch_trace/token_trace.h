// Traces of this service: what WatchTokens clients received, beside what the
// store committed. Keys are uids.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inventory/token_store.h"
#include "tests/watch_trace/trace.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory::watch_trace {

// Every change that a store committed since it was made, also those that it has
// compacted meanwhile. Thread-compatible.
class WriteLog {
 public:
  // Adds what was committed since the last call. The store's changes must join on:
  // DATA_LOSS when a revision is left out, or when a token was not what a change
  // takes it for; OUT_OF_RANGE when the store compacted what was
  // not yet read here; otherwise the store's error.
  absl::Status ReadFrom(TokenStore& store);

  const std::vector<Change>& changes() const { return changes_; }
  // The store's; empty before the first ReadFrom.
  const std::string& epoch() const { return epoch_; }

 private:
  absl::Status Add(const LogEntry& entry);

  std::string epoch_;
  LogPosition next_{1, 0};
  std::map<std::string, std::string> tokens_;  // serialised, by uid
  std::vector<Change> changes_;
};

// One stream: what a client asked for, and what it received until it was taken or
// the stream broke.
struct WatchRecord {
  v1::WatchTokensRequest request;
  std::vector<v1::WatchTokensResponse> responses;
};

// The trace of `records`. Batches of one revision, joined by `continued`, become one
// response; Progress and resume tokens become bookmarks. INVALID_ARGUMENT when a
// request or a resume token cannot be read.
absl::StatusOr<Trace> MakeTrace(const WriteLog& log, const std::vector<WatchRecord>& records);

// The events of all records, those of initial states included: a trace without
// any proves nothing.
int CountEvents(const Trace& trace);

}  // namespace tokeninventory::watch_trace
