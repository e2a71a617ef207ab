// testdata/expiry_notifications.json: cases of others (each set with its `source`),
// run as data. A case that does not apply says why in its own `not_applicable`; one
// that neither runs nor says why fails.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "inventory/expiration/list_expirations.h"
#include "tests/expiration/watched_house.h"

namespace tokeninventory::testing {
namespace {

using Json = nlohmann::json;
using Start = WatchSession::Start;

Json ReadCases() {
  std::ifstream stream(TI_EXPIRATION_TESTDATA "expiry_notifications.json");
  return Json::parse(stream);
}

bool Applies(const Json& test) { return !test.contains("not_applicable"); }

LedgerSetup WithLeads(std::vector<absl::Duration> leads) {
  LedgerSetup setup;
  setup.rules = LeadsOf(std::move(leads));
  return setup;
}

// The warnings among `news`, as `LEAD 7d`.
std::vector<std::string> Leads(const std::vector<v1::Expiration>& news) {
  std::vector<std::string> leads;
  for (const v1::Expiration& notice : news) {
    const std::string says = Says(notice);
    if (says.find("LEAD") == 0) leads.push_back(says);
  }
  return leads;
}

// -- sbomify and rust-lang's package site: one evaluation is one run of a job. Here it
// is a pass over a source that has been read before, since a first pass is summed up.
class Runs {
 public:
  explicit Runs(std::vector<absl::Duration> leads) : expiry_(WithLeads(std::move(leads))) {
    expiry_.house().Pass({Lists({})});
  }

  // Tokens as a `given` describes them; `id` when there are several.
  void Given(const Json& given, const std::string& id) {
    tokens_.push_back(Observed(id, [&](v1::Token& token) {
      const absl::Time now = expiry_.now();
      for (const char* key : {"days_left", "expires_in_days"}) {
        if (!given.contains(key)) continue;
        const absl::Time end = now + Days(given[key].get<double>());
        ToProto(end, token.mutable_expire_time());
        if (given.contains("lifetime_days")) {
          ToProto(end - Days(given["lifetime_days"].get<double>()), token.mutable_create_time());
        }
      }
      if (given.contains("expires_at")) token.set_expiry(v1::Token::NEVER);  // null
      if (given.value("revoked", false)) token.set_state(v1::Token::REVOKED);
    }));
  }
  void Run() {
    expiry_.house().Pass({Lists(tokens_)});
    expiry_.Settle();
    for (v1::Expiration& notice : expiry_.News()) news_.push_back(std::move(notice));
  }
  void MoveEnd(absl::Duration left) {
    ToProto(expiry_.now() + left, tokens_[0].token.mutable_expire_time());
  }
  // What a user of the service sees.
  std::size_t Listed() {
    v1::ListExpirationsRequest request;
    request.set_parent("sources/-");
    const auto snapshot = expiry_.house().inventory().Current();
    const std::string& epoch = expiry_.house().ledger().epoch();
    const auto plan = PlanExpirations(*snapshot, SourceSet(), epoch, request, expiry_.now());
    EXPECT_TRUE(plan.ok()) << plan.status();
    v1::ListExpirationsResponse answer;
    EXPECT_TRUE(answer.ParseFromString(AnswerExpirations(*snapshot, epoch, *plan)));
    return static_cast<std::size_t>(answer.total_size());
  }
  const std::vector<v1::Expiration>& news() const { return news_; }

