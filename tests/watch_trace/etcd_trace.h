// Traces of etcd, as watch_traces_etcd.json writes them.
#pragma once

#include <nlohmann/json.hpp>

#include "tests/watch_trace/trace.h"

namespace tokeninventory::watch_trace {

// The trace of one case: `persisted` replayed into the write log, `watches` as
// they were received. etcd's first write makes revision 2; a transaction is one
// revision; what changes nothing makes none. Throws nlohmann::json's exceptions when
// the case has another shape.
Trace EtcdTrace(const nlohmann::json& test_case);

}  // namespace tokeninventory::watch_trace
