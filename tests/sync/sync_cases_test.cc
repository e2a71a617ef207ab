// The case file on sync (what must follow from which failure, gathered from other tools' bugs), run
// as data. A case that is neither run nor listed with the test that runs it, or with a reason,
// fails the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "tests/sync/sync_world.h"
#include "tests/vendor_sim/fault_catalogue.h"
#include "tests/vendor_sim/spoilers.h"

namespace tokeninventory::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using vendor_sim::Fault;
using vendor_sim::Request;
using vendor_sim::Response;
using vendor_sim::TokenKind;
using vendor_sim::Uuid;

constexpr int kAll = std::numeric_limits<int>::max();

// A world that has been read once.
class Case {
 public:
  explicit Case(const std::string& vendor, bool all_streams = false)
      : world({.vendor = vendor, .all_streams = all_streams}) {
    EXPECT_EQ(world.Converge(1), 1) << world.Difference();
  }

  // Puts a fault of the catalogue on requests whose target contains `target`.
  void Break(const std::string& name, const std::string& target, int skip = 0) {
    Fault fault = vendor_sim::FindFault(name).value().fault;
    fault.target_contains = target;
    fault.skip = skip;
    fault.count = kAll;
    world.sim().AddFault(fault);
  }
  void Edit(const std::string& target, std::function<void(const Request&, Response&)> edit) {
    Fault fault;
    fault.target_contains = target;
    fault.count = kAll;
    fault.edit_response = std::move(edit);
    world.sim().AddFault(fault);
  }
  void Mend() { world.sim().ClearFaults(); }

  v1::Token Token(const Uuid& id, const std::string& prefix = "") {
    return world.ledger().Token(prefix + id.ToString(), world.source());
  }
  v1::Token::Presence PresenceOf(const Uuid& id, const std::string& prefix = "") {
    return world.ledger().PresenceOf(prefix + id.ToString(), world.source());
  }
  void ExpectNothingLost(const std::map<std::string, KnownToken>& before) {
    ExpectAll(before, [](const KnownToken& was) { return was.presence; });
  }
  void ExpectAll(const std::map<std::string, KnownToken>& before,
                 const std::function<v1::Token::Presence(const KnownToken&)>& presence) {
    const std::map<std::string, KnownToken> now = world.Known();
    for (const auto& [id, was] : before) {
      const auto is = now.find(id);
      ASSERT_NE(is, now.end()) << id;
      EXPECT_EQ(is->second.uid, was.uid) << id;
      EXPECT_EQ(is->second.presence, presence(was)) << id;
    }
  }

  SyncWorld world;
};

// One registry is denied, the others are read.
void Scope403() {
  Case c("buildkite");
  const auto before = c.world.Known();
  const auto truth = c.world.sim().ReadTruth();
  const std::string denied = truth.registries[1].slug;
  const auto token_of = [&](const std::string& slug) {
    for (const auto& token : truth.registry_tokens) {
      if (token.registry_slug == slug) return token.id;
    }
    return Uuid();
  };
  c.world.sim().RenameToken(token_of(denied), "unseen");
  c.world.sim().RenameToken(token_of(truth.registries[0].slug), "seen");
  c.Break("403", absl::StrCat(denied, "/tokens"));
  const v1::SyncResult result = c.world.Pass();
  EXPECT_EQ(result.state(), v1::Source::DEGRADED);
  ASSERT_EQ(result.incomplete_scopes_size(), 1);
  EXPECT_THAT(result.incomplete_scopes(0).scope(), HasSubstr(denied));
  EXPECT_THAT(result.incomplete_scopes(0).reason(), HasSubstr("may not read this"));
  c.ExpectNothingLost(before);
  EXPECT_EQ(c.Token(token_of(truth.registries[0].slug)).display_name(), "seen");
  EXPECT_NE(c.Token(token_of(denied)).display_name(), "unseen");
}