 private:
  ExpiryHouse expiry_;
  std::vector<ObservedToken> tokens_;
  std::vector<v1::Expiration> news_;
};

void RunJobCase(const Json& test, const std::vector<absl::Duration>& leads) {
  const Json& given = test["given"];
  const Json& expect = test["expect"];
  Runs runs(leads);
  if (given.contains("tokens")) {
    for (std::size_t i = 0; i < given["tokens"].size(); ++i) {
      runs.Given(given["tokens"][i], absl::StrCat("t", i));
    }
  } else {
    for (int i = 0; i < given.value("n", 1); ++i) runs.Given(given, absl::StrCat("t", i));
  }
  for (int i = 0; i < given.value("runs", 1); ++i) runs.Run();
  if (given.contains("then")) {
    ASSERT_EQ(given["then"], "run; expires_at moved to now+12h; run");
    runs.MoveEnd(absl::Hours(12));
    runs.Run();
  }
  const std::vector<std::string> warned = Leads(runs.news());
  const std::size_t sent = expect.contains("sent") ? expect["sent"].get<std::size_t>()
                                                   : expect.value("sent_total", std::size_t{0});
  EXPECT_EQ(warned.size(), sent);
  EXPECT_EQ(runs.Listed(), std::min<std::size_t>(sent, 1)) << "at most one is open";
  if (expect.contains("thresholds_marked") && sent > 0) {
    // A job marks all that are crossed and sends the tightest.
    EXPECT_EQ(warned.back(),
              absl::StrCat("LEAD ", expect["thresholds_marked"].back().get<int>(), "d"));
  }
  if (expect.contains("subject_contains")) {
    EXPECT_EQ(expect["subject_contains"],
              absl::StrCat("expires in ", runs.news().back().days_left(), " day"));
  }
}

TEST(ExpiryCaseFilesTest, Sbomify) {
  const Json set = ReadCases()["sbomify"];
  std::vector<absl::Duration> leads;
  for (const Json& days : set["thresholds_days"]) leads.push_back(Days(days.get<int>()));
  for (const Json& test : set["cases"]) {
    SCOPED_TRACE(test["id"].get<std::string>());
    if (Applies(test)) RunJobCase(test, leads);
  }
}

TEST(ExpiryCaseFilesTest, RustPackageSite) {
  const Json set = ReadCases()["rust_package_site"];
  for (const Json& test : set["cases"]) {
    SCOPED_TRACE(test["id"].get<std::string>());
    if (Applies(test)) RunJobCase(test, {Days(set["lead_days"].get<int>())});
  }
}

// -- Scenarios told in words: each is played here.

class Scenario {
 public:
  explicit Scenario(LedgerSetup setup = {}) : watched(std::move(setup)) {
    house().Pass({Lists({})});
  }
  LedgerHarness& house() { return watched.house(); }
  ExpiryHouse& expiry() { return watched.expiry(); }
  absl::Time now() { return expiry().now(); }
  void Shows(absl::Time end) { house().Pass({Lists({Expires("a", end), Observed("other")})}); }
  std::string SaidAt(absl::Time time) {
    house().clock().Set(time);
    expiry().Settle();
    std::string words;
    for (const v1::Expiration& notice : expiry().News()) {
      if (notice.token_uid().empty()) continue;  // how its source is
      absl::StrAppend(&words, words.empty() ? "" : ", ", Says(notice));
    }
    return words;
  }
  std::string Said() { return SaidAt(now()); }
  v1::Expiration Notice() { return house().NoticeOf("a").value_or(v1::Expiration()); }

