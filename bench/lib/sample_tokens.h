// Tokens as vendors have them, about 750 bytes each once the Ledger has them.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "inventory/pass.h"

namespace tokeninventory::bench {

// The sources that they are of, in equal parts, and those sources' vendors.
struct SampleSource {
  const char* id;
  const char* vendor;
};
inline constexpr SampleSource kSampleSources[] = {
    {"deepset-prod", "deepset"}, {"opal-prod", "opal"}, {"buildkite-prod", "buildkite"}};

// One token of a source. The same generator state makes the same token. Times are
// around `now`: three of four expire, evenly within 400 days.
ObservedToken SampleToken(std::mt19937_64& random, const SampleSource& source, absl::Time now);

}  // namespace tokeninventory::bench