void Page2Fails() {
  Case c("opal");
  const auto before = c.world.Known();
  const auto tokens = c.world.sim().ReadTruth().opal_tokens;  // oldest first; listed newest first
  c.world.sim().RenameToken(tokens.back().id, "on page 1");
  c.world.sim().RemoveToken(tokens.front().id);
  c.Break("500", "/v1/tokens", /*skip=*/1);
  const v1::SyncResult result = c.world.Pass();
  EXPECT_EQ(result.state(), v1::Source::UNREACHABLE);
  EXPECT_EQ(result.incomplete_scopes_size(), 1);
  EXPECT_EQ(c.Token(tokens.back().id).display_name(), "on page 1");
  c.ExpectNothingLost(before);
  c.Mend();
  EXPECT_EQ(c.world.Converge(1), 1) << c.world.Difference();
}

void ChildFails() {
  Case c("deepset");
  const auto before = c.world.Known();
  const std::string workspace = c.world.sim().ReadTruth().workspaces[3].name;
  c.Break("500", absl::StrCat(workspace, "/token"));
  const v1::SyncResult result = c.world.Pass();
  EXPECT_EQ(result.state(), v1::Source::DEGRADED);
  ASSERT_EQ(result.incomplete_scopes_size(), 1);
  EXPECT_THAT(result.incomplete_scopes(0).scope(), HasSubstr(workspace));
  c.ExpectNothingLost(before);
}

// Not accepted on repetition, as the case has it: a narrowed credential repeats itself for ever.
void Empty200() {
  Case c("opal");
  const auto before = c.world.Known();
  c.Break("empty-list", "/v1/tokens");
  for (int pass = 0; pass < 4; ++pass) {
    EXPECT_EQ(c.world.Pass().state(), v1::Source::SUSPICIOUS);
    c.ExpectNothingLost(before);
  }
  c.Mend();
  EXPECT_EQ(c.world.Converge(1), 1);
}

void Wrong200() {
  for (const char* wrong : {"html-login", "error-object"}) {
    Case c("opal");
    const std::int64_t revision = c.world.ledger().revision();
    c.Break(wrong, "/v1/tokens");
    EXPECT_EQ(c.world.Pass().state(), v1::Source::FAILED);
    EXPECT_EQ(c.world.ledger().revision(), revision);
  }
}

// By two complete passes; by the vendor's word at once.
void ReallyGone() {
  Case c("deepset");
  const auto truth = c.world.sim().ReadTruth();
  const Uuid unasked = truth.model_registry_tokens[0].id;
  const Uuid asked = truth.deepset_tokens[0].id;
  c.world.sim().RemoveToken(unasked);
  c.world.sim().RemoveToken(asked);
  c.world.Pass();
  EXPECT_EQ(c.PresenceOf(unasked, "model-"), v1::Token::MISSING);
  EXPECT_EQ(c.PresenceOf(asked), v1::Token::DELETED);
  EXPECT_EQ(c.Token(asked).delete_cause(), v1::VENDOR_404);
  c.world.Pass();
  EXPECT_EQ(c.PresenceOf(unasked, "model-"), v1::Token::DELETED);
  EXPECT_EQ(c.Token(unasked, "model-").delete_cause(), v1::NOT_LISTED);
  EXPECT_EQ(c.world.Converge(1), 1);
}

void Reappears() {
  Case c("opal");
  const vendor_sim::OpalToken token = c.world.sim().ReadTruth().opal_tokens[3];
  const v1::Token before = c.Token(token.id);
  c.world.sim().RemoveToken(token.id);
  c.world.Pass();
  ASSERT_EQ(c.PresenceOf(token.id), v1::Token::DELETED);
  ASSERT_TRUE(c.world.sim().AddOpalToken(token));
  EXPECT_EQ(c.world.Converge(1), 1) << c.world.Difference();
  EXPECT_EQ(c.Token(token.id).uid(), before.uid());
  EXPECT_EQ(c.Token(token.id).first_seen_time().seconds(), before.first_seen_time().seconds());
  EXPECT_FALSE(c.Token(token.id).has_delete_time());
}

