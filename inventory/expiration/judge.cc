#include "inventory/expiration/judge.h"

#include <algorithm>
#include <optional>

#include "base/proto_time.h"
#include "inventory/expiration/notice.h"
#include "inventory/token_bytes.h"

namespace tokeninventory {
namespace {

using Expiration = v1::Expiration;
using Resolution = v1::Expiration::Resolution;

constexpr absl::Duration kDay = absl::Hours(24);

bool EndsByInactivity(const v1::Token& token) {
  if (!token.has_inactivity_deadline()) return false;
  return !token.has_expire_time() ||
         FromProto(token.inactivity_deadline()) < FromProto(token.expire_time());
}

// A token's end and what was decided of it.
struct End {
  absl::Time time;  // effective_expire_time
  Expiration::Reason reason = Expiration::EXPIRY;
  absl::Duration tolerance;
  bool reached = false;
};

std::optional<End> EndOf(const v1::Token& token, absl::Time now) {
  if (!token.has_effective_expire_time()) return std::nullopt;
  End end;
  end.time = FromProto(token.effective_expire_time());
  end.tolerance = kEndTolerance;
  if (EndsByInactivity(token)) {
    end.reason = Expiration::INACTIVITY;
    if (token.has_inactivity_window()) {
      end.tolerance = std::max(end.tolerance, FromProto(token.inactivity_window()) / 10);
    }
  }
  // The vendor's own word may come before the date.
  end.reached = now >= end.time || token.state() == v1::Token::EXPIRED;
  return end;
}

bool IsUsable(const v1::Token& token) {
  return token.state() == v1::Token::ACTIVE || token.state() == v1::Token::EXPIRED;
}

// For how long a token lives: since its creation, or since its last use where
// inactivity ends it. Infinite when nobody knows.
absl::Duration LifeOf(const v1::Token& token, const Expiration* known, absl::Time end,
                      absl::Time now) {
  absl::Time begin = absl::InfinitePast();
  if (token.has_create_time()) begin = FromProto(token.create_time());
  if (EndsByInactivity(token) && token.has_inactivity_window()) {
    // A token that is used every day is never near its deadline.
    begin = std::max(begin,
                     FromProto(token.inactivity_deadline()) - FromProto(token.inactivity_window()));
  }
  const absl::Duration life =
      begin == absl::InfinitePast() ? absl::InfiniteDuration() : end - begin;
  if (EndsByInactivity(token) || known == nullptr || known->token_uid() != token.uid() ||
      known->state() != Expiration::RESOLVED ||
      known->resolution().cause() != Resolution::EXTENDED) {
    return life;
  }
  // A token that was renewed lives from then on: one that is renewed every day is a
  // short one, however old.
  const absl::Time renewal = FromProto(known->resolution().resolve_time());
  if (!known->resolution().has_new_expire_time()) return std::min(life, end - renewal);
  const absl::Duration given = FromProto(known->resolution().new_expire_time()) - renewal;
  const absl::Duration most_given = given + given / 10;  // passes see it late
  // Less than was left when it was first warned about is a respite.
  if (most_given < FromProto(known->effective_expire_time()) - FromProto(known->create_time())) {
    return life;
  }
  // Later renewals are not on record; they are taken to give as much, unless more than
  // that is left.
  return std::min(life, end - now <= most_given ? given : end - renewal);
}

std::vector<absl::Duration> LeadsOf(const TokenSight& sight, const Expiration* known,
                                    absl::Time end, const Surroundings& around) {
  const FilterRow row{sight.bytes, ReadTokenFacts(sight.bytes).basic_size, nullptr, 0};
  return around.rules->LeadsFor(row, LifeOf(*sight.token, known, end, around.now));
}

// The tightest of `leads` (rising) that is reached.
std::optional<absl::Duration> DueLead(const std::vector<absl::Duration>& leads, absl::Time end,
                                      absl::Time now) {
  for (const absl::Duration lead : leads) {
    if (now >= end - lead) return lead;
  }
  return std::nullopt;
}

bool IsVerified(const TokenSight& sight, const Surroundings& around) {
  const v1::Source& source = *around.source;
  return sight.token->presence() == v1::Token::LISTED &&
         (sight.just_seen ||
          (source.has_last_complete_time() &&
           around.now - FromProto(source.last_complete_time()) <= HealthLimit(source)));
}

// Sets what every event says of its moment.
void Stamp(Expiration& notice, const Surroundings& around) {
  ToProto(around.now, notice.mutable_update_time());
  if (notice.has_effective_expire_time()) {
    const absl::Duration left = FromProto(notice.effective_expire_time()) - around.now;
    notice.set_days_left(
        left <= absl::ZeroDuration()
            ? 0
            : static_cast<std::int32_t>(absl::ToInt64Hours(absl::Ceil(left, kDay)) / 24));
  }
  notice.set_revision(around.revision);
  notice.set_source_state(around.source->state());
  if (around.source->has_last_complete_time()) {
    *notice.mutable_last_verified_time() = around.source->last_complete_time();
  } else {
    notice.clear_last_verified_time();
  }
  notice.set_event_id(NoticeEventId(notice));
}

void StampToken(Expiration& notice, const TokenSight& sight, const End& end,
                const Surroundings& around) {
  ToProto(end.time, notice.mutable_effective_expire_time());
  notice.set_expire_time_precision(
      end.reason == Expiration::EXPIRY ? sight.token->expire_time_precision() : v1::Token::INSTANT);
  notice.set_reason(end.reason);
  notice.set_verified(IsVerified(sight, around));
  Stamp(notice, around);
}

Expiration OpenNotice(const v1::Token& token, const Expiration* known, const Surroundings& around) {
  Expiration notice;
  const bool same_token = known != nullptr && known->token_uid() == token.uid();
  notice.set_generation(same_token ? known->generation() + 1 : 1);
  notice.set_uid(NoticeUid(token.uid(), Expiration::LEAD, notice.generation()));
  notice.set_source(token.source());
  notice.set_name(NoticeName(token.source(), notice.uid()));
  notice.set_token_uid(token.uid());
  notice.set_state(Expiration::OPEN);
  ToProto(around.now, notice.mutable_create_time());
  notice.set_digested(around.digested);
  return notice;
}

// Why an open notice is over; CAUSE_UNSPECIFIED when it is not.
Resolution::Cause CauseToResolve(const TokenSight& sight, const Expiration& known,
                                 const std::optional<End>& end, const Surroundings& around) {
  const v1::Token& token = *sight.token;
  if (known.token_uid() != token.uid()) return Resolution::DELETED;
  if (token.presence() == v1::Token::DETACHED) return Resolution::DETACHED;
  if (token.presence() == v1::Token::DELETED) {
    const bool ended = token.delete_cause() == v1::EXPIRED || HasEnded(token, around.now);
    return ended ? Resolution::EXPIRED : Resolution::DELETED;
  }
  if (!IsUsable(token)) return Resolution::REVOKED;
  if (!end.has_value()) return Resolution::EXTENDED;
  const absl::Duration moved = end->time - FromProto(known.effective_expire_time());
  if (moved > end->tolerance) return Resolution::EXTENDED;
  if (moved < -end->tolerance) return Resolution::SHORTENED;
  // Also where nobody could be told of its end in time.
  if (known.kind() != Expiration::OVERDUE && around.now >= end->time + kExpiredOpenFor) {
    return Resolution::EXPIRED;
  }
  if (known.kind() == Expiration::OVERDUE && sight.vendor_word == TokenSight::VendorWord::kEnded) {
    return Resolution::EXPIRED;
  }
  if (known.kind() == Expiration::LEAD && !end->reached) {
    // By what the rules say, not by the time: a clock that goes back resolves nothing.
    const std::vector<absl::Duration> leads = LeadsOf(sight, &known, end->time, around);
    const bool covered = !leads.empty() && leads.back() >= FromProto(known.lead());
    if (!covered && !DueLead(leads, end->time, around.now)) return Resolution::RULE_CHANGED;
  }
  return Resolution::CAUSE_UNSPECIFIED;
}

// The next step of an open notice, if it is time for one.
std::optional<Expiration> Tighten(const TokenSight& sight, const Expiration& known, const End& end,
                                  const Surroundings& around) {
  Expiration next = known;
  next.clear_token();
  next.set_digested(false);
  if (known.kind() == Expiration::LEAD && end.reached) {
    next.set_kind(Expiration::EXPIRED);
    ToProto(std::min(end.time, around.now), next.mutable_due_time());
  } else if (known.kind() == Expiration::LEAD) {
    const auto lead = DueLead(LeadsOf(sight, &known, end.time, around), end.time, around.now);
    if (!lead || *lead >= FromProto(known.lead())) return std::nullopt;
    ToProto(*lead, next.mutable_lead());
    ToProto(end.time - *lead, next.mutable_due_time());
  } else if (known.kind() == Expiration::EXPIRED &&
             sight.vendor_word == TokenSight::VendorWord::kActive &&
             around.now >= end.time + kOverdueGrace) {
    next.set_kind(Expiration::OVERDUE);
    ToProto(end.time + kOverdueGrace, next.mutable_due_time());
  } else {
    return std::nullopt;
  }
  StampToken(next, sight, end, around);
  return next;
}

// A notice where none is open, if it is time for one.
std::optional<Expiration> Open(const TokenSight& sight, const Expiration* known, const End& end,
                               const Surroundings& around) {
  const v1::Token& token = *sight.token;
  if (!IsShown(token.presence()) || !IsUsable(token)) return std::nullopt;
  const bool same_token = known != nullptr && known->token_uid() == token.uid();
  const bool end_moved = same_token && FromProto(known->effective_expire_time()) != end.time;
  // This end was told before: neither again, nor what leads to it.
  if (same_token && !end_moved && known->kind() != Expiration::LEAD) return std::nullopt;
  if (end.reached) {
    // What had ended when it was first seen is history, and so is what was told.
    const bool seen_alive = around.now >= end.time
                                ? FromProto(token.first_seen_time()) < end.time || end_moved
                                : sight.state_before != v1::Token::STATE_UNSPECIFIED &&
                                      sight.state_before != v1::Token::EXPIRED;
    if (!seen_alive || around.now >= end.time + kExpiredOpenFor) return std::nullopt;
    Expiration notice = OpenNotice(token, known, around);
    notice.set_kind(Expiration::EXPIRED);
    notice.set_digested(false);  // a DIGEST counts leads
    ToProto(std::min(end.time, around.now), notice.mutable_due_time());
    StampToken(notice, sight, end, around);
    return notice;
  }
  const auto lead = DueLead(LeadsOf(sight, known, end.time, around), end.time, around.now);
  if (!lead) return std::nullopt;
  Expiration notice = OpenNotice(token, known, around);
  notice.set_kind(Expiration::LEAD);
  ToProto(*lead, notice.mutable_lead());
  ToProto(end.time - *lead, notice.mutable_due_time());
  StampToken(notice, sight, end, around);
  return notice;
}

}  // namespace

std::vector<v1::Expiration> JudgeToken(const TokenSight& sight, const v1::Expiration* known,
                                       const Surroundings& around) {
  std::vector<v1::Expiration> said;
  const std::optional<End> end = EndOf(*sight.token, around.now);
  Expiration resolved;
  if (known != nullptr && known->state() == Expiration::OPEN) {
    const Resolution::Cause cause = CauseToResolve(sight, *known, end, around);
    if (cause == Resolution::CAUSE_UNSPECIFIED) {
      if (std::optional<Expiration> next = Tighten(sight, *known, *end, around)) {
        said.push_back(*std::move(next));
      }
      return said;
    }
    said.push_back(Resolve(*known, cause, around));
    if (end.has_value() && (cause == Resolution::EXTENDED || cause == Resolution::SHORTENED)) {
      // What the next renewal is measured by.
      ToProto(end->time, said.back().mutable_resolution()->mutable_new_expire_time());
    }
    if (known->token_uid() == sight.token->uid()) {
      said.back().set_verified(IsVerified(sight, around));
    }
    resolved = said.back();
    known = &resolved;
  }
  if (!end.has_value()) return said;
  if (std::optional<Expiration> opened = Open(sight, known, *end, around)) {
    said.push_back(*std::move(opened));
  }
  return said;
}

bool WordMatters(TokenSight::VendorWord word, v1::Expiration::Kind kind) {
  return (word == TokenSight::VendorWord::kActive && kind == Expiration::EXPIRED) ||
         (word == TokenSight::VendorWord::kEnded && kind == Expiration::OVERDUE);
}

absl::Time NextLook(const TokenSight& sight, bool has_open, const v1::Expiration* resolved,
                    const Surroundings& around) {
  const v1::Token& token = *sight.token;
  const std::optional<End> end = EndOf(token, around.now);
  if (!end.has_value() || !IsShown(token.presence()) || !IsUsable(token)) {
    return absl::InfiniteFuture();
  }
  absl::Time next = absl::InfiniteFuture();
  const auto consider = [&](absl::Time time) {
    if (time > around.now) next = std::min(next, time);
  };
  consider(end->time);
  if (token.has_expire_time()) consider(FromProto(token.expire_time()));
  if (has_open) consider(end->time + kExpiredOpenFor);
  if (end->time <= around.now) return next;
  for (const absl::Duration lead : LeadsOf(sight, resolved, end->time, around)) {
    consider(end->time - lead);
  }
  return next;
}

v1::Expiration Resolve(const v1::Expiration& known, v1::Expiration::Resolution::Cause cause,
                       const Surroundings& around) {
  Expiration notice = known;
  notice.clear_token();
  notice.set_state(Expiration::RESOLVED);
  notice.set_digested(false);
  notice.mutable_resolution()->set_cause(cause);
  ToProto(around.now, notice.mutable_resolution()->mutable_resolve_time());
  ToProto(around.now, notice.mutable_due_time());
  Stamp(notice, around);
  return notice;
}

bool HasEnded(const v1::Token& token, absl::Time now) {
  if (!token.has_effective_expire_time()) return token.state() == v1::Token::EXPIRED;
  const absl::Duration slack = EndsByInactivity(token) ? kInactivitySlack : absl::ZeroDuration();
  return token.state() == v1::Token::EXPIRED ||
         now >= FromProto(token.effective_expire_time()) - slack;
}

absl::Duration HealthLimit(const v1::Source& source) {
  return std::max(3 * FromProto(source.sync_interval()), kDay);
}

absl::Time UnhealthyAt(const v1::Source& source) {
  if (source.state() == v1::Source::DETACHED) return absl::InfiniteFuture();
  // A source that came back from being DETACHED has its time anew.
  absl::Time from = FromProto(source.create_time());
  if (source.has_last_complete_time()) {
    from = std::max(from, FromProto(source.last_complete_time()));
  }
  return from + HealthLimit(source);
}

v1::Expiration MakeSourceNotice(v1::Expiration::Kind kind, const v1::Expiration* known,
                                absl::Time due, const Surroundings& around) {
  Expiration notice;
  notice.set_generation(known == nullptr ? 1 : known->generation() + 1);
  notice.set_source(around.source->name());
  notice.set_uid(NoticeUid(around.source->name(), kind, notice.generation()));
  notice.set_name(NoticeName(around.source->name(), notice.uid()));
  notice.set_kind(kind);
  notice.set_state(kind == Expiration::DIGEST ? Expiration::RESOLVED : Expiration::OPEN);
  ToProto(due, notice.mutable_due_time());
  ToProto(around.now, notice.mutable_create_time());
  Stamp(notice, around);
  return notice;
}

}  // namespace tokeninventory
