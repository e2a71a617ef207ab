#include "bench/lib/process.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace tokeninventory::bench {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(2);
constexpr absl::Duration kGrace = absl::Seconds(10);

// What follows the name in /proc/PID/stat: field 3 (state) is the first.
std::vector<std::string> StatFields(const std::string& pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::stringstream text;
  text << file.rdbuf();
  const std::string line = text.str();
  const std::size_t name_end = line.rfind(") ");
  if (name_end == std::string::npos) return {};
  return absl::StrSplit(line.substr(name_end + 2), ' ');
}

std::int64_t NumberAt(const std::vector<std::string>& fields, std::size_t index) {
  std::int64_t number = 0;
  return index < fields.size() && absl::SimpleAtoi(fields[index], &number) ? number : 0;
}

// User and system time of a process, all its threads, those that ended included:
// what /proc/PID/stat tells, in nanoseconds instead of hundredths of a second.
double OwnCpuSeconds(pid_t pid) {
  clockid_t clock = 0;
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

[[noreturn]] void Exec(const ProcessOptions& options, char** argv, const passwd* user) {
  if (options.core >= 0) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(static_cast<std::size_t>(options.core), &cores);
    sched_setaffinity(0, sizeof cores, &cores);
  }
  if (user != nullptr &&
      (setgroups(0, nullptr) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) {
    _exit(126);
  }
  // After the change of user, which takes it away.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) _exit(126);
  for (const std::string& variable : options.environment) {
    const std::size_t equals = variable.find('=');
    setenv(variable.substr(0, equals).c_str(), variable.c_str() + equals + 1, 1);
  }
  execvp(argv[0], argv);
  _exit(127);
}

}  // namespace

void Fail(absl::string_view why) {
  std::fprintf(stderr, "%s\n", std::string(why).c_str());
  std::exit(1);
}

int ServerCore() { return std::thread::hardware_concurrency() >= 2 ? 0 : -1; }
int ClientCore() { return std::thread::hardware_concurrency() >= 2 ? 1 : -1; }

void PinThisProcess(int core) {
  if (core < 0) return;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<std::size_t>(core), &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

Process::Process(const ProcessOptions& options) {
  // A peer that is gone is seen by what it should have answered.
  signal(SIGPIPE, SIG_IGN);
  int output[2];
  int input[2];
  if (pipe2(output, O_CLOEXEC) != 0 || pipe2(input, O_CLOEXEC) != 0) Fail("no pipe");
  std::vector<std::string> words = options.command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const passwd* user = nullptr;
  if (!options.user.empty() && getuid() == 0) {
    user = getpwnam(options.user.c_str());
    if (user == nullptr) Fail(absl::StrCat("no user ", options.user));
  }
  pid_ = fork();
  if (pid_ == 0) {
    dup2(input[0], STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    dup2(output[1], STDERR_FILENO);
    Exec(options, argv.data(), user);
  }
  close(input[0]);
  close(output[1]);
  input_ = input[1];
  reader_ = std::thread([this, fd = output[0]] { ReadOutput(fd); });
}

Process::~Process() {
  Stop();
  close(input_);
  reader_.join();
}

void Process::ReadOutput(int fd) {
  char buffer[4096];
  for (bool open = true; open;) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    MutexLock lock(mutex_);
    open = got > 0;
    if (open) output_.append(buffer, static_cast<std::size_t>(got));
    closed_ = !open;
    wrote_.NotifyAll();
  }
  close(fd);
}

std::string Process::AwaitOutput(absl::string_view text) {
  const absl::Time deadline = absl::Now() + kPatience;
  MutexLock lock(mutex_);
  while (output_.find(std::string(text)) == std::string::npos) {
    if (closed_ || absl::Now() > deadline) {
      Fail(absl::StrCat("a program did not write \"", text, "\" but:\n", output_));
    }
    wrote_.WaitFor(mutex_, std::chrono::milliseconds(100));
  }
  return output_;
}

void Process::Say(const std::string& line) {
  const std::string text = line + "\n";
  if (write(input_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    Fail("a program does not listen any more");
  }
}

double Process::CpuSeconds() const {
  // Field 4 is the parent, 16 and 17 the time of children that it waited for.
  std::vector<std::pair<std::string, std::int64_t>> parents;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    parents.emplace_back(name, NumberAt(StatFields(name), 1));
  }
  double seconds = 0;
  std::vector<std::int64_t> family = {pid_};
  for (std::size_t i = 0; i < family.size(); ++i) {
    const std::vector<std::string> stat = StatFields(absl::StrCat(family[i]));
    seconds += OwnCpuSeconds(static_cast<pid_t>(family[i])) +
               static_cast<double>(NumberAt(stat, 13) + NumberAt(stat, 14)) /
                   static_cast<double>(sysconf(_SC_CLK_TCK));
    for (const auto& [child, parent] : parents) {
      std::int64_t number = 0;
      if (parent == family[i] && absl::SimpleAtoi(child, &number)) family.push_back(number);
    }
  }
  return seconds;
}

std::int64_t Process::ResidentBytes() const {
  std::ifstream status(absl::StrCat("/proc/", pid_, "/status"));
  for (std::string word; status >> word;) {
    std::int64_t kib = 0;
    if (word == "VmRSS:" && status >> kib) return kib * 1024;
  }
  return 0;
}

int Process::Stop(int signal) {
  if (pid_ < 0) return 0;
  kill(pid_, signal == 0 ? SIGTERM : signal);
  const absl::Time deadline = absl::Now() + kGrace;
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (absl::Now() > deadline) {
      kill(pid_, SIGKILL);
      break;
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
  return Wait();
}

int Process::Wait() {
  if (pid_ < 0) return 0;
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace tokeninventory::bench
