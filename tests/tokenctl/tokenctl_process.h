// tokenctl as people and scripts run it.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace tokeninventory::testing {

// Used by one thread.
class TokenctlProcess {
 public:
  // Starts it with these arguments and `NAME=value`s, and nothing else of this environment. With
  // `columns` its outputs are one terminal of that width, else two pipes.
  TokenctlProcess(const std::vector<std::string>& arguments,
                  const std::vector<std::string>& environment = {}, int columns = 0);
  // Kills it.
  ~TokenctlProcess();
  TokenctlProcess(const TokenctlProcess&) = delete;
  TokenctlProcess& operator=(const TokenctlProcess&) = delete;

  // Waits until it has written `text` so often; false when it ended first, or after a minute.
  [[nodiscard]] bool AwaitOutput(const std::string& text, int times = 1) {
    return Await(out_, text, times);
  }
  [[nodiscard]] bool AwaitError(const std::string& text, int times = 1) {
    return Await(err_, text, times);
  }

  // Waits for the end: the exit code, or minus the signal.
  int Wait();
  // Sends a signal first.
  int End(int signal);

  // What it wrote so far; all of it after Wait. A terminal's is all in the output.
  std::string Output();
  std::string Errors();

 private:
  struct Stream {
    int fd = -1;
    std::thread reader;
    std::string text;
    bool closed = false;
  };

  void Read(Stream& stream);
  bool Await(Stream& stream, const std::string& text, int times);

  pid_t pid_ = -1;
  Mutex mutex_;  // guards the streams' texts
  CondVar wrote_;
  Stream out_, err_;
};

// Runs it to its end.
struct TokenctlRun {
  int exit_code = 0;
  std::string out;
  std::string err;
};
TokenctlRun RunTokenctl(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment = {}, int columns = 0);

}  // namespace tokeninventory::testing
