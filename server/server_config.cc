#include "server/server_config.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <filesystem>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/proto_time.h"
#include "base/yaml_proto.h"
#include "connectors/manifest_catalog.h"
#include "connectors/page_worker/page_workers.h"
#include "server/access/token_hash.h"

namespace tokeninventory {
namespace {

constexpr char kDefaultListen[] = "127.0.0.1:50051";
constexpr char kDefaultMetricsListen[] = "127.0.0.1:9464";
constexpr char kDefaultDataDir[] = "data";
constexpr std::size_t kMaxLeadRules = 100;
// A socket's address has 108.
constexpr std::size_t kMaxUnixSocketBytes = 100;

// Collects problems that stand at places of the file.
class Checker {
 public:
  Checker(const YamlLocations& locations, LoadedConfig& loaded)
      : locations_(locations), loaded_(loaded) {}

  void Problem(absl::string_view path, absl::string_view what) {
    loaded_.problems.push_back(locations_.Describe(path, what));
  }
  void Warning(absl::string_view path, absl::string_view what) {
    loaded_.warnings.push_back(locations_.Describe(path, what));
  }

  // The duration, or `unset` when it is not there; a problem outside the bounds.
  absl::Duration InRange(absl::string_view path, bool is_set,
                         const google::protobuf::Duration& value, absl::Duration unset,
                         absl::Duration least, absl::Duration most) {
    if (!is_set) return unset;
    const absl::Duration duration = FromProto(value);
    if (duration < least || duration > most) {
      Problem(path,
              absl::StrCat("must be between ", absl::FormatDuration(least), " and ",
                           absl::FormatDuration(most), ", is ", absl::FormatDuration(duration)));
    }
    return duration;
  }

  // The number, or `unset` for 0; a problem outside the bounds.
  std::int64_t InRange(absl::string_view path, std::int64_t value, std::int64_t unset,
                       std::int64_t least, std::int64_t most) {
    if (value == 0) return unset;
    if (value < least || value > most) {
      Problem(path, absl::StrCat("must be between ", least, " and ", most, ", is ", value));
    }
    return value;
  }

