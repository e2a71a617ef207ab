#include "tests/tokenctl/tokenctl_process.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

namespace tokeninventory::testing {
namespace {

constexpr char kProgram[] = TI_TOKENCTL_PROGRAM;

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

TokenctlProcess::TokenctlProcess(const std::vector<std::string>& arguments,
                                 const std::vector<std::string>& environment, int columns) {
  int out[2], err[2];
  if (columns > 0) {
    const winsize size = {.ws_row = 40,
                          .ws_col = static_cast<unsigned short>(columns),
                          .ws_xpixel = 0,
                          .ws_ypixel = 0};
    if (openpty(&out[0], &out[1], nullptr, nullptr, &size) != 0) std::abort();
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    fcntl(out[1], F_SETFD, FD_CLOEXEC);
    err[0] = -1;
    err[1] = out[1];
  } else if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    std::abort();
  }
  // Made before the fork: other threads may hold the allocator's lock in it.
  std::vector<std::string> words = {kProgram};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = {"LANG=C.UTF-8", "TERM=xterm", "TZ=UTC"};
  variables.insert(variables.end(), environment.begin(), environment.end());
  const std::vector<char*> argv = Pointers(words), envp = Pointers(variables);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    execve(kProgram, argv.data(), envp.data());
    _exit(127);
  }
  close(out[1]);
  if (columns == 0) close(err[1]);
  out_.fd = out[0];
  out_.reader = std::thread([this] { Read(out_); });
  err_.fd = err[0];
  if (err_.fd >= 0) err_.reader = std::thread([this] { Read(err_); });
}

TokenctlProcess::~TokenctlProcess() {
  if (pid_ > 0) End(SIGKILL);
}

void TokenctlProcess::Read(Stream& stream) {
  char buffer[4096];
  for (;;) {
    // A terminal whose other end is closed is an error.
    const ssize_t got = read(stream.fd, buffer, sizeof buffer);
    MutexLock lock(mutex_);
    if (got <= 0) {
      stream.closed = true;
    } else {
      stream.text.append(buffer, static_cast<std::size_t>(got));
    }
    wrote_.NotifyAll();
    if (stream.closed) break;
  }
  close(stream.fd);
}

bool TokenctlProcess::Await(Stream& stream, const std::string& text, int times) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  MutexLock lock(mutex_);
  for (;;) {
    int found = 0;
    for (std::size_t at = stream.text.find(text); at != std::string::npos;
         at = stream.text.find(text, at + 1)) {
      ++found;
    }
    if (found >= times) return true;
    if (stream.closed || std::chrono::steady_clock::now() > deadline) return false;
    wrote_.WaitFor(mutex_, std::chrono::milliseconds(100));
  }
}

int TokenctlProcess::Wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  for (Stream* stream : {&out_, &err_}) {
    if (stream->reader.joinable()) stream->reader.join();
  }
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int TokenctlProcess::End(int signal) {
  kill(pid_, signal);
  return Wait();
}

std::string TokenctlProcess::Output() {
  MutexLock lock(mutex_);
  return out_.text;
}

std::string TokenctlProcess::Errors() {
  MutexLock lock(mutex_);
  return err_.text;
}

TokenctlRun RunTokenctl(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment, int columns) {
  TokenctlProcess process(arguments, environment, columns);
  TokenctlRun run;
  run.exit_code = process.Wait();
  run.out = process.Output();
  run.err = process.Errors();
  return run;
}

}  // namespace tokeninventory::testing
