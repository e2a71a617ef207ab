// Sleeping on a Clock in a way that a stop ends.
#pragma once

#include <stop_token>

#include "absl/time/time.h"
#include "base/clock.h"

namespace tokeninventory {

// Blocks until `deadline` has come on `clock` (true) or `stop` was asked for
// (false).
bool WaitUntilOrStop(Clock& clock, absl::Time deadline, const std::stop_token& stop);

}  // namespace tokeninventory
