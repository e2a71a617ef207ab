// tokenctl: Token Inventory on the command line.
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "absl/strings/match.h"
#include "tokenctl/command_line.h"
#include "tokenctl/connection.h"
#include "tokenctl/session.h"
#include "tokenctl/settings.h"

namespace tokeninventory::tokenctl {
namespace {

// Others on this machine can read arguments for as long as the program runs.
void WipeTokenArgument(int argc, char** argv) {
  constexpr char kOption[] = "--token";
  for (int i = 1; i < argc; ++i) {
    char* value = nullptr;
    if (std::strcmp(argv[i], kOption) == 0 && i + 1 < argc) value = argv[i + 1];
    if (absl::StartsWith(argv[i], "--token=")) value = argv[i] + sizeof kOption;
    if (value != nullptr) std::memset(value, '*', std::strlen(value));
  }
}

std::string ReadEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int RunWithService(const CommandLine& line) {
  const Terminal terminal = DetectTerminal(STDOUT_FILENO, line.colour);
  const Terminal err_terminal = DetectTerminal(STDERR_FILENO, line.colour);
  absl::StatusOr<ConnectionSettings> settings =
      ResolveSettings(line.words, line.config_file, ReadEnvironment);
  if (!settings.ok()) {
    if (line.is_check) {
      std::cout << "UNKNOWN - " << settings.status().message() << "\n";
      return kCheckUnknown;
    }
    std::cerr << "tokenctl: " << settings.status().message() << "\n";
    return kUsage;
  }
  const bool has_token = !settings->token.empty();
  Connection connection(*std::move(settings), line.timeout);
  Session session{
      .connection = connection,
      .out = std::cout,
      .err = std::cerr,
      .terminal = terminal,
      .err_terminal = err_terminal,
      .times = {.now = absl::Now(), .zone = line.utc ? absl::UTCTimeZone() : absl::LocalTimeZone()},
      .has_token = has_token};
  return line.run(session);
}

int Main(int argc, char** argv) {
  // Who stops reading, as `head` does, ends this program without a word.
  signal(SIGPIPE, SIG_DFL);
  std::ios::sync_with_stdio(false);
  google::protobuf::SetLogHandler(nullptr);
  // What gRPC has to say is said in one line, by the command.
  gpr_set_log_function([](gpr_log_func_args*) {});
  CommandLine line;
  const std::optional<int> ended = ParseCommandLine(argc, argv, line, std::cout, std::cerr);
  WipeTokenArgument(argc, argv);
  const int code = ended.has_value() ? *ended
                   : line.run_alone  ? line.run_alone(std::cout)
                                     : RunWithService(line);
  std::cout.flush();
  if (std::cout) return code;
  std::cerr << "tokenctl: the output could not be written\n";
  return kFailed;
}

}  // namespace
}  // namespace tokeninventory::tokenctl

int main(int argc, char** argv) { return tokeninventory::tokenctl::Main(argc, argv); }
