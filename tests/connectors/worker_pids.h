// The page workers of this process.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory::testing {

// Empty when the process is gone, also when it goes while this reads.
inline std::string ReadProcFile(pid_t pid, const std::string& name) {
  std::ifstream in(absl::StrCat("/proc/", pid, "/", name), std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();  // unlike an iterator, it takes an error for the end
  return text.str();
}

// What a line `Name:<tab>value` of /proc/PID/status says.
inline std::string ReadProcStatus(pid_t pid, const std::string& name) {
  const std::string status = ReadProcFile(pid, "status");
  const std::size_t line = status.find(absl::StrCat("\n", name, ":\t"));
  if (line == std::string::npos) return std::string();
  const std::size_t begin = line + name.size() + 3;
  return status.substr(begin, status.find('\n', begin) - begin);
}

// Children that run the worker's program, zombies not among them. Changes under
// the feet of whoever reads.
inline std::vector<pid_t> WorkerPids() {
  std::vector<pid_t> pids;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    if (ReadProcStatus(pid, "PPid") != absl::StrCat(getpid())) continue;
    // Empty of a zombie; the service's own between fork and exec.
    if (absl::StrContains(ReadProcFile(pid, "cmdline"), "token-inventory-page-worker")) {
      pids.push_back(pid);
    }
  }
  return pids;
}

}  // namespace tokeninventory::testing
