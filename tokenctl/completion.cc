// Completion scripts. Each finds the command by walking over the words, as the program does, and
// then offers its options, its commands or the choices of an option.
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tokenctl/command_spec.h"

namespace tokeninventory::tokenctl {
namespace {

// A command with all that may stand behind it.
struct Place {
  std::string path;  // `expirations watch`; empty for the program itself
  const CommandSpec* command = nullptr;
  std::vector<OptionSpec> options;  // those of the commands around it, too
};

void Collect(const CommandSpec& command, const std::string& path, std::vector<OptionSpec> options,
             std::vector<Place>& places) {
  for (const OptionSpec& option : command.options) {
    // Every command has its own --help.
    if (path.empty() || option.names.back() != "--help") options.push_back(option);
  }
  places.push_back({path, &command, options});
  for (const CommandSpec& inner : command.commands) {
    Collect(inner, absl::StrCat(path, path.empty() ? "" : " ", inner.name), options, places);
  }
}

std::vector<Place> PlacesOf(const CommandSpec& root) {
  std::vector<Place> places;
  Collect(root, "", {}, places);
  return places;
}

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

bool IsFile(const OptionSpec& option) { return option.value == "FILE"; }

// The `case` that follows the words into commands, in what bash and zsh share.
std::string WalkCase(const std::vector<Place>& places) {
  std::string out = "    case \"$at $word\" in\n";
  for (const Place& place : places) {
    if (place.path.empty()) continue;
    absl::StrAppend(&out, "      ' ", place.path, "') at=' ", place.path, "' ;;\n");
  }
  return out + "    esac\n";
}

// The `case` of what stands behind an option: `choices` and `files` write a branch.
std::string ValueCase(const std::vector<Place>& places,
                      const std::function<std::string(const OptionSpec&)>& branch) {
  std::string out = "  case \"$at:$prev\" in\n";
  for (const Place& place : places) {
    for (const OptionSpec& option : place.command->options) {
      if (option.value.empty()) continue;
      // An option may also stand behind an inner command.
      const std::string before = place.path.empty() ? "*" : absl::StrCat("' ", place.path, "'*");
      const std::string names =
          absl::StrJoin(option.names, "|", [&](std::string* to, const std::string& name) {
            absl::StrAppend(to, before, ":", name);
          });
      absl::StrAppend(&out, "    ", names, ") ", branch(option), " ;;\n");
    }
  }
  return out + "  esac\n";
}

std::string Bash(const CommandSpec& root) {
  const std::vector<Place> places = PlacesOf(root);
  std::string out =
      R"(# bash completion of tokenctl. In ~/.bashrc: source <(tokenctl completion bash)
_tokenctl() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} at='' word words=''
  COMPREPLY=()
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
)";
  absl::StrAppend(&out, WalkCase(places), "  done\n");
  absl::StrAppend(&out, ValueCase(places, [](const OptionSpec& option) -> std::string {
    if (IsFile(option)) {
      return "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return";
    }
    if (option.choices.empty()) return "return";
    return absl::StrCat("mapfile -t COMPREPLY < <(compgen -W '", absl::StrJoin(option.choices, " "),
                        "' -- \"$cur\"); return");
  }));
  out += "  case \"$at\" in\n";
  for (const Place& place : places) {
    std::vector<std::string> words;
    for (const CommandSpec& command : place.command->commands) words.push_back(command.name);
    for (const OptionSpec& argument : place.command->arguments) {
      words.insert(words.end(), argument.choices.begin(), argument.choices.end());
    }
    for (const OptionSpec& option : place.options) {
      words.insert(words.end(), option.names.begin(), option.names.end());
    }
    absl::StrAppend(&out, "    '", place.path.empty() ? "" : " ", place.path, "') words='",
                    absl::StrJoin(words, " "), "' ;;\n");
  }
  return out + R"(  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _tokenctl tokenctl
)";
}

