#include "bench/lib/service.h"

#include <cstdlib>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/vendor_sim/credentials.h"

namespace tokeninventory::bench {
namespace {

ProcessOptions ServiceOptions(const std::string& folder) {
  ProcessOptions options;
  options.command = {ProgramPath("token-inventoryd"),
                     "--config",
                     folder + "/config.yaml",
                     "--data",
                     folder,
                     "--listen",
                     "127.0.0.1:0"};
  options.core = ServerCore();
  options.environment = {std::string("BENCH_DEEPSET_KEY=") + vendor_sim::kDeepsetKey,
                         std::string("BENCH_OPAL_KEY=") + vendor_sim::kOpalToken,
                         std::string("BENCH_BUILDKITE_KEY=") + vendor_sim::kBuildkiteToken};
  return options;
}

}  // namespace

std::string ProgramPath(const std::string& name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

std::string SourceConfig(const std::string& id, const std::string& vendor,
                         const std::string& base_url) {
  return absl::StrCat("  - id: ", id, "\n    vendor: ", vendor, "\n    params: {base_url: '",
                      base_url, vendor == "opal" ? "/v1" : "", "'}\n    secrets: {",
                      vendor == "deepset" ? "api_key" : "token", ": {env: BENCH_",
                      absl::AsciiStrToUpper(vendor), "_KEY}}\n    interval: 7d\n",
                      "    max_requests_per_second: 1000\n");
}

int PortIn(const std::string& output, const std::string& key) {
  const std::size_t at = output.find(key);
  if (at == std::string::npos) Fail("no " + key + " in: " + output);
  return std::atoi(output.c_str() + at + key.size());
}

Service::Service(const std::string& folder) : process_(ServiceOptions(folder)) {
  const std::string output = process_.AwaitOutput("\"message\":\"serving\"");
  port_ = PortIn(output.substr(output.find("\"message\":\"serving\"")), "\"port\":\"");
}

}  // namespace tokeninventory::bench
