// tokenctl(1): the options are those of the command line, what is around them is written here.
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tokenctl/command_spec.h"

namespace tokeninventory::tokenctl {
namespace {

constexpr char kDescription[] = R"(.SH DESCRIPTION
.B tokenctl
asks a Token Inventory service, by gRPC, which API tokens an organisation has handed out, and follows what becomes of
them. Tables, colours and bars are for terminals; the forms for programs are the same everywhere.
)";

constexpr char kAfter[] = R"(.SH OUTPUT
.TP
.B json
What the API answers, as proto3 JSON with the field names of its protos (those that filters have).
.BR list ", " expiring ", " "expirations list" " and " sources
write one array, with a line for each element;
.BR get ", " refresh ", " summary ", " sync " and " "sources SOURCE"
one object;
.BR watch " and " "expirations watch"
a line for each message of the stream (WatchTokensResponse, WatchExpirationsResponse), once its
.I resume_token
covers it. A message with
.I reset
means: forget what came before.
.TP
.B yaml
The same as YAML.
.TP
.B csv
A head and a line for each token, times in UTC.
.PP
Control characters in names are shown as \(lq\ex1b\(rq, never sent to the terminal.
.SH EXIT STATUS
.IP 0 4
Done.
.IP 1 4
The service or a vendor could not do it; a pass was not complete.
.IP 2 4
The command line, the configuration or the filter is wrong.
.IP 3 4
The service cannot be reached, or is not ready.
.IP 4 4
The service does not know the caller, or does not allow it.
.IP 5 4
There is no such token or source.
.PP
.B check
exits as monitoring plugins do: 0 OK, 1 WARNING (a source's last pass failed, what is known of it is still fresh),
2 CRITICAL (no service, a store that cannot be written, or a source that is stale),
3 UNKNOWN (wrong options, or the service refuses the caller).
.SH ENVIRONMENT
.BR TOKENCTL_SERVER ", " TOKENCTL_TLS ", " TOKENCTL_CA_FILE ", " TOKENCTL_CERTIFICATE_FILE ,
.BR TOKENCTL_KEY_FILE ", " TOKENCTL_TLS_SERVER_NAME ", " TOKENCTL_TOKEN ", " TOKENCTL_TOKEN_FILE ", " TOKENCTL_CONFIG
stand for the options above, which win over them. They win over the file.
.TP
.B NO_COLOR
No colours, if it is set to anything.
.TP
.B TZ
The time zone of times.
.SH FILES
.TP
.I ~/.config/tokenctl/config.yaml
(in
.B XDG_CONFIG_HOME
if that is set.) Keys:
.BR server ", " tls ", " ca_file ", " certificate_file ", " key_file ", " tls_server_name ", " token_file .
File names are relative to it.
.SH EXAMPLES
.EX
tokenctl list --filter 'expiry = NEVER AND access_level = ADMIN'
tokenctl list --order-by last_used_time --columns name,owner.email,last_used_time -o csv
tokenctl expiring --within 7d
tokenctl watch -o json | jq -c '.batches[]?.events[]? | [.type, .token.name]'
tokenctl check --max-age 1h
.EE
)";

// Text as roff has it: nothing of it is a command.
std::string Escaped(absl::string_view text) {
  std::string out = absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}, {"'", "\\(aq"}});
  return !out.empty() && out[0] == '.' ? absl::StrCat("\\&", out) : out;
}

std::string Options(const std::vector<OptionSpec>& options) {
  std::string out;
  for (const OptionSpec& option : options) {
    const std::string names =
        absl::StrJoin(option.names, ", ", [](std::string* to, const std::string& name) {
          absl::StrAppend(to, "\\fB", Escaped(name), "\\fR");
        });
    absl::StrAppend(&out, ".TP\n", names);
    if (!option.value.empty()) absl::StrAppend(&out, " \\fI", Escaped(option.value), "\\fR");
    absl::StrAppend(&out, "\n", Escaped(option.description));
    if (!option.choices.empty()) {
      absl::StrAppend(&out, " (", Escaped(absl::StrJoin(option.choices, ", ")), ")");
    }
    out += "\n";
  }
  return out;
}

void AddCommand(const CommandSpec& command, const std::string& before, std::string& out) {
  const std::string name = absl::StrCat(before, command.name);
  absl::StrAppend(&out, ".SS ", Escaped(name));
  for (const OptionSpec& argument : command.arguments) {
    absl::StrAppend(&out, " ", Escaped(argument.names[0]));
  }
  absl::StrAppend(&out, "\n", Escaped(command.description), ".\n", Options(command.arguments));
  std::vector<OptionSpec> options;
  for (const OptionSpec& option : command.options) {
    if (option.names.back() != "--help") options.push_back(option);
  }
  out += Options(options);
  for (const CommandSpec& inner : command.commands) AddCommand(inner, name + " ", out);
}

}  // namespace

std::string ManPage(const CommandSpec& root, const std::string& version) {
  std::string out = absl::StrCat(
      ".TH TOKENCTL 1 \"\" \"Token Inventory ", version,
      // Names and options are not broken at the ends of lines.
      "\" \"User Commands\"\n.nh\n.ad l\n.SH NAME\ntokenctl \\- ask Token Inventory\n",
      ".SH SYNOPSIS\n.B tokenctl\n.I COMMAND\n.RI [ OPTION ]...\n", kDescription, ".SH COMMANDS\n");
  for (const CommandSpec& command : root.commands) AddCommand(command, "", out);
  return absl::StrCat(out, ".SH OPTIONS OF ALL COMMANDS\n", Options(root.options), kAfter);
}

}  // namespace tokeninventory::tokenctl
