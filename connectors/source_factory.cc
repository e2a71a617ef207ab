#include "connectors/source_factory.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/proto_time.h"
#include "connectors/connector.h"
#include "connectors/http/allowed_hosts.h"
#include "connectors/http/curl_client.h"
#include "connectors/http/request_budget.h"
#include "connectors/manifest_catalog.h"
#include "connectors/page_request.h"
#include "connectors/page_worker/page_workers.h"
#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

constexpr absl::Duration kDefaultInterval = absl::Minutes(5);
constexpr absl::Duration kShortestInterval = absl::Seconds(1);
constexpr absl::Duration kLongestInterval = absl::Hours(24 * 7);
constexpr absl::Duration kShortestInactivityWindow = absl::Hours(1);
constexpr absl::Duration kLongestInactivityWindow = absl::Hours(24 * 3660);
// std::regex matches by recursion.
constexpr std::size_t kMaxParamBytes = 2048;

// Checks one source after the other. Used for one call.
class Builder {
 public:
  Builder(const v1::ServerConfig& config, absl::string_view config_dir,
          const YamlLocations& locations, Clock* clock,
          const absl::StatusOr<std::string>& page_worker, std::shared_ptr<HttpClient> http,
          BuiltSources& built)
      : config_(config),
        config_dir_(config_dir),
        locations_(locations),
        clock_(clock),
        page_worker_(page_worker),
        http_(std::move(http)),
        built_(built) {}

  void Run() {
    CheckHttp();
    CheckWorker();
    for (int i = 0; i < config_.manifest_dirs_size(); ++i) {
      const std::string dir = Below(config_.manifest_dirs(i));
      if (!catalog_.AddDirectory(dir, built_.problems, built_.warnings)) {
        built_.problems.push_back(
            locations_.Describe(absl::StrCat("manifest_dirs[", i, "]"),
                                absl::StrCat(dir, ": cannot be read as a folder of manifests")));
      }
    }
    std::set<std::string> ids;
    for (int i = 0; i < config_.sources_size(); ++i) {
      path_ = absl::StrCat("sources[", i, "]");
      const v1::SourceConfig& source = config_.sources(i);
      if (!IsSourceId(source.id())) {
        Problem("id", source.id().empty()
                          ? "missing"
                          : "must be of a-z, 0-9 and -, begin with a letter and not end with -");
      } else if (!ids.insert(source.id()).second) {
        Problem("id", absl::StrCat("another source is called `", source.id(), "`"));
      }
      CheckSource(source);
    }
    if (!built_.ok()) {
      built_.descriptions.clear();
      return;
    }
    if (http_ == nullptr) http_ = std::make_shared<CurlClient>(HttpOptions());
    if (made_.empty()) return;
    PageWorkers::Options workers;
    workers.program = *page_worker_;
    workers.max_body_bytes = HttpOptions().max_body_bytes;
    workers_ = std::make_shared<PageWorkers>(std::move(workers));
    std::map<std::string, std::shared_ptr<VendorAccount>> accounts;
    for (Made& made : made_) {
      std::shared_ptr<RequestBudget> budget;
      if (made.has_pace) {
        budget = budgets_->For(made.origin, made.pace);
      }
      std::shared_ptr<VendorAccount>& account = accounts[made.account];
      if (account == nullptr) account = std::make_shared<VendorAccount>();
      made.spec.retry.meter = std::make_shared<RequestMeter>();
      const auto http = std::make_shared<FencedClient>(http_, std::move(made.hosts));
      built_.fetchers.push_back(
          std::make_unique<Connector>(made.spec, http, workers_, clock_, budget, account));
      built_.sources.push_back(std::make_unique<Connector>(std::move(made.spec), http, workers_,
                                                           clock_, std::move(budget), account));
    }
  }

 private:
  struct Made {
    ConnectorSpec spec;
    std::string origin;
    AllowedHosts hosts;
    // Equal where the same credential goes to the same host.
    std::string account;
    bool has_pace = false;
    RequestPace pace;
  };

  void Problem(absl::string_view key, absl::string_view what) {
    built_.problems.push_back(
        locations_.Describe(key.empty() ? path_ : absl::StrCat(path_, ".", key), what));
  }

  void Warning(absl::string_view key, absl::string_view what) {
    built_.warnings.push_back(locations_.Describe(absl::StrCat(path_, ".", key), what));
  }

