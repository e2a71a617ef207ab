// token-inventoryd: the service, checks for those who write its configuration and
// manifests, and what operators do with the store.
#include <google/protobuf/stubs/logging.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "connectors/check_manifest.h"
#include "connectors/credentials.h"
#include "server/access/token_hash.h"
#include "server/grpc_log.h"
#include "server/process_privacy.h"
#include "server/reload.h"
#include "server/server_app.h"
#include "server/server_config.h"
#include "server/store_commands.h"

namespace tokeninventory {
namespace {

// Exit codes.
constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kBadConfig = 2;

// Answers of up to 3 MiB come and go: memory that glibc gives back after each one, the
// kernel has to clear again for the next, which costs as much as filling it.
void KeepMemoryOfAnswers() {
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);  // what each of the heaps may keep unused at its end
}

int Serve(const std::string& config_file, const ConfigOverrides& overrides,
          const sigset_t& signals) {
  KeepMemoryOfAnswers();
  SecretSource::TakeFromEnvironment();
  LoadedConfig config = LoadServerConfig(config_file, overrides, Clock::Real());
  for (const std::string& warning : config.warnings) LogWarning(warning);
  if (!config.problems.empty()) {
    for (const std::string& problem : config.problems) std::cerr << problem << "\n";
    std::cerr << config_file << ": " << config.problems.size() << " problem(s); not started\n";
    return kBadConfig;
  }
  SetLogSeverity(config.settings.log_severity);
  auto app = ServerApp::Start(std::move(config.settings), Clock::Real());
  if (!app.ok()) {
    LogError("not started", {{"error", std::string(app.status().message())}});
    return kFailed;
  }
  // Signals that come while one is served wait, several of a kind as one.
  int signal = 0;
  while (sigwait(&signals, &signal) != 0 || signal == SIGHUP) {
    if (signal == SIGHUP) {
      ReloadConfig(**app, config_file, overrides, Clock::Real()).IgnoreError();  // it is logged
    }
  }
  (*app)->Stop();
  return kOk;
}

// Whether the service would start with this configuration: reads what it names, credentials and
// TLS files included, opens neither the store nor a port and asks nobody.
int CheckConfig(const std::string& config_file, const ConfigOverrides& overrides) {
  const LoadedConfig config = LoadServerConfig(config_file, overrides, Clock::Real());
  for (const std::string& problem : config.problems) std::cout << problem << "\n";
  for (const std::string& warning : config.warnings) std::cout << warning << " (warning)\n";
  if (!config.problems.empty()) {
    std::cout << config_file << ": " << config.problems.size() << " problem(s)\n";
    return kBadConfig;
  }
  std::cout << config_file << ": good; " << config.settings.sources.descriptions.size()
            << " sources\n";
  return kOk;
}

// Where the store is that the command line speaks of.
absl::StatusOr<std::string> FindStore(const std::string& config_file, std::string data_dir) {
  if (data_dir.empty() && config_file.empty()) {
    return absl::InvalidArgumentError("--data DIR or --config FILE must say where the store is");
  }
  if (data_dir.empty()) {
    absl::StatusOr<std::string> read = ReadDataDir(config_file);
    if (!read.ok()) return read;
    data_dir = *std::move(read);
  }
  return StoreFileIn(data_dir);
}

// The token is never an argument: those can be read by everyone on the machine.
int HashToken(bool make) {
  std::string token;
  if (make) {
    token = MakeBearerToken();
  } else {
    std::getline(std::cin, token);
  }
  const absl::StatusOr<TokenHash> hash = TokenHash::Of(token);
  if (!hash.ok()) {
    std::cerr << hash.status().message() << "\n";
    return kFailed;
  }
  if (make) std::cout << token << "\n";
  std::cout << hash->Text() << "\n";
  return kOk;
}

int Main(int argc, char** argv) {
  KeepProcessPrivate();
  CLI::App cli("Knows every API token an organisation has handed out, and serves them by gRPC.");
  cli.set_version_flag("--version", TI_VERSION);
  std::string config_file;
  ConfigOverrides overrides;
  cli.add_option("--config", config_file, "YAML configuration (docs/configuration.md)");
  cli.add_option("--listen", overrides.listen, "HOST:PORT to serve on; wins over the file");
  cli.add_option("--data", overrides.data_dir, "folder of the database; wins over the file");

  cli.add_option("--page-worker", overrides.page_worker,
                 "the program that reads pages; else looked for beside this one");

  CLI::App* check_config_command = cli.add_subcommand(
      "check-config", "say what is wrong with a configuration, without starting");
  check_config_command->add_option("FILE", config_file, "the configuration")->required();
  CheckManifestOptions check;
  CLI::App* check_command =
      cli.add_subcommand("check-manifest",
                         "say what is wrong with a vendor's manifest, or show "
                         "the tokens that a saved page maps to");
  check_command->add_option("FILE", check.manifest_file, "the manifest")->required();
  check_command->add_option("--page", check.page_file, "a saved response body");
  check_command->add_option("--stream", check.stream, "which stream the page is of");
  check_command->add_option("--parent", check.parent, "k=v: the parent's item of the listing");
  check_command->add_option("--param", check.params, "k=v: as in the configuration's params");
  CLI::App* hash_command = cli.add_subcommand(
      "hash-token",
      "print what `access.principals[].token_hashes` holds of a caller's bearer token");
  bool new_token = false;
  hash_command->add_flag("--new", new_token,
                         "make a random token and print it first; else one is read from stdin");

  std::string store_file, backup_file;
  bool replace = false;
  CLI::App* verify_command = cli.add_subcommand(
      "verify-store", "check the store, also while the service runs; writes nothing");
  verify_command->add_option("FILE", store_file,
                             "the store or a backup; without it, the one in --data or --config");
  CLI::App* backup_command = cli.add_subcommand(
      "backup", "write a backup of the store in --data or --config, also while the service runs");
  backup_command->add_option("FILE", backup_file, "the backup to write")->required();
  backup_command->add_flag("--overwrite", replace, "replace FILE when it is there");
  CLI::App* restore_command = cli.add_subcommand(
      "restore", "put a backup where the service, which must not run, finds its store");
  restore_command->add_option("FILE", backup_file, "the backup")->required();
  restore_command->add_flag("--replace", replace,
                            "replace a store that holds something; it is kept");
  for (CLI::App* command :
       {check_config_command, verify_command, backup_command, restore_command}) {
    command->fallthrough();  // --data and --config may stand behind
  }
  cli.require_subcommand(0, 1);
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // The library has a code for each mistake, and 0 where help was asked for.
    return cli.exit(error) == 0 ? 0 : 2;
  }

