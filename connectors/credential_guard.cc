#include "connectors/credential_guard.h"

#include <algorithm>

namespace tokeninventory {

std::optional<CredentialGuard::Refusal> CredentialGuard::Forbids(std::uint64_t credential,
                                                                 absl::Time now) {
  MutexLock lock(mutex_);
  if (!last_) return std::nullopt;
  Refusal refusal = last_->refusal;
  // A clock that was set back makes no hold longer.
  if (now < refusal.time) refusal.time = last_->refusal.time = now;
  refusal.hold_until = refusal.time + (credential == last_->credential ? last_->hold : kChangeHold);
  if (now >= refusal.hold_until) return std::nullopt;
  return refusal;
}

absl::Time CredentialGuard::Refused(std::uint64_t credential, const std::string& reason,
                                    absl::Time now) {
  MutexLock lock(mutex_);
  absl::Duration hold = kFirstHold;
  if (last_ && last_->credential == credential) {
    // Those that were on their way together count as one.
    const bool held = now < last_->refusal.time + last_->hold;
    hold = held ? last_->hold : std::min(last_->hold * 2, kLongestHold);
  }
  last_ = Last{credential, Refusal{reason, now, now + hold}, hold};
  return now + hold;
}

void CredentialGuard::Accepted() {
  MutexLock lock(mutex_);
  last_.reset();
}

}  // namespace tokeninventory