std::string Zsh(const CommandSpec& root) {
  const std::vector<Place> places = PlacesOf(root);
  // `_describe` takes a colon for the end of the word.
  const auto entry = [](const std::string& name, const std::string& description) {
    return absl::StrCat(
        "      ", Quoted(absl::StrCat(name, ":", absl::StrReplaceAll(description, {{":", "\\:"}}))),
        "\n");
  };
  std::string out = R"(#compdef tokenctl
# zsh completion of tokenctl, for a folder of $fpath; or in ~/.zshrc: source <(tokenctl completion zsh)
_tokenctl() {
  local prev=$words[CURRENT-1] at='' word
  local -a entries
  for word in ${words[2,CURRENT-1]}; do
)";
  absl::StrAppend(&out, WalkCase(places), "  done\n");
  absl::StrAppend(&out, ValueCase(places, [](const OptionSpec& option) -> std::string {
    if (IsFile(option)) return "_files; return";
    if (option.choices.empty()) {
      return absl::StrCat("_message ", Quoted(option.value), "; return");
    }
    return absl::StrCat("compadd -- ", absl::StrJoin(option.choices, " "), "; return");
  }));
  out += "  case \"$at\" in\n";
  for (const Place& place : places) {
    absl::StrAppend(&out, "    '", place.path.empty() ? "" : " ", place.path, "') entries=(\n");
    for (const CommandSpec& command : place.command->commands) {
      out += entry(command.name, command.description);
    }
    for (const OptionSpec& argument : place.command->arguments) {
      for (const std::string& choice : argument.choices) out += entry(choice, argument.description);
    }
    for (const OptionSpec& option : place.options) {
      for (const std::string& name : option.names) out += entry(name, option.description);
    }
    out += "    ) ;;\n";
  }
  return out + R"(  esac
  _describe tokenctl entries
}
if [[ $funcstack[1] == _tokenctl ]]; then _tokenctl "$@"; else compdef _tokenctl tokenctl; fi
)";
}

std::string Fish(const CommandSpec& root) {
  const std::vector<Place> places = PlacesOf(root);
  std::string out =
      R"(# fish completion of tokenctl. Once: tokenctl completion fish > ~/.config/fish/completions/tokenctl.fish
function __tokenctl_at
    set -l at ''
    for word in (commandline -opc)[2..-1]
        switch "$at $word"
            case )";
  for (const Place& place : places) {
    if (!place.path.empty()) absl::StrAppend(&out, Quoted(absl::StrCat(" ", place.path)), " ");
  }
  out += R"(
                set at "$at $word"
        end
    end
    echo "$at"
end
complete -c tokenctl -f
)";
  for (const Place& place : places) {
    const std::string when =
        absl::StrCat("complete -c tokenctl -n ",
                     Quoted(absl::StrCat("test (__tokenctl_at) = '", place.path.empty() ? "" : " ",
                                         place.path, "'")));
    for (const CommandSpec& command : place.command->commands) {
      absl::StrAppend(&out, when, " -a ", command.name, " -d ", Quoted(command.description), "\n");
    }
    for (const OptionSpec& argument : place.command->arguments) {
      if (argument.choices.empty()) continue;
      absl::StrAppend(&out, when, " -a ", Quoted(absl::StrJoin(argument.choices, " ")), "\n");
    }
    for (const OptionSpec& option : place.options) {
      out += when;
      for (const std::string& name : option.names) {
        absl::StrAppend(&out, absl::StartsWith(name, "--") ? " -l " : " -s ",
                        name.substr(name.find_first_not_of('-')));
      }
      if (!option.value.empty()) out += IsFile(option) ? " -r -F" : " -x";
      if (!option.choices.empty()) {
        absl::StrAppend(&out, " -a ", Quoted(absl::StrJoin(option.choices, " ")));
      }
      absl::StrAppend(&out, " -d ", Quoted(option.description), "\n");
    }
  }
  return out;
}

}  // namespace

std::string Completion(const CommandSpec& root, const std::string& shell) {
  if (shell == "fish") return Fish(root);
  return shell == "zsh" ? Zsh(root) : Bash(root);
}

}  // namespace tokeninventory::tokenctl