  if (hash_command->parsed()) return HashToken(new_token);
  if (check_command->parsed()) return CheckManifest(check, std::cout);
  if (check_config_command->parsed()) {
    google::protobuf::SetLogHandler(nullptr);
    return CheckConfig(config_file, overrides);
  }
  if (verify_command->parsed() || backup_command->parsed() || restore_command->parsed()) {
    if (store_file.empty()) {
      const absl::StatusOr<std::string> found = FindStore(config_file, overrides.data_dir);
      if (!found.ok()) {
        std::cerr << found.status().message() << "\n";
        return kBadConfig;
      }
      store_file = *found;
    }
    google::protobuf::SetLogHandler(nullptr);
    if (verify_command->parsed()) return VerifyStoreCommand(store_file, std::cout, std::cerr);
    return backup_command->parsed()
               ? BackupCommand(store_file, backup_file, replace, std::cout, std::cerr)
               : RestoreCommand(backup_file, store_file, replace, std::cout, std::cerr);
  }
  if (config_file.empty()) {
    std::cerr << "--config FILE is required (scripts/run starts a demo)\n";
    return kBadConfig;
  }

  // Blocked before any thread starts, so that every thread inherits it and only
  // sigwait sees the signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // Protobuf would write to stderr at the will of whoever sends bad UTF-8.
  google::protobuf::SetLogHandler(nullptr);
  TakeGrpcLog();
  return Serve(config_file, overrides, signals);
}

}  // namespace
}  // namespace tokeninventory

int main(int argc, char** argv) { return tokeninventory::Main(argc, argv); }
