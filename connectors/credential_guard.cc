#include "connectors/credential_guard.h"

#include <algorithm>

namespace tokeninventory {

std::optional<CredentialGuard::Refusal> CredentialGuard::Enter(std::uint64_t credential,
                                                               Clock& clock,
                                                               const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] {
    // Under the lock, so that it does not fall between the look and the wait.
    MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  const absl::Time patience = clock.Now() + kTrialWait;
  MutexLock lock(mutex_);
  for (;;) {
    const absl::Time now = clock.Now();
    if (std::optional<Refusal> refusal = Forbids(credential, now)) return refusal;
    if (entered_ == 0 || accepted_ == credential || now >= patience || stop.stop_requested()) {
      break;
    }
    clock.WaitUntil(mutex_, changed_, patience);
  }
  ++entered_;
  return std::nullopt;
}

void CredentialGuard::Leave() {
  MutexLock lock(mutex_);
  --entered_;
  changed_.NotifyAll();
}

std::optional<CredentialGuard::Refusal> CredentialGuard::Forbids(std::uint64_t credential,
                                                                 absl::Time now) {
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
  if (accepted_ == credential) {
    accepted_.reset();
    return now;
  }
  absl::Duration hold = kFirstHold;
  if (last_ && last_->credential == credential) {
    // Those that were on their way together count as one.
    const bool held = now < last_->refusal.time + last_->hold;
    hold = held ? last_->hold : std::min(last_->hold * 2, kLongestHold);
  }
  last_ = Last{credential, Refusal{reason, now, now + hold}, hold};
  return now + hold;
}

void CredentialGuard::Accepted(std::uint64_t credential) {
  MutexLock lock(mutex_);
  last_.reset();
  accepted_ = credential;
  changed_.NotifyAll();
}

}  // namespace tokeninventory
