// Another configuration for a service that runs, over real gRPC: sources, rules, and what open
// streams tell when their callers may see something else.
#include <gmock/gmock.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <optional>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "server/access/token_hash.h"
#include "tests/e2e/churn_thread.h"
#include "tests/e2e/policy_client.h"
#include "tests/e2e/service_process.h"
#include "tests/e2e/test_service.h"
#include "tests/vendor_sim/credentials.h"

namespace tokeninventory {
namespace {

using testing::ChurnThread;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::PolicyClient;
using testing::QuickSim;
using testing::ReasonOf;
using testing::ServiceProcess;
using testing::TestService;
using vendor_sim::VendorSim;

constexpr char kToken[] = "watcher-token-0123456789";
constexpr char kOperatorToken[] = "operator-token-0123456789";
constexpr char kDeepset[] = "sources/deepset-test";
constexpr char kOpal[] = "sources/opal-test";
constexpr char kBuildkite[] = "sources/buildkite-test";
const std::set<std::string> kAll = {kBuildkite, kDeepset, kOpal};

std::string Bearer(const std::string& token) { return absl::StrCat("Bearer ", token); }

// The policy of a caller with kToken: a principal's other fields. And somebody who may all.
std::string Access(const std::optional<std::string>& watcher, const std::string& more = "") {
  return absl::StrCat("access:\n  principals:\n    - {id: all, role: OPERATOR, token_hashes: ['",
                      TokenHash::Of(kOperatorToken)->Text(), "']}\n",
                      watcher ? absl::StrCat("    - {token_hashes: ['",
                                             TokenHash::Of(kToken)->Text(), "'], ", *watcher, "}\n")
                              : "",
                      more);
}
std::string Sees(const std::string& sources) {
  return absl::StrCat("id: watcher", sources.empty() ? "" : ", sources: ", sources);
}

class Call {
 public:
  explicit Call(const std::string& token = kToken) {
    context_.AddMetadata("authorization", Bearer(token));
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  }
  grpc::ClientContext* context() { return &context_; }

 private:
  grpc::ClientContext context_;
};

class ReloadTest : public ::testing::Test {
 protected:
  ReloadTest() : sim_(QuickSim(90)) { EXPECT_TRUE(sim_.Start().ok()); }

