#include "server/metrics/process_metrics.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace tokeninventory {
namespace {

// Fields of /proc/self/stat behind the name, which may hold spaces: number 3 comes first.
std::vector<std::string> ReadStat() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(") ");
  if (name_end == std::string::npos) return {};
  return absl::StrSplit(line.substr(name_end + 2), ' ');
}

// As proc(5) numbers them.
double Field(const std::vector<std::string>& stat, std::size_t number) {
  double value = 0;
  return number - 3 < stat.size() && absl::SimpleAtod(stat[number - 3], &value) ? value : 0;
}

double SecondsSinceBoot() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace

void AddProcessMetrics(MetricSet& metrics) {
  const std::vector<std::string> stat = ReadStat();
  if (!stat.empty()) {
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    metrics.Counter("process_cpu_seconds_total", "CPU time, user and system.")
        .Add({}, (Field(stat, 14) + Field(stat, 15)) / ticks);
    metrics.Gauge("process_start_time_seconds", "When the process began, since 1970.")
        .Add({}, absl::Now() - absl::Seconds(SecondsSinceBoot() - Field(stat, 22) / ticks));
    metrics.Gauge("process_virtual_memory_bytes", "Virtual memory.").Add({}, Field(stat, 23));
    metrics.Gauge("process_resident_memory_bytes", "Resident memory.")
        .Add({}, Field(stat, 24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
  std::error_code error;
  std::int64_t open = -1;  // the folder's own
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error)) {
    ++open;
  }
  if (!error) metrics.Gauge("process_open_fds", "Open file descriptors.").Add({}, open);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    metrics.Gauge("process_max_fds", "Most file descriptors that may be open.")
        .Add({}, static_cast<std::int64_t>(limit.rlim_cur));
  }
}

}  // namespace tokeninventory
