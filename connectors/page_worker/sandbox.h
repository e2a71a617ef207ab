// What a page worker gives up before it reads anything.
#pragma once

#include "connectors/page_worker/worker_limits.h"

namespace tokeninventory {

// Bounds memory, files and descriptors of this process, and leaves it only the
// system calls of a program that computes and talks to sockets that it has; every
// other one fails with EPERM. For all threads, which must have been started, and
// for good. False when something of it cannot be had.
//
// Under a sanitizer memory and system calls stay free: it needs both.
bool EnterSandbox(const WorkerLimits& limits);

// Lets this process use so many more seconds of processor time from now on.
void AllowCpuTime(int seconds);

}  // namespace tokeninventory
