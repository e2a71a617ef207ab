#include "inventory/reconcile.h"

#include <functional>
#include <string>
#include <vector>

#include "base/proto_time.h"
#include "gtest/gtest.h"
#include "inventory/token_bytes.h"

namespace tokeninventory::testing {
namespace {

using Kind = Reconciled::Kind;

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

ObservedToken Observe(const std::function<void(v1::Token&)>& edit = {}) {
  ObservedToken observed;
  observed.id = "tok/1";
  observed.token.set_provider_token_id("tok/1");
  observed.token.set_display_name("deploy");
  if (edit) edit(observed.token);
  return observed;
}

Reconciled ReconcileAt(absl::Time now, const v1::Token* known, ObservedToken observed) {
  return Reconcile("acme", "acme-cloud", known, std::move(observed), now, "new-uid");
}

// The token as it is known after a first sight at kStart, in revision 5.
v1::Token Known(const std::function<void(v1::Token&)>& edit = {}) {
  v1::Token token = ReconcileAt(kStart, nullptr, Observe(edit)).token;
  token.set_uid("old-uid");
  token.set_revision(5);
  return token;
}

void SetTime(absl::Time time, google::protobuf::Timestamp* out) { ToProto(time, out); }

std::function<void(v1::Token&)> ExpiresAt(absl::Time time) {
  return [time](v1::Token& token) { SetTime(time, token.mutable_expire_time()); };
}

TEST(ReconcileTest, ANewTokenGetsItsIdentityFromUs) {
  ObservedToken observed = Observe([](v1::Token& token) {
    // What a mapping may not say is not believed.
    token.set_name("sources/evil/tokens/x");
    token.set_uid("evil");
    token.set_source("sources/evil");
    token.set_provider("evil");
    token.set_presence(v1::Token::DELETED);
    token.set_delete_cause(v1::PURGED);
    token.set_revision(99);
    token.mutable_first_seen_time()->set_seconds(1);
    token.mutable_update_time()->set_seconds(1);
    token.mutable_delete_time()->set_seconds(1);
    token.mutable_effective_expire_time()->set_seconds(1);
  });
  const Reconciled result = ReconcileAt(kStart, nullptr, observed);
  EXPECT_EQ(result.kind, Kind::kAdded);
  const v1::Token& token = result.token;
  EXPECT_EQ(token.name(), "sources/acme/tokens/tok%2F1");
  EXPECT_EQ(token.uid(), "new-uid");
  EXPECT_EQ(token.source(), "sources/acme");
  EXPECT_EQ(token.provider(), "acme-cloud");
  EXPECT_EQ(token.provider_token_id(), "tok/1");
  EXPECT_EQ(token.presence(), v1::Token::LISTED);
  EXPECT_EQ(token.delete_cause(), v1::DELETE_CAUSE_UNSPECIFIED);
  EXPECT_EQ(token.revision(), 0);
  EXPECT_EQ(FromProto(token.first_seen_time()), kStart);
  EXPECT_EQ(FromProto(token.update_time()), kStart);
  EXPECT_FALSE(token.has_delete_time());
  EXPECT_FALSE(token.has_effective_expire_time());
}

TEST(ReconcileTest, WhatTheVendorDoesNotSayGetsItsDefault) {
  const v1::Token bare = ReconcileAt(kStart, nullptr, Observe()).token;
  EXPECT_EQ(bare.state(), v1::Token::ACTIVE);
  EXPECT_EQ(bare.expiry(), v1::Token::UNKNOWN);
  EXPECT_EQ(bare.last_use(), v1::Token::NOT_REPORTED);

  const v1::Token timed =
      ReconcileAt(kStart, nullptr, Observe([](v1::Token& token) {
                    SetTime(kStart + absl::Hours(1), token.mutable_expire_time());
                    SetTime(kStart, token.mutable_last_used_time());
                  }))
          .token;
  EXPECT_EQ(timed.expiry(), v1::Token::AT);
  EXPECT_EQ(timed.last_use(), v1::Token::USED);

  const v1::Token told = ReconcileAt(kStart, nullptr, Observe([](v1::Token& token) {
                                       token.set_state(v1::Token::DISABLED);
                                       token.set_expiry(v1::Token::NEVER);
                                       token.set_last_use(v1::Token::NEVER_USED);
                                     }))
                             .token;
  EXPECT_EQ(told.state(), v1::Token::DISABLED);
  EXPECT_EQ(told.expiry(), v1::Token::NEVER);
  EXPECT_EQ(told.last_use(), v1::Token::NEVER_USED);
}

TEST(ReconcileTest, TheSameObservationChangesNothing) {
  const auto edit = [](v1::Token& token) {
    SetTime(kStart + absl::Hours(100), token.mutable_expire_time());
    token.mutable_owner()->set_email("a@example.com");
    (*token.mutable_attributes()->mutable_fields())["k"].set_string_value("v");
    (*token.mutable_attributes()->mutable_fields())["j"].set_number_value(2);
  };
  const v1::Token known = Known(edit);
  const Reconciled result = ReconcileAt(kStart + absl::Hours(50), &known, Observe(edit));
  EXPECT_EQ(result.kind, Kind::kUnchanged);
  EXPECT_EQ(SerializeToken(result.token), SerializeToken(known));
}

TEST(ReconcileTest, AnotherObservationUpdatesTheToken) {
  const v1::Token known = Known();
  const absl::Time later = kStart + absl::Minutes(5);
  const Reconciled result = ReconcileAt(
      later, &known, Observe([](v1::Token& token) { token.set_display_name("renamed"); }));
  EXPECT_EQ(result.kind, Kind::kUpdated);
  EXPECT_EQ(result.token.uid(), "old-uid");
  EXPECT_EQ(result.token.display_name(), "renamed");
  EXPECT_EQ(FromProto(result.token.first_seen_time()), kStart);
  EXPECT_EQ(FromProto(result.token.update_time()), later);
}

TEST(ReconcileTest, ComesBackFromMissingAndDeletedAsTheSameToken) {
  v1::Token missing = Known();
  missing.set_presence(v1::Token::MISSING);
  for (const v1::Token& gone : {missing, MakeTombstone(missing, v1::NOT_LISTED, kStart)}) {
    SCOPED_TRACE(v1::Token::Presence_Name(gone.presence()));
    const absl::Time later = kStart + absl::Hours(9);
    const Reconciled result = ReconcileAt(later, &gone, Observe());
    EXPECT_EQ(result.kind, Kind::kUpdated);
    EXPECT_EQ(result.token.uid(), "old-uid");
    EXPECT_EQ(result.token.presence(), v1::Token::LISTED);
    EXPECT_EQ(result.token.delete_cause(), v1::DELETE_CAUSE_UNSPECIFIED);
    EXPECT_FALSE(result.token.has_delete_time());
    EXPECT_EQ(FromProto(result.token.first_seen_time()), kStart);
    EXPECT_EQ(FromProto(result.token.update_time()), later);
  }
}

TEST(ReconcileTest, AnotherCreationTimeOrKindIsAnotherToken) {
  const auto created = [](absl::Time time) {
    return [time](v1::Token& token) { SetTime(time, token.mutable_create_time()); };
  };
  const auto of_kind = [](const char* kind) {
    return [kind](v1::Token& token) { token.set_kind(kind); };
  };
  struct Case {
    const char* name;
    std::function<void(v1::Token&)> known;
    std::function<void(v1::Token&)> observed;
    bool is_another;
  };
  const Case cases[] = {
      {"same creation", created(kStart), created(kStart), false},
      {"other creation", created(kStart), created(kStart + absl::Seconds(1)), true},
      {"creation in fewer digits", created(kStart + absl::Milliseconds(999)), created(kStart),
       false},
      {"creation in more digits", created(kStart), created(kStart + absl::Milliseconds(999)),
       false},
      {"creation no longer told", created(kStart), {}, false},
      {"creation newly told", {}, created(kStart), false},
      {"same kind", of_kind("service"), of_kind("service"), false},
      {"other kind", of_kind("service"), of_kind("personal"), true},
  };
  for (const Case& c : cases) {
    for (const v1::Token::Presence presence :
         {v1::Token::LISTED, v1::Token::MISSING, v1::Token::DELETED}) {
      SCOPED_TRACE(absl::string_view(c.name));
      SCOPED_TRACE(v1::Token::Presence_Name(presence));
      v1::Token known = Known(c.known);
      if (presence == v1::Token::DELETED) known = MakeTombstone(known, v1::NOT_LISTED, kStart);
      known.set_presence(presence);
      const absl::Time later = kStart + absl::Hours(3);
      const Reconciled result = ReconcileAt(later, &known, Observe(c.observed));
      EXPECT_EQ(result.kind == Kind::kReused, c.is_another);
      EXPECT_EQ(result.token.uid(), c.is_another ? "new-uid" : "old-uid");
      EXPECT_EQ(FromProto(result.token.first_seen_time()), c.is_another ? later : kStart);
      EXPECT_EQ(result.token.presence(), v1::Token::LISTED);
    }
  }
}

TEST(ReconcileTest, AReusedIdDoesNotInheritTheOldExpiry) {
  const v1::Token known = Known([](v1::Token& token) {
    token.set_kind("service");
    SetTime(kStart + absl::Hours(1), token.mutable_expire_time());
  });
  const Reconciled result =
      ReconcileAt(kStart, &known, Observe([](v1::Token& token) { token.set_kind("personal"); }));
  EXPECT_EQ(result.kind, Kind::kReused);
  EXPECT_EQ(result.token.expiry(), v1::Token::UNKNOWN);
  EXPECT_FALSE(result.token.has_expire_time());
}

TEST(ReconcileTest, AnExpiryThatIsNoLongerToldStays) {
  const absl::Time end = kStart + absl::Hours(24);
  const v1::Token known = Known([&](v1::Token& token) {
    SetTime(end, token.mutable_expire_time());
    token.set_expire_time_precision(v1::Token::DAY);
  });
  EXPECT_EQ(ReconcileAt(kStart + absl::Hours(2), &known, Observe()).kind, Kind::kUnchanged);

  const Reconciled past = ReconcileAt(end, &known, Observe());
  EXPECT_EQ(past.token.state(), v1::Token::EXPIRED);
  EXPECT_EQ(FromProto(past.token.expire_time()), end);
  EXPECT_EQ(past.token.expire_time_precision(), v1::Token::DAY);
  EXPECT_EQ(FromProto(past.token.effective_expire_time()), end);
}

TEST(ReconcileTest, AnExpiryThatTheVendorCancelsIsGone) {
  const v1::Token known = Known(ExpiresAt(kStart + absl::Hours(24)));
  const Reconciled result = ReconcileAt(
      kStart, &known, Observe([](v1::Token& token) { token.set_expiry(v1::Token::NEVER); }));
  EXPECT_EQ(result.kind, Kind::kUpdated);
  EXPECT_EQ(result.token.expiry(), v1::Token::NEVER);
  EXPECT_FALSE(result.token.has_expire_time());
  EXPECT_FALSE(result.token.has_effective_expire_time());
}

TEST(ReconcileTest, TimeMakesATokenExpiredAndAnExtensionActiveAgain) {
  const absl::Time end = kStart + absl::Hours(24);
  const v1::Token known = Known(ExpiresAt(end));
  EXPECT_EQ(known.state(), v1::Token::ACTIVE);
  EXPECT_EQ(ReconcileAt(end - absl::Nanoseconds(1), &known, Observe(ExpiresAt(end))).kind,
            Kind::kUnchanged);

  const Reconciled expired = ReconcileAt(end, &known, Observe(ExpiresAt(end)));
  EXPECT_EQ(expired.kind, Kind::kUpdated);
  EXPECT_EQ(expired.token.state(), v1::Token::EXPIRED);

  // The vendor still says active, and it still is over.
  EXPECT_EQ(ReconcileAt(end + absl::Hours(1), &expired.token, Observe(ExpiresAt(end))).kind,
            Kind::kUnchanged);

  const Reconciled extended =
      ReconcileAt(end + absl::Hours(2), &expired.token, Observe(ExpiresAt(end + absl::Hours(48))));
  EXPECT_EQ(extended.kind, Kind::kUpdated);
  EXPECT_EQ(extended.token.state(), v1::Token::ACTIVE);
  EXPECT_EQ(FromProto(extended.token.effective_expire_time()), end + absl::Hours(48));
}

TEST(ReconcileTest, TheVendorsWordGoesOverTime) {
  for (const v1::Token::State state :
       {v1::Token::DISABLED, v1::Token::INVALID, v1::Token::REVOKED, v1::Token::EXPIRED}) {
    const auto edit = [state](v1::Token& token) {
      SetTime(kStart + absl::Hours(1), token.mutable_expire_time());
      token.set_state(state);
    };
    const v1::Token known = Known(edit);
    const Reconciled result = ReconcileAt(kStart + absl::Hours(2), &known, Observe(edit));
    EXPECT_EQ(result.kind, Kind::kUnchanged);
    EXPECT_EQ(result.token.state(), state);
  }
}

TEST(ReconcileTest, AnInactivityWindowMakesADeadline) {
  const absl::Duration window = absl::Hours(24 * 90);
  const absl::Time created = kStart - absl::Hours(1000);
  const absl::Time used = kStart - absl::Hours(100);
  const auto observed = [&](bool has_use, bool has_creation, absl::Time expire_time) {
    return Observe([&](v1::Token& token) {
      ToProto(window, token.mutable_inactivity_window());
      if (has_use) SetTime(used, token.mutable_last_used_time());
      if (has_creation) SetTime(created, token.mutable_create_time());
      if (expire_time != absl::InfiniteFuture()) SetTime(expire_time, token.mutable_expire_time());
    });
  };
  struct Case {
    const char* name;
    ObservedToken observed;
    absl::Time deadline;
    absl::Time effective;
  };
  const absl::Time none = absl::InfinitePast();
  const Case cases[] = {
      {"counts from the last use", observed(true, true, absl::InfiniteFuture()), used + window,
       used + window},
      {"unused: counts from the creation", observed(false, true, absl::InfiniteFuture()),
       created + window, created + window},
      {"nothing to count from", observed(false, false, absl::InfiniteFuture()), none, none},
      {"expires before", observed(true, true, kStart + absl::Hours(1)), used + window,
       kStart + absl::Hours(1)},
      {"expires after", observed(true, true, used + window + absl::Hours(1)), used + window,
       used + window},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(absl::string_view(c.name));
    const v1::Token token = ReconcileAt(kStart, nullptr, c.observed).token;
    EXPECT_EQ(token.has_inactivity_deadline(), c.deadline != none);
    EXPECT_EQ(token.has_effective_expire_time(), c.effective != none);
    if (c.deadline == none) continue;
    EXPECT_EQ(FromProto(token.inactivity_deadline()), c.deadline);
    EXPECT_EQ(FromProto(token.effective_expire_time()), c.effective);
  }
}

TEST(ReconcileTest, ADeadlineThatTheVendorTellsIsTaken) {
  const v1::Token token =
      ReconcileAt(kStart, nullptr, Observe([](v1::Token& observed) {
                    ToProto(absl::Hours(1), observed.mutable_inactivity_window());
                    SetTime(kStart, observed.mutable_last_used_time());
                    SetTime(kStart + absl::Hours(7), observed.mutable_inactivity_deadline());
                  }))
          .token;
  EXPECT_EQ(FromProto(token.inactivity_deadline()), kStart + absl::Hours(7));
}

TEST(ReconcileTest, AnInactivityDeadlineNeverMakesATokenExpired) {
  const auto edit = [](v1::Token& token) {
    SetTime(kStart - absl::Hours(1), token.mutable_inactivity_deadline());
  };
  EXPECT_EQ(ReconcileAt(kStart, nullptr, Observe(edit)).token.state(), v1::Token::ACTIVE);
}

std::function<void(v1::Token&)> UsedAt(absl::Time time) {
  return [time](v1::Token& token) {
    SetTime(time, token.mutable_last_used_time());
    ToProto(absl::Hours(24 * 90), token.mutable_inactivity_window());
  };
}

TEST(ReconcileTest, AMoveOfLastUseAloneIsTakenOnceAnHour) {
  const v1::Token known = Known(UsedAt(kStart));
  struct Case {
    const char* name;
    absl::Time now;
    absl::Time used;
    Kind kind;
  };
  const Case cases[] = {
      {"soon", kStart + absl::Minutes(59), kStart + absl::Minutes(58), Kind::kUnchanged},
      {"just before the hour", kStart + absl::Hours(1) - absl::Nanoseconds(1),
       kStart + absl::Minutes(30), Kind::kUnchanged},
      {"at the hour", kStart + absl::Hours(1), kStart + absl::Minutes(30), Kind::kUpdated},
      // A vendor that corrects itself is believed at once.
      {"back", kStart + absl::Minutes(5), kStart - absl::Minutes(5), Kind::kUpdated},
      {"not at all", kStart + absl::Minutes(5), kStart, Kind::kUnchanged},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(absl::string_view(c.name));
    const Reconciled result = ReconcileAt(c.now, &known, Observe(UsedAt(c.used)));
    EXPECT_EQ(result.kind, c.kind);
    if (result.kind == Kind::kUnchanged) {
      EXPECT_EQ(SerializeToken(result.token), SerializeToken(known));
    } else {
      EXPECT_EQ(FromProto(result.token.last_used_time()), c.used);
      EXPECT_EQ(FromProto(result.token.inactivity_deadline()), c.used + absl::Hours(24 * 90));
    }
  }
}

TEST(ReconcileTest, AnotherChangeTakesLastUseAlong) {
  const v1::Token known = Known(UsedAt(kStart));
  const absl::Time used = kStart + absl::Minutes(1);
  const Reconciled result =
      ReconcileAt(kStart + absl::Minutes(2), &known, Observe([used](v1::Token& token) {
                    UsedAt(used)(token);
                    token.set_role("admin");
                  }));
  EXPECT_EQ(result.kind, Kind::kUpdated);
  EXPECT_EQ(FromProto(result.token.last_used_time()), used);
}

TEST(ReconcileTest, AFirstUseIsTakenAtOnce) {
  const v1::Token known =
      Known([](v1::Token& token) { token.set_last_use(v1::Token::NEVER_USED); });
  const Reconciled result = ReconcileAt(kStart + absl::Minutes(1), &known, Observe(UsedAt(kStart)));
  EXPECT_EQ(result.kind, Kind::kUpdated);
  EXPECT_EQ(result.token.last_use(), v1::Token::USED);
}

TEST(ReconcileTest, AnActiveTokenIsDueAtItsExpireTime) {
  const absl::Time end = kStart + absl::Hours(1);
  struct Case {
    const char* name;
    std::function<void(v1::Token&)> edit;
    absl::Time due;
  };
  const Case cases[] = {
      {"expires", ExpiresAt(end), end},
      {"unknown", {}, absl::InfiniteFuture()},
      {"never", [](v1::Token& token) { token.set_expiry(v1::Token::NEVER); },
       absl::InfiniteFuture()},
      {"disabled",
       [&](v1::Token& token) {
         ExpiresAt(end)(token);
         token.set_state(v1::Token::DISABLED);
       },
       absl::InfiniteFuture()},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(absl::string_view(c.name));
    v1::Token token = Known(c.edit);
    EXPECT_EQ(ExpiryDue(token), c.due);
    v1::Token before = token;
    EXPECT_FALSE(ExpireIfDue(before, end - absl::Nanoseconds(1)));
    EXPECT_EQ(ExpireIfDue(token, end), c.due == end);
    EXPECT_FALSE(ExpireIfDue(token, end)) << "it is due once";
  }
}

TEST(ReconcileTest, ATombstoneKeepsTheTokenAndSaysWhyAndWhen) {
  const v1::Token known = Known(ExpiresAt(kStart + absl::Hours(1)));
  const absl::Time now = kStart + absl::Minutes(1);
  const v1::Token tombstone = MakeTombstone(known, v1::VENDOR_404, now);
  EXPECT_EQ(tombstone.presence(), v1::Token::DELETED);
  EXPECT_EQ(tombstone.delete_cause(), v1::VENDOR_404);
  EXPECT_EQ(FromProto(tombstone.delete_time()), now);
  EXPECT_EQ(FromProto(tombstone.update_time()), now);
  EXPECT_EQ(tombstone.uid(), known.uid());
  EXPECT_EQ(tombstone.display_name(), known.display_name());
  EXPECT_EQ(FromProto(tombstone.expire_time()), kStart + absl::Hours(1));
}

}  // namespace
}  // namespace tokeninventory::testing
