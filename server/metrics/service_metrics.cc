#include "server/metrics/service_metrics.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/metrics/inventory_metrics.h"
#include "server/metrics/process_metrics.h"

namespace tokeninventory {

ServiceMetrics::ServiceMetrics(Sources sources)
    : sources_(std::move(sources)), configured_at_(sources_.clock->Now()) {}

void ServiceMetrics::NoteReload(bool is_good) {
  const absl::Time now = sources_.clock->Now();
  MutexLock lock(mutex_);
  reload_was_good_ = is_good;
  if (is_good) configured_at_ = now;
}

std::string ServiceMetrics::Text() {
  MutexLock lock(scrape_mutex_);
  MetricSet metrics;
  AddService(metrics);
  AddProcessMetrics(metrics);
  AddCalls(metrics);
  if (const Backend* backend = sources_.backend->load()) {
    const std::shared_ptr<const Snapshot> snapshot = backend->inventory->Current();
    AddInventoryMetrics(*snapshot, sources_.clock->Now(), metrics);
    AddSourceCounts(*snapshot, backend->poller->Counts(), metrics);
    AddStreams(*backend, metrics);
    AddStore(*backend, metrics);
  }
  return metrics.Text();
}

void ServiceMetrics::AddCalls(MetricSet& metrics) const {
  Metric calls =
      metrics.Counter("token_inventory_rpcs_total", "gRPC calls that ended, by status code.");
  Metric durations = metrics.Histogram("token_inventory_rpc_duration_seconds",
                                       "How long unary gRPC calls took in the service.");
  Metric streams = metrics.Gauge("token_inventory_streams", "gRPC streams that are open.");
  for (int i = 0; i < static_cast<int>(RpcMethod::kMethods); ++i) {
    const auto method = static_cast<RpcMethod>(i);
    const RpcMeter::Reading reading = sources_.calls->Read(method);
    const MetricLabels labels = {{"method", std::string(NameOf(method))}};
    for (std::size_t code = 0; code < reading.by_code.size(); ++code) {
      // OK from the start, so that a rate is known from the first call on.
      if (reading.by_code[code] == 0 && code != 0) continue;
      calls.Add(
          {labels.front(), {"code", absl::StatusCodeToString(static_cast<absl::StatusCode>(code))}},
          reading.by_code[code]);
    }
    if (IsStream(method)) {
      streams.Add(labels, reading.open_streams);
    } else {
      durations.Add(labels, reading.durations);
    }
  }
}

void ServiceMetrics::AddStreams(const Backend& backend, MetricSet& metrics) const {
  metrics
      .Gauge("token_inventory_stalled_streams",
             "Watch streams whose client has not taken a message for seconds.")
      .Add({}, std::int64_t{backend.hub->stalled_stream_count()});
  const std::int64_t head = sources_.feed->head();
  const std::int64_t told = std::min(backend.hub->OldestCursor(), head);
  metrics
      .Gauge("token_inventory_watch_lag_revisions",
             "Revisions that the hindmost watch stream has still to be told of.")
      .Add({}, head - told);
  const std::optional<absl::Time> waiting_since =
      told < head ? sources_.feed->CommitTime(told + 1) : std::nullopt;
  metrics
      .Gauge("token_inventory_watch_lag_seconds",
             "Age of the oldest change that some watch stream has still to be told of; of the "
             "oldest in memory when that one is older.")
      .Add({}, waiting_since
                   ? std::max(absl::ToDoubleSeconds(sources_.clock->Now() - *waiting_since), 0.0)
                   : 0.0);
}

void ServiceMetrics::AddStore(const Backend& backend, MetricSet& metrics) const {
  metrics
      .Gauge("token_inventory_store_writable",
             "1 when what sources tell can be stored, 0 while the store fails.")
      .Add({}, std::int64_t{sources_.health->IsServing(sources_.store_component)});
  Metric sizes = metrics.Gauge("token_inventory_store_size_bytes", "Files of the store.");
  for (const auto& [file, suffix] : {std::pair("database", ""), std::pair("wal", "-wal")}) {
    std::error_code error;
    const auto size = std::filesystem::file_size(sources_.store_file + suffix, error);
    if (!error) sizes.Add({{"file", file}}, static_cast<std::int64_t>(size));
  }
  metrics
      .Histogram("token_inventory_commit_duration_seconds",
                 "How long commits to the store took, failed ones included.")
      .Add({}, sources_.commits->durations.Read());
  metrics.Counter("token_inventory_commit_failures_total", "Commits that the store refused.")
      .Add({}, sources_.commits->failures.load());
  const ChangeFeed::Bounds bounds = sources_.feed->bounds();
  metrics.Gauge("token_inventory_revision", "Newest revision of the store.").Add({}, bounds.head);
  metrics
      .Gauge("token_inventory_log_revisions",
             "Revisions in the change log, to which a watcher can go back.")
      .Add({}, bounds.head - bounds.oldest);
  metrics.Gauge("token_inventory_token_bytes", "Serialised tokens in memory, tombstones included.")
      .Add({}, backend.inventory->Current()->token_bytes());
}

void ServiceMetrics::AddService(MetricSet& metrics) {
  metrics.Gauge("token_inventory_build_info", "Always 1; the label says what runs.")
      .Add({{"version", TI_VERSION}}, std::int64_t{1});
  const auto readiness = sources_.health->Readiness();
  metrics.Gauge("token_inventory_ready", "1 when /readyz answers 200.")
      .Add({}, std::int64_t{std::all_of(readiness.begin(), readiness.end(),
                                        [](const auto& part) { return part.second; })});
  MutexLock lock(mutex_);
  metrics
      .Gauge("token_inventory_config_last_reload_successful",
             "1 when the service runs with the configuration that was read last.")
      .Add({}, std::int64_t{reload_was_good_});
  metrics
      .Gauge("token_inventory_config_last_reload_success_timestamp_seconds",
             "When the configuration that the service runs with was read.")
      .Add({}, configured_at_);
  if (tls_ != nullptr) {
    metrics
        .Gauge("token_inventory_tls_certificate_expiry_timestamp_seconds",
               "When the service's own certificate ends.")
        .Add({}, tls_->expire_time());
  }
}

}  // namespace tokeninventory
