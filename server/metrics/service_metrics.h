// All metrics of the service, read from what it keeps anyway when somebody asks.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "inventory/change_feed.h"
#include "server/backend.h"
#include "server/health_service.h"
#include "server/metrics/metered_store.h"
#include "server/metrics/metric_set.h"
#include "server/metrics/rpc_meter.h"
#include "server/tls_credentials.h"

namespace tokeninventory {

// Thread-safe. Takes no lock that the Ledger or a call holds for long: a scrape reads one
// snapshot, and a counter after the other.
class ServiceMetrics {
 public:
  // All live longer than this.
  struct Sources {
    Clock* clock = nullptr;
    const BackendPointer* backend = nullptr;  // null while the store loads
    const ChangeFeed* feed = nullptr;
    const RpcMeter* calls = nullptr;
    const CommitMeter* commits = nullptr;
    HealthService* health = nullptr;
    std::string store_component;  // in `health`
    std::string store_file;
  };

  explicit ServiceMetrics(Sources sources);

  // The configuration was read again, now: whether the service goes on with it.
  void NoteReload(bool is_good);

  // Knows when the service's own certificate ends; null: it has none. Lives longer than this. Call
  // before the first Text.
  void SetTls(const TlsFilesMonitor* tls) { tls_ = tls; }

  // In Prometheus' text format. Every metric is in docs/metrics.md.
  std::string Text();

 private:
  void AddCalls(MetricSet& metrics) const;
  void AddStreams(const Backend& backend, MetricSet& metrics) const;
  void AddStore(const Backend& backend, MetricSet& metrics) const;
  void AddService(MetricSet& metrics);

  const Sources sources_;
  const TlsFilesMonitor* tls_ = nullptr;
  // One scrape at a time: they look at every row.
  Mutex scrape_mutex_;
  Mutex mutex_;
  bool reload_was_good_ ABSL_GUARDED_BY(mutex_) = true;
  absl::Time configured_at_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory
