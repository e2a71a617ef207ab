// Keeps a refused credential from being sent over and over: many vendors lock an
// account, or an address, that insists.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace tokeninventory {

// Knows whether the credential of one account was refused, by whomever of those
// who use it. Until a vendor has taken a credential, one request at a time tries it,
// so that many sources that start together do not fail together. Credentials go by
// fingerprints. Thread-safe.
class CredentialGuard {
 public:
  // How long a refused credential is not sent again: doubles with every refusal.
  static constexpr absl::Duration kFirstHold = absl::Minutes(1);
  static constexpr absl::Duration kLongestHold = absl::Minutes(10);
  // How long no other one is sent in its place.
  static constexpr absl::Duration kChangeHold = absl::Seconds(10);
  // How long those who would try it wait for the one who does: a vendor that does
  // not answer does not hold them up.
  static constexpr absl::Duration kTrialWait = absl::Seconds(5);

  struct Refusal {
    std::string reason;  // the vendor's, in one line
    absl::Time time;
    absl::Time hold_until;
  };

  // The refusal that forbids to send `credential` now. Without one the request may
  // go, and Leave is called after it. Blocks while another request tries it; a stop
  // ends that.
  std::optional<Refusal> Enter(std::uint64_t credential, Clock& clock, const std::stop_token& stop);
  void Leave();

  // The vendor refused it. Until when it is held now: one that the vendor took just
  // before is not yet, because some listings refuse what others take.
  absl::Time Refused(std::uint64_t credential, const std::string& reason, absl::Time now);
  // The vendor took it.
  void Accepted(std::uint64_t credential);

 private:
  struct Last {
    std::uint64_t credential = 0;
    Refusal refusal;
    absl::Duration hold;
  };

  std::optional<Refusal> Forbids(std::uint64_t credential, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  std::optional<Last> last_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::uint64_t> accepted_ ABSL_GUARDED_BY(mutex_);
  // Requests on their way.
  int entered_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tokeninventory
