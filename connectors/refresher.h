// Asks vendors for single tokens at once, beside whatever pass runs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/thread_pool.h"
#include "connectors/connector.h"
#include "inventory/pass.h"

namespace tokeninventory {

// Thread-safe.
class Refresher {
 public:
  // `ledger` lives longer than this.
  Refresher(TokenRefresher* ledger, std::vector<std::unique_ptr<Connector>> connectors);
  // Stops.
  ~Refresher();

  // Asks the vendor for the token called `name`, commits what it says, and calls
  // `then` on a thread of its own with the revision to read at. Errors:
  //   NOT_FOUND            no such token
  //   FAILED_PRECONDITION  its vendor cannot be asked for one token, or no listing
  //                        shows it
  //   UNAVAILABLE          the vendor gave no usable answer; nothing changed
  //   RESOURCE_EXHAUSTED   too many at once
  void Refresh(std::string name, std::function<void(absl::StatusOr<std::int64_t>)> then);

  // Forgets the sources of these ids, and knows these. Requests under way end as they are.
  void Replace(const std::set<std::string>& ids,
               std::vector<std::unique_ptr<Connector>> connectors);

  // Interrupts requests; later ones are UNAVAILABLE.
  void Stop();

 private:
  struct Entry {
    Mutex mutex;  // a connector is used by one thread at a time
    std::unique_ptr<Connector> connector ABSL_PT_GUARDED_BY(mutex);
  };

  absl::StatusOr<std::int64_t> RefreshNow(const std::string& name);

  TokenRefresher* const ledger_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> entries_ ABSL_GUARDED_BY(mutex_);  // by source
  std::stop_source stop_;
  ThreadPool pool_;
};

}  // namespace tokeninventory
