// How long to wait before trying again.
#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace tokeninventory::tokenctl {

// Doubles from half a second to half a minute. Thread-compatible.
class Backoff {
 public:
  // The next wait: `random` from 0 to 1 chooses between a half and the whole of it, so that clients
  // that lost the same service do not come back together.
  absl::Duration Next(double random) {
    const absl::Duration whole = next_;
    next_ = std::min(next_ * 2, absl::Seconds(30));
    return whole * (0.5 + random / 2);
  }

  // All is well again.
  void Reset() { next_ = absl::Milliseconds(500); }

 private:
  absl::Duration next_ = absl::Milliseconds(500);
};

}  // namespace tokeninventory::tokenctl