void IdReuse() {
  Case c("opal");
  vendor_sim::OpalToken token = c.world.sim().ReadTruth().opal_tokens[3];
  const std::string old_uid = c.Token(token.id).uid();
  c.world.sim().RemoveToken(token.id);
  token.created_at += std::chrono::hours(1);
  ASSERT_TRUE(c.world.sim().AddOpalToken(token));
  const std::size_t rows = c.world.ledger().IdsWith(v1::Token::DELETED, "opal").size();
  EXPECT_EQ(c.world.Converge(1), 1) << c.world.Difference();
  EXPECT_NE(c.Token(token.id).uid(), old_uid);
  EXPECT_EQ(c.world.ledger().IdsWith(v1::Token::DELETED, "opal").size(), rows + 1);
}

// Tokens appear at the top of the list while it is read.
void MovedPage() {
  for (const char* vendor : {"opal", "buildkite", "deepset"}) {
    SCOPED_TRACE(vendor);
    Case c(vendor);
    const auto before = c.world.Known();
    const std::string target = c.world.source() == "opal" ? "/v1/tokens" : "/token";
    c.Edit(target, [&](const Request&, Response&) {
      c.world.ledger().clock().Advance(absl::Seconds(1));  // the newest by its creation too
      const TokenKind kind = c.world.source() == "opal"      ? TokenKind::kOpal
                             : c.world.source() == "deepset" ? TokenKind::kDeepset
                                                             : TokenKind::kBuildkiteAgent;
      c.world.sim().AddToken(kind);
    });
    EXPECT_EQ(c.world.Pass().state(), v1::Source::OK);
    c.ExpectNothingLost(before);
    c.Mend();
    EXPECT_EQ(c.world.Converge(1), 1) << c.world.Difference();
  }
}

// The Ledger lets no second pass begin; that a poller joins the running one: poller_test.cc.
void TwoWriters() {
  Case c("opal");
  absl::Status second;
  c.Edit("/v1/tokens", [&](const Request&, Response&) {
    second = c.world.ledger().ledger().Begin("opal").status();
  });
  EXPECT_EQ(c.world.Pass().state(), v1::Source::OK);
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
}

// The process ends after two pages. kill -9 itself: process_test.cc.
void SyncCrash() {
  Case c("opal");
  const auto tokens = c.world.sim().ReadTruth().opal_tokens;
  c.world.sim().RenameToken(tokens.back().id, "on page 1");
  c.world.sim().RemoveToken(tokens.front().id);
  const auto before = c.world.Known();
  std::stop_source stop;
  int pages = 0;
  c.Edit("/v1/tokens", [&](const Request&, Response&) {
    if (++pages == 3) stop.request_stop();
  });
  c.world.Pass(stop.get_token());
  c.Mend();
  c.world.ledger().Reopen();
  EXPECT_GE(pages, 3);
  EXPECT_EQ(c.Token(tokens.back().id).display_name(), "on page 1");
  c.ExpectNothingLost(before);
  EXPECT_EQ(c.world.Converge(1), 1) << c.world.Difference();
}

void ClockSkew() {
  Case c("deepset", /*all_streams=*/true);
  for (const absl::Duration step : {-absl::Seconds(50), -absl::Hours(30), absl::Hours(40)}) {
    const Uuid gone = c.world.sim().ReadTruth().model_registry_tokens[0].id;
    c.world.sim().RemoveToken(gone);
    c.world.ledger().clock().Set(c.world.ledger().clock().Now() + step);
    c.world.Pass();
    EXPECT_EQ(c.PresenceOf(gone, "model-"), v1::Token::MISSING);
    EXPECT_EQ(c.world.Converge(1), 1) << c.world.Difference();
    EXPECT_EQ(c.PresenceOf(gone, "model-"), v1::Token::DELETED);
  }
}

