#include "tokenctl/command_line.h"

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/yaml_proto.h"
#include "tokenctl/commands/commands.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/text/times.h"

namespace tokeninventory::tokenctl {
namespace {

constexpr char kAbout[] = "Lists, watches and checks the API tokens that Token Inventory knows.";

const std::map<std::string, Output> kOutputs = {{"text", Output::kText}, {"table", Output::kTable},
                                                {"wide", Output::kWide}, {"json", Output::kJson},
                                                {"yaml", Output::kYaml}, {"csv", Output::kCsv}};

// The options of all commands, filled in by CLI11, and what remembers their choices.
class Parser {
 public:
  explicit Parser(CommandLine& line) : line_(line) {
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.footer("`tokenctl COMMAND --help` shows a command's options, `man tokenctl` everything.");
    AddConnectionOptions();
    AddList();
    AddGet();
    AddWatch();
    AddExpiring();
    AddExpirations();
    AddSummary();
    AddSources();
    AddSync();
    AddRefresh();
    AddCheck();
    AddAlone();
  }

  CLI::App& app() { return app_; }

  CommandSpec Describe() const { return Describe(app_); }

  // CLI11 misses the command where the one that was given is none.
  std::string Explain(const CLI::ParseError& error) const {
    const std::vector<std::string> rest = app_.remaining();
    if (!app_.get_subcommands().empty() || rest.empty()) return error.what();
    std::vector<std::string> names;
    for (const CLI::App* command : app_.get_subcommands({})) names.push_back(command->get_name());
    const std::string nearest = NearestName(rest[0], names);
    return absl::StrCat("there is no ", Printable(rest[0]),
                        nearest.empty() ? "" : absl::StrCat(" (did you mean ", nearest, "?)"));
  }

 private:
  CLI::App* AddCommand(const char* name, const char* description) {
    CLI::App* command = app_.add_subcommand(name, description);
    command->fallthrough();
    return command;
  }

  // What happens when the command was given.
  template <typename Options>
  void Runs(CLI::App* command, int (*run)(Session&, const Options&), const Options& options) {
    command->callback([this, run, &options] {
      line_.run = [run, &options](Session& session) { return run(session, options); };
    });
  }

  void AddDuration(CLI::App* command, const char* name, absl::Duration& value,
                   const char* description) {
    command
        ->add_option_function<std::string>(
            name,
            [&value, name](const std::string& text) {
              const absl::StatusOr<absl::Duration> read = ParseDuration(text);
              if (!read.ok()) {
                throw CLI::ValidationError(name, std::string(read.status().message()));
              }
              value = *read;
            },
            description)
        ->type_name("DURATION");
  }

  template <typename Take>
  void AddChoice(CLI::App* command, const char* name, const char* value,
                 std::vector<std::string> choices, Take take, const char* description) {
    CLI::Option* option = command->add_option_function<std::string>(name, take, description);
    option->type_name(value)->check(CLI::IsMember(choices));
    choices_[option] = std::move(choices);
  }

  template <typename Value>
  void AddOutput(CLI::App* command, Value& value, std::vector<std::string> choices) {
    AddChoice(
        command, "-o,--output", "FORMAT", std::move(choices),
        [&value](const std::string& word) { value = kOutputs.at(word); },
        "how the answer is written; the first is the default");
  }

  void AddSource(CLI::App* command, std::string& source) {
    command->add_option("--source", source, "only tokens of this source")->type_name("SOURCE");
  }

  void AddFilter(CLI::App* command, std::string& filter) {
    command
        ->add_option("-f,--filter", filter,
                     "only tokens that match, in the language of docs/filter.md: "
                     "state = ACTIVE AND owner.email:\"@example.com\"")
        ->type_name("FILTER");
  }

