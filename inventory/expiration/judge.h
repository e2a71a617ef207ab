// What is to be said of a token's end now: the rules of notices (docs/expirations.md,
// ADR 7). Pure: time and everything else is an argument.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "inventory/expiration/lead_rules.h"
#include "tokeninventory/v1/expiration.pb.h"
#include "tokeninventory/v1/source.pb.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {

// An end that moved by less is the same end; a tenth of the window where the
// vendor ends unused tokens.
inline constexpr absl::Duration kEndTolerance = absl::Minutes(1);
// A vendor that still calls a token active so long after its end is told OVERDUE.
inline constexpr absl::Duration kOverdueGrace = absl::Hours(24);
// A notice that a token EXPIRED is resolved after this long.
inline constexpr absl::Duration kExpiredOpenFor = absl::Hours(24 * 30);
// A token that leaves its vendor's list so shortly before its inactivity deadline
// was ended by it: vendors count in days.
inline constexpr absl::Duration kInactivitySlack = absl::Hours(24);

// A token as the Ledger is about to show it.
struct TokenSight {
  const v1::Token* token = nullptr;
  absl::string_view bytes;  // the same, serialised
  // What the vendor said of it just now, in a word of its own.
  enum class VendorWord { kNone, kActive, kEnded };
  VendorWord vendor_word = VendorWord::kNone;
  // Its state before the change that is judged; STATE_UNSPECIFIED when it is new.
  v1::Token::State state_before = v1::Token::STATE_UNSPECIFIED;
  // The vendor showed it just now.
  bool just_seen = false;
};

// What surrounds a judgement.
struct Surroundings {
  absl::Time now;
  const LeadRules* rules = nullptr;
  // The token's.
  const v1::Source* source = nullptr;
  // What is opened now is told by the pass' DIGEST.
  bool digested = false;
  // Of the commit that this will be part of.
  std::int64_t revision = 0;
};

// Brings what was said last (`known`; null when nothing was) in line with a token.
// Returns the new versions of the notice, in order, without their token: none, one,
// or two when an end that moved is told anew at once.
std::vector<v1::Expiration> JudgeToken(const TokenSight& sight, const v1::Expiration* known,
                                       const Surroundings& around);

// Whether the vendor's word alone may change what was said: a token that did not
// change is then judged too.
bool WordMatters(TokenSight::VendorWord word, v1::Expiration::Kind kind);

// When time alone may change JudgeToken's mind; InfiniteFuture when never. Not
// before `now`. Of a notice that is open (`has_open`) nothing else counts; `resolved`
// is the one said last if that is over, null otherwise.
absl::Time NextLook(const TokenSight& sight, bool has_open, const v1::Expiration* resolved,
                    const Surroundings& around);

// The resolution of a notice whose token (or source) is there no longer.
v1::Expiration Resolve(const v1::Expiration& known, v1::Expiration::Resolution::Cause cause,
                       const Surroundings& around);

// Whether a token that its vendor lists no longer was at its end: then it is EXPIRED
// rather than deleted by somebody.
bool HasEnded(const v1::Token& token, absl::Time now);

// For how long a source may be without a complete pass before it is unhealthy, and
// what is known of its tokens no longer verified.
absl::Duration HealthLimit(const v1::Source& source);

// When a source becomes unhealthy unless a pass completes before.
absl::Time UnhealthyAt(const v1::Source& source);

// A notice about a source, of the generation after `known` (null: the first).
// `due` is when it fell due.
v1::Expiration MakeSourceNotice(v1::Expiration::Kind kind, const v1::Expiration* known,
                                absl::Time due, const Surroundings& around);

}  // namespace tokeninventory
