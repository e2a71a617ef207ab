#include "tests/e2e/service_process.h"

#include <fcntl.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory::testing {
namespace {

constexpr char kProgram[] = TI_SERVICE_PROGRAM;

// Starts the program with both outputs on a pipe; the pipe's reading end.
int Spawn(const std::string& program, const std::vector<std::string>& arguments, pid_t* pid) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
  // Made before the fork: other threads may hold the allocator's lock in it.
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  *pid = fork();
  if (*pid == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  return ends[0];
}

int WaitFor(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// A port, by its field, of the line that says that it serves; 0 when there is none yet.
int ServingPort(const std::string& log, const std::string& field = "port") {
  const std::size_t line = log.find("\"message\":\"serving\"");
  if (line == std::string::npos) return 0;
  const std::string before = absl::StrCat("\"", field, "\":\"");
  const std::size_t key = log.find(before, line);
  if (key == std::string::npos) return 0;
  const std::size_t begin = key + before.size();
  int port = 0;
  return absl::SimpleAtoi(log.substr(begin, log.find('"', begin) - begin), &port) ? port : 0;
}

}  // namespace

std::vector<std::string> ServiceProcess::Arguments(const std::string& config_file,
                                                   const std::string& data_dir) {
  return {"--config", config_file, "--data", data_dir, "--listen", "127.0.0.1:0"};
}

ServiceProcess::ServiceProcess(const std::vector<std::string>& arguments) {
  const int fd = Spawn(kProgram, arguments, &pid_);
  reader_ = std::thread([this, fd] { ReadLog(fd); });
}

ServiceProcess::ServiceProcess(const std::string& config_file, const std::string& data_dir)
    : ServiceProcess(Arguments(config_file, data_dir)) {
  MutexLock lock(mutex_);
  while (!closed_ && (port_ = ServingPort(log_)) == 0) wrote_.Wait(mutex_);
}

ServiceProcess::~ServiceProcess() {
  if (pid_ > 0) End(SIGKILL);
  reader_.join();
}

void ServiceProcess::ReadLog(int fd) {
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    MutexLock lock(mutex_);
    if (got <= 0) {
      closed_ = true;
    } else {
      log_.append(buffer, static_cast<std::size_t>(got));
    }
    wrote_.NotifyAll();
    if (closed_) break;
  }
  close(fd);
}

std::shared_ptr<grpc::Channel> ServiceProcess::Connect() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port_),
                                   grpc::InsecureChannelCredentials(), arguments);
}

int ServiceProcess::End(int signal) {
  kill(pid_, signal);
  return Wait();
}

int ServiceProcess::Wait() {
  const int code = WaitFor(pid_);
  pid_ = -1;
  return code;
}

int ServiceProcess::metrics_port() {
  MutexLock lock(mutex_);
  return ServingPort(log_, "metrics_port");
}

void ServiceProcess::Signal(int signal) const { kill(pid_, signal); }

bool ServiceProcess::AwaitLog(const std::string& text, int times) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  const auto count = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    int found = 0;
    for (std::size_t at = log_.find(text); at != std::string::npos; at = log_.find(text, at + 1)) {
      ++found;
    }
    return found;
  };
  MutexLock lock(mutex_);
  while (count() < times) {
    if (closed_ || std::chrono::steady_clock::now() > deadline) return false;
    wrote_.WaitFor(mutex_, std::chrono::milliseconds(100));
  }
  return true;
}

std::string ServiceProcess::Log() {
  MutexLock lock(mutex_);
  return log_;
}

std::string ServiceProgram() { return kProgram; }

Finished RunService(const std::vector<std::string>& arguments) {
  return RunProgram(kProgram, arguments);
}

Finished RunProgram(const std::string& program, const std::vector<std::string>& arguments) {
  pid_t pid = -1;
  const int fd = Spawn(program, arguments, &pid);
  Finished finished;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd, buffer, sizeof buffer)) > 0;) {
    finished.output.append(buffer, static_cast<std::size_t>(got));
  }
  close(fd);
  finished.exit_code = WaitFor(pid);
  return finished;
}

}  // namespace tokeninventory::testing
