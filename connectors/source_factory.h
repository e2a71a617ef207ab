// From the configuration to sources that can be polled. All that can be wrong in
// `sources`, in the manifests and in how they fit together is found here.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/yaml_proto.h"
#include "connectors/connector.h"
#include "connectors/polled_source.h"
#include "tokeninventory/v1/config.pb.h"

namespace tokeninventory {

class HttpClient;

// What is known of a configured source without asking its vendor.
struct SourceDescription {
  std::string id;
  std::string provider;      // the manifest's `vendor`
  std::string display_name;  // the manifest's `title`
  std::string documentation_uri;
  // What its manifest and its switched-on streams cannot see.
  std::string coverage;
  absl::Duration interval;
  absl::Duration inactivity_window;  // zero: none is configured
};

// What BuildSources made.
struct BuiltSources {
  // One line each, `file:line:column: path: what`. When there are any, the rest
  // is empty.
  std::vector<std::string> problems;
  // Not wrong, but probably not meant.
  std::vector<std::string> warnings;

  // In the order of the configuration.
  std::vector<SourceDescription> descriptions;
  // The same, to be given to a Poller. They share one HTTP client, which lives as
  // long as the last of them.
  std::vector<std::unique_ptr<PolledSource>> sources;
  // The same once more, to be given to a Refresher: a source is used by one
  // thread at a time, and a pass may take long.
  std::vector<std::unique_ptr<Connector>> fetchers;

  bool ok() const { return problems.empty(); }
};

// Builds the sources of `config`. Relative manifest folders and secret files are
// taken from `config_dir`; `locations` (of the configuration file) places the
// problems. Pages are read by processes of the program `page_worker` (FindPageWorker);
// that there is none is a problem too. Reads manifests and secrets, asks no vendor.
// `http` replaces the client made from `config.http()` where a test wants to.
BuiltSources BuildSources(const v1::ServerConfig& config, absl::string_view config_dir,
                          const YamlLocations& locations, Clock* clock,
                          const absl::StatusOr<std::string>& page_worker,
                          std::shared_ptr<HttpClient> http = nullptr);

}  // namespace tokeninventory
