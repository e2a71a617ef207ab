// Who watches a pass.
#pragma once

#include "absl/status/statusor.h"
#include "tokeninventory/v1/sources.pb.h"

namespace tokeninventory {

// Told how a pass goes. Called by one thread at a time, in order: progress any
// number of times, then OnEnd once. Must not block.
class SyncObserver {
 public:
  virtual ~SyncObserver() = default;

  virtual void OnProgress(const v1::SyncProgress& progress) = 0;

  // A failed pass is a result. A status: UNAVAILABLE when the store cannot be
  // written or the service stops.
  virtual void OnEnd(const absl::StatusOr<v1::SyncResult>& result) = 0;
};

}  // namespace tokeninventory
