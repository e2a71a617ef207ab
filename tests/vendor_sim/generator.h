// Fills an empty world from a seed.
//
// Thread-compatible: the caller holds the world.
#pragma once

#include <cstdint>

#include "tests/vendor_sim/records.h"
#include "tests/vendor_sim/world.h"

namespace tokeninventory::vendor_sim {

// How many tokens of each kind (parents are not told) make up `tokens`, all of which a connector
// lists by default. The caps keep a pass over a million tokens short: 600 pages of deepset, and
// within the 50 requests a minute of a Buildkite user; Opal, with 1000 tokens to a page, takes the
// rest. The shared tokens of deepset come on top.
//
// From 3 tokens on every documented sample is there; below that the registry token comes first,
// then Opal's.
WorldCounts SplitTokens(std::int64_t tokens);

// Adds parents and tokens; lifetimes and uses are relative to `base`. Equal arguments make equal
// worlds.
void Populate(World* world, std::int64_t tokens, std::uint64_t seed, TimePoint base);

}  // namespace tokeninventory::vendor_sim
