// vendor-sim: serves the simulated vendors until SIGTERM or SIGINT.

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <string>
#include <thread>

#include "tests/vendor_sim/commands.h"
#include "tests/vendor_sim/credentials.h"
#include "tests/vendor_sim/samples.h"
#include "tests/vendor_sim/vendor_sim.h"

namespace tokeninventory::vendor_sim {
namespace {

void PrintVendor(const std::string& name, const std::string& base_url, const char* credential,
                 const std::string& what) {
  std::cout << "  " << name << "\n"
            << "    base URL    " << base_url << "\n"
            << "    credential  Authorization: Bearer " << credential << "\n"
            << "    serves      " << what << "\n";
}

void PrintSummary(const VendorSim& sim, const Options& options) {
  const WorldCounts counts = sim.Counts();
  std::cout << "vendor-sim: " << counts.Listed() << " tokens, seed " << options.seed << ", churn "
            << options.churn << " changes/s, rate limits " << (options.rate_limits ? "on" : "off")
            << "\n";
  PrintVendor("deepset", sim.DeepsetBaseUrl(), kDeepsetKey,
              std::to_string(counts.deepset_exclusive) + " tokens in " +
                  std::to_string(counts.workspaces) + " workspaces, " +
                  std::to_string(counts.model_registry) + " model registry tokens, and " +
                  std::to_string(counts.deepset_shared) + " shared tokens (not counted above)");
  PrintVendor("Opal", sim.OpalBaseUrl(), kOpalToken, std::to_string(counts.opal) + " tokens");
  PrintVendor("Buildkite", sim.BuildkiteBaseUrl(), kBuildkiteToken,
              "organization " + SampleOrganization().slug + ": " + std::to_string(counts.registry) +
                  " tokens in " + std::to_string(counts.registries) + " registries, " +
                  std::to_string(counts.agent) + " agent tokens in " +
                  std::to_string(counts.clusters) + " clusters");
  std::cout << "  try\n"
            << "    curl -H 'Authorization: Bearer " << kOpalToken << "' '" << sim.OpalBaseUrl()
            << "/tokens?page_size=2'\n"
            << "  stop with Ctrl-C or SIGTERM" << std::endl;
}

int Run(const Options& options, bool commands) {
  // Blocked before any thread starts, so that all inherit it and sigwait alone gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  VendorSim sim(options);
  const absl::Status status = sim.Start();
  if (!status.ok()) {
    std::cerr << "vendor-sim: " << status.message() << "\n";
    return 1;
  }
  PrintSummary(sim, options);
  if (commands) {
    // Ends with the process: a read that waits cannot be called off.
    std::thread([&sim] {
      for (std::string line; std::getline(std::cin, line);) {
        std::cout << RunCommand(sim, line) << std::endl;
      }
    }).detach();
  }
  int signal = 0;
  sigwait(&signals, &signal);
  sim.Stop();
  std::cout << "vendor-sim: stopped" << std::endl;
  return 0;
}

}  // namespace
}  // namespace tokeninventory::vendor_sim

int main(int argc, char** argv) {
  tokeninventory::vendor_sim::Options options;
  bool no_rate_limits = false;
  bool commands = false;
  CLI::App app("Simulates the REST APIs of deepset, Opal and Buildkite on one port.", "vendor-sim");
  app.add_option("--host", options.host, "Address to listen on")->capture_default_str();
  app.add_option("--port", options.port, "Port to listen on; 0 takes a free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  app.add_option("--tokens", options.tokens, "Tokens over all three vendors")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{10'000'000}))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "The same seed gives the same tokens")
      ->capture_default_str();
  app.add_option("--churn", options.churn, "Changes per second")
      ->check(CLI::Range(0.0, 100'000.0))
      ->capture_default_str();
  app.add_flag("--no-rate-limits", no_rate_limits, "Neither count requests nor answer 429");
  app.add_flag("--commands", commands, "Read changes from standard input: commands.h");
  CLI11_PARSE(app, argc, argv);
  options.rate_limits = !no_rate_limits;
  return tokeninventory::vendor_sim::Run(options, commands);
}
