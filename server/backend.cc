#include "server/backend.h"

#include "inventory/errors.h"

namespace tokeninventory {

absl::Status StillLoadingError() {
  return RetryableError(absl::StatusCode::kUnavailable, "STORE_LOADING",
                        "the service is loading its store", absl::Seconds(1));
}

}  // namespace tokeninventory
