// What is known of tokens and sources, as metrics. Labels are ids of sources, names of vendors, of
// enum values and of kinds: nothing of a single token or person.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "connectors/source_counts.h"
#include "inventory/snapshot.h"
#include "server/metrics/metric_set.h"

namespace tokeninventory {

// Of the sources in the configuration: one that left it has no series. Looks at every row.
void AddInventoryMetrics(const Snapshot& snapshot, absl::Time now, MetricSet& metrics);

// Of the sources that are polled.
void AddSourceCounts(const Snapshot& snapshot, const std::vector<SourceCounts>& counts,
                     MetricSet& metrics);

}  // namespace tokeninventory
