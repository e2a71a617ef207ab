// The snapshot that readers see now.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "inventory/snapshot.h"

namespace tokeninventory {

// Thread-safe. Written by the Ledger only.
class Inventory {
 public:
  // Before the first Publish an empty snapshot.
  std::shared_ptr<const Snapshot> Current() const;

  // How often Publish was called: the current snapshot is the same while this is.
  std::int64_t publications() const;

  // Makes `snapshot` the current one and calls who waited for its revision.
  // Calls are made by this thread, without a lock.
  void Publish(std::shared_ptr<const Snapshot> snapshot);

  // Called after each Publish, without a lock that callers of this class hold, by
  // the Ledger's thread. Set it to nothing when the listener goes.
  void SetListener(std::function<void()> listener);

  // Calls `then(true)` as soon as the current snapshot has `revision`, at once
  // if it has, or `then(false)` when `deadline` comes first. `then` must not block.
  void WhenRevision(std::int64_t revision, absl::Time deadline, std::function<void(bool)> then);

  // Gives up the waits whose deadline has come, as the clock's owner says.
  void ExpireWaits(absl::Time now);

 private:
  struct Wait {
    absl::Time deadline;
    std::function<void(bool)> then;
  };

  mutable Mutex mutex_;
  std::shared_ptr<const Snapshot> current_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<const Snapshot>();
  std::int64_t publications_ ABSL_GUARDED_BY(mutex_) = 0;
  Mutex listener_mutex_;
  std::function<void()> listener_ ABSL_GUARDED_BY(listener_mutex_);
  std::multimap<std::int64_t, Wait> waits_ ABSL_GUARDED_BY(mutex_);  // by revision
};

}  // namespace tokeninventory
