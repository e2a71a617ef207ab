// What is known of one credential at one host.
#pragma once

#include "connectors/credential_guard.h"
#include "connectors/http/shared_limits.h"

namespace tokeninventory {

// Shared by all that use the credential there: the passes of its sources and the
// look-ups of single tokens. Thread-safe.
struct VendorAccount {
  SharedLimits limits;
  CredentialGuard guard;
};

}  // namespace tokeninventory