  std::string Below(const std::string& file) const {
    if (absl::StartsWith(file, "/") || config_dir_.empty()) return file;
    return absl::StrCat(config_dir_, "/", file);
  }

  void CheckHttp() {
    const v1::HttpLimits& http = config_.http();
    path_ = "http";
    if (http.has_connect_timeout() && FromProto(http.connect_timeout()) < absl::Milliseconds(1)) {
      Problem("connect_timeout", "must be at least 1ms");
    }
    if (http.has_request_timeout() && FromProto(http.request_timeout()) < absl::Milliseconds(1)) {
      Problem("request_timeout", "must be at least 1ms");
    }
    if (http.max_body_bytes() < 0 || http.max_body_bytes() > (std::int64_t{1} << 30)) {
      Problem("max_body_bytes", "must be between 0 and 1 GiB");
    }
    if (http.max_attempts() < 0 || http.max_attempts() > 20) {
      Problem("max_attempts", "must be between 0 and 20");
    }
    if (http.max_pages() < 0) Problem("max_pages", "must not be negative");
    if (!http.proxy().empty()) {
      if (const absl::Status status = CurlClient::CheckProxy(http.proxy()); !status.ok()) {
        Problem("proxy", status.message());
      } else {
        plain_to_proxy_ = !IsLoopbackHost(ParseUrl(http.proxy())->host);
      }
    }
    for (int i = 0; i < http.allowed_addresses_size(); ++i) {
      absl::StatusOr<AddressRange> range = AddressRange::Parse(http.allowed_addresses(i));
      if (range.ok()) {
        allowed_addresses_.push_back(*range);
      } else {
        Problem(absl::StrCat("allowed_addresses[", i, "]"), range.status().message());
      }
    }
  }

  void CheckWorker() {
    if (config_.sources().empty()) return;
    const absl::Status status =
        page_worker_.ok() ? CheckPageWorker(*page_worker_) : page_worker_.status();
    if (!status.ok()) built_.problems.emplace_back(status.message());
  }

  CurlClient::Options HttpOptions() const {
    CurlClient::Options options;
    const v1::HttpLimits& http = config_.http();
    if (http.has_connect_timeout()) options.connect_timeout = FromProto(http.connect_timeout());
    if (http.has_request_timeout()) options.request_timeout = FromProto(http.request_timeout());
    if (http.max_body_bytes() > 0) options.max_body_bytes = http.max_body_bytes();
    options.proxy = http.proxy();
    options.allowed_addresses = allowed_addresses_;
    return options;
  }

  void CheckSource(const v1::SourceConfig& source) {
    Made made;
    ConnectorSpec& spec = made.spec;
    spec.id = source.id();
    spec.insecure_http = source.insecure_http();
    if (config_.http().max_pages() > 0) spec.max_pages = config_.http().max_pages();
    if (config_.http().max_attempts() > 0) {
      spec.retry.max_attempts = config_.http().max_attempts();
    }
    spec.interval = source.has_interval() ? FromProto(source.interval()) : kDefaultInterval;
    if (spec.interval < kShortestInterval || spec.interval > kLongestInterval) {
      Problem("interval", "must be between 1s and 7d");
    }
    if (source.has_inactivity_window()) {
      const absl::Duration window = FromProto(source.inactivity_window());
      if (window < kShortestInactivityWindow || window > kLongestInactivityWindow) {
        Problem("inactivity_window", "must be between 1h and 3660d");
      }
    }
    const double rate = source.max_requests_per_second();
    if (!std::isfinite(rate) || rate < 0 || rate > 100'000) {
      Problem("max_requests_per_second", "must be between 0 and 100000");
    }
    // Places of secrets can be checked without knowing the vendor.
    CheckSecretRefs(source);

    if (source.vendor().empty()) {
      Problem("vendor", absl::StrCat("missing; known: ", absl::StrJoin(catalog_.Vendors(), ", ")));
      return;
    }
    spec.manifest = catalog_.Find(source.vendor(), built_.problems);
    if (spec.manifest == nullptr) {
      if (catalog_.IsBroken(source.vendor())) return;  // reported with its file
      const std::string nearest = NearestName(source.vendor(), catalog_.Vendors());
      Problem("vendor",
              nearest.empty()
                  ? absl::StrCat("no manifest; known: ", absl::StrJoin(catalog_.Vendors(), ", "))
                  : absl::StrCat("no manifest; did you mean `", nearest, "`?"));
      return;
    }
    const v1::Manifest& manifest = spec.manifest->spec;
    spec.retry.limits = manifest.limits();
    CheckParams(source, spec);
    CheckSecrets(source, spec);
    CheckStreams(source, spec);
    CheckOrigins(source, spec, made);
    made.account = AccountOf(source, made);
    made.has_pace = ReadPace(source, manifest, made.pace);
    spec.retry.always_book = rate > 0;
    Describe(source, spec);
    made_.push_back(std::move(made));
  }

