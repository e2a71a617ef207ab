#include "server/server_app.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "inventory/change_feed.h"
#include "inventory/inventory.h"
#include "inventory/ledger.h"
#include "inventory/watch_hub.h"
#include "server/access/gate.h"
#include "server/backend.h"
#include "server/health_service.h"
#include "server/metrics/metered_store.h"
#include "server/metrics/monitoring_server.h"
#include "server/metrics/rpc_meter.h"
#include "server/metrics/service_metrics.h"
#include "server/reflection_service.h"
#include "server/sources_service.h"
#include "server/tls_credentials.h"
#include "server/token_inventory_service.h"
#include "storage/sqlite_token_store.h"

namespace tokeninventory {
namespace {

constexpr char kStoreFile[] = "inventory.db";
// In grpc.health.v1: whether what sources tell can be stored. Reads go on without.
constexpr char kStoreComponent[] = "store";
// Between the start of gRPC's shutdown and the end of the streams: gRPC sends
// its GOAWAY first, so that clients reconnect elsewhere, and then drains fast.
constexpr std::chrono::milliseconds kDrainDelay{50};
// Clients may ping idle connections this often.
constexpr int kShortestPingMillis = 10'000;
// A thousand names of the longest kind, as BatchGetTokens may ask for, fit into it.
constexpr int kMaxRequestBytes = 1 << 20;
constexpr int kMaxMetadataBytes = 16 << 10;
// Of one connection. Above what a caller may have open by default, so that the limits that say
// something are met first: gRPC's clients wait in silence at this one.
constexpr int kMaxStreamsOfConnection = 10'000;

std::vector<std::string> ServiceNames() {
  return {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection", v1::Sources::service_full_name(),
          v1::TokenInventory::service_full_name()};
}

// Why the service cannot start on this store, for people.
absl::Status AboutStore(const absl::Status& status, const std::string& path) {
  const bool damaged = status.code() == absl::StatusCode::kDataLoss;
  return absl::Status(status.code(),
                      absl::StrCat("the store ", path, ": ", status.message(),
                                   damaged ? "; `verify-store` says more, `restore` puts a backup "
                                             "in its place"
                                           : ""));
}

std::vector<SourceInfo> InfosOf(const BuiltSources& sources) {
  std::vector<SourceInfo> infos;
  for (const SourceDescription& source : sources.descriptions) {
    infos.push_back(SourceInfo{source.id, source.provider, source.display_name, source.coverage,
                               source.documentation_uri, source.interval,
                               source.inactivity_window});
  }
  return infos;
}

// What becomes of the sources under other settings.
struct SourceChanges {
  std::vector<std::string> added, removed, changed;
  std::set<std::string> leaving;  // the connectors of these, removed or changed
  std::set<std::string> coming;

  SourceChanges(const ServerSettings& before, const ServerSettings& after) {
    for (const auto& [id, text] : before.source_fingerprints) {
      const auto next = after.source_fingerprints.find(id);
      if (next == after.source_fingerprints.end()) {
        removed.push_back(id);
      } else if (next->second != text) {
        changed.push_back(id);
        coming.insert(id);
      } else {
        continue;
      }
      leaving.insert(id);
    }
    for (const auto& [id, text] : after.source_fingerprints) {
      if (before.source_fingerprints.count(id) > 0) continue;
      added.push_back(id);
      coming.insert(id);
    }
  }
};

// Leaves those whose id is in `ids`.
template <typename Source>
void KeepOnly(const std::set<std::string>& ids, std::vector<std::unique_ptr<Source>>& sources) {
  sources.erase(std::remove_if(sources.begin(), sources.end(),
                               [&](const auto& source) { return ids.count(source->id()) == 0; }),
                sources.end());
}

class RunningApp final : public ServerApp {
 public:
  RunningApp(ServerSettings settings, Clock* clock)
      : settings_(std::move(settings)),
        clock_(clock),
        feed_(settings_.watch_memory_bytes),
        gate_(settings_.access, clock),
        tokens_({backend_pointer_, gate_, calls_}),
        sources_({backend_pointer_, gate_, calls_}),
        health_({v1::Sources::service_full_name(), v1::TokenInventory::service_full_name()},
                {kStoreComponent}, gate_),
        reflection_v1_(ServiceNames(), gate_),
        reflection_v1alpha_(ServiceNames(), gate_),
        metrics_({clock_, &backend_pointer_, &feed_, &calls_, &commits_, &health_, kStoreComponent,
                  StoreFileIn(settings_.data_dir)}) {}

  ~RunningApp() override { Stop(); }