 private:
  const YamlLocations& locations_;
  LoadedConfig& loaded_;
};

// HOST and PORT of `HOST:PORT` or `[HOST]:PORT`; false when it is neither.
bool SplitListen(absl::string_view listen, absl::string_view* host, int* port) {
  const std::size_t colon = listen.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return false;
  *host = listen.substr(0, colon);
  if (absl::StartsWith(*host, "[")) {
    if (!absl::ConsumePrefix(host, "[") || !absl::ConsumeSuffix(host, "]")) return false;
  } else if (absl::StrContains(*host, ":")) {
    return false;
  }
  return absl::SimpleAtoi(listen.substr(colon + 1), port) && *port >= 0 && *port <= 65535;
}

LogSeverity SeverityOf(const std::string& name, Checker& check) {
  if (name.empty() || name == "info") return LogSeverity::kInfo;
  if (name == "debug") return LogSeverity::kDebug;
  if (name == "warning") return LogSeverity::kWarning;
  if (name == "error") return LogSeverity::kError;
  check.Problem("log_level", "must be debug, info, warning or error");
  return LogSeverity::kInfo;
}

// The rules of who is warned when. Good when no problem was found.
LeadRules ReadLeadRules(const v1::ExpirationConfig& config, Checker& check) {
  if (static_cast<std::size_t>(config.rules_size()) > kMaxLeadRules) {
    check.Problem("expirations.rules", absl::StrCat("at most ", kMaxLeadRules, " rules, there are ",
                                                    config.rules_size()));
    return LeadRules();
  }
  std::vector<LeadRule> rules;
  bool good = true;
  for (int i = 0; i < config.rules_size(); ++i) {
    const v1::ExpirationRule& rule = config.rules(i);
    const std::string path = absl::StrCat("expirations.rules[", i, "]");
    LeadRule& read = rules.emplace_back();
    read.filter = rule.filter();
    for (const google::protobuf::Duration& lead : rule.leads()) {
      read.leads.push_back(FromProto(lead));
    }
    const std::string problem = LeadRules::ProblemWith(read.leads);
    if (!problem.empty()) {
      check.Problem(absl::StrCat(path, ".leads"), problem);
      good = false;
    }
    const absl::Status filter = LeadRules::Make({LeadRule{read.filter, {}}}).status();
    if (!filter.ok()) {
      check.Problem(absl::StrCat(path, ".filter"), filter.message());
      good = false;
    }
  }
  if (!good) return LeadRules();
  return LeadRules::Make(rules).value_or(LeadRules());
}

std::string DataDir(const std::string& path, const v1::ServerConfig& config) {
  if (config.data_dir().empty()) return kDefaultDataDir;
  return (std::filesystem::path(path).parent_path() / config.data_dir()).string();
}

// A path of the configuration; empty stays empty.
std::string Below(const std::filesystem::path& config_dir, const std::string& path) {
  return path.empty() ? path : (config_dir / path).string();
}

std::optional<TlsFiles> ReadTls(const v1::ServerConfig& config,
                                const std::filesystem::path& config_dir, absl::Time now,
                                Checker& check) {
  if (!config.has_tls()) return std::nullopt;
  const v1::TlsConfig& tls = config.tls();
  if (tls.client_ca_file().empty() &&
      tls.client_certificates() != v1::TlsConfig::CLIENT_CERTIFICATES_UNSPECIFIED) {
    check.Problem("tls.client_certificates", "needs `client_ca_file`");
  }
  TlsFiles files;
  files.certificate_file = Below(config_dir, tls.certificate_file());
  files.key_file = Below(config_dir, tls.key_file());
  files.client_ca_file = Below(config_dir, tls.client_ca_file());
  files.client_may_be_unknown = tls.client_certificates() == v1::TlsConfig::OPTIONAL;
  const TlsReport report = CheckTlsFiles(files, now);
  for (const auto& [field, what] : report.problems) {
    check.Problem(absl::StrCat("tls.", field), what);
  }
  for (const std::string& warning : report.warnings) check.Warning("tls", warning);
  return files;
}

// HOST:PORT of the metrics.
std::string ReadMetricsListen(const v1::MetricsConfig& config, Checker& check) {
  std::string listen = config.listen().empty() ? kDefaultMetricsListen : config.listen();
  absl::string_view host;
  int port = 0;
  if (!SplitListen(listen, &host, &port)) {
    check.Problem("metrics.listen", absl::StrCat("must be HOST:PORT, is ", listen));
  } else if (!IsLoopback(listen)) {
    if (!config.insecure()) {
      check.Problem("metrics.listen",
                    absl::StrCat(listen,
                                 " is not loopback: set `metrics.insecure: true` to serve "
                                 "metrics to everyone who can reach it"));
    }
    check.Warning("metrics.listen", absl::StrCat("serving metrics without TLS on ", listen,
                                                 ", which is not loopback"));
  }
  return listen;
}

std::shared_ptr<const AccessPolicy> ReadAccess(const v1::ServerConfig& config, Checker& check) {
  if (!config.has_access()) {
    if (config.has_tls() && config.tls().client_ca_file().empty()) {
      check.Warning("access", "not configured: whoever can connect may do everything");
    }
    return std::make_shared<const AccessPolicy>();
  }
  AccessPolicy::Problems problems;
  const std::shared_ptr<const AccessPolicy> policy = AccessPolicy::Make(config.access(), problems);
  for (const auto& [field, what] : problems) check.Problem(absl::StrCat("access.", field), what);
  for (int i = 0; i < config.access().principals_size(); ++i) {
    if (!config.access().principals(i).certificate_names().empty() &&
        config.tls().client_ca_file().empty()) {
      check.Problem(absl::StrCat("access.principals[", i, "].certificate_names"),
                    "needs `tls.client_ca_file`");
    }
  }
  return policy;
}

void AppendMessage(const google::protobuf::MessageLite& message, std::string& out) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // maps too
    message.SerializeToCodedStream(&coded);
  }
  absl::StrAppend(&out, bytes.size(), ":", bytes);
}

