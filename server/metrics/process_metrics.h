// What the kernel knows of this process, under the names that every Prometheus client uses.
#pragma once

#include "server/metrics/metric_set.h"

namespace tokeninventory {

// What cannot be read is left out. Reads /proc/self only, so that it works where the rest of /proc
// is hidden.
void AddProcessMetrics(MetricSet& metrics);

}  // namespace tokeninventory
