// What an observation makes of what is known. Pure: no clock, no store.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "inventory/pass.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {

// A use of a token is written at most once in this time: last_used_time alone
// moves often and says little.
inline constexpr absl::Duration kLastUsedGrain = absl::Hours(1);

// What an observation comes to.
struct Reconciled {
  enum class Kind {
    kAdded,      // `token` is new
    kUnchanged,  // `token` is as known
    kUpdated,    // `token` replaces the known one
    kReused,     // `token` is new, under the name of the known one, which is over
  };
  Kind kind = Kind::kUnchanged;
  v1::Token token;  // `revision` unset
};

// `known` is null when the name is not known. `new_uid` is used only for a new
// token. `known_bytes`, of which `known` was parsed, spare making them once more;
// empty: not at hand.
Reconciled Reconcile(absl::string_view source, absl::string_view provider, const v1::Token* known,
                     ObservedToken&& observed, absl::Time now, absl::string_view new_uid,
                     absl::string_view known_bytes = {});

// Turns an ACTIVE token whose expire_time has come into EXPIRED. False when it
// is not due.
bool ExpireIfDue(v1::Token& token, absl::Time now);

// When ExpireIfDue will be true; InfiniteFuture when never.
absl::Time ExpiryDue(const v1::Token& token);

// `token` as it is once it is no longer believed to exist.
v1::Token MakeTombstone(const v1::Token& token, v1::DeleteCause cause, absl::Time now);

}  // namespace tokeninventory
