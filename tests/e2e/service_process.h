// token-inventoryd as a process of its own, to be killed.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace tokeninventory::testing {

// Used by one thread.
class ServiceProcess {
 public:
  // Starts it on a free port and returns once it serves, or has ended.
  ServiceProcess(const std::string& config_file, const std::string& data_dir);
  // Runs the program with these arguments, and does not wait.
  explicit ServiceProcess(const std::vector<std::string>& arguments);
  // Kills it.
  ~ServiceProcess();
  ServiceProcess(const ServiceProcess&) = delete;
  ServiceProcess& operator=(const ServiceProcess&) = delete;

  // 0 when it never served.
  int port() const { return port_; }
  // Of its metrics; 0 when it does not serve any.
  int metrics_port();
  pid_t pid() const { return pid_; }
  std::shared_ptr<grpc::Channel> Connect() const;

  // Sends a signal and waits for the end; the exit code, or minus the signal.
  int End(int signal);
  // Waits for the end.
  int Wait();
  // Starts it as the first constructor does.
  static std::vector<std::string> Arguments(const std::string& config_file,
                                            const std::string& data_dir);

  void Signal(int signal) const;
  // Waits until it has written `text` so often; false when it ended first, or after a minute.
  [[nodiscard]] bool AwaitLog(const std::string& text, int times = 1);

  // What it wrote so far.
  std::string Log();

 private:
  void ReadLog(int fd);

  pid_t pid_ = -1;
  int port_ = 0;
  std::thread reader_;
  Mutex mutex_;
  CondVar wrote_;
  std::string log_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Runs the program with arguments and waits: exit code, and all that it wrote.
struct Finished {
  int exit_code = 0;
  std::string output;
};
Finished RunService(const std::vector<std::string>& arguments);
// The same of a copy of it.
Finished RunProgram(const std::string& program, const std::vector<std::string>& arguments);
// Where the program is.
std::string ServiceProgram();

}  // namespace tokeninventory::testing
