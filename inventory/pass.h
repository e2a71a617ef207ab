// How a connector tells the Ledger what a vendor showed: a *pass* reads every
// listing of a source once; a *scope* is what one listing proves (a workspace,
// a registry, an organisation).
//
// The life of a pass:
//   Begin → Observe (once a page) … EndScope (once a listing) …
//         → Suspects → ProveGone or Observe (for each looked up) → End
// A pass that is not ended proves nothing: what it observed stays, nothing is
// missed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tokeninventory/v1/source.pb.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {

// One listing of a stream.
struct ScopeRef {
  std::string stream;     // the manifest's stream
  std::string key;        // which of its listings: `name=production`; empty when there is one
  std::string item_json;  // the parent's item, kept so that one token can be looked up later
};

// A token as a vendor's record maps to it.
struct ObservedToken {
  // The vendor's id behind the stream's `id_prefix`; the last part of the token's name.
  std::string id;
  // Fields that the mapping sets. Identity, presence, times of ours and revision
  // are the Ledger's and ignored here.
  v1::Token token;
};

// What the listing of a scope came to.
struct ScopeProof {
  // Every page was read to the vendor's own end, every record understood, and
  // the vendor's total reached.
  bool complete = false;
  // Why not, in one line without the vendor's values.
  std::string reason;
};

// A stream that the pass set out to read.
struct StreamReport {
  std::string stream;
  // Every listing that names this stream's scopes was complete, up to the root.
  // Then a known scope that the pass did not visit is gone at the vendor.
  bool parents_complete = false;
};

// A token that the pass did not see where it was listed before.
struct Suspect {
  std::int64_t row = 0;
  std::string provider_token_id;  // as the vendor knows it
  ScopeRef scope;                 // that last listed it
  bool scope_answered = false;    // this pass read that scope completely
  // Of a token that this pass saw in the same scope; empty when there is none.
  std::string known_provider_token_id;
};

// New, changed and unchanged tokens of one page.
struct PageCounts {
  std::int64_t added = 0;
  std::int64_t updated = 0;
  std::int64_t unchanged = 0;
};

// What the connector says of the whole pass.
struct PassEnd {
  v1::Source::State state = v1::Source::STATE_UNSPECIFIED;
  std::string error;
  std::vector<v1::IncompleteScope> incomplete_scopes;
  std::vector<StreamReport> streams;
  absl::Time next_sync_time;
  // As the vendor's last answer told them.
  std::vector<v1::RateLimit> rate_limits;
  // requests, pages, records, secrets_dropped; the Ledger adds what became of the tokens.
  v1::SyncStats stats;
};

// What the Ledger made of it. `state` may be worse than the connector's
// (SUSPICIOUS).
struct PassOutcome {
  v1::Source::State state = v1::Source::STATE_UNSPECIFIED;
  std::string error;
  std::vector<v1::IncompleteScope> incomplete_scopes;
  v1::SyncStats stats;
  // Reading at this revision shows all that the pass found.
  std::int64_t revision = 0;
};

using PassId = std::int64_t;

// Thread-safe. Every call waits until the Ledger has done it (durably, where it
// changes anything), so a pass is slowed down by the store and never outruns it.
//
// Every call may return UNAVAILABLE (the store cannot be written now, or the
// service stops) or DATA_LOSS (the store is damaged): the pass is then over, and the
// connector reports it no more.
class PassRecorder {
 public:
  virtual ~PassRecorder() = default;

  // FAILED_PRECONDITION when a pass over this source runs, NOT_FOUND when the
  // source is not configured.
  virtual absl::StatusOr<PassId> Begin(const std::string& source) = 0;

  // Records a page of a scope. INVALID_ARGUMENT when a token breaks a limit (id
  // empty or over 512 bytes, token over 64 KiB): then none of the page is taken.
  virtual absl::StatusOr<PageCounts> Observe(PassId pass, const ScopeRef& scope,
                                             std::vector<ObservedToken> tokens) = 0;

  // Ends the listing of a scope; a scope that a pass began and did not end is
  // incomplete.
  virtual absl::Status EndScope(PassId pass, const ScopeRef& scope, const ScopeProof& proof) = 0;

  // The tokens that this pass would make MISSING or DELETED, at most `limit`,
  // longest missing first.
  virtual absl::StatusOr<std::vector<Suspect>> Suspects(PassId pass,
                                                        const std::vector<StreamReport>& streams,
                                                        int limit) = 0;

  // The vendor, asked for this very token, said that it does not exist.
  virtual absl::Status ProveGone(PassId pass, std::int64_t row) = 0;

  // Ends the pass and draws its conclusions.
  virtual absl::StatusOr<PassOutcome> End(PassId pass, const PassEnd& end) = 0;

  // Gives up a pass without any conclusion.
  virtual void Abandon(PassId pass) = 0;

  // When the next pass is due after one that was given up because of the store.
  virtual void Postpone(const std::string& source, absl::Time next_sync_time) = 0;
};

// A token that a vendor is to be asked about now.
struct RefreshTarget {
  std::string source;
  std::int64_t row = 0;
  std::string uid;
  std::string provider_token_id;
  ScopeRef scope;
  // Of another token of that scope; empty when there is none.
  std::string known_provider_token_id;
};

// Takes a vendor's word on one token outside of any pass. Thread-safe; calls wait
// for the Ledger.
class TokenRefresher {
 public:
  virtual ~TokenRefresher() = default;

  // NOT_FOUND when there is no such token, FAILED_PRECONDITION when no scope
  // lists it (any more), or its source is not configured.
  virtual absl::StatusOr<RefreshTarget> FindRefreshTarget(const std::string& name) = 0;

  // Records what the vendor showed (INVALID_ARGUMENT as PassRecorder::Observe,
  // and when it is another token), or that it does not exist (null). ABORTED when
  // the token was replaced meanwhile. Returns the revision to read at.
  virtual absl::StatusOr<std::int64_t> ApplyRefresh(const RefreshTarget& target,
                                                    const ObservedToken* observed) = 0;
};

}  // namespace tokeninventory