  WatchedHouse watched;
};

void DateOnlyExpiry() {
  Scenario play;
  const absl::Time end = absl::FromCivil(absl::CivilDay(2025, 11, 22), absl::UTCTimeZone());
  const absl::Time due = absl::FromCivil(absl::CivilDay(2025, 11, 21), absl::UTCTimeZone());
  play.house().clock().Set(due - Days(1));
  ObservedToken token = Expires("a", end);
  token.token.set_expire_time_precision(v1::Token::DAY);
  play.house().Pass({Lists({token})});
  EXPECT_EQ(play.Said(), "LEAD 3d");
  EXPECT_EQ(play.SaidAt(due - absl::Nanoseconds(1)), "");
  EXPECT_EQ(play.SaidAt(due), "LEAD 1d");
  EXPECT_EQ(FromProto(play.Notice().due_time()), due);
  EXPECT_EQ(play.Notice().expire_time_precision(), v1::Token::DAY);
}

void RotationInPlace() {
  Scenario play;
  const absl::Time renewed = play.now() + Days(97);
  play.Shows(play.now() + Days(7));
  EXPECT_EQ(play.Said(), "LEAD 7d");
  play.Shows(renewed);
  EXPECT_EQ(play.Said(), "RESOLVED EXTENDED");
  play.SaidAt(renewed - Days(7) - absl::Nanoseconds(1));
  EXPECT_EQ(play.SaidAt(renewed - Days(7)), "LEAD 7d");
  EXPECT_EQ(play.Notice().generation(), 2);
}

void ExpiryShortened() {
  Scenario play;
  play.Shows(play.now() + Days(60));
  EXPECT_EQ(play.Said(), "");
  play.Shows(play.now() + Days(2));
  EXPECT_EQ(play.Said(), "LEAD 3d") << "wider ones are not told";
}

void SourceUnreachableAtDueTime() {
  Scenario play;
  const absl::Time begin = play.now();
  play.Shows(begin + Days(10));
  EXPECT_EQ(play.Said(), "LEAD 14d");
  play.house().clock().Set(begin + Days(2));
  play.house().EndPass(play.house().BeginPass({}), {}, v1::Source::UNREACHABLE);
  EXPECT_EQ(play.SaidAt(begin + Days(3)), "LEAD 7d");
  EXPECT_FALSE(play.Notice().verified());
  EXPECT_EQ(FromProto(play.Notice().last_verified_time()), begin);
  EXPECT_EQ(play.Notice().source_state(), v1::Source::UNREACHABLE);
}

void GoneAtVendor() {
  for (const bool warned : {false, true}) {
    Scenario play;
    const absl::Time end = play.now() + Days(warned ? 29 : 40);
    play.Shows(end);
    EXPECT_EQ(play.Said(), warned ? "LEAD 30d" : "");
    play.house().Pass({Lists({Observed("other")})});
    play.house().Pass({Lists({Observed("other")})});
    EXPECT_EQ(play.Said(), warned ? "RESOLVED DELETED" : "");
    EXPECT_EQ(play.SaidAt(end - Days(7)), "");
    EXPECT_EQ(play.SaidAt(end), "");
  }
}

void Inactivity() {
  Scenario play;
  const auto used = [&](absl::Time time) {
    play.house().Pass({Lists({Observed("a", [&](v1::Token& token) {
      ToProto(time, token.mutable_last_used_time());
      ToProto(Days(30), token.mutable_inactivity_window());
    })})});
  };
  const absl::Time begin = play.now();
  used(begin - Days(25));
  EXPECT_EQ(play.Said(), "LEAD 7d");
  EXPECT_EQ(play.Notice().reason(), v1::Expiration::INACTIVITY);
  EXPECT_EQ(FromProto(play.Notice().effective_expire_time()), begin + Days(5));
  play.house().clock().Advance(absl::Hours(1));  // uses are taken down once an hour
  used(begin);
  EXPECT_EQ(play.Said(), "RESOLVED EXTENDED");
}

void RestartBetweenWriteAndSend() {
  Scenario play;
  const std::int64_t before = play.house().revision();
  play.Shows(play.now() + Days(5));
  EXPECT_EQ(play.Said(), "LEAD 7d");
  std::vector<std::vector<std::string>> told;
  for (int i = 0; i < 2; ++i) {
    {
      const auto stream = play.watched.Watch(Start::kAfterRevision, {}, before);
      play.watched.CatchUp(*stream);
      told.push_back(EventIds(*stream));
    }
    play.watched.Reopen();
  }
  EXPECT_EQ(told[0].size(), 1u);
  EXPECT_EQ(told[0], told[1]) << "the same id, for the client to drop";
}

void DownOverTwoLeads() {
  Scenario play(WithLeads({Days(7), Days(3), Days(1)}));
  const absl::Time end = play.now() + Days(30);
  play.Shows(end);
  EXPECT_EQ(play.SaidAt(end - Days(8)), "");
  play.watched.Close();
  play.house().clock().Set(end - absl::Hours(12));
  play.watched.Reopen();
  EXPECT_EQ(play.Said(), "LEAD 1d");
}

void ClockGoesBack() {
  Scenario play;
  const absl::Time end = play.now() + Days(10);
  play.Shows(end);
  EXPECT_EQ(play.Said(), "LEAD 14d");
  EXPECT_EQ(play.SaidAt(end - Days(7)), "LEAD 7d");
  EXPECT_EQ(play.SaidAt(end - Days(7) - absl::Hours(2)), "");
  EXPECT_EQ(play.SaidAt(end - Days(7)), "");
}

void TenThousandSameDay() {
  Scenario play;
  const absl::Time end = play.now() + Days(40);
  std::vector<ObservedToken> tokens;
  for (int i = 0; i < 10'000; ++i) tokens.push_back(Expires(absl::StrCat("t", i), end));
  play.house().Pass({Lists(tokens)});
  const auto stream = play.watched.Watch(Start::kNow);
  const auto idle = play.watched.Watch(Start::kNow, {"", "kind = 'none'", Days(1)});
  play.watched.CatchUp(*stream);
  play.watched.CatchUp(*idle);
  play.house().clock().Set(end - Days(30));
  play.expiry().Settle();
  play.watched.CatchUp(*stream);
  const int progresses = idle->progresses();
  play.watched.CatchUp(*idle);
  EXPECT_GT(idle->progresses(), progresses);
  std::set<std::string> uids;
  std::map<std::int64_t, std::string> last;  // within a revision
  for (const auto& message : stream->messages()) {
    for (const v1::ExpirationBatch& batch : message.batches()) {
      for (const v1::Expiration& notice : batch.expirations()) {
        if (notice.token_uid().empty()) continue;
        EXPECT_EQ(FromProto(notice.due_time()), end - Days(30));
        EXPECT_LT(last[batch.revision()], notice.uid());
        last[batch.revision()] = notice.uid();
        EXPECT_TRUE(uids.insert(notice.uid()).second);
      }
    }
  }
  EXPECT_EQ(uids.size(), 10'000u);
  EXPECT_EQ(last.size(), 10u);
}

void LateSubscriber() {
  Scenario play;
  const std::int64_t before = play.house().revision();
  play.Shows(play.now() + Days(5));
  play.house().clock().Advance(absl::Hours(20));
  play.Shows(play.now() + Days(4));
  const auto open = play.watched.Watch(Start::kInitialState);
  const auto now = play.watched.Watch(Start::kNow);
  const auto cursor = play.watched.Watch(Start::kAfterRevision, {}, before);
  ASSERT_TRUE(open->Take());
  play.watched.CatchUp(*now);
  play.watched.CatchUp(*cursor);
  EXPECT_EQ(Heard(*open, true), "a LEAD 7d");
  EXPECT_EQ(Heard(*now), "");
  EXPECT_EQ(Heard(*cursor), "a LEAD 7d; a RESOLVED SHORTENED; a LEAD 7d");
}

const std::map<std::string, std::function<void()>>& Scenarios() {
  static const auto* const scenarios = new std::map<std::string, std::function<void()>>{
      {"date_only_expiry", DateOnlyExpiry},
      {"rotation_in_place", RotationInPlace},
      {"expiry_shortened", ExpiryShortened},
      {"source_unreachable_at_due_time", SourceUnreachableAtDueTime},
      {"gone_at_vendor", GoneAtVendor},
      {"inactivity", Inactivity},
      {"restart_between_write_and_send", RestartBetweenWriteAndSend},
      {"down_over_two_leads", DownOverTwoLeads},
      {"clock_goes_back", ClockGoesBack},
      {"ten_thousand_same_day", TenThousandSameDay},
      {"late_subscriber", LateSubscriber},
  };
  return *scenarios;
}

TEST(ExpiryCaseFilesTest, DerivedForThisService) {
  const Json cases = ReadCases()["derived_for_this_service"]["cases"];
  for (const Json& test : cases) {
    const std::string id = test["id"];
    SCOPED_TRACE(id);
    if (Applies(test)) Scenarios().at(id)();
  }
}

TEST(ExpiryCaseFilesTest, EachCaseIsRunOrSaysWhyNot) {
  std::size_t run = 0, not_applicable = 0;
  const Json sets = ReadCases();
  for (const auto& [name, set] : sets.items()) {
    if (!set.is_object()) continue;
    SCOPED_TRACE(name);
    EXPECT_TRUE(set.contains("source") || set.contains("note")) << "whose cases they are";
    EXPECT_EQ(set["cases"].size(), set["count"].get<std::size_t>());
    std::set<std::string> ids;
    for (const Json& test : set["cases"]) {
      const std::string id = test["id"];
      EXPECT_TRUE(ids.insert(id).second) << id;
      if (!Applies(test)) {
        EXPECT_GT(test["not_applicable"].get<std::string>().size(), 20u) << id;
        ++not_applicable;
        continue;
      }
      ++run;
      const bool is_job = name == "sbomify" || name == "rust_package_site";
      EXPECT_TRUE(is_job || Scenarios().contains(id)) << id << " is not played";
    }
  }
  EXPECT_EQ(run, 25u);
  EXPECT_EQ(not_applicable, 20u);
}

}  // namespace
}  // namespace tokeninventory::testing
