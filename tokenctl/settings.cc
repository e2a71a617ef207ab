#include "tokenctl/settings.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/yaml_proto.h"
#include "tokeninventory/v1/tokenctl_config.pb.h"

namespace tokeninventory::tokenctl {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::error_code ignored;
  std::ifstream file(path, std::ios::binary);
  // libstdc++ opens a folder, and throws when it is read.
  if (!file.is_open() || std::filesystem::is_directory(path, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read"));
  }
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (text.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": larger than 1 MiB"));
  }
  return text;
}

ConnectionWords FromEnvironment(const Environment& environment) {
  const std::string tls = absl::AsciiStrToLower(environment("TOKENCTL_TLS"));
  return {.server = environment("TOKENCTL_SERVER"),
          .tls = tls == "1" || tls == "true" || tls == "yes",
          .ca_file = environment("TOKENCTL_CA_FILE"),
          .certificate_file = environment("TOKENCTL_CERTIFICATE_FILE"),
          .key_file = environment("TOKENCTL_KEY_FILE"),
          .tls_server_name = environment("TOKENCTL_TLS_SERVER_NAME"),
          .token = environment("TOKENCTL_TOKEN"),
          .token_file = environment("TOKENCTL_TOKEN_FILE")};
}

// `path` as seen from the folder of `file`.
std::string Beside(const std::string& file, const std::string& path) {
  if (path.empty()) return path;
  return (std::filesystem::path(file).parent_path() / path).string();
}

absl::StatusOr<ConnectionWords> FromFile(const std::string& path) {
  TI_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  v1::TokenctlConfig config;
  const YamlReport report = ReadYaml(path, text, config);
  if (!report.ok()) return absl::InvalidArgumentError(absl::StrJoin(report.problems, "\n"));
  return ConnectionWords{.server = config.server(),
                         .tls = config.tls(),
                         .ca_file = Beside(path, config.ca_file()),
                         .certificate_file = Beside(path, config.certificate_file()),
                         .key_file = Beside(path, config.key_file()),
                         .tls_server_name = config.tls_server_name(),
                         .token = "",
                         .token_file = Beside(path, config.token_file())};
}

// The configuration's path; empty when there is none. One that was named must be there.
std::string FindConfig(const std::string& named, const Environment& environment) {
  if (!named.empty()) return named;
  if (std::string path = environment("TOKENCTL_CONFIG"); !path.empty()) return path;
  std::string home = environment("XDG_CONFIG_HOME");
  if (home.empty() && !environment("HOME").empty()) home = environment("HOME") + "/.config";
  const std::string path = home + "/tokenctl/config.yaml";
  return !home.empty() && std::filesystem::exists(path) ? path : "";
}

// Takes what `weaker` says where `words` is silent. A token and a file of one are the same thing, a
// certificate and its key a pair.
void FillIn(ConnectionWords& words, const ConnectionWords& weaker) {
  const auto fill = [](std::string& mine, const std::string& other) {
    if (mine.empty()) mine = other;
  };
  fill(words.server, weaker.server);
  fill(words.ca_file, weaker.ca_file);
  fill(words.tls_server_name, weaker.tls_server_name);
  words.tls = words.tls || weaker.tls;
  if (words.token.empty() && words.token_file.empty()) {
    words.token = weaker.token;
    words.token_file = weaker.token_file;
  }
  if (words.certificate_file.empty() && words.key_file.empty()) {
    words.certificate_file = weaker.certificate_file;
    words.key_file = weaker.key_file;
  }
}

absl::Status ReadToken(const ConnectionWords& words, SecretString& token) {
  std::string text = words.token;
  if (!words.token_file.empty()) {
    TI_ASSIGN_OR_RETURN(text, ReadFile(words.token_file));
  }
  absl::StripTrailingAsciiWhitespace(&text);
  if (text.empty() && !words.token_file.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(words.token_file, ": holds no token"));
  }
  for (const char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError(
          "the bearer token holds characters that no token has (white space, control characters)");
    }
  }
  token = SecretString(std::move(text));
  return absl::OkStatus();
}

}  // namespace

bool IsLocal(const std::string& server) {
  if (absl::StartsWith(server, "unix:")) return true;
  const std::string host = server.substr(0, server.rfind(':'));
  if (host == "localhost" || host == "[::1]") return true;
  // 127.0.0.0/8, but no name that begins so.
  return absl::StartsWith(host, "127.") &&
         host.find_first_not_of("0123456789.") == std::string::npos;
}

absl::StatusOr<ConnectionSettings> ResolveSettings(const ConnectionWords& command_line,
                                                   const std::string& config_file,
                                                   const Environment& environment) {
  ConnectionWords words = command_line;
  const auto check = [](const ConnectionWords& from, const char* token, const char* file) {
    return from.token.empty() || from.token_file.empty()
               ? absl::OkStatus()
               : absl::InvalidArgumentError(
                     absl::StrCat(token, " and ", file, " are both given; which one holds?"));
  };
  TI_RETURN_IF_ERROR(check(command_line, "--token", "--token-file"));
  const ConnectionWords from_environment = FromEnvironment(environment);
  TI_RETURN_IF_ERROR(check(from_environment, "TOKENCTL_TOKEN", "TOKENCTL_TOKEN_FILE"));
  FillIn(words, from_environment);
  if (const std::string path = FindConfig(config_file, environment); !path.empty()) {
    TI_ASSIGN_OR_RETURN(const ConnectionWords from_file, FromFile(path));
    FillIn(words, from_file);
  }

  ConnectionSettings settings;
  settings.server = words.server.empty() ? kDefaultServer : words.server;
  settings.tls_server_name = words.tls_server_name;
  settings.tls = words.tls || !words.ca_file.empty() || !words.certificate_file.empty() ||
                 !words.key_file.empty() || !words.tls_server_name.empty();
  if (words.certificate_file.empty() != words.key_file.empty()) {
    return absl::InvalidArgumentError(
        "a client certificate needs its key, and a key its certificate");
  }
  if (!words.ca_file.empty()) {
    TI_ASSIGN_OR_RETURN(settings.ca_certificates, ReadFile(words.ca_file));
  }
  if (!words.key_file.empty()) {
    TI_ASSIGN_OR_RETURN(settings.certificate, ReadFile(words.certificate_file));
    TI_ASSIGN_OR_RETURN(std::string key, ReadFile(words.key_file));
    settings.key = SecretString(std::move(key));
  }
  TI_RETURN_IF_ERROR(ReadToken(words, settings.token));
  if (!settings.token.empty() && !settings.tls && !IsLocal(settings.server)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the bearer token would go to ", settings.server,
                     " in the clear; connect with --tls, or through loopback"));
  }
  return settings;
}

}  // namespace tokeninventory::tokenctl