  void Serve(const std::string& config) {
    service_ = std::make_unique<TestService>(sim_, config);
    for (const char* source : {kDeepset, kOpal, kBuildkite}) Sync(source);
  }
  v1::SyncResult Sync(const std::string& source) {
    Call call(kOperatorToken);
    v1::SyncSourceRequest request;
    request.set_name(source);
    request.set_fresh(true);
    const auto stream = service_->sources().SyncSource(call.context(), request);
    v1::SyncSourceResponse response;
    while (stream->Read(&response)) {
    }
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.result();
  }
  v1::Source Source(const std::string& name) {
    v1::GetSourceRequest request;
    request.set_name(name);
    v1::Source source;
    const grpc::Status status =
        service_->sources().GetSource(Call(kOperatorToken).context(), request, &source);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return source;
  }
  v1::ListTokensResponse List(const std::string& token = kToken, const std::string& filter = "") {
    v1::ListTokensRequest request;
    request.set_parent("sources/-");
    request.set_page_size(1000);
    request.set_filter(filter);
    v1::ListTokensResponse response;
    const grpc::Status status =
        service_->tokens().ListTokens(Call(token).context(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static std::set<std::string> NamesOf(const v1::ListTokensResponse& list) {
    std::set<std::string> names;
    for (const v1::Token& token : list.tokens()) names.insert(token.name());
    return names;
  }
  static v1::WatchTokensRequest FromInitialState(const std::string& parent = "sources/-") {
    v1::WatchTokensRequest request;
    request.set_parent(parent);
    request.mutable_initial_state();
    request.mutable_progress_interval()->set_seconds(1);
    return request;
  }
  std::unique_ptr<PolicyClient> Watch(const v1::WatchTokensRequest& request = FromInitialState()) {
    return std::make_unique<PolicyClient>(service_->tokens(), Bearer(kToken), request);
  }

  VendorSim sim_;
  std::unique_ptr<TestService> service_;
};

// ---- sources and rules

TEST_F(ReloadTest, SourcesComeAreReadAndLeave) {
  Serve(Access(Sees("")));
  const auto client = Watch();
  client->AwaitSources(kAll);
  const std::string all = service_->SourcesConfig();
  const std::string two = all.substr(0, all.find("  - id: buildkite-test"));
  ASSERT_TRUE(service_->ReloadFile(absl::StrCat(two, Access(Sees("")))).ok());
  EXPECT_EQ(Source(kBuildkite).state(), v1::Source::DETACHED);
  const auto gone = client->Await([](const auto& sight) {
    const std::set<std::string> names = sight.Names();
    return sight.removed.count(v1::TokenEvent::DETACHED) > 0 && !names.empty() &&
           std::none_of(names.begin(), names.end(),
                        [](const std::string& name) { return absl::StartsWith(name, kBuildkite); });
  });
  EXPECT_THAT(gone.hidden, IsEmpty());

  // It comes back, and with it one that is new.
  const std::string added = absl::StrReplaceAll(all.substr(all.find("  - id: buildkite-test")),
                                                {{"id: buildkite-test", "id: buildkite-two"}});
  ASSERT_TRUE(service_->ReloadFile(absl::StrCat(all, added, Access(Sees("")))).ok());
  EXPECT_EQ(Sync("sources/buildkite-two").state(), v1::Source::OK);
  EXPECT_EQ(Sync(kBuildkite).state(), v1::Source::OK);
  const v1::ListTokensResponse list = List();
  const auto sight = client->Await([&](const auto& now) { return now.Names() == NamesOf(list); });
  EXPECT_FALSE(sight.ended);
  EXPECT_EQ(sight.resets, 0);
}

TEST_F(ReloadTest, ABadFileChangesNothing) {
  Serve(Access(Sees("")));
  const auto before = NamesOf(List());
  EXPECT_TRUE(
      absl::IsInvalidArgument(service_->ReloadFile("sources: [{id: x}]\nlog_level: loud\n")));
  EXPECT_TRUE(absl::IsInvalidArgument(service_->ReloadFile(":::")));
  // Right by itself, but not for this store.
  const std::string other = absl::StrReplaceAll(
      service_->SourcesConfig(),
      {{"id: opal-test", "id: was-deepset"}, {"id: deepset-test", "id: opal-test"}});
  EXPECT_TRUE(absl::IsFailedPrecondition(
      service_->ReloadFile(absl::StrCat(other, Access(Sees("[opal-test]"))))));
  EXPECT_EQ(NamesOf(List()), before);
  EXPECT_EQ(Source(kOpal).state(), v1::Source::OK);
  EXPECT_EQ(Sync(kOpal).state(), v1::Source::OK);
}

TEST_F(ReloadTest, NoticesAreJudgedByTheNewRules) {
  Serve(Access(Sees(""), "expirations: {rules: [{leads: [1d]}]}\n"));
  const auto open = [&] {
    v1::ListExpirationsRequest request;
    request.set_parent("sources/-");
    request.set_page_size(1000);
    request.set_filter("state = ACTIVE");
    v1::ListExpirationsResponse response;
    EXPECT_TRUE(service_->tokens().ListExpirations(Call().context(), request, &response).ok());
    return response.total_size();
  };
  const int before = open();
  v1::WatchExpirationsRequest request;
  request.set_parent("sources/-");
  request.mutable_now();
  Call call;
  const auto stream = service_->tokens().WatchExpirations(call.context(), request);
  v1::WatchExpirationsResponse response;
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_TRUE(
      service_->Reload(Access(Sees(""), "expirations: {rules: [{leads: [3000d, 1d]}]}\n")).ok());
  int told = 0;
  while (told == 0 && stream->Read(&response)) {
    for (const auto& batch : response.batches()) told += batch.expirations_size();
  }
  EXPECT_GT(told, 0);
  call.context()->TryCancel();
  while (stream->Read(&response)) {
  }
  EXPECT_GT(open(), before);
}

// ---- streams whose callers may see something else

struct Change {
  const char* name;
  std::optional<std::string> watcher;  // after; nothing: nobody has the token
  grpc::StatusCode end;                // OK: the stream goes on
  const char* reason;
  std::set<std::string> sees;
};

TEST_F(ReloadTest, OpenWatchesFollowThePolicy) {
  const Change changes[] = {
      {"nothing", Sees(""), grpc::StatusCode::OK, "", kAll},
      {"a source less",
       Sees("[opal-test, deepset-test]"),
       grpc::StatusCode::OK,
       "",
       {kDeepset, kOpal}},
      {"one source", Sees("[opal-test]"), grpc::StatusCode::OK, "", {kOpal}},
      {"another principal",
       "id: other, role: OPERATOR, sources: [buildkite-test]",
       grpc::StatusCode::OK,
       "",
       {kBuildkite}},
      {"sources that are not there", Sees("[not-there]"), grpc::StatusCode::OK, "", {}},
      {"gone", std::nullopt, grpc::StatusCode::UNAUTHENTICATED, "CREDENTIALS_UNKNOWN", {}},
  };
  Serve(Access(Sees("")));
  for (const Change& change : changes) {
    SCOPED_TRACE(change.name);
    ASSERT_TRUE(service_->Reload(Access(Sees(""))).ok());
    const auto all = Watch();
    const auto of_opal = Watch(FromInitialState(kOpal));
    v1::WatchTokensRequest filter = FromInitialState();
    filter.set_filter("state = ACTIVE");
    const auto filtered = Watch(filter);
    all->AwaitSources(kAll);
    of_opal->AwaitSources(kAll);
    filtered->AwaitSources(kAll);
    ASSERT_TRUE(service_->Reload(Access(change.watcher)).ok());
    if (change.end != grpc::StatusCode::OK) {
      for (const PolicyClient* client : {all.get(), of_opal.get(), filtered.get()}) {
        const auto sight = client->AwaitEnd();
        EXPECT_EQ(sight.status.error_code(), change.end);
        EXPECT_EQ(ReasonOf(sight.status), change.reason);
      }
      continue;
    }
    const auto sight = all->AwaitSources(change.sees);
    EXPECT_EQ(sight.Names(), NamesOf(List()));
    EXPECT_FALSE(sight.ended);
    EXPECT_EQ(filtered->AwaitSources(change.sees).Names(), NamesOf(List(kToken, "state = ACTIVE")));
    if (change.sees.count(kOpal) > 0) {
      EXPECT_FALSE(of_opal->AwaitSources(change.sees).ended);
    } else {
      const auto end = of_opal->AwaitEnd();
      EXPECT_EQ(end.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
      EXPECT_EQ(ReasonOf(end.status), "SOURCE_FORBIDDEN");
    }
    // And back.
    ASSERT_TRUE(service_->Reload(Access(Sees(""))).ok());
    EXPECT_EQ(all->AwaitSources(kAll).Names(), NamesOf(List()));
    EXPECT_EQ(all->Now().resets, 0);
  }
}

TEST_F(ReloadTest, OpenExpirationWatchesFollowThePolicy) {
  Serve(Access(Sees(""), "expirations: {rules: [{leads: [3000d]}]}\n"));
  const std::string rules = "expirations: {rules: [{leads: [3000d]}]}\n";
  v1::WatchExpirationsRequest request;
  request.set_parent("sources/-");
  request.mutable_open_expirations();
  request.mutable_progress_interval()->set_seconds(1);
  Call call;
  const auto stream = service_->tokens().WatchExpirations(call.context(), request);
  std::map<std::string, v1::Expiration> open;  // by uid
  v1::WatchExpirationsResponse response;
  const auto read_until = [&](const std::set<std::string>& sources) {
    std::set<std::string> seen;
    while (seen != sources && stream->Read(&response)) {
      for (const auto& batch : response.batches()) {
        for (const v1::Expiration& notice : batch.expirations()) {
          if (notice.state() == v1::Expiration::OPEN) {
            open[notice.uid()] = notice;
            continue;
          }
          open.erase(notice.uid());
          if (notice.resolution().cause() != v1::Expiration::Resolution::NO_PERMISSION) continue;
          v1::Expiration alone;
          alone.set_uid(notice.uid());
          alone.set_state(v1::Expiration::RESOLVED);
          alone.mutable_resolution()->set_cause(notice.resolution().cause());
          EXPECT_EQ(notice.SerializeAsString(), alone.SerializeAsString()) << "nothing else";
        }
      }
      if (!response.has_progress()) continue;
      seen.clear();
      for (const auto& source : response.progress().sources()) seen.insert(source.source());
    }
    EXPECT_EQ(seen, sources);
  };
  const auto expect_open = [&] {
    v1::ListExpirationsRequest list;
    list.set_parent("sources/-");
    list.set_page_size(1000);
    v1::ListExpirationsResponse listed;
    ASSERT_TRUE(service_->tokens().ListExpirations(Call().context(), list, &listed).ok());
    std::set<std::string> uids, expected;
    for (const auto& notice : listed.expirations()) expected.insert(notice.uid());
    for (const auto& [uid, notice] : open) uids.insert(uid);
    EXPECT_EQ(uids, expected);
    EXPECT_THAT(expected, Not(IsEmpty()));
  };
  read_until(kAll);
  expect_open();
  ASSERT_TRUE(service_->Reload(Access(Sees("[opal-test]"), rules)).ok());
  read_until({kOpal});
  expect_open();
  ASSERT_TRUE(service_->Reload(Access(Sees("[opal-test, deepset-test]"), rules)).ok());
  read_until({kOpal, kDeepset});
  expect_open();
  ASSERT_TRUE(service_->Reload(Access(std::nullopt, rules)).ok());
  while (stream->Read(&response)) {
    EXPECT_EQ(response.batches_size(), 0);
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(ReloadTest, SyncHealthAndReflectionStreamsEndWithTheirCaller) {
  struct Case {
    const char* name;
    std::optional<std::string> watcher;
    const char* sync_reason;  // empty: it goes on
    const char* others_reason;
  };
  const Case cases[] = {
      {"gone", std::nullopt, "CREDENTIALS_UNKNOWN", "CREDENTIALS_UNKNOWN"},
      {"a reader now", "id: watcher", "ROLE_REQUIRED", ""},
      {"for other sources", "id: watcher, role: OPERATOR, sources: [deepset-test]",
       "SOURCE_FORBIDDEN", ""},
      {"the same", "id: watcher, role: OPERATOR", "", ""},
  };
  Serve(Access("id: watcher, role: OPERATOR"));
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    ASSERT_TRUE(service_->Reload(Access("id: watcher, role: OPERATOR")).ok());
    // A pass that lasts: its vendor does not answer.
    vendor_sim::Fault stall;
    stall.target_contains = "/v1/tokens";
    stall.delivery = vendor_sim::Delivery::kStall;
    sim_.AddFault(stall);
    sim_.ClearRequests();
    Call sync_call, health_call, reflection_call;
    v1::SyncSourceRequest request;
    request.set_name(kOpal);
    request.set_fresh(true);
    const auto sync = service_->sources().SyncSource(sync_call.context(), request);
    const auto health_stub = grpc::health::v1::Health::NewStub(service_->channel());
    const auto health = health_stub->Watch(health_call.context(), {});
    grpc::health::v1::HealthCheckResponse checked;
    ASSERT_TRUE(health->Read(&checked));
    const auto reflection_stub =
        grpc::reflection::v1::ServerReflection::NewStub(service_->channel());
    const auto reflection = reflection_stub->ServerReflectionInfo(reflection_call.context());
    grpc::reflection::v1::ServerReflectionRequest question;
    question.set_list_services("*");
    grpc::reflection::v1::ServerReflectionResponse answer;
    reflection->Write(question);
    ASSERT_TRUE(reflection->Read(&answer));
    // The sync is open when its first request has come to the vendor.
    while (sim_.Requests().empty()) std::this_thread::yield();

    ASSERT_TRUE(service_->Reload(Access(each.watcher)).ok());
    if (*each.sync_reason == '\0') sim_.ClearFaults();
    v1::SyncSourceResponse response;
    while (sync->Read(&response)) {
    }
    const grpc::Status synced = sync->Finish();
    EXPECT_EQ(ReasonOf(synced), each.sync_reason) << synced.error_message();
    EXPECT_EQ(response.has_result(), *each.sync_reason == '\0');
    if (*each.others_reason == '\0') {
      reflection->Write(question);
      EXPECT_TRUE(reflection->Read(&answer));
      health_call.context()->TryCancel();
      reflection_call.context()->TryCancel();
    }
    while (health->Read(&checked)) {
    }
    const grpc::Status health_end = health->Finish();
    const grpc::Status reflection_end = reflection->Finish();
    if (*each.others_reason != '\0') {
      EXPECT_EQ(ReasonOf(health_end), each.others_reason);
      EXPECT_EQ(ReasonOf(reflection_end), each.others_reason);
    }
    sim_.ClearFaults();
  }
}

TEST_F(ReloadTest, TokensOfAnotherSightAreNotGoneOnFrom) {
  Serve(Access(Sees("[opal-test, deepset-test]")));
  v1::ListTokensRequest list;
  list.set_parent("sources/-");
  list.set_page_size(10);
  v1::ListTokensResponse page;
  ASSERT_TRUE(service_->tokens().ListTokens(Call().context(), list, &page).ok());
  ASSERT_FALSE(page.next_page_token().empty());
  const auto client = Watch();
  const std::string watch_token = client->AwaitSources({kDeepset, kOpal}).resume_token;
  const auto resume = [&](const std::string& token, v1::GapAction on_gap) {
    v1::WatchTokensRequest request = FromInitialState();
    request.set_resume_token(token);
    request.set_on_gap(on_gap);
    return Watch(request);
  };
  // The same sight, in other words and for another principal.
  ASSERT_TRUE(service_->Reload(Access("id: other, sources: [deepset-test, opal-test]")).ok());
  for (const std::string& token : {watch_token, page.resume_token()}) {
    const auto again = resume(token, v1::FAIL);
    EXPECT_EQ(again->AwaitSources({kDeepset, kOpal}).resets, 0);
  }
  for (const char* sources : {"[opal-test]", "", "[opal-test, deepset-test, buildkite-test]"}) {
    SCOPED_TRACE(sources);
    ASSERT_TRUE(service_->Reload(Access(Sees(sources))).ok());
    list.set_page_token(page.next_page_token());
    v1::ListTokensResponse next;
    const grpc::Status paged = service_->tokens().ListTokens(Call().context(), list, &next);
    EXPECT_EQ(paged.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(ReasonOf(paged), "PAGE_TOKEN_MISMATCH");
    for (const std::string& token : {watch_token, page.resume_token()}) {
      const auto failed = resume(token, v1::FAIL)->AwaitEnd();
      EXPECT_EQ(failed.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
      EXPECT_EQ(ReasonOf(failed.status), "PERMISSIONS_CHANGED");
      const auto anew = resume(token, v1::RESYNC);
      const auto sight = anew->Await([](const auto& now) { return !now.sources.empty(); });
      EXPECT_EQ(sight.resets, 1);
      EXPECT_EQ(sight.Names(), NamesOf(List()));
    }
  }
}

TEST_F(ReloadTest, LowerLimitsAreForCallsThatCome) {
  Serve(Access(Sees("")));
  const auto first = Watch();
  const auto second = Watch();
  first->AwaitSources(kAll);
  second->AwaitSources(kAll);
  ASSERT_TRUE(service_->Reload(Access("id: watcher, max_streams: 1")).ok());
  const auto third = Watch()->AwaitEnd();
  EXPECT_EQ(ReasonOf(third.status), "TOO_MANY_STREAMS");
  sim_.ApplyChurn(5);
  Sync(kOpal);
  Sync(kDeepset);
  Sync(kBuildkite);
  const auto names = NamesOf(List());
  for (const PolicyClient* client : {first.get(), second.get()}) {
    EXPECT_FALSE(client->Await([&](const auto& now) { return now.Names() == names; }).ended);
  }
}

// Permissions change to and fro while all three vendors churn and are read: in the end each client
// knows what it may.
TEST_F(ReloadTest, PermissionsChangeUnderChurn) {
  const std::string sights[] = {"",
                                "[opal-test]",
                                "[deepset-test, opal-test]",
                                "[buildkite-test]",
                                "[not-there]",
                                "[buildkite-test, deepset-test]"};
  std::mt19937_64 random(7);
  Serve(Access(Sees("")));
  std::vector<std::unique_ptr<PolicyClient>> clients;
  {
    const ChurnThread churn(sim_);
    for (int i = 0; i < 40; ++i) {
      if (i % 10 == 0) {
        clients.push_back(Watch());
        v1::WatchTokensRequest request = FromInitialState();
        request.set_filter("state = ACTIVE");
        clients.push_back(Watch(request));
      }
      const std::string& sight = sights[random() % std::size(sights)];
      ASSERT_TRUE(service_->Reload(Access(Sees(sight))).ok());
      const char* const sources[] = {kDeepset, kOpal, kBuildkite};
      Sync(sources[random() % 3]);
    }
  }
  for (const std::string sight : {"[deepset-test, opal-test]", ""}) {
    ASSERT_TRUE(service_->Reload(Access(Sees(sight))).ok());
    const auto uids = [&](const std::string& filter) {
      std::map<std::string, std::int64_t> revisions;
      const v1::ListTokensResponse list = List(kToken, filter);
      for (const v1::Token& token : list.tokens()) {
        revisions[token.uid()] = token.revision();
      }
      return revisions;
    };
    const auto expected_all = uids("");
    const auto expected_active = uids("state = ACTIVE");
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const auto& expected = i % 2 == 0 ? expected_all : expected_active;
      const auto end = clients[i]->Await([&](const auto& now) {
        std::map<std::string, std::int64_t> revisions;
        for (const auto& [uid, token] : now.tokens) revisions[uid] = token.revision();
        return revisions == expected;
      });
      EXPECT_EQ(end.resets, 0);
      EXPECT_FALSE(end.ended);
    }
  }
}

// ---- the program

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

TEST_F(ReloadTest, SighupTellsTheLogWhatItDid) {
  testing::TempDir folder;
  const std::string file = folder.File("config.yaml");
  const std::string sources = testing::TestConfig(sim_, folder, "1d");
  const std::string two = sources.substr(0, sources.find("  - id: buildkite-test"));
  WriteFile(file, absl::StrCat(two, Access(Sees(""))));
  ServiceProcess service(file, folder.File("data"));
  ASSERT_GT(service.port(), 0);

  WriteFile(file, absl::StrCat(sources, Access(Sees("[opal-test]")),
                               "unix_socket: other.sock\nmax_connection_age: 5m\n"));
  service.Signal(SIGHUP);
  ASSERT_TRUE(service.AwaitLog("\"message\":\"configuration reloaded\""));
  EXPECT_THAT(service.Log(), HasSubstr("\"message\":\"reading the configuration again\""));
  EXPECT_THAT(service.Log(), HasSubstr("\"sources_added\":\"buildkite-test\""));
  EXPECT_THAT(service.Log(), HasSubstr("\"principals\":\"2\""));
  EXPECT_THAT(service.Log(), HasSubstr("needs a restart\",\"field\":\"unix_socket\""));
  EXPECT_THAT(service.Log(), HasSubstr("needs a restart\",\"field\":\"max_connection_age\""));
  ASSERT_TRUE(service.AwaitLog("\"message\":\"pass ended\",\"source\":\"buildkite-test\""));

  // All that is wrong, and nothing of it is done.
  WriteFile(file, absl::StrCat(two, "log_level: loud\nshutdown_grace: 2h\nno_such_key: 1\n"));
  service.Signal(SIGHUP);
  ASSERT_TRUE(service.AwaitLog("configuration not reloaded"));
  for (const char* problem : {"log_level", "shutdown_grace", "no_such_key"}) {
    EXPECT_THAT(service.Log(), HasSubstr(problem));
  }
  EXPECT_THAT(service.Log(), HasSubstr("\"error\":\"3 problem(s)\""));
  auto stub = v1::TokenInventory::NewStub(service.Connect());
  v1::ListTokensRequest list;
  list.set_parent("sources/-");
  v1::ListTokensResponse listed;
  EXPECT_EQ(
      stub->ListTokens(Call("somebody-else-0123456789").context(), list, &listed).error_code(),
      grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(stub->ListTokens(Call().context(), list, &listed).ok());

  // Many in a row are served, perhaps as one; then it stops as ever.
  WriteFile(file, absl::StrCat(two, Access(std::nullopt)));
  for (int i = 0; i < 20; ++i) service.Signal(SIGHUP);
  ASSERT_TRUE(service.AwaitLog("\"sources_removed\":\"buildkite-test\""));
  EXPECT_EQ(stub->ListTokens(Call().context(), list, &listed).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  stub = nullptr;  // or the service waits for a client that does not look
  EXPECT_EQ(service.End(SIGTERM), 0);
  EXPECT_THAT(service.Log(), Not(HasSubstr(kToken)));
}

}  // namespace
}  // namespace tokeninventory
