// Which scopes list which tokens, and what a pass over them proves. Here is
// decided when a token is MISSING or DELETED; nothing else may.
//
// The rules (docs/adr/0004-absence.md): only the complete listing of a scope
// says anything about what it does not show; a token is missing when every
// scope that listed it says so, gone when they say so twice; and a pass that
// would drop implausibly much is held, whatever it says.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "inventory/pass.h"
#include "inventory/snapshot.h"
#include "inventory/token_store.h"

namespace tokeninventory {

// Complete passes without a token that make it DELETED, and without a scope
// that make the scope empty.
inline constexpr int kPassesToBelieve = 2;
// A pass is held when it loses more of a scope than both of these.
inline constexpr std::int64_t kPlausibleLoss = 10;
inline constexpr double kPlausibleLossShare = 0.2;

// One pass while it runs. Used by the Ledger's thread only.
struct RunningPass {
  struct Listing {
    std::string item_json;
    bool ended = false;
    bool complete = false;
    absl::flat_hash_set<std::int64_t> seen;  // rows
  };
  using ListingKey = std::pair<std::string, std::string>;  // stream, key

  std::string source;
  absl::Time start_time;
  absl::flat_hash_map<ListingKey, Listing> listings;
  absl::flat_hash_set<std::int64_t> seen;         // rows, in any listing
  absl::flat_hash_set<std::int64_t> proven_gone;  // rows
  v1::SyncStats stats;
};

// What a pass says of one token that it did not see.
struct Loss {
  enum class Kind {
    kMarksOnly,  // some scope no longer lists it, another still does
    kMissing,
    kDeleted,
    kProvenGone,
  };
  std::int64_t row = 0;
  Kind kind = Kind::kMarksOnly;
  std::vector<ScopeMark> marks;  // from now on
};

// A scope, or all vanished scopes of a stream, that lost implausibly much.
struct HeldScope {
  std::string stream;
  std::string key;
  std::int64_t lost = 0;
  std::int64_t listed = 0;
};

// All that a pass reported lost and that is not believed.
struct HeldLosses {
  std::vector<HeldScope> scopes;
  // By id. With how many complete passes would not have named it in a row.
  absl::flat_hash_map<std::int64_t, std::int32_t> absent_passes;
  // Tokens that these scopes listed and the pass did not see.
  absl::flat_hash_set<std::int64_t> rows;
};

// What a pass proves in all.
struct Conclusion {
  std::vector<Loss> losses;
  HeldLosses held;
  std::vector<StoredScope> changed_scopes;
  std::vector<std::int64_t> dropped_scopes;  // gone, and no token refers to them
};

// Used by the Ledger's thread only.
class ScopeBook {
 public:
  // While loading.
  void AddScope(StoredScope scope);

  // The marks of a row; empty when it has none.
  std::vector<ScopeMark> MarksOf(std::int64_t row) const;
  void SetMarks(std::int64_t row, absl::Span<const ScopeMark> marks);

  // The id of a scope, or 0.
  std::int64_t FindScope(absl::string_view source, absl::string_view stream,
                         absl::string_view key) const;
  const StoredScope* GetScope(std::int64_t id) const;
  std::vector<std::int64_t> ScopesOf(absl::string_view source) const;
  // An id that no scope has or had.
  std::int64_t NewScopeId() { return next_scope_id_++; }
  void DropScope(std::int64_t id);

  // Draws the conclusions of a pass. `guard` false leaves the mass-drop guard
  // out: what would be lost, plausible or not.
  Conclusion Conclude(const RunningPass& pass, const std::vector<StreamReport>& streams,
                      const Snapshot& snapshot, bool guard) const;

  // Draws the conclusions of what was held, as of the tokens and marks now.
  Conclusion Release(const HeldLosses& held, const Snapshot& snapshot) const;

  // The tokens to ask the vendor about, longest missing first.
  std::vector<Suspect> FindSuspects(const RunningPass& pass,
                                    const std::vector<StreamReport>& streams,
                                    const Snapshot& snapshot, int limit) const;

 private:
  // What a pass proves of one scope.
  enum class Proof { kNone, kListed, kVanished };
  struct Judged {
    const StoredScope* scope = nullptr;
    Proof proof = Proof::kNone;
    const RunningPass::Listing* listing = nullptr;  // when visited
    std::int32_t absent_passes = 0;                 // after this pass
  };
  using JudgedScopes = absl::flat_hash_map<std::int64_t, Judged>;

  JudgedScopes Judge(const RunningPass& pass, const std::vector<StreamReport>& streams) const;
  std::vector<ScopeMark> MarksAfter(std::int64_t row, const JudgedScopes& scopes) const;
  void HoldImplausible(const RunningPass& pass, const Snapshot& snapshot, JudgedScopes& scopes,
                       HeldLosses& held) const;

  using Marks = absl::InlinedVector<std::pair<std::uint32_t, std::uint32_t>, 2>;  // scope, missed
  std::vector<Marks> marks_;                                                      // by row
  absl::flat_hash_map<std::int64_t, StoredScope> scopes_;
  absl::flat_hash_map<std::tuple<std::string, std::string, std::string>, std::int64_t> by_key_;
  std::int64_t next_scope_id_ = 1;
};

}  // namespace tokeninventory