  absl::Status Listen() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(
        settings_.listen,
        settings_.tls ? MakeTlsCredentials(*settings_.tls) : grpc::InsecureServerCredentials(),
        &port_);
    if (!settings_.unix_socket.empty()) {
      builder.AddListeningPort(absl::StrCat("unix:", settings_.unix_socket),
                               grpc::InsecureServerCredentials());
    }
    // Two services on one port would each get half of the calls.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                               kShortestPingMillis);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    // Calls and streams on it go on; gRPC spreads it by a tenth.
    builder.AddChannelArgument(
        GRPC_ARG_MAX_CONNECTION_AGE_MS,
        static_cast<int>(absl::ToInt64Milliseconds(settings_.max_connection_age)));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsOfConnection);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
    builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
    builder.RegisterService(&tokens_);
    builder.RegisterService(&sources_);
    builder.RegisterService(&health_);
    builder.RegisterService(&reflection_v1_);
    builder.RegisterService(&reflection_v1alpha_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      const bool is_port = port_ == 0;  // set once it is bound, before the socket
      return absl::UnavailableError(absl::StrCat(
          "cannot listen on ", is_port ? settings_.listen : settings_.unix_socket,
          is_port ? ": is the address in use?" : ": is its folder there, and writable?"));
    }
    if (!settings_.unix_socket.empty()) {
      std::error_code error;
      std::filesystem::permissions(settings_.unix_socket, static_cast<std::filesystem::perms>(0660),
                                   error);
      if (error) {
        return absl::UnavailableError(absl::StrCat("cannot let the group use ",
                                                   settings_.unix_socket, ": ", error.message()));
      }
    }
    if (settings_.tls) tls_monitor_ = std::make_unique<TlsFilesMonitor>(*settings_.tls, clock_);
    metrics_.SetTls(tls_monitor_.get());
    if (settings_.metrics_listen.empty()) return absl::OkStatus();
    TI_ASSIGN_OR_RETURN(monitoring_,
                        MonitoringServer::Start(settings_.metrics_listen,
                                                {[this] { return metrics_.Text(); },
                                                 [this] { return health_.Readiness(); }}));
    return absl::OkStatus();
  }

