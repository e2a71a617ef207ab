#include "server/access/call_meter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "inventory/errors.h"

namespace tokeninventory {

absl::Status CallMeter::Begin(const Principal& principal, absl::Time now) {
  const double rate = principal.max_calls_per_second;
  if (rate <= 0) return absl::OkStatus();
  const double burst = std::max(rate, 1.0);
  MutexLock lock(mutex_);
  Use& use = uses_[principal.id];
  // A clock that was set back gives nothing and takes nothing.
  const double passed =
      use.as_of == absl::InfinitePast() ? burst / rate : absl::ToDoubleSeconds(now - use.as_of);
  use.left = std::min(burst, use.left + std::max(passed, 0.0) * rate);
  use.as_of = now;
  if (use.left < 1) {
    return RetryableError(absl::StatusCode::kResourceExhausted, "CALL_RATE",
                          absl::StrCat(principal.id, " may begin ", rate, " calls a second"),
                          absl::Seconds((1 - use.left) / rate));
  }
  use.left -= 1;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<CallMeter::Ticket>> CallMeter::OpenStream(
    const Principal& principal) {
  MutexLock lock(mutex_);
  Use& use = uses_[principal.id];
  if (principal.max_streams > 0 && use.streams >= principal.max_streams) {
    return RetryableError(
        absl::StatusCode::kResourceExhausted, "TOO_MANY_STREAMS",
        absl::StrCat(principal.id, " has ", use.streams, " streams open, which is its most"),
        absl::Seconds(5));
  }
  ++use.streams;
  return std::unique_ptr<Ticket>(new Ticket(*this, principal.id));
}

CallMeter::Ticket::~Ticket() {
  MutexLock lock(meter_.mutex_);
  --meter_.uses_[id_].streams;
}

}  // namespace tokeninventory
