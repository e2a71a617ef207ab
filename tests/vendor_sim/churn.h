// Life goes on: tokens appear, are used, renewed, renamed, and disappear. Nothing need be done for
// tokens to expire: many new ones live for minutes only.
//
// Thread-compatible: call it with the world held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/vendor_sim/random.h"
#include "tests/vendor_sim/token_factory.h"
#include "tests/vendor_sim/world.h"

namespace tokeninventory::vendor_sim {

struct Change {
  // kUpdated: a model registry token became valid or invalid.
  enum class Kind { kAdded, kUsed, kRenewed, kRenamed, kUpdated, kRemoved };
  Kind kind = Kind::kAdded;
  TokenKind token_kind = TokenKind::kOpal;
  Uuid token_id;
};

class Churn {
 public:
  // The number of tokens drifts around the counts of `target`.
  Churn(std::uint64_t seed, WorldCounts target);
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;

  // Makes one change at the time `now`. Nothing when the world has no place for any.
  std::optional<Change> Step(World* world, TimePoint now);

  // Adds a token of this kind to `parent` (workspace name, registry slug or cluster id), or to
  // any parent when it is empty. Nothing when there is no such parent.
  std::optional<Uuid> Add(World* world, TokenKind kind, const std::string& parent, TimePoint now);

 private:
  std::optional<Change> AddOne(World* world, TimePoint now);
  std::optional<Change> RemoveOne(World* world);
  std::optional<Change> UseOne(World* world, TimePoint now);
  std::optional<Change> RenewOne(World* world, TimePoint now);
  std::optional<Change> RenameOne(World* world);

  // A kind by its share of these counts; nothing when all are 0.
  std::optional<TokenKind> PickKind(const WorldCounts& counts);
  // A token that churn may touch; nothing when none was found soon.
  std::optional<Uuid> PickToken(const World& world, TokenKind kind);

  Random random_;
  TokenFactory factory_;
  const WorldCounts target_;
};

}  // namespace tokeninventory::vendor_sim
