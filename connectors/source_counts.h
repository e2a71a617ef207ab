// What came of a source's passes and requests since it is read by this process.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/duration_histogram.h"
#include "connectors/http/request_meter.h"
#include "tokeninventory/v1/source.pb.h"

namespace tokeninventory {

struct SourceCounts {
  std::string source;  // id
  // Passes that ended, by what they came to; one that was stopped by us is none of them.
  std::map<v1::Source::State, std::int64_t> passes;
  DurationHistogram::Reading durations;  // of the same passes
  std::int64_t secrets_dropped = 0;      // SyncStats.secrets_dropped of all passes
  RequestMeter::Reading requests;
};

}  // namespace tokeninventory
