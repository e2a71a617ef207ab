#include "inventory/reconcile.h"

#include <algorithm>
#include <utility>

#include "base/proto_time.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

// Creation times that are less than this apart are one time: vendors change how many
// digits of a second they print.
constexpr absl::Duration kAnotherCreation = absl::Seconds(1);

// Whether `observed` is another token under the name of `known`. But for a purged
// one, only a vendor that tells a creation time, or changes the kind, shows that it
// reused an id.
bool IsAnotherToken(const v1::Token& known, const v1::Token& observed) {
  if (known.kind() != observed.kind()) return true;
  // What an operator removed stays removed.
  if (known.presence() == v1::Token::DELETED && known.delete_cause() == v1::PURGED) return true;
  return known.has_create_time() && observed.has_create_time() &&
         absl::AbsDuration(FromProto(known.create_time()) - FromProto(observed.create_time())) >=
             kAnotherCreation;
}

void SetDerivedTimes(v1::Token& token) {
  if (token.has_inactivity_window() && !token.has_inactivity_deadline()) {
    // Unused so far: the vendor counts from the creation.
    if (token.has_last_used_time() || token.has_create_time()) {
      const absl::Time from =
          FromProto(token.has_last_used_time() ? token.last_used_time() : token.create_time());
      ToProto(from + FromProto(token.inactivity_window()), token.mutable_inactivity_deadline());
    }
  }
  absl::Time end = absl::InfiniteFuture();
  if (token.has_expire_time()) end = FromProto(token.expire_time());
  if (token.has_inactivity_deadline()) end = std::min(end, FromProto(token.inactivity_deadline()));
  if (end == absl::InfiniteFuture()) {
    token.clear_effective_expire_time();
  } else {
    ToProto(end, token.mutable_effective_expire_time());
  }
}

// A vendor that stops telling an expiry has not cancelled it.
void KeepKnownExpiry(const v1::Token& known, v1::Token& token) {
  if (token.expiry() != v1::Token::UNKNOWN || known.expiry() != v1::Token::AT) return;
  token.set_expiry(v1::Token::AT);
  *token.mutable_expire_time() = known.expire_time();
  token.set_expire_time_precision(known.expire_time_precision());
}

bool IsSame(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b) {
  return a.seconds() == b.seconds() && a.nanos() == b.nanos();
}

// Undoes a move of last_used_time that comes too soon after the last change.
void CoarsenLastUse(const v1::Token& known, absl::Time now, v1::Token& token) {
  if (known.last_use() != v1::Token::USED || token.last_use() != v1::Token::USED) return;
  // Nothing moved.
  if (IsSame(known.last_used_time(), token.last_used_time()) &&
      (!known.has_inactivity_deadline() ||
       (token.has_inactivity_deadline() &&
        IsSame(known.inactivity_deadline(), token.inactivity_deadline())))) {
    return;
  }
  if (now - FromProto(known.update_time()) >= kLastUsedGrain) return;
  if (FromProto(token.last_used_time()) < FromProto(known.last_used_time())) return;
  // With last use as known, is anything else different?
  v1::Token coarse = token;
  *coarse.mutable_last_used_time() = known.last_used_time();
  if (known.has_inactivity_deadline()) {
    *coarse.mutable_inactivity_deadline() = known.inactivity_deadline();
  }
  SetDerivedTimes(coarse);
  if (SerializeToken(coarse) == SerializeToken(known)) token = std::move(coarse);
}

}  // namespace

Reconciled Reconcile(absl::string_view source, absl::string_view provider, const v1::Token* known,
                     ObservedToken&& observed, absl::Time now, absl::string_view new_uid,
                     absl::string_view known_bytes) {
  Reconciled result;
  v1::Token& token = result.token;
  token = std::move(observed.token);
  const bool reused = known != nullptr && IsAnotherToken(*known, token);
  const bool is_new = known == nullptr || reused;

  token.set_name(TokenName(source, observed.id));
  token.set_source(SourceName(source));
  token.set_provider(std::string(provider));
  token.set_presence(v1::Token::LISTED);
  token.set_delete_cause(v1::DELETE_CAUSE_UNSPECIFIED);
  token.clear_delete_time();
  token.clear_effective_expire_time();
  if (token.expiry() == v1::Token::EXPIRY_UNSPECIFIED) {
    token.set_expiry(token.has_expire_time() ? v1::Token::AT : v1::Token::UNKNOWN);
  }
  if (token.last_use() == v1::Token::LAST_USE_UNSPECIFIED) {
    token.set_last_use(token.has_last_used_time() ? v1::Token::USED : v1::Token::NOT_REPORTED);
  }
  if (token.state() == v1::Token::STATE_UNSPECIFIED) token.set_state(v1::Token::ACTIVE);

  if (is_new) {
    token.set_uid(std::string(new_uid));
    ToProto(now, token.mutable_first_seen_time());
    ToProto(now, token.mutable_update_time());
    token.set_revision(0);
  } else {
    token.set_uid(known->uid());
    *token.mutable_first_seen_time() = known->first_seen_time();
    *token.mutable_update_time() = known->update_time();
    token.set_revision(known->revision());
    KeepKnownExpiry(*known, token);
  }
  SetDerivedTimes(token);
  ExpireIfDue(token, now);
  if (is_new) {
    result.kind = reused ? Reconciled::Kind::kReused : Reconciled::Kind::kAdded;
    return result;
  }
  CoarsenLastUse(*known, now, token);
  const std::string bytes = SerializeToken(token);
  if (bytes == known_bytes || bytes == SerializeToken(*known)) {
    result.kind = Reconciled::Kind::kUnchanged;
    return result;
  }
  result.kind = Reconciled::Kind::kUpdated;
  ToProto(now, token.mutable_update_time());
  return result;
}

absl::Time ExpiryDue(const v1::Token& token) {
  if (token.state() != v1::Token::ACTIVE || token.expiry() != v1::Token::AT) {
    return absl::InfiniteFuture();
  }
  return FromProto(token.expire_time());
}

bool ExpireIfDue(v1::Token& token, absl::Time now) {
  if (ExpiryDue(token) > now) return false;
  token.set_state(v1::Token::EXPIRED);
  return true;
}

v1::Token MakeTombstone(const v1::Token& token, v1::DeleteCause cause, absl::Time now) {
  v1::Token tombstone = token;
  tombstone.set_presence(v1::Token::DELETED);
  tombstone.set_delete_cause(cause);
  ToProto(now, tombstone.mutable_delete_time());
  ToProto(now, tombstone.mutable_update_time());
  return tombstone;
}

}  // namespace tokeninventory
