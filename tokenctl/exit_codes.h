// What tokenctl's exit codes mean. `check` has those of monitoring plugins.
#pragma once

namespace tokeninventory::tokenctl {

enum ExitCode {
  kOk = 0,
  kFailed = 1,       // the service or a vendor could not do it
  kUsage = 2,        // command line, configuration, filter
  kUnavailable = 3,  // the service cannot be reached, or is not ready
  kRefused = 4,      // it does not know the caller, or does not allow it
  kNotFound = 5,     // there is no such token or source
};

enum CheckCode { kCheckOk = 0, kCheckWarning = 1, kCheckCritical = 2, kCheckUnknown = 3 };

}  // namespace tokeninventory::tokenctl
