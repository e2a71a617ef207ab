// Durable storage as the Ledger needs it. Implementations live in storage/ and
// must pass tests/storage/token_store_conformance.h.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory {

// A scope that lists a token, and how many complete passes over that scope in
// a row did not show it.
struct ScopeMark {
  std::int64_t scope = 0;
  std::int32_t missed = 0;

  friend bool operator==(const ScopeMark&, const ScopeMark&) = default;
};

// A token as it is stored. `row` is its identity in the store and its place in
// storage order; a row is given to another token only after it was purged.
struct StoredToken {
  std::int64_t row = 0;  // > 0
  std::string token;     // serialised v1::Token
  std::vector<ScopeMark> marks;
};

// A StoredToken that belongs to somebody else.
struct StoredTokenRef {
  std::int64_t row = 0;     // > 0
  absl::string_view token;  // serialised v1::Token
  absl::Span<const ScopeMark> marks;
};

// A scope as it is stored.
struct StoredScope {
  std::int64_t id = 0;  // > 0
  std::string source;
  std::string stream;
  std::string key;
  std::string item_json;
  // Complete passes over its parents in a row that did not name it.
  std::int32_t absent_passes = 0;
};

// A source's status as it is stored: serialised v1::Source.
struct StoredSource {
  std::string id;
  std::string status;
};

// A notice as it is stored: serialised v1::Expiration. `row` is the token's that
// it is about, or one of its own that no token has: the two share one numbering.
struct StoredNotice {
  std::int64_t row = 0;  // > 0
  std::string notice;
};

// What a change in the log is about.
enum class LogSubject {
  kToken = 0,
  kNotice = 1,
};

// One change in the log. `before` is empty for a token's or a notice's first
// change, `after` when the token was purged.
struct LogChange {
  std::int64_t row = 0;
  // Of a token's change; CAUSE_UNSPECIFIED for a notice's.
  v1::TokenChange::Cause cause = v1::TokenChange::CAUSE_UNSPECIFIED;
  std::string before;  // serialised v1::Token or v1::Expiration
  std::string after;   // serialised v1::Token or v1::Expiration
  LogSubject subject = LogSubject::kToken;
};

// What one transaction writes. Removals come before writes: a row that is both
// purged and put holds what was put. Marks of a row that is not there, and rows
// or ids that are not positive, are INVALID_ARGUMENT. A notice does not need a
// token of its row.
struct CommitBatch {
  absl::Time commit_time;
  // In the order in which watchers see them. Not empty: the commit makes a revision.
  std::vector<LogChange> changes;
  std::vector<StoredToken> put_tokens;
  // Marks alone moved: no revision.
  std::vector<StoredToken> put_marks;  // `token` unused
  std::vector<std::int64_t> purge_rows;
  std::vector<StoredScope> put_scopes;
  std::vector<std::int64_t> delete_scopes;
  std::vector<StoredSource> put_sources;
  std::vector<std::string> delete_sources;
  std::vector<StoredNotice> put_notices;
  std::vector<std::int64_t> delete_notices;  // rows; one that has none is ignored

  bool empty() const {
    return changes.empty() && put_tokens.empty() && put_marks.empty() && purge_rows.empty() &&
           put_scopes.empty() && delete_scopes.empty() && put_sources.empty() &&
           delete_sources.empty() && put_notices.empty() && delete_notices.empty();
  }
};

// Which store this is and how far it is.
struct StoreHead {
  // 16 random bytes, made with the store: revisions of another epoch mean
  // nothing here.
  std::string epoch;
  // Of the newest commit that changed tokens or notices; 0 in a new store. Never falls.
  std::int64_t revision = 0;
  // The log holds every change after this revision.
  std::int64_t oldest_revision = 0;
};

// Receives what a store holds. A status that is not OK stops the load.
class LoadVisitor {
 public:
  virtual ~LoadVisitor() = default;
  virtual absl::Status OnSource(StoredSource source) = 0;
  virtual absl::Status OnScope(StoredScope scope) = 0;
  // By rising row. What it refers to is valid until this returns.
  virtual absl::Status OnToken(const StoredTokenRef& token) = 0;
  // By rising row.
  virtual absl::Status OnNotice(StoredNotice notice) = 0;
};

// A place in the log: the next change is number `index` of `revision`, and all
// before it is behind. All of revision R told is {R + 1, 0}.
struct LogPosition {
  std::int64_t revision = 0;
  std::int64_t index = 0;

  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

// A change with its place.
struct LogEntry {
  std::int64_t revision = 0;
  std::int64_t index = 0;  // from 0 within the revision
  absl::Time commit_time;
  LogChange change;
};

// A stretch of the log, in order.
struct LogPage {
  std::vector<LogEntry> entries;
  // The last entry is also the last of its revision (true when there are none).
  bool ends_revision = true;
};

// What Compact keeps. The stricter wins; 0 keeps nothing.
struct LogLimits {
  absl::Time oldest_commit_time;
  std::int64_t max_changes = 0;
  std::int64_t max_bytes = 0;
  // A live cursor has told everything up to here and needs what is after it: age
  // removes none of that. The other two limits do.
  std::int64_t oldest_cursor = std::numeric_limits<std::int64_t>::max();
};

// Errors of every method: UNAVAILABLE (locked, disk full, I/O error: may pass),
// DATA_LOSS (the store is damaged), FAILED_PRECONDITION (made by a newer
// version). Methods block. Once a method found the store damaged, Commit and Compact
// write no more: every one is DATA_LOSS.
//
// Thread-safety: Load, Commit and Compact by one thread at a time; ReadLog and
// ReadHistory by another one, at the same time as those.
class TokenStore {
 public:
  virtual ~TokenStore() = default;

  virtual absl::StatusOr<StoreHead> Head() = 0;

  // Sources, then scopes, then tokens, then notices.
  virtual absl::Status Load(LoadVisitor& visitor) = 0;

  // Writes all of `batch` or nothing, durably, if the store's revision still is
  // `expected_head`; ABORTED otherwise. Returns the revision after it:
  // `expected_head` + 1 if the batch has changes, else `expected_head`. An empty batch
  // writes something tiny, as durably, that changes nothing: whether the store can be
  // written.
  virtual absl::StatusOr<std::int64_t> Commit(std::int64_t expected_head,
                                              const CommitBatch& batch) = 0;

  // The log from `from` on: whole entries until about `max_bytes` of tokens are
  // reached, at least one if there is one; empty at the head. OUT_OF_RANGE when
  // `from.revision` <= oldest_revision: the log no longer holds it.
  virtual absl::StatusOr<LogPage> ReadLog(LogPosition from, std::int64_t max_bytes) = 0;

  // The changes of the token of one row before `before_revision`, newest first, at
  // most `limit`. Notices' changes are left out.
  virtual absl::StatusOr<std::vector<LogEntry>> ReadHistory(std::int64_t row,
                                                            std::int64_t before_revision,
                                                            int limit) = 0;

  // Removes old revisions from the log, whole ones, a bounded number of changes
  // a call. Returns the new head; call again while `oldest_revision` still rises.
  virtual absl::StatusOr<StoreHead> Compact(const LogLimits& limits) = 0;
};

}  // namespace tokeninventory