  void CheckSecretRefs(const v1::SourceConfig& source) {
    for (const auto& [name, ref] : source.secrets()) {
      if (ref.env().empty() == ref.file().empty()) {
        Problem(absl::StrCat("secrets.", name), "needs exactly one of `env` and `file`");
      }
    }
  }

  void CheckParams(const v1::SourceConfig& source, ConnectorSpec& spec) {
    const v1::Manifest& manifest = spec.manifest->spec;
    std::vector<std::string> names;
    for (const v1::ManifestParam& param : manifest.params()) {
      names.push_back(param.name());
      const std::string path = absl::StrCat("params.", param.name());
      const auto given = source.params().find(param.name());
      std::string value =
          given != source.params().end() ? given->second : std::string(param.default_());
      if (value.empty()) {
        if (!param.optional()) {
          Problem(path, param.help().empty() ? std::string("missing")
                                             : absl::StrCat("missing: ", param.help()));
        }
        continue;
      }
      if (value.size() > kMaxParamBytes) {
        Problem(path, "too long");
        continue;
      }
      if (!param.pattern().empty() && !Matches(value, param.pattern())) {
        Problem(path, absl::StrCat("does not match ", param.pattern()));
      }
      spec.params.emplace(param.name(), std::move(value));
    }
    for (const auto& [name, value] : source.params()) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        Problem(absl::StrCat("params.", name), Unknown(name, names, manifest.vendor()));
      }
    }
  }

  static bool Matches(const std::string& value, const std::string& pattern) {
    try {
      return std::regex_match(value, std::regex(pattern));
    } catch (const std::regex_error&) {
      return false;  // the manifest was checked; this is a value too complex to match
    }
  }

  static std::string Unknown(const std::string& name, const std::vector<std::string>& known,
                             absl::string_view vendor) {
    const std::string nearest = NearestName(name, known);
    if (!nearest.empty()) {
      return absl::StrCat("vendor ", vendor, " has none; did you mean `", nearest, "`?");
    }
    return absl::StrCat("vendor ", vendor,
                        " has none; known: ", known.empty() ? "none" : absl::StrJoin(known, ", "));
  }

  void CheckSecrets(const v1::SourceConfig& source, ConnectorSpec& spec) {
    const v1::Manifest& manifest = spec.manifest->spec;
    std::vector<std::string> names;
    for (const v1::ManifestSecret& secret : manifest.secrets()) {
      names.push_back(secret.name());
      const auto given = source.secrets().find(secret.name());
      if (given == source.secrets().end()) {
        if (!secret.optional()) {
          Problem(absl::StrCat("secrets.", secret.name()),
                  secret.help().empty() ? std::string("missing")
                                        : absl::StrCat("missing: ", secret.help()));
        }
        continue;
      }
      if (given->second.env().empty() == given->second.file().empty()) continue;
      SecretSource place(given->second, config_dir_);
      // The value itself is of no interest here.
      if (const absl::Status status = place.Read().status(); !status.ok()) {
        Problem(absl::StrCat("secrets.", secret.name()), status.message());
      }
      if (const std::string warning = place.PermissionWarning(); !warning.empty()) {
        Warning(absl::StrCat("secrets.", secret.name()), warning);
      }
      spec.secrets.emplace(secret.name(), std::move(place));
    }
    for (const auto& [name, ref] : source.secrets()) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        Problem(absl::StrCat("secrets.", name), Unknown(name, names, manifest.vendor()));
      }
    }
    for (std::size_t i = 0; i < spec.manifest->auth.size(); ++i) {
      const std::vector<std::string>& needed = spec.manifest->auth[i].secrets;
      const bool all = std::all_of(needed.begin(), needed.end(), [&](const std::string& name) {
        return spec.secrets.count(name) > 0;
      });
      if (all) {
        spec.auth = static_cast<int>(i);
        return;
      }
    }
    // Required ones were reported above.
    const bool any_required =
        std::any_of(manifest.secrets().begin(), manifest.secrets().end(),
                    [](const v1::ManifestSecret& secret) { return !secret.optional(); });
    if (!spec.manifest->auth.empty() && !any_required) {
      Problem("secrets", "no way to sign in has all of its secrets");
    }
  }

  void CheckStreams(const v1::SourceConfig& source, ConnectorSpec& spec) {
    const v1::Manifest& manifest = spec.manifest->spec;
    std::vector<std::string> names;
    for (const v1::ManifestStream& stream : manifest.streams()) {
      names.push_back(stream.name());
      spec.enabled.push_back(stream.default_() != "off");
    }
    const auto switch_to = [&](const auto& list, absl::string_view key, bool on) {
      for (int i = 0; i < list.size(); ++i) {
        const int index = spec.manifest->FindStream(list.Get(i));
        if (index < 0) {
          Problem(absl::StrCat(key, "[", i, "]"), Unknown(list.Get(i), names, manifest.vendor()));
        } else {
          spec.enabled[static_cast<std::size_t>(index)] = on;
        }
      }
    };
    switch_to(source.enable_streams(), "enable_streams", true);
    for (int i = 0; i < source.disable_streams_size(); ++i) {
      const std::string& name = source.disable_streams(i);
      if (std::find(source.enable_streams().begin(), source.enable_streams().end(), name) !=
          source.enable_streams().end()) {
        Problem(absl::StrCat("disable_streams[", i, "]"), "is switched on and off");
      }
    }
    switch_to(source.disable_streams(), "disable_streams", false);

    bool any_tokens = false;
    for (std::size_t i = 0; i < spec.enabled.size(); ++i) {
      const CompiledStream& stream = spec.manifest->streams[i];
      if (!spec.enabled[i]) continue;
      any_tokens |= stream.token != kNoProgram;
      if (stream.parent < 0 || spec.enabled[static_cast<std::size_t>(stream.parent)]) continue;
      const std::string& parent =
          spec.manifest->streams[static_cast<std::size_t>(stream.parent)].spec->name();
      if (stream.token != kNoProgram) {
        Problem("disable_streams", absl::StrCat("`", stream.spec->name(), "` needs `", parent,
                                                "`; switch it off too"));
      }
      spec.enabled[i] = false;
    }
    if (!any_tokens) Problem("disable_streams", "no stream that lists tokens is left");
    // A parent whose children are all off is read for nothing.
    for (std::size_t i = spec.enabled.size(); i-- > 0;) {
      if (spec.manifest->streams[i].token != kNoProgram || !spec.enabled[i]) continue;
      bool used = false;
      for (std::size_t child = i + 1; child < spec.enabled.size(); ++child) {
        used |= spec.enabled[child] && spec.manifest->streams[child].parent == static_cast<int>(i);
      }
      spec.enabled[i] = used;
    }
  }

  // The hosts that get the credential. Sets where the budget belongs.
  void CheckOrigins(const v1::SourceConfig& source, const ConnectorSpec& spec, Made& made) {
    for (int i = 0; i < source.allowed_hosts_size(); ++i) {
      if (const absl::Status status = made.hosts.Add(source.allowed_hosts(i)); !status.ok()) {
        Problem(absl::StrCat("allowed_hosts[", i, "]"), status.message());
      }
    }
    hosts_are_given_ = source.allowed_hosts_size() > 0;
    TemplateValues values;
    values.param = JsonValue::Object();
    for (const auto& [name, value] : spec.params) {
      values.param.Set(name, JsonValue::String(value));
    }
    const auto value_of = [&](const Placeholder& placeholder) -> absl::StatusOr<std::string> {
      // What stands behind the host is of no interest here.
      if (placeholder.kind != Placeholder::Kind::kParam) return std::string("x");
      return ValueOf(placeholder, values);
    };
    CheckOrigin(spec, spec.manifest->base.Render(value_of), made, &made.origin);
    for (std::size_t i = 0; i < spec.enabled.size(); ++i) {
      const CompiledStream& stream = spec.manifest->streams[i];
      if (!spec.enabled[i]) continue;
      if (stream.target.is_url)
        CheckOrigin(spec, stream.target.text.Render(value_of), made, nullptr);
      if (stream.fetch.present && stream.fetch.target.is_url) {
        CheckOrigin(spec, stream.fetch.target.text.Render(value_of), made, nullptr);
      }
    }
  }

  void CheckOrigin(const ConnectorSpec& spec, const absl::StatusOr<std::string>& text, Made& made,
                   std::string* origin) {
    if (!text.ok()) return;  // a missing param, which was reported
    const absl::StatusOr<Url> url = ParseUrl(*text);
    if (!url.ok()) {
      Problem("params", url.status().message());
      return;
    }
    if (url->scheme != "https" && !spec.insecure_http && !IsLoopbackHost(url->host)) {
      Problem("params", absl::StrCat("the credential would go over plain http to ", url->host,
                                     "; `insecure_http` allows it"));
    }
    if (url->scheme != "https" && !spec.insecure_http && plain_to_proxy_) {
      Problem("params",
              "the credential would go over plain http to the proxy; `insecure_http` allows it");
    }
    if (!hosts_are_given_) {
      made.hosts.Add(*url);
    } else if (!made.hosts.Has(*url)) {
      Problem("allowed_hosts", absl::StrCat("the manifest asks ", url->host, " at port ", url->port,
                                            ", which is not among them"));
    }
    if (origin != nullptr) *origin = url->Origin();
  }

  // Credentials are told apart by where they come from: the values change.
  static std::string AccountOf(const v1::SourceConfig& source, const Made& made) {
    const ConnectorSpec& spec = made.spec;
    if (spec.auth < 0) return source.id();
    std::string account = absl::StrCat(made.origin, "\n", spec.manifest->spec.vendor());
    for (const std::string& name :
         spec.manifest->auth[static_cast<std::size_t>(spec.auth)].secrets) {
      const auto ref = source.secrets().find(name);
      if (ref == source.secrets().end()) continue;
      absl::StrAppend(&account, "\n", name, "\nenv ", ref->second.env(), "\nfile ",
                      ref->second.file());
    }
    return account;
  }

  static bool ReadPace(const v1::SourceConfig& source, const v1::Manifest& manifest,
                       RequestPace& pace) {
    if (source.max_requests_per_second() > 0) {
      pace = PaceOf(source.max_requests_per_second(), absl::Seconds(1));
      return true;
    }
    const v1::ManifestLimits& limits = manifest.limits();
    if (limits.requests() <= 0) return false;
    pace = PaceOf(limits.requests(), limits.has_per() ? FromProto(limits.per()) : absl::Seconds(1));
    return true;
  }

  void Describe(const v1::SourceConfig& source, const ConnectorSpec& spec) {
    const v1::Manifest& manifest = spec.manifest->spec;
    SourceDescription& description = built_.descriptions.emplace_back();
    description.id = source.id();
    description.provider = manifest.vendor();
    description.display_name = manifest.title();
    description.documentation_uri = manifest.docs();
    description.interval = spec.interval;
    description.inactivity_window = FromProto(source.inactivity_window());
    description.coverage = std::string(absl::StripAsciiWhitespace(manifest.coverage()));
    for (std::size_t i = 0; i < spec.enabled.size(); ++i) {
      const v1::ManifestStream& stream = *spec.manifest->streams[i].spec;
      if (spec.enabled[i]) {
        if (stream.coverage().empty()) continue;
        absl::StrAppend(&description.coverage, description.coverage.empty() ? "" : " ",
                        absl::StripAsciiWhitespace(stream.coverage()));
      } else if (!stream.token().empty()) {
        absl::StrAppend(&description.coverage, description.coverage.empty() ? "" : " ", "Stream ",
                        stream.name(), " is off.");
      }
    }
  }

  const v1::ServerConfig& config_;
  const std::string config_dir_;
  const YamlLocations& locations_;
  Clock* const clock_;
  const absl::StatusOr<std::string>& page_worker_;
  std::shared_ptr<HttpClient> http_;
  std::shared_ptr<PageWorkers> workers_;
  BuiltSources& built_;
  ManifestCatalog catalog_;
  std::unique_ptr<HostBudgets> budgets_ = std::make_unique<HostBudgets>();
  std::vector<AddressRange> allowed_addresses_;
  // Whether there is a proxy elsewhere, to which http would be in plain.
  bool plain_to_proxy_ = false;
  std::string path_;
  // Of the source at hand.
  bool hosts_are_given_ = false;
  std::vector<Made> made_;
};

}  // namespace

BuiltSources BuildSources(const v1::ServerConfig& config, absl::string_view config_dir,
                          const YamlLocations& locations, Clock* clock,
                          const absl::StatusOr<std::string>& page_worker,
                          std::shared_ptr<HttpClient> http) {
  BuiltSources built;
  Builder(config, config_dir, locations, clock, page_worker, std::move(http), built).Run();
  return built;
}

}  // namespace tokeninventory
