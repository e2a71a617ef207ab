// The counts that metrics show of a snapshot.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "inventory/snapshot.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {

// Kinds that are counted by themselves. What a vendor calls its tokens is up to it: tokens of
// further kinds, and of those that are no plain word (at most 30 letters, digits, `_`, `-`, `.`),
// are counted as kOtherKind.
inline constexpr int kMostCountedKinds = 40;
inline constexpr char kOtherKind[] = "other";

// How far counts of tokens that end look ahead: the default leads.
inline constexpr std::array<int, 5> kEndingWithinDays = {1, 3, 7, 14, 30};

// Of one source, of the tokens that List shows.
struct TokenCounts {
  std::map<std::pair<v1::Token::State, std::string>, std::int64_t> by_state_and_kind;
  // MISSING ones among them.
  std::int64_t missing = 0;
  // Of ACTIVE ones whose effective_expire_time is still to come: how many have theirs within so
  // many days, and the soonest of all; InfiniteFuture when there is none.
  std::array<std::int64_t, kEndingWithinDays.size()> ending_within{};
  absl::Time soonest_end = absl::InfiniteFuture();
};

// By the index of the source. Looks at the columns of every row, and at no token.
std::vector<TokenCounts> CountTokens(const Snapshot& snapshot, absl::Time now);

}  // namespace tokeninventory