// The manifests of the operator's own, by their text.
std::string ReadOwnManifests(const v1::ServerConfig& config,
                             const std::filesystem::path& config_dir) {
  std::map<std::string, std::string> texts;  // by path
  for (const std::string& dir : config.manifest_dirs()) {
    std::error_code error;
    for (const auto& file : std::filesystem::directory_iterator(config_dir / dir, error)) {
      if (file.path().extension() != ".yaml") continue;
      texts[file.path().string()] = ReadManifestFile(file.path().string()).value_or("");
    }
  }
  std::string all;
  for (const auto& [path, text] : texts) {
    absl::StrAppend(&all, path, "\n", text.size(), ":", text);
  }
  return all;
}

// A vendor's connectors share budgets and what they know of credentials, so none of them is what
// it was when one is another.
std::map<std::string, std::string> FingerprintSources(const v1::ServerConfig& config,
                                                      const std::filesystem::path& config_dir) {
  std::string common = ReadOwnManifests(config, config_dir);
  AppendMessage(config.http(), common);
  std::map<std::string, std::string> by_vendor;
  for (const v1::SourceConfig& source : config.sources()) {
    AppendMessage(source, by_vendor[source.vendor()]);
  }
  std::map<std::string, std::string> fingerprints;
  for (const v1::SourceConfig& source : config.sources()) {
    fingerprints[source.id()] = absl::BytesToHexString(Sha256(common, by_vendor[source.vendor()]));
  }
  return fingerprints;
}

}  // namespace

std::vector<std::string> FieldsThatNeedRestart(const ServerSettings& before,
                                               const ServerSettings& after) {
  std::vector<std::string> fields;
  const auto compare = [&](const char* field, const auto& a, const auto& b) {
    if (a != b) fields.emplace_back(field);
  };
  compare("listen", before.listen, after.listen);
  compare("unix_socket", before.unix_socket, after.unix_socket);
  compare("metrics.listen", before.metrics_listen, after.metrics_listen);
  compare("data_dir", before.data_dir, after.data_dir);
  compare("max_connection_age", before.max_connection_age, after.max_connection_age);
  compare("tls", before.tls.has_value(), after.tls.has_value());
  if (before.tls && after.tls) {
    compare("tls.certificate_file", before.tls->certificate_file, after.tls->certificate_file);
    compare("tls.key_file", before.tls->key_file, after.tls->key_file);
    compare("tls.client_ca_file", before.tls->client_ca_file, after.tls->client_ca_file);
    compare("tls.client_certificates", before.tls->client_may_be_unknown,
            after.tls->client_may_be_unknown);
  }
  return fields;
}

absl::StatusOr<std::string> ReadDataDir(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadManifestFile(path);
  if (!text.ok()) return text.status();
  v1::ServerConfig config;
  const YamlReport report = ReadYaml(path, *text, config);
  if (!report.problems.empty()) return absl::InvalidArgumentError(report.problems.front());
  return DataDir(path, config);
}

bool IsLoopback(absl::string_view listen) {
  absl::string_view host;
  int port = 0;
  if (!SplitListen(listen, &host, &port)) return false;
  return host == "localhost" || host == "::1" || absl::StartsWith(host, "127.");
}

LoadedConfig LoadServerConfig(const std::string& path, const ConfigOverrides& overrides,
                              Clock* clock) {
  const absl::StatusOr<std::string> text = ReadManifestFile(path);
  if (!text.ok()) {
    LoadedConfig loaded;
    loaded.problems.emplace_back(text.status().message());
    return loaded;
  }
  return CheckServerConfig(path, *text, overrides, clock);
}