  absl::Status LoadAndServe() {
    std::error_code error;
    std::filesystem::create_directories(settings_.data_dir, error);
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("cannot make ", settings_.data_dir, ": ", error.message()));
    }
    const std::string path = StoreFileIn(settings_.data_dir);
    absl::StatusOr<std::unique_ptr<TokenStore>> store = SqliteTokenStore::Open(path);
    if (!store.ok()) return AboutStore(store.status(), path);
    store_ = std::make_unique<MeteredStore>(*std::move(store), commits_);

    Ledger::Options ledger;
    ledger.store = store_.get();
    ledger.inventory = &inventory_;
    ledger.feed = &feed_;
    ledger.clock = clock_;
    ledger.retention = settings_.retention;
    ledger.rules = settings_.rules;
    ledger.sources = InfosOf(settings_.sources);
    absl::StatusOr<std::unique_ptr<Ledger>> opened = Ledger::Open(std::move(ledger));
    if (!opened.ok()) return AboutStore(opened.status(), path);
    ledger_ = *std::move(opened);

    WatchHub::Options hub;
    hub.inventory = &inventory_;
    hub.feed = &feed_;
    hub.store = store_.get();
    hub.clock = clock_;
    hub.epoch = ledger_->epoch();
    hub.max_streams = settings_.max_streams;
    hub.stall_timeout = settings_.stall_timeout;
    hub.max_age = settings_.stream_max_age;
    hub_ = std::make_unique<WatchHub>(std::move(hub));
    poller_ = std::make_unique<Poller>(clock_, ledger_.get(), std::move(settings_.sources.sources),
                                       Poller::Options{});
    ledger_->SetStoreListener([this](const absl::Status& status) {
      health_.SetWorking(kStoreComponent, status.ok());
      if (status.ok()) poller_->RetryGivenUp();
    });

    refresher_ = std::make_unique<Refresher>(ledger_.get(), std::move(settings_.sources.fetchers));

    backend_ = Backend{clock_,        &inventory_,      ledger_.get(),   hub_.get(),
                       poller_.get(), refresher_.get(), ledger_->epoch()};
    backend_pointer_ = &backend_;
    health_.SetServing(true);
    const auto snapshot = inventory_.Current();
    LogInfo("serving", {{"port", absl::StrCat(port_)},
                        {"metrics_port", absl::StrCat(metrics_port())},
                        {"tokens", absl::StrCat(snapshot->Count({ScanFilter::kAllSources, true}))},
                        {"revision", absl::StrCat(snapshot->revision())},
                        {"sources", absl::StrCat(snapshot->sources().size())}});
    // Last: page workers that start take the processor for a while, and readers need none.
    poller_->Start();
    return absl::OkStatus();
  }

  int port() const override { return port_; }
  int metrics_port() const override { return monitoring_ == nullptr ? 0 : monitoring_->port(); }

  void NoteReload(bool is_good) override { metrics_.NoteReload(is_good); }

  absl::Status Reload(ServerSettings next) override {
    if (server_ == nullptr) return absl::FailedPreconditionError("the service has stopped");
    const std::vector<SourceInfo> infos = InfosOf(next.sources);
    const std::vector<std::string> problems = ProblemsWithSources(*inventory_.Current(), infos);
    if (!problems.empty()) {
      for (const std::string& problem : problems) {
        LogError("configuration problem", {{"problem", problem}});
      }
      return absl::FailedPreconditionError(problems.front());
    }
    for (const std::string& field : FieldsThatNeedRestart(settings_, next)) {
      LogWarning("this change of the configuration needs a restart", {{"field", field}});
    }
    // Who may see what first: it does not wait for vendors or the store.
    gate_.SetPolicy(next.access);
    settings_.access = next.access;
    SetLogSeverity(next.log_severity);
    settings_.shutdown_grace = next.shutdown_grace;
    feed_.SetMemoryBytes(next.watch_memory_bytes);
    hub_->SetLimits({next.max_streams, next.stall_timeout, next.stream_max_age});

    const SourceChanges changes(settings_, next);
    KeepOnly(changes.coming, next.sources.sources);
    KeepOnly(changes.coming, next.sources.fetchers);
    const absl::Status status = poller_->Replace(
        changes.leaving,
        [&] {
          return ledger_->Reconfigure({infos, next.retention, next.rules});
        },
        std::move(next.sources.sources));
    if (!status.ok()) {
      LogError("sources and rules stay as they were", {{"error", std::string(status.message())}});
      return status;
    }
    refresher_->Replace(changes.leaving, std::move(next.sources.fetchers));
    settings_.source_fingerprints = std::move(next.source_fingerprints);
    LogInfo(
        "configuration reloaded",
        {{"sources_added", absl::StrJoin(changes.added, ",")},
         {"sources_removed", absl::StrJoin(changes.removed, ",")},
         {"sources_changed", absl::StrJoin(changes.changed, ",")},
         {"principals",
          next.access->is_open() ? "everybody" : absl::StrCat(next.access->principals().size())}});
    return absl::OkStatus();
  }

  void Stop() override {
    if (server_ == nullptr) return;
    LogInfo("stopping");
    health_.SetServing(false);
    const auto deadline =
        std::chrono::system_clock::now() + absl::ToChronoMilliseconds(settings_.shutdown_grace);
    if (poller_ != nullptr) ledger_->SetStoreListener(nullptr);
    // Its thread that accepts connections notices only every two seconds.
    std::thread monitoring([this] { monitoring_ = nullptr; });
    std::thread shutdown([&] { server_->Shutdown(deadline); });
    std::this_thread::sleep_for(kDrainDelay);
    sources_.Stop();
    if (refresher_ != nullptr) refresher_->Stop();
    if (poller_ != nullptr) poller_->Stop();  // also ends SyncSource streams
    if (hub_ != nullptr) hub_->Drain();
    inventory_.ExpireWaits(absl::InfiniteFuture());
    health_.Drain();
    reflection_v1_.Drain();
    reflection_v1alpha_.Drain();
    shutdown.join();
    monitoring.join();
    server_ = nullptr;
    tls_monitor_ = nullptr;
    // In reverse of how they were made; nobody calls any more.
    backend_pointer_ = nullptr;
    hub_ = nullptr;
    refresher_ = nullptr;
    poller_ = nullptr;
    ledger_ = nullptr;
    store_ = nullptr;
    LogInfo("stopped");
  }

 private:
  ServerSettings settings_;
  Clock* const clock_;
  int port_ = 0;

  // Each may use those above it.
  std::unique_ptr<TokenStore> store_;
  Inventory inventory_;
  ChangeFeed feed_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<WatchHub> hub_;
  std::unique_ptr<Poller> poller_;
  std::unique_ptr<Refresher> refresher_;
  Backend backend_;
  BackendPointer backend_pointer_{nullptr};
  RpcMeter calls_;
  CommitMeter commits_;

  Gate gate_;
  TokenInventoryService tokens_;
  SourcesService sources_;
  HealthService health_;
  ReflectionV1 reflection_v1_;
  ReflectionV1Alpha reflection_v1alpha_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<TlsFilesMonitor> tls_monitor_;
  ServiceMetrics metrics_;
  std::unique_ptr<MonitoringServer> monitoring_;
};

}  // namespace

std::string StoreFileIn(const std::string& data_dir) {
  return (std::filesystem::path(data_dir) / kStoreFile).string();
}

absl::StatusOr<std::unique_ptr<ServerApp>> ServerApp::Start(ServerSettings settings, Clock* clock) {
  auto app = std::make_unique<RunningApp>(std::move(settings), clock);
  TI_RETURN_IF_ERROR(app->Listen());
  TI_RETURN_IF_ERROR(app->LoadAndServe());
  return std::unique_ptr<ServerApp>(std::move(app));
}

}  // namespace tokeninventory
