// What a page worker may take, as both ends know it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace tokeninventory {

// The socket's descriptor in the worker; below it is /dev/null.
inline constexpr int kWorkerSocket = 3;

// Exit codes of a worker. Not in the way of a shell's or a sanitizer's.
inline constexpr int kWorkerDone = 0;         // the service is gone, or is done with it
inline constexpr int kWorkerBadCall = 2;      // no call, or no command line, of ours
inline constexpr int kWorkerOutOfMemory = 3;  // WorkerMemory was not enough
inline constexpr int kWorkerNoSandbox = 4;    // it cannot shut itself in

// What the service tells a worker on its command line.
struct WorkerLimits {
  // Of a vendor's body.
  std::int64_t max_body_bytes = std::int64_t{32} << 20;
  // Of the largest page, whole seconds of processor time. The service's own limit is
  // of real time; this one is for a worker whose service has died.
  int page_cpu_seconds = 60;
  // Of what is remembered of pages (page_cache.h).
  std::int64_t max_cache_bytes = std::int64_t{32} << 20;
};

// How many times the time of an ordinary page one with such a body may take: 32 MiB of
// records take 3 s of processor time, and machines may be ten times slower or busy.
constexpr int PageTimeFactor(std::int64_t body_bytes) {
  return 1 + static_cast<int>(body_bytes / (std::int64_t{8} << 20));
}

// RLIMIT_AS: 1 GiB for bodies of 32 MiB, beside what is remembered. A worker has 21 MiB of
// addresses before it reads anything. 32 MiB of Opal's records took 360 MiB at most, which is 11
// bytes for one of the body; smaller records take more. Bodies that are made to be expensive
// (`[[],[],…` takes 100) do not fit, and need not.
constexpr std::uint64_t WorkerMemory(const WorkerLimits& limits) {
  return (std::uint64_t{256} << 20) + 24 * static_cast<std::uint64_t>(limits.max_body_bytes) +
         static_cast<std::uint64_t>(limits.max_cache_bytes);
}

// Of a call: the body, and headers, request, parameters or a manifest beside it.
constexpr std::size_t MaxCallBytes(const WorkerLimits& limits) {
  return static_cast<std::size_t>(limits.max_body_bytes) + (std::size_t{8} << 20);
}

// Of a reply: tokens are smaller than their records where records are large. Protobuf
// has no larger messages than the second figure.
constexpr std::size_t MaxReplyBytes(const WorkerLimits& limits) {
  return std::min(2 * static_cast<std::size_t>(limits.max_body_bytes) + (std::size_t{16} << 20),
                  std::size_t{0x7FFF'0000});
}

}  // namespace tokeninventory
