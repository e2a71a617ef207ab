// What this process itself used of the processor.
#pragma once

#include <time.h>

namespace tokeninventory::bench {

// User and system time of all its threads.
inline double ThisProcessCpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace tokeninventory::bench