LoadedConfig CheckServerConfig(const std::string& path, absl::string_view text,
                               const ConfigOverrides& overrides, Clock* clock) {
  LoadedConfig loaded;
  v1::ServerConfig config;
  YamlReport report = ReadYaml(path, text, config);
  loaded.problems = std::move(report.problems);
  Checker check(report.locations, loaded);
  ServerSettings& settings = loaded.settings;

  const std::filesystem::path config_dir = std::filesystem::path(path).parent_path();
  settings.listen = !overrides.listen.empty()  ? overrides.listen
                    : !config.listen().empty() ? config.listen()
                                               : kDefaultListen;
  absl::string_view host;
  int port = 0;
  if (!SplitListen(settings.listen, &host, &port)) {
    check.Problem("listen", absl::StrCat("must be HOST:PORT, is ", settings.listen));
  } else if (!IsLoopback(settings.listen) && !config.has_tls()) {
    if (!config.insecure()) {
      check.Problem("listen", absl::StrCat(settings.listen,
                                           " is not loopback: set `tls`, or `insecure: true` to "
                                           "serve everyone who can reach it"));
    }
    check.Warning("listen", absl::StrCat("serving without TLS on ", settings.listen,
                                         ", which is not loopback"));
  }
  if (config.has_metrics()) settings.metrics_listen = ReadMetricsListen(config.metrics(), check);
  settings.unix_socket = Below(config_dir, config.unix_socket());
  if (settings.unix_socket.size() > kMaxUnixSocketBytes) {
    check.Problem("unix_socket", absl::StrCat("must have at most ", kMaxUnixSocketBytes,
                                              " bytes, has ", settings.unix_socket.size()));
  }
  settings.tls = ReadTls(config, config_dir, clock->Now(), check);
  settings.access = ReadAccess(config, check);
  settings.data_dir = !overrides.data_dir.empty() ? overrides.data_dir : DataDir(path, config);
  settings.log_severity = SeverityOf(config.log_level(), check);
  settings.shutdown_grace =
      check.InRange("shutdown_grace", config.has_shutdown_grace(), config.shutdown_grace(),
                    absl::Seconds(5), absl::ZeroDuration(), absl::Seconds(60));

  const v1::LogRetention& log = config.log_retention();
  settings.retention.max_age =
      check.InRange("log_retention.max_age", log.has_max_age(), log.max_age(),
                    settings.retention.max_age, absl::Minutes(1), absl::Hours(24 * 3660));
  settings.retention.max_changes = check.InRange("log_retention.max_changes", log.max_changes(),
                                                 settings.retention.max_changes, 1000, 100'000'000);
  settings.retention.max_bytes =
      check.InRange("log_retention.max_bytes", log.max_bytes(), settings.retention.max_bytes,
                    std::int64_t{1} << 20, std::int64_t{1} << 40);
  const v1::WatchLimits& watch = config.watch();
  settings.max_streams = static_cast<int>(
      check.InRange("watch.max_streams", watch.max_streams(), 20'000, 1, 1'000'000));
  settings.watch_memory_bytes =
      check.InRange("watch.memory_bytes", watch.memory_bytes(), std::int64_t{64} << 20,
                    std::int64_t{1} << 20, std::int64_t{16} << 30);
  settings.stall_timeout =
      check.InRange("watch.stall_timeout", watch.has_stall_timeout(), watch.stall_timeout(),
                    absl::Seconds(60), absl::Seconds(1), absl::Hours(1));

  settings.stream_max_age = check.InRange("watch.max_age", watch.has_max_age(), watch.max_age(),
                                          absl::Minutes(30), absl::Seconds(1), absl::Hours(24 * 7));
  settings.max_connection_age = check.InRange("max_connection_age", config.has_max_connection_age(),
                                              config.max_connection_age(), absl::Hours(1),
                                              absl::Seconds(1), absl::Hours(24 * 7));
  settings.rules = ReadLeadRules(config.expirations(), check);

  settings.source_fingerprints = FingerprintSources(config, config_dir);
  settings.sources =
      BuildSources(config, config_dir.string(), report.locations, clock,
                   overrides.page_worker.empty() ? FindPageWorker() : overrides.page_worker);
  for (std::string& problem : settings.sources.problems) {
    loaded.problems.push_back(std::move(problem));
  }
  for (const std::string& warning : settings.sources.warnings) loaded.warnings.push_back(warning);
  return loaded;
}

}  // namespace tokeninventory
