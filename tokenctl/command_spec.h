// The command line as data: what the manual page and the completions are made from.
#pragma once

#include <string>
#include <vector>

namespace tokeninventory::tokenctl {

// An option, or an argument by its place.
struct OptionSpec {
  std::vector<std::string> names;  // `-o`, `--output`; of an argument its name alone
  std::string value;               // what stands behind it; empty for a flag
  std::string description;
  std::vector<std::string> choices;  // the values that it can have; empty: any
};

// A command; the root is the program.
struct CommandSpec {
  std::string name;
  std::string description;
  std::vector<OptionSpec> arguments;
  std::vector<OptionSpec> options;
  std::vector<CommandSpec> commands;
};

// The manual page tokenctl(1), in roff.
std::string ManPage(const CommandSpec& root, const std::string& version);

// The completion script of `shell`: bash, zsh or fish.
std::string Completion(const CommandSpec& root, const std::string& shell);

}  // namespace tokeninventory::tokenctl
