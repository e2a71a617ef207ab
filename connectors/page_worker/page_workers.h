// Page readers whose jq runs in worker processes, and how many of those there are.
#pragma once

#include <list>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "connectors/manifest.h"
#include "connectors/page_reader.h"
#include "connectors/page_worker/worker_process.h"

namespace tokeninventory {

// Real time for all that is done with one page, and as much again for every 8 MiB of its
// body. A page takes milliseconds as a rule, but machines are busy; programs that do not
// end are stopped sooner (jq_watchdog.h).
inline constexpr absl::Duration kPageTimeLimit = absl::Seconds(30);

// Lends a worker for a pass or a look-up and keeps it warm behind it, since a start
// takes about 60 ms, most of it jq's compiler. A worker sees pages of one source and
// manifest only. There are as many as are lent, which is up to the callers' threads,
// and a few idle ones. Thread-safe; the readers keep it alive.
class PageWorkers : public std::enable_shared_from_this<PageWorkers> {
 public:
  struct Options {
    // token-inventory-page-worker.
    std::string program;
    // Of the HTTP client. Decides how much memory a worker may take.
    std::int64_t max_body_bytes = std::int64_t{32} << 20;
    absl::Duration page_time_limit = kPageTimeLimit;
    // The one not used for longest goes first.
    std::size_t max_idle = 8;
    // Of what each worker remembers of pages, so as not to read them again while they
    // stay as they are. An idle worker keeps it.
    std::int64_t max_cache_bytes = std::int64_t{32} << 20;
  };

  explicit PageWorkers(Options options);
  // Ends the idle ones.
  ~PageWorkers();
  PageWorkers(const PageWorkers&) = delete;
  PageWorkers& operator=(const PageWorkers&) = delete;

  // A reader with a worker that runs. A worker that is lost is replaced when the
  // next answer is taken. `stop` ends whatever the reader waits for. UNAVAILABLE
  // when none can be started, CANCELLED.
  absl::StatusOr<std::unique_ptr<PageReader>> Lease(
      const std::string& source, std::shared_ptr<const CompiledManifest> manifest,
      const std::stop_token& stop);

 private:
  class Reader;
  struct Idle {
    std::string source;
    std::shared_ptr<const CompiledManifest> manifest;
    std::unique_ptr<WorkerProcess> process;
    std::int64_t leases = 0;
  };

  // A new worker that has the manifest.
  absl::StatusOr<std::unique_ptr<WorkerProcess>> StartWorker(const CompiledManifest& manifest,
                                                             const std::stop_token& stop) const;
  void Return(Idle worker);

  const Options options_;
  const WorkerLimits limits_;
  Mutex mutex_;
  // Used last, first.
  std::list<Idle> idle_ ABSL_GUARDED_BY(mutex_);
};

// token-inventory-page-worker beside this program, or in
// ../libexec/token-inventory/ from there. NOT_FOUND says where it was looked for.
absl::StatusOr<std::string> FindPageWorker();

// OK when `program` can be executed; NOT_FOUND.
absl::Status CheckPageWorker(const std::string& program);

}  // namespace tokeninventory
