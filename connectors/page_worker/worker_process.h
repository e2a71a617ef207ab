// The service's side of one page worker: a process of its own with an empty
// environment, no descriptor but a socket, and limits (sandbox.h).
#pragma once

#include <sys/types.h>

#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "connectors/page_worker/worker_limits.h"
#include "tokeninventory/internal/v1/page_worker.pb.h"

namespace tokeninventory {

// Used by one thread at a time.
class WorkerProcess {
 public:
  // Starts `program`. UNAVAILABLE when it cannot be started.
  static absl::StatusOr<std::unique_ptr<WorkerProcess>> Start(const std::string& program,
                                                              const WorkerLimits& limits);
  // Kills it, if it is still there, and waits for that.
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  // Whether it can be called: it runs, and no call failed.
  bool IsRunning();

  // Sends a call and waits for the reply, at most `limit` of real time. After an
  // error the process is no more:
  //   DEADLINE_EXCEEDED  it was killed because it took too long
  //   UNAVAILABLE        it ended by itself, or was killed by others; says how
  //   INVALID_ARGUMENT   it was killed because it answered nonsense
  //   CANCELLED          it was killed because of `stop`
  absl::StatusOr<internal::v1::PageWorkerReply> Call(const internal::v1::PageWorkerCall& call,
                                                     absl::Duration limit,
                                                     const std::stop_token& stop);

 private:
  WorkerProcess(pid_t pid, int fd, const WorkerLimits& limits)
      : limits_(limits), pid_(pid), fd_(fd) {}

  // Ends it; the status as waitpid told it.
  int End();

  const WorkerLimits limits_;
  pid_t pid_;  // -1 when there is no process
  int fd_;
};

}  // namespace tokeninventory
