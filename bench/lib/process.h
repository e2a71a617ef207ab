// A child process that is measured: the service, a limit, a peer.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/mutex.h"

namespace tokeninventory::bench {

// With two cores or more the server has one and the load another, so that neither
// takes the other's time; with one, -1: not pinned.
int ServerCore();
int ClientCore();
// Keeps this process, and threads that it starts later, on one core; -1: does nothing.
void PinThisProcess(int core);

struct ProcessOptions {
  std::vector<std::string> command;
  int core = -1;
  // Run as this user when root; PostgreSQL refuses to be root.
  std::string user = {};
  // Its working folder; empty: this one's.
  std::string folder = {};
  std::vector<std::string> environment = {};  // NAME=VALUE, besides this one's
};

// Ends with this program, however that ends. Used by one thread.
class Process {
 public:
  // Both outputs are kept, and read all the time.
  explicit Process(const ProcessOptions& options);
  // Stops it.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Returns what it wrote once `text` is in it. Ends this program, with that output,
  // when the process ends without, or after two minutes.
  std::string AwaitOutput(absl::string_view text);
  // A line on its standard input.
  void Say(const std::string& line);

  pid_t pid() const { return pid_; }

  // CPU time, user and system, of it and all its descendants, living and waited for.
  double CpuSeconds() const;
  // Of it alone.
  std::int64_t ResidentBytes() const;

  // SIGTERM (or this one), SIGKILL after ten seconds. Returns the exit code, or minus the signal.
  int Stop(int signal = 0);
  // Until it ends by itself.
  int Wait();

 private:
  void ReadOutput(int fd);

  pid_t pid_ = -1;
  int input_ = -1;
  std::thread reader_;
  Mutex mutex_;
  CondVar wrote_;
  std::string output_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Says why and ends the program.
[[noreturn]] void Fail(absl::string_view why);

}  // namespace tokeninventory::bench
