// What is told of sources.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "tokenctl/text/table.h"
#include "tokenctl/text/times.h"
#include "tokeninventory/v1/source.pb.h"

namespace tokeninventory::tokenctl {

Style StyleOf(v1::Source::State state);

// Requests that the vendor still allows: the least of its limits. Empty when it does not say.
std::string RequestsLeft(const google::protobuf::RepeatedPtrField<v1::RateLimit>& limits);

// `3 added, 1 changed, 336 as before, 2 missing, 1 deleted`, without what is 0.
std::string StatsText(const v1::SyncStats& stats);

// Why a source needs somebody's attention.
struct SourceHealth {
  enum Level { kFresh, kWarning, kStale };
  Level level = kFresh;
  std::string why;  // Printable
};

// Stale: no complete pass for `max_age`; zero stands for three of the source's intervals, and ten
// minutes at least. A source whose last pass failed but that is not stale yet is a warning.
SourceHealth JudgeSource(const v1::Source& source, absl::Duration max_age, absl::Time now);

}  // namespace tokeninventory::tokenctl