void ConfigRemoved() {
  Case c("opal");
  const auto before = c.world.Known();
  LedgerSetup without;
  without.sources = {MakeSourceInfo("another")};
  c.world.ledger().Reopen(without);
  c.ExpectAll(before, [](const KnownToken&) { return v1::Token::DETACHED; });
  EXPECT_EQ(c.world.Status().state(), v1::Source::DETACHED);
  const auto snapshot = c.world.ledger().inventory().Current();
  EXPECT_EQ(snapshot->Count({snapshot->FindSource("opal"), false}), 0) << "not in a default list";
  LedgerSetup with;
  with.sources = {MakeSourceInfo("opal", "opal")};
  c.world.ledger().Reopen(with);
  EXPECT_EQ(c.world.Converge(1), 1) << c.world.Difference();
  c.ExpectNothingLost(before);
}

// A source is its id. Under another id it is another source: the old one's tokens are kept, and
// out of lists, until an operator purges them; nothing is told as deleted.
void RenamedSource() {
  LedgerHarness house;
  house.Pass({Lists(ObservedRange("t", 1, 5))});
  LedgerSetup renamed;
  renamed.sources = {MakeSourceInfo("acme-renamed")};
  house.Reopen(renamed);
  house.Pass({Lists(ObservedRange("t", 1, 5))}, "acme-renamed");
  EXPECT_EQ(house.IdsWith(v1::Token::LISTED, "acme-renamed").size(), 5U);
  EXPECT_THAT(house.IdsWith(v1::Token::DELETED, "acme"), IsEmpty());
  EXPECT_EQ(house.Source("acme").state(), v1::Source::DETACHED);
}

// That the source is told to be unhealthy: ledger_sources_test.cc.
void AuthExpired() {
  for (const std::string& vendor : BuiltInVendors()) {
    Case c(vendor);
    const auto before = c.world.Known();
    c.world.sim().ClearRequests();
    c.Break("401", "");
    EXPECT_EQ(c.world.Pass().state(), v1::Source::AUTH_FAILED);
    EXPECT_EQ(c.world.sim().Requests().size(), 1U) << "nobody insists";
    c.ExpectNothingLost(before);
  }
}

void RateLimited() {
  Case c("opal");
  const auto before = c.world.Known();
  c.world.sim().ClearRequests();
  c.Break("429-for-an-hour", "/v1/tokens", /*skip=*/2);
  const absl::Time asked = c.world.ledger().clock().Now();
  const v1::SyncResult result = c.world.Pass();
  EXPECT_EQ(result.state(), v1::Source::RATE_LIMITED);
  EXPECT_EQ(result.incomplete_scopes_size(), 1);
  EXPECT_EQ(c.world.sim().Requests().size(), 3U) << "no hot retry";
  EXPECT_GE(FromProto(c.world.Status().next_sync_time()), asked + absl::Hours(1));
  c.ExpectNothingLost(before);
}

void SchemaDrift() {
  Case c("opal");
  const auto before = c.world.Known();
  const Uuid id = c.world.sim().ReadTruth().opal_tokens[0].id;
  c.Break("unknown-enums", "/v1/tokens");
  EXPECT_EQ(c.world.Pass().state(), v1::Source::OK);
  EXPECT_EQ(c.Token(id).access_level(), v1::Token::ACCESS_LEVEL_UNSPECIFIED);
  EXPECT_EQ(c.Token(id).role(), "BRAND_NEW");
  c.Mend();
  c.Edit("/v1/tokens", [](const Request&, Response& response) {
    vendor_sim::DropMember(response, "token_label");
  });
  EXPECT_EQ(c.world.Pass().state(), v1::Source::OK) << "an optional field is missing";
  EXPECT_EQ(c.Token(id).display_name(), "");
  c.Mend();
  c.Edit("/v1/tokens",
         [](const Request&, Response& response) { vendor_sim::DropMember(response, "token_id"); });
  const v1::SyncResult result = c.world.Pass();
  EXPECT_EQ(result.state(), v1::Source::FAILED) << "what identifies a token is missing";
  EXPECT_THAT(result.error(), HasSubstr("cannot be read"));
  c.Mend();
  EXPECT_EQ(c.world.Converge(1), 1);
  c.ExpectNothingLost(before);
}

