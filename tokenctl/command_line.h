// tokenctl's command line.
#pragma once

#include <functional>
#include <optional>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "tokenctl/command_spec.h"
#include "tokenctl/session.h"
#include "tokenctl/settings.h"

namespace tokeninventory::tokenctl {

// What was asked for.
struct CommandLine {
  ConnectionWords words;
  std::string config_file;
  absl::Duration timeout = absl::Seconds(10);
  bool utc = false;
  ColourChoice colour = ColourChoice::kAuto;

  // The command. One of the two is set: with the service, or without.
  std::function<int(Session&)> run;
  std::function<int(std::ostream&)> run_alone;
  // Exits with the codes of monitoring plugins.
  bool is_check = false;
};

// Reads the command line into `line`. An exit code when there is nothing to do any more: help was
// printed, or what is wrong.
std::optional<int> ParseCommandLine(int argc, const char* const* argv, CommandLine& line,
                                    std::ostream& out, std::ostream& err);

CommandSpec DescribeCommandLine();

}  // namespace tokeninventory::tokenctl