  void AddConnectionOptions() {
    ConnectionWords& words = line_.words;
    const auto add = [&](const char* name, std::string& value, const char* type,
                         const char* description) {
      app_.add_option(name, value, description)->type_name(type)->group("Connection");
    };
    add("-s,--server", words.server, "ADDRESS",
        "HOST:PORT or unix:PATH of the service (TOKENCTL_SERVER); 127.0.0.1:50051 unless given");
    app_.add_flag("--tls", words.tls, "connect with TLS (TOKENCTL_TLS=1); implied by the files")
        ->group("Connection");
    add("--ca-file", words.ca_file, "FILE",
        "authorities that the service's certificate must come from (TOKENCTL_CA_FILE)");
    add("--cert-file", words.certificate_file, "FILE",
        "client certificate with its chain (TOKENCTL_CERTIFICATE_FILE)");
    add("--key-file", words.key_file, "FILE", "its key (TOKENCTL_KEY_FILE)");
    add("--tls-server-name", words.tls_server_name, "NAME",
        "name in the service's certificate, if not the host's (TOKENCTL_TLS_SERVER_NAME)");
    add("--token-file", words.token_file, "FILE",
        "file with the bearer token to show (TOKENCTL_TOKEN_FILE)");
    add("--token", words.token, "TOKEN",
        "the bearer token itself; better in TOKENCTL_TOKEN or a file, others can see command "
        "lines");
    add("--config", line_.config_file, "FILE",
        "configuration (TOKENCTL_CONFIG); ~/.config/tokenctl/config.yaml unless given");
    AddDuration(&app_, "--timeout", line_.timeout, "for an answer; 10s unless given");
    app_.get_option("--timeout")->group("Connection");
    app_.add_flag("--utc", line_.utc, "show times in UTC, not where you are")->group("Display");
    AddChoice(
        &app_, "--color", "WHEN", {"auto", "always", "never"},
        [this](const std::string& word) {
          line_.colour = word == "always"  ? ColourChoice::kAlways
                         : word == "never" ? ColourChoice::kNever
                                           : ColourChoice::kAuto;
        },
        "colour the output; auto: on a terminal, unless NO_COLOR is set");
    app_.get_option("--color")->group("Display");
  }

  void AddListOptions(CLI::App* command, ListOptions& options) {
    AddFilter(command, options.filter);
    AddSource(command, options.source);
    command
        ->add_option("-c,--columns", options.columns,
                     "fields to show, by comma, named as in filters: "
                     "display_name,owner.email,scopes,attributes.team")
        ->type_name("FIELDS");
    command->add_option("-n,--limit", options.limit, "at most so many; all unless given")
        ->check(CLI::PositiveNumber)
        ->type_name("COUNT");
  }

  void AddList() {
    CLI::App* command = AddCommand("list", "list tokens");
    AddListOptions(command, list_);
    command
        ->add_option("--order-by", list_.order_by,
                     "fields, each perhaps with desc, by comma: expire_time,owner.email desc")
        ->type_name("FIELDS");
    command->add_flag("--show-deleted", list_.show_deleted, "also tokens that are gone");
    AddOutput(command, list_.output, {"table", "wide", "json", "yaml", "csv"});
    Runs(command, RunList, list_);
  }

  void AddTokenArgument(CLI::App* command, std::string& token) {
    command
        ->add_option("TOKEN", token,
                     "sources/SOURCE/tokens/TOKEN, SOURCE/TOKEN, or a display name or id that only "
                     "one token has")
        ->required()
        ->type_name("");
  }

  void AddGet() {
    CLI::App* command = AddCommand("get", "show one token, with all that is known of it");
    AddTokenArgument(command, get_.token);
    command->add_flag("--history", get_.history, "also what changed, when and why");
    AddOutput(command, get_.output, {"text", "json", "yaml"});
    Runs(command, RunGet, get_);
  }

  void AddRefresh() {
    CLI::App* command = AddCommand("refresh", "ask the vendor for one token now, and show it");
    AddTokenArgument(command, refresh_.token);
    AddOutput(command, refresh_.output, {"text", "json", "yaml"});
    Runs(command, RunRefresh, refresh_);
  }

  void AddAfter(CLI::App* command, std::string& resume_token, CLI::Option* excludes) {
    command
        ->add_option("--after", resume_token,
                     "begin after this resume_token of an earlier answer; -o json shows them")
        ->type_name("RESUME_TOKEN")
        ->excludes(excludes);
  }