void Unchanged() {
  for (const std::string& vendor : BuiltInVendors()) {
    Case c(vendor, /*all_streams=*/true);
    const std::int64_t revision = c.world.ledger().revision();
    const absl::Time then = FromProto(c.world.Status().last_complete_time());
    c.world.ledger().clock().Advance(absl::Seconds(30));
    EXPECT_EQ(c.world.Pass().state(), v1::Source::OK);
    EXPECT_EQ(c.world.ledger().revision(), revision);
    EXPECT_GE(FromProto(c.world.Status().last_complete_time()), then + absl::Seconds(30));
  }
}

void OnlyLastUsedMoves() {
  Case c("opal");
  const vendor_sim::OpalToken token = c.world.sim().ReadTruth().opal_tokens[0];
  // Nothing else may happen meanwhile.
  for (const auto& other : c.world.sim().ReadTruth().opal_tokens) {
    c.world.sim().RenewToken(other.id, std::nullopt);
  }
  c.world.Pass();
  const std::int64_t before = c.world.ledger().revision();
  constexpr int kMinutes = 240;
  for (int minute = 0; minute < kMinutes; ++minute) {
    c.world.ledger().Advance(absl::Minutes(1));
    const auto now = std::chrono::microseconds(absl::ToUnixMicros(c.world.ledger().clock().Now()));
    c.world.sim().UseToken(token.id, vendor_sim::TimePoint(now));
    c.world.Pass();
  }
  const std::int64_t changes = c.world.ledger().revision() - before;
  EXPECT_GE(changes, 3);
  EXPECT_LE(changes, kMinutes / 60 + 1);
}

// Agent tokens: a missing key tells nothing, null would mean never.
void NullExpiry() {
  Case c("buildkite");
  const Uuid id = c.world.sim().ReadTruth().agent_tokens[0].id;
  const auto end = vendor_sim::MakeUtc(2030, 1, 2, 0, 0, 0);
  ASSERT_TRUE(c.world.sim().RenewToken(id, end));
  c.world.Pass();
  ASSERT_EQ(c.Token(id).expiry(), v1::Token::AT);
  c.Edit("/clusters/", [](const Request&, Response& response) {
    vendor_sim::DropMember(response, "expires_at");
  });
  EXPECT_EQ(c.world.Pass().state(), v1::Source::OK);
  EXPECT_EQ(c.Token(id).expiry(), v1::Token::AT);
  EXPECT_EQ(absl::ToUnixMicros(FromProto(c.Token(id).expire_time())),
            end.time_since_epoch().count());
}

// That lists name the source in `unreachable`: service_test.cc.
void StaleRead() {
  Case c("opal");
  const auto before = c.world.Known();
  const absl::Time last = FromProto(c.world.Status().last_complete_time());
  c.Break("reset", "");
  for (int hour = 0; hour < 72; ++hour) {
    c.world.ledger().Advance(absl::Hours(1));
    EXPECT_EQ(c.world.Pass().state(), v1::Source::UNREACHABLE);
  }
  c.ExpectNothingLost(before);
  EXPECT_EQ(FromProto(c.world.Status().last_complete_time()), last);
}

void SecretInPayload() {
  const std::string secret = "tok-4242-never-to-be-kept";
  for (const std::string& vendor : BuiltInVendors()) {
    Case c(vendor);
    c.Edit("", [&](const Request&, Response& response) {
      vendor_sim::AddMember(response, "token", secret);
      vendor_sim::AddMember(response, "key", secret);
      vendor_sim::AddMember(response, "value", secret);
    });
    EXPECT_EQ(c.world.Pass().state(), v1::Source::OK);
    EXPECT_EQ(c.world.Difference(), "");
    EXPECT_FALSE(absl::StrContains(Describe(*c.world.ledger().inventory().Current()), secret));
  }
}

