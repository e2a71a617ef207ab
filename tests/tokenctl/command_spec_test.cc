#include "tokenctl/command_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <fstream>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tests/testing/temp_dir.h"
#include "tokenctl/command_line.h"

namespace tokeninventory::tokenctl {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::UnorderedElementsAre;

void ForEachOption(const CommandSpec& command,
                   const std::function<void(const CommandSpec&, const OptionSpec&)>& each) {
  for (const OptionSpec& option : command.options) each(command, option);
  for (const CommandSpec& inner : command.commands) ForEachOption(inner, each);
}

TEST(CommandLineTest, EveryOptionSaysWhatItIs) {
  int count = 0;
  ForEachOption(DescribeCommandLine(), [&](const CommandSpec& command, const OptionSpec& option) {
    EXPECT_FALSE(option.description.empty()) << command.name << " " << option.names.back();
    ++count;
  });
  EXPECT_GT(count, 50);
}

TEST(ManPageTest, MentionsEveryCommandAndOption) {
  const CommandSpec root = DescribeCommandLine();
  const std::string page = ManPage(root, "1.2.3");
  EXPECT_THAT(page, HasSubstr("Token Inventory 1.2.3"));
  ForEachOption(root, [&](const CommandSpec& command, const OptionSpec& option) {
    for (const std::string& name : option.names) {
      EXPECT_THAT(page, HasSubstr(absl::StrCat("\\fB", absl::StrReplaceAll(name, {{"-", "\\-"}}))))
          << command.name;
    }
  });
  for (const CommandSpec& command : root.commands) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat(".SS ", command.name)));
    EXPECT_THAT(page, HasSubstr(absl::StrReplaceAll(command.description, {{"-", "\\-"}})));
  }
}

// What bash offers for a line that was begun.
std::vector<std::string> Complete(const std::string& line) {
  const tokeninventory::testing::TempDir folder;
  std::ofstream(folder.File("completion")) << Completion(DescribeCommandLine(), "bash");
  std::ofstream(folder.File("ask")) << "source " << folder.File("completion") << "\nCOMP_WORDS=("
                                    << line << ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                                    << "_tokenctl\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
  FILE* bash = popen(absl::StrCat("bash ", folder.File("ask")).c_str(), "r");
  std::string output;
  char buffer[4096];
  for (std::size_t got = 0; (got = fread(buffer, 1, sizeof buffer, bash)) > 0;) {
    output.append(buffer, got);
  }
  EXPECT_EQ(pclose(bash), 0);
  return absl::StrSplit(output, '\n', absl::SkipEmpty());
}

TEST(CompletionTest, BashKnowsWhereItIs) {
  EXPECT_THAT(Complete("tokenctl ''"), IsSupersetOf({"list", "watch", "sync", "--server"}));
  EXPECT_THAT(Complete("tokenctl li"), UnorderedElementsAre("list"));
  EXPECT_THAT(Complete("tokenctl list --ord"), UnorderedElementsAre("--order-by"));
  EXPECT_THAT(Complete("tokenctl --utc list -o ''"),
              UnorderedElementsAre("table", "wide", "json", "yaml", "csv"));
  EXPECT_THAT(Complete("tokenctl expirations w"), UnorderedElementsAre("watch"));
  EXPECT_THAT(Complete("tokenctl expirations watch --n"), UnorderedElementsAre("--new"));
  EXPECT_THAT(Complete("tokenctl expirations watch -o ''"), UnorderedElementsAre("text", "json"));
  EXPECT_THAT(Complete("tokenctl completion ''"), IsSupersetOf({"bash", "zsh", "fish"}));
  EXPECT_THAT(Complete("tokenctl list --color a"), UnorderedElementsAre("auto", "always"));
  EXPECT_THAT(Complete("tokenctl sync --filt"), ::testing::IsEmpty());
}

TEST(CompletionTest, EveryShellHasEveryOption) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = Completion(DescribeCommandLine(), shell);
    ForEachOption(DescribeCommandLine(), [&](const CommandSpec&, const OptionSpec& option) {
      const std::string name = option.names.back();
      EXPECT_THAT(script, HasSubstr(name.substr(2))) << shell;
    });
  }
}

}  // namespace
}  // namespace tokeninventory::tokenctl