  void AddWatch() {
    CLI::App* command = AddCommand(
        "watch", "follow changes of tokens; connects again and goes on where it was by itself");
    AddFilter(command, watch_.filter);
    AddSource(command, watch_.source);
    CLI::Option* initial =
        command->add_flag("--initial", watch_.initial, "begin with the tokens that are there");
    AddAfter(command, watch_.resume_token, initial);
    AddChoice(
        command, "-o,--output", "FORMAT", {"table", "text", "json"},
        [this](const std::string& word) { watch_.output = kOutputs.at(word); },
        "table: live, the default on a terminal; text: a line for each change; json: a line for "
        "each message of the stream");
    Runs(command, RunWatch, watch_);
  }

  void AddExpiring() {
    CLI::App* command = AddCommand("expiring", "what will end soon: by day, by owner, by source");
    AddDuration(command, "--within", expiring_.within, "how far to look ahead; 30d unless given");
    AddListOptions(command, expiring_.list);
    AddOutput(command, expiring_.output, {"text", "table", "wide", "json", "yaml", "csv"});
    Runs(command, RunExpiring, expiring_);
  }

  void AddExpirations() {
    CLI::App* command =
        AddCommand("expirations", "notices that tokens near their end: list them, or watch");
    AddFilter(command, expirations_.filter);
    AddSource(command, expirations_.source);
    AddDuration(command, "--max-lead", expirations_.max_lead,
                "only notices that have come as near to the end as this");
    command->require_subcommand(0, 1);
    Runs(command, RunExpirationsList, expirations_);

    CLI::App* list = command->add_subcommand("list", "list the open notices, what ends next first");
    list->fallthrough();
    list->add_flag("--show-resolved", expirations_.show_resolved, "also those that are resolved");
    list->add_option("-n,--limit", expirations_.limit, "at most so many; all unless given")
        ->check(CLI::PositiveNumber)
        ->type_name("COUNT");
    AddOutput(list, expirations_.output, {"table", "json", "yaml"});

    CLI::App* watch =
        command->add_subcommand("watch", "follow notices as they fall due and are resolved");
    watch->fallthrough();
    CLI::Option* only_new =
        watch->add_flag("--new", expirations_.only_new, "do not begin with the open ones");
    AddAfter(watch, expirations_.resume_token, only_new);
    AddOutput(watch, expirations_.output, {"text", "json"});
    // The outer command's callback comes last.
    command->callback([this, watch] {
      const auto run = watch->parsed() ? RunExpirationsWatch : RunExpirationsList;
      line_.run = [this, run](Session& session) { return run(session, expirations_); };
    });
  }

  void AddSummary() {
    CLI::App* command = AddCommand("summary", "count tokens by any of several groupings");
    command
        ->add_option(
            "--by", summary_.by,
            "up to four by comma: source, provider, state, kind, owner, access_level, scope, "
            "expiry_bucket; source,state unless given")
        ->type_name("FIELDS");
    summary_.by = "source,state";
    AddFilter(command, summary_.filter);
    AddSource(command, summary_.source);
    command->add_flag("--show-deleted", summary_.show_deleted, "also tokens that are gone");
    AddOutput(command, summary_.output, {"table", "json", "yaml", "csv"});
    Runs(command, RunSummary, summary_);
  }

  void AddSourceArgument(CLI::App* command, std::string& source, bool required) {
    command->add_option("SOURCE", source, "the source's id in the service's configuration")
        ->required(required)
        ->type_name("");
  }

  void AddSources() {
    CLI::App* command = AddCommand("sources", "how fresh what is known of each source is");
    AddSourceArgument(command, sources_.source, false);
    AddOutput(command, sources_.output, {"table", "wide", "json", "yaml"});
    Runs(command, RunSources, sources_);
  }

  void AddSync() {
    CLI::App* command = AddCommand("sync", "read a source now, and show what came of it");
    AddSourceArgument(command, sync_.source, true);
    command->add_flag("--fresh", sync_.fresh, "do not join a pass that runs, wait for the next");
    AddOutput(command, sync_.output, {"text", "json", "yaml"});
    Runs(command, RunSync, sync_);
  }