// A pass that read only one stream, as when another was switched off.
void PartialScopeRun() {
  LedgerHarness house;
  house.Pass({Lists(ObservedRange("a", 1, 5), "a"), Lists(ObservedRange("b", 1, 5), "b")});
  for (int pass = 0; pass < 4; ++pass) house.Pass({Lists(ObservedRange("a", 2, 5), "a")});
  EXPECT_EQ(house.PresenceOf("a1"), v1::Token::DELETED);
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(house.PresenceOf(absl::StrCat("b", i)), v1::Token::LISTED);
  }
}

// Where the vendor cannot be asked for one token. What it says of one that ended, when asked, is
// VENDOR_404, and its notice is closed as EXPIRED all the same: judge_resolution_test.cc.
void ExpiredVanishes() {
  Case c("buildkite", /*all_streams=*/true);
  const Uuid id = c.world.sim().ReadTruth().api_access_tokens[4].id;
  const absl::Time end = c.world.ledger().clock().Now() + absl::Minutes(1);
  c.world.sim().RenewToken(
      id, vendor_sim::TimePoint(std::chrono::microseconds(absl::ToUnixMicros(end))));
  c.world.Pass();
  c.world.ledger().Advance(absl::Minutes(5));
  EXPECT_EQ(c.Token(id).state(), v1::Token::EXPIRED);
  c.world.sim().RemoveToken(id);
  c.world.Pass();
  c.world.Pass();
  EXPECT_EQ(c.PresenceOf(id), v1::Token::DELETED);
  EXPECT_EQ(c.Token(id).delete_cause(), v1::EXPIRED);
}

TEST(SyncCasesTest, EachCaseHoldsOrIsRunElsewhere) {
  const std::map<std::string, std::function<void()>> runs = {
      {"scope_403", Scope403},
      {"page_2_fails", Page2Fails},
      {"child_fails", ChildFails},
      {"empty_200", Empty200},
      {"wrong_200", Wrong200},
      {"really_gone", ReallyGone},
      {"reappears", Reappears},
      {"id_reuse", IdReuse},
      {"moved_page", MovedPage},
      {"two_writers", TwoWriters},
      {"sync_crash", SyncCrash},
      {"clock_skew", ClockSkew},
      {"config_removed", ConfigRemoved},
      {"renamed_source", RenamedSource},
      {"auth_expired", AuthExpired},
      {"rate_limited", RateLimited},
      {"schema_drift", SchemaDrift},
      {"unchanged", Unchanged},
      {"only_last_used_moves", OnlyLastUsedMoves},
      {"null_expiry", NullExpiry},
      {"stale_read", StaleRead},
      {"secret_in_payload", SecretInPayload},
      {"partial_scope_run", PartialScopeRun},
      {"expired_vanishes", ExpiredVanishes},
  };
  const std::map<std::string, std::string> not_here = {
      {"backfill",
       "expiration/ledger_first_pass_test.cc: one digest, 20 000 tokens without a flood"},
      {"periodic_full", "every pass reads every listing whole; nothing is incremental"},
  };
  const auto file = nlohmann::json::parse(std::ifstream(TI_SYNC_CASES));
  std::size_t cases = 0;
  for (const nlohmann::json& row : file["cases"]) {
    const std::string id = row["id"];
    SCOPED_TRACE(id);
    ++cases;
    const auto run = runs.find(id);
    EXPECT_EQ(not_here.count(id) + (run == runs.end() ? 0 : 1), 1U) << "run it, or say why not";
    if (run != runs.end()) run->second();
  }
  EXPECT_EQ(cases, runs.size() + not_here.size());
  EXPECT_EQ(cases, file["count"]);
}

}  // namespace
}  // namespace tokeninventory::testing
