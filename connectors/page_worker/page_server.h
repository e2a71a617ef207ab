// The worker's side of the socket: does one call after the other.
#pragma once

#include <functional>

#include "connectors/page_worker/worker_limits.h"

namespace tokeninventory {

// Answers calls on `fd` until the other end is gone (kWorkerDone) or says what is
// no call (kWorkerBadCall). `before_page` is called before every page that is
// taken or read.
int ServePages(int fd, const WorkerLimits& limits, const std::function<void()>& before_page);

}  // namespace tokeninventory