  void AddCheck() {
    CLI::App* command = AddCommand(
        "check",
        "one line and an exit code for monitoring: is the service well, are all sources fresh");
    AddDuration(command, "--max-age", check_.max_age,
                "how old a source's last complete pass may be; three of its intervals, and 10m at "
                "least, unless given");
    Runs(command, RunCheck, check_);
    command->preparse_callback([this](std::size_t) { line_.is_check = true; });
  }

  // What needs no service.
  void AddAlone() {
    CLI::App* completion = AddCommand("completion", "print the completion script of a shell");
    CLI::Option* shell = completion->add_option("SHELL", shell_, "bash, zsh or fish");
    const std::vector<std::string> shells = {"bash", "zsh", "fish"};
    shell->required()->type_name("")->check(CLI::IsMember(shells));
    choices_[shell] = shells;
    completion->callback([this] {
      line_.run_alone = [this](std::ostream& out) {
        out << Completion(Describe(), shell_);
        return kOk;
      };
    });
    AddCommand("version", "print the version")->callback([this] {
      line_.run_alone = [](std::ostream& out) {
        out << "tokenctl " << TI_VERSION << "\n";
        return kOk;
      };
    });
    AddCommand("man", "print the manual page, in roff")->callback([this] {
      line_.run_alone = [this](std::ostream& out) {
        out << ManPage(Describe(), TI_VERSION);
        return kOk;
      };
    });
  }

  CommandSpec Describe(const CLI::App& app) const {
    CommandSpec spec{.name = app.get_name(),
                     .description = app.get_description(),
                     .arguments = {},
                     .options = {},
                     .commands = {}};
    for (const CLI::Option* option : app.get_options()) {
      OptionSpec made{.names = {},
                      .value = option->get_items_expected_max() == 0 ? "" : option->get_type_name(),
                      .description = option->get_description(),
                      .choices = {}};
      // The validator's own words come behind a colon.
      made.value.resize(std::min(made.value.size(), made.value.find(':')));
      if (const auto found = choices_.find(option); found != choices_.end()) {
        made.choices = found->second;
      }
      for (const std::string& name : option->get_snames()) made.names.push_back("-" + name);
      for (const std::string& name : option->get_lnames()) made.names.push_back("--" + name);
      if (!made.names.empty()) {
        spec.options.push_back(std::move(made));
      } else {
        made.names.push_back(option->get_required() ? option->get_name()
                                                    : absl::StrCat("[", option->get_name(), "]"));
        spec.arguments.push_back(std::move(made));
      }
    }
    for (const CLI::App* command : app.get_subcommands({})) {
      spec.commands.push_back(Describe(*command));
    }
    return spec;
  }

  CommandLine& line_;
  CLI::App app_{kAbout, "tokenctl"};
  std::map<const CLI::Option*, std::vector<std::string>> choices_;

  ListOptions list_;
  GetOptions get_, refresh_;
  WatchOptions watch_;
  ExpiringOptions expiring_;
  ExpirationsOptions expirations_;
  SummaryOptions summary_;
  SourcesOptions sources_;
  SyncOptions sync_;
  CheckOptions check_;
  std::string shell_;
};

}  // namespace

std::optional<int> ParseCommandLine(int argc, const char* const* argv, CommandLine& line,
                                    std::ostream& out, std::ostream& err) {
  // Lives as long as what the command line asked for.
  const auto parser = std::make_shared<Parser>(line);
  try {
    parser->app().parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return parser->app().exit(error, out, err);
    const auto commands = parser->app().get_subcommands();
    const std::string help = commands.empty()
                                 ? "tokenctl --help"
                                 : absl::StrCat("tokenctl ", commands[0]->get_name(), " --help");
    err << "tokenctl: " << parser->Explain(error) << "; see `" << help << "`\n";
    return line.is_check ? static_cast<int>(kCheckUnknown) : static_cast<int>(kUsage);
  }
  if (line.run) line.run = [parser, run = line.run](Session& session) { return run(session); };
  if (line.run_alone) {
    line.run_alone = [parser, run = line.run_alone](std::ostream& to) { return run(to); };
  }
  return std::nullopt;
}

CommandSpec DescribeCommandLine() {
  CommandLine line;
  return Parser(line).Describe();
}

}  // namespace tokeninventory::tokenctl
