// Keeps a refused credential from being sent over and over: many vendors lock an
// account, or an address, that insists.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/mutex.h"

namespace tokeninventory {

// Knows whether the credential of one account was refused, by whomever of those
// who use it. Credentials go by fingerprints. Thread-safe.
class CredentialGuard {
 public:
  // How long a refused credential is not sent again: doubles with every refusal.
  static constexpr absl::Duration kFirstHold = absl::Minutes(1);
  static constexpr absl::Duration kLongestHold = absl::Minutes(10);
  // How long no other one is sent in its place.
  static constexpr absl::Duration kChangeHold = absl::Seconds(10);

  struct Refusal {
    std::string reason;  // the vendor's, in one line
    absl::Time time;
    absl::Time hold_until;
  };

  // The refusal that forbids to send `credential` now, if there is one.
  std::optional<Refusal> Forbids(std::uint64_t credential, absl::Time now);

  // The vendor refused it. Until when it is held now.
  absl::Time Refused(std::uint64_t credential, const std::string& reason, absl::Time now);

  // The vendor took it.
  void Accepted();

 private:
  struct Last {
    std::uint64_t credential = 0;
    Refusal refusal;
    absl::Duration hold;
  };

  Mutex mutex_;
  std::optional<Last> last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory
