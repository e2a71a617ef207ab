// The service as its clients meet it: real gRPC, real SQLite, real HTTP.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "tests/e2e/test_service.h"
#include "tests/e2e/watcher.h"

namespace tokeninventory {
namespace {

using testing::FieldOf;
using testing::QuickSim;
using testing::ReasonOf;
using testing::TestService;
using testing::TrueNames;
using testing::Watcher;
using vendor_sim::VendorSim;

std::set<std::string> NamesOf(const std::map<std::string, v1::Token>& tokens) {
  std::set<std::string> names;
  for (const auto& [name, token] : tokens) names.insert(name);
  return names;
}

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() : sim_(QuickSim(400)) { EXPECT_TRUE(sim_.Start().ok()); }

  VendorSim sim_;
};

TEST_F(ServiceTest, ListsExactlyWhatTheThreeVendorsHold) {
  TestService service(sim_);
  service.SyncAll();
  EXPECT_EQ(NamesOf(service.ListAll(37)), TrueNames(sim_.ReadTruth()));
}

TEST_F(ServiceTest, APassThatFindsNothingNewMakesNoRevision) {
  TestService service(sim_);
  service.SyncAll();
  const v1::SyncResult first = service.Sync("opal-test");
  const v1::SyncResult second = service.Sync("opal-test");
  EXPECT_EQ(second.revision(), first.revision());
  EXPECT_EQ(second.stats().tokens_added(), 0);
  EXPECT_EQ(second.stats().tokens_updated(), 0);
  EXPECT_EQ(second.stats().tokens_unchanged(),
            static_cast<std::int64_t>(sim_.ReadTruth().opal_tokens.size()));
}

TEST_F(ServiceTest, TokensCarryWhatTheirVendorTells) {
  TestService service(sim_);
  service.SyncAll();
  const std::map<std::string, v1::Token> tokens = service.ListAll();
  const vendor_sim::Truth truth = sim_.ReadTruth();
  for (const auto& opal : truth.opal_tokens) {
    const v1::Token& token = tokens.at("sources/opal-test/tokens/" + opal.id.ToString());
    EXPECT_EQ(token.provider(), "opal");
    EXPECT_EQ(token.display_name(), opal.label);
    EXPECT_EQ(token.owner().id(), opal.user_id.ToString());
    EXPECT_EQ(token.creator().id(), opal.creator_user_id.ToString());
    EXPECT_EQ(token.access_level(), opal.full_access ? v1::Token::ADMIN : v1::Token::READ);
    EXPECT_EQ(token.expiry(), opal.expires_at.has_value() ? v1::Token::AT : v1::Token::NEVER);
    EXPECT_EQ(token.has_expire_time(), opal.expires_at.has_value());
    EXPECT_EQ(token.has_last_used_time(), opal.last_used_at.has_value());
  }
  for (const auto& registry : truth.registry_tokens) {
    const v1::Token& token = tokens.at("sources/buildkite-test/tokens/" + registry.id.ToString());
    EXPECT_EQ(token.expiry(), v1::Token::UNKNOWN) << "a vendor's silence is not `never`";
    EXPECT_EQ(token.has_creator(), registry.created_by != nullptr);
    EXPECT_EQ(token.provider_uri().substr(0, 8), "https://");
  }
  for (const auto& deepset : truth.deepset_tokens) {
    if (!deepset.IsExclusive()) continue;
    const v1::Token& token = tokens.at("sources/deepset-test/tokens/" + deepset.id.ToString());
    EXPECT_EQ(token.expiry(), deepset.expires_at ? v1::Token::AT : v1::Token::NEVER);
    EXPECT_EQ(token.hint(), deepset.masked_token);
    EXPECT_EQ(token.kind(), deepset.personal ? "personal" : "service");
    ASSERT_EQ(token.scopes_size(), 1);
    EXPECT_EQ(token.scopes(0).id(), deepset.workspaces.front());
  }
}

TEST_F(ServiceTest, GetsOneTokenInBothViews) {
  TestService service(sim_);
  service.SyncAll();
  const v1::Token full = service.ListAll().begin()->second;
  for (const v1::TokenView view : {v1::TOKEN_VIEW_UNSPECIFIED, v1::FULL, v1::BASIC}) {
    grpc::ClientContext context;
    v1::GetTokenRequest request;
    request.set_name(full.name());
    request.set_view(view);
    v1::Token token;
    ASSERT_TRUE(service.tokens().GetToken(&context, request, &token).ok());
    EXPECT_EQ(token.uid(), full.uid());
    EXPECT_EQ(token.scopes_size() > 0, view != v1::BASIC && full.scopes_size() > 0);
  }
}

TEST_F(ServiceTest, BatchGetAnswersInOrderAndListsWhatIsMissing) {
  TestService service(sim_);
  service.SyncAll();
  const std::map<std::string, v1::Token> tokens = service.ListAll();
  const std::string first = tokens.rbegin()->first;
  const std::string second = tokens.begin()->first;
  const std::string missing = "sources/opal-test/tokens/nobody";
  grpc::ClientContext context;
  v1::BatchGetTokensRequest request;
  for (const std::string& name : {first, missing, second}) request.add_names(name);
  v1::BatchGetTokensResponse response;
  ASSERT_TRUE(service.tokens().BatchGetTokens(&context, request, &response).ok());
  ASSERT_EQ(response.tokens_size(), 2);
  EXPECT_EQ(response.tokens(0).name(), first);
  EXPECT_EQ(response.tokens(1).name(), second);
  EXPECT_THAT(response.missing_names(), ::testing::ElementsAre(missing));
}

TEST_F(ServiceTest, BadRequestsNameTheFieldAndTheReason) {
  TestService service(sim_);
  struct Case {
    const char* what;
    v1::ListTokensRequest request;
    grpc::StatusCode code;
    const char* reason;
    const char* field;
  };
  std::vector<Case> cases(5);
  cases[0] = {"no parent", {}, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_NAME", "parent"};
  cases[1] = {
      "page size", {}, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_PAGE_SIZE", "page_size"};
  cases[1].request.set_parent("sources/-");
  cases[1].request.set_page_size(-1);
  cases[2] = {
      "page token", {}, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_PAGE_TOKEN", "page_token"};
  cases[2].request.set_parent("sources/-");
  cases[2].request.set_page_token("bm90IG9uZQ");
  cases[3] = {"view", {}, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_VIEW", "view"};
  cases[3].request.set_parent("sources/-");
  cases[3].request.set_view(static_cast<v1::TokenView>(9));
  cases[4] = {"source", {}, grpc::StatusCode::NOT_FOUND, "SOURCE_NOT_FOUND", ""};
  cases[4].request.set_parent("sources/nobody");
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    grpc::ClientContext context;
    v1::ListTokensResponse response;
    const grpc::Status status = service.tokens().ListTokens(&context, c.request, &response);
    EXPECT_EQ(status.error_code(), c.code);
    EXPECT_EQ(ReasonOf(status), c.reason);
    EXPECT_EQ(FieldOf(status), c.field);
  }
}

TEST_F(ServiceTest, UnknownTokenIsNotFound) {
  TestService service(sim_);
  grpc::ClientContext context;
  v1::GetTokenRequest request;
  request.set_name("sources/opal-test/tokens/nobody");
  v1::Token token;
  const grpc::Status status = service.tokens().GetToken(&context, request, &token);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "TOKEN_NOT_FOUND");
}

TEST_F(ServiceTest, WatchesThatCannotStartSayWhy) {
  TestService service(sim_);
  const auto try_watch = [&](const v1::WatchTokensRequest& request) {
    grpc::ClientContext context;
    const auto stream = service.tokens().WatchTokens(&context, request);
    v1::WatchTokensResponse response;
    EXPECT_FALSE(stream->Read(&response));
    return stream->Finish();
  };
  v1::WatchTokensRequest request;
  request.set_parent("sources/-");
  EXPECT_EQ(ReasonOf(try_watch(request)), "MISSING_START");
  request.set_resume_token("garbage");
  EXPECT_EQ(FieldOf(try_watch(request)), "resume_token");
  request.mutable_now();
  request.mutable_progress_interval()->set_seconds(1000);
  EXPECT_EQ(FieldOf(try_watch(request)), "progress_interval");
  request.clear_progress_interval();
  request.set_parent("nonsense");
  EXPECT_EQ(FieldOf(try_watch(request)), "parent");
}

TEST_F(ServiceTest, ResumeTokenOfAnotherStoreIsRefused) {
  std::string foreign;
  {
    TestService other(sim_);
    grpc::ClientContext context;
    v1::ListTokensRequest request;
    request.set_parent("sources/-");
    v1::ListTokensResponse response;
    ASSERT_TRUE(other.tokens().ListTokens(&context, request, &response).ok());
    foreign = response.resume_token();
  }
  TestService service(sim_);
  grpc::ClientContext context;
  v1::WatchTokensRequest request;
  request.set_parent("sources/-");
  request.set_resume_token(foreign);
  const auto stream = service.tokens().WatchTokens(&context, request);
  v1::WatchTokensResponse response;
  EXPECT_FALSE(stream->Read(&response));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "STORE_EPOCH_CHANGED");
}

TEST_F(ServiceTest, AWatchFromTheInitialStateFollowsTheChurn) {
  TestService service(sim_);
  service.SyncAll();
  Watcher watcher;
  watcher.Connect(service.tokens());
  ASSERT_TRUE(watcher.ReadUntil([&] { return watcher.synced(); }));
  EXPECT_EQ(NamesOf(watcher.copy()), TrueNames(sim_.ReadTruth()));
  for (int round = 0; round < 5; ++round) {
    sim_.ApplyChurn(40);
    std::int64_t revision = 0;
    for (const char* source : {"deepset-test", "opal-test", "buildkite-test"}) {
      revision = std::max(revision, service.Sync(source).revision());
    }
    ASSERT_TRUE(watcher.ReadUntilRevision(revision));
    EXPECT_EQ(NamesOf(watcher.copy()), NamesOf(service.ListAll()));
  }
}

TEST_F(ServiceTest, AListsResumeTokenStartsAWatchThatMissesNothing) {
  TestService service(sim_);
  service.SyncAll();
  grpc::ClientContext list_context;
  v1::ListTokensRequest list;
  list.set_parent("sources/-");
  list.set_page_size(1);
  v1::ListTokensResponse page;
  ASSERT_TRUE(service.tokens().ListTokens(&list_context, list, &page).ok());
  const auto added = sim_.AddToken(vendor_sim::TokenKind::kOpal);
  ASSERT_TRUE(added.has_value());
  service.Sync("opal-test");

  grpc::ClientContext context;
  v1::WatchTokensRequest request;
  request.set_parent("sources/opal-test");
  request.set_resume_token(page.resume_token());
  const auto stream = service.tokens().WatchTokens(&context, request);
  v1::WatchTokensResponse response;
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_EQ(response.batches_size(), 1);
  ASSERT_EQ(response.batches(0).events_size(), 1);
  EXPECT_EQ(response.batches(0).events(0).type(), v1::TokenEvent::ADDED);
  EXPECT_EQ(response.batches(0).events(0).token().provider_token_id(), added->ToString());
  context.TryCancel();
}

TEST_F(ServiceTest, ATokenThatTheVendorDeniesIsRemovedWithItsCause) {
  TestService service(sim_);
  service.SyncAll();
  const vendor_sim::Uuid gone = sim_.ReadTruth().registry_tokens.front().id;
  const std::string name = "sources/buildkite-test/tokens/" + gone.ToString();
  ASSERT_TRUE(sim_.RemoveToken(gone));
  EXPECT_EQ(service.Sync("buildkite-test").stats().tokens_deleted(), 1);

  grpc::ClientContext get_context;
  v1::GetTokenRequest get;
  get.set_name(name);
  v1::Token token;
  ASSERT_TRUE(service.tokens().GetToken(&get_context, get, &token).ok());
  EXPECT_EQ(token.presence(), v1::Token::DELETED);
  EXPECT_EQ(token.delete_cause(), v1::VENDOR_404);
  EXPECT_EQ(service.ListAll().count(name), 0u);
  EXPECT_EQ(service.ListAll(100, true).count(name), 1u);

  grpc::ClientContext context;
  v1::ListTokenChangesRequest request;
  request.set_parent(name);
  v1::ListTokenChangesResponse history;
  ASSERT_TRUE(service.tokens().ListTokenChanges(&context, request, &history).ok());
  ASSERT_EQ(history.token_changes_size(), 2);
  EXPECT_EQ(history.token_changes(0).cause(), v1::TokenChange::VENDOR_DENIED);
  EXPECT_EQ(history.token_changes(1).cause(), v1::TokenChange::VENDOR_REPORTED);
  EXPECT_FALSE(history.token_changes(1).has_old_token());
}

TEST_F(ServiceTest, ABrokenVendorFailsItsPassAndChangesNothingKnown) {
  TestService service(sim_);
  service.SyncAll();
  const std::set<std::string> before = NamesOf(service.ListAll());
  struct Case {
    const char* what;
    vendor_sim::Fault fault;
    v1::Source::State state;
  };
  std::vector<Case> cases(6);
  cases[0] = {"truncated", {.count = 100, .cut_after = 100}, v1::Source::UNREACHABLE};
  cases[1] = {"no JSON", {.count = 100, .status = 200, .body = "<html>"}, v1::Source::FAILED};
  cases[2] = {"wrong type",
              {.count = 100, .status = 200, .body = R"({"results": {"token_id": 1}})"},
              v1::Source::FAILED};
  cases[3] = {"refused", {.count = 100, .status = 401, .body = "{}"}, v1::Source::AUTH_FAILED};
  cases[4] = {
      "empty", {.count = 100, .status = 200, .body = R"({"results": []})"}, v1::Source::SUSPICIOUS};
  cases[5] = {"wrong record",
              {.count = 100, .status = 200, .body = R"({"results": [{"token_id": {}}]})"},
              v1::Source::FAILED};
  for (Case& c : cases) {
    SCOPED_TRACE(c.what);
    c.fault.target_contains = "/v1/tokens";
    sim_.AddFault(c.fault);
    const v1::SyncResult result = service.Sync("opal-test");
    sim_.ClearFaults();
    EXPECT_EQ(result.state(), c.state) << result.DebugString();
    EXPECT_NE(result.error(), "");
    EXPECT_EQ(NamesOf(service.ListAll()), before);

    grpc::ClientContext context;
    v1::ListTokensRequest request;
    request.set_parent("sources/-");
    v1::ListTokensResponse response;
    ASSERT_TRUE(service.tokens().ListTokens(&context, request, &response).ok());
    EXPECT_THAT(response.unreachable(), ::testing::ElementsAre("sources/opal-test"));
  }
  EXPECT_EQ(service.Sync("opal-test").state(), v1::Source::OK);
}

TEST_F(ServiceTest, SyncSourceStreamsProgressThenItsResult) {
  TestService service(sim_);
  service.SyncAll();
  grpc::ClientContext context;
  v1::SyncSourceRequest request;
  request.set_name("sources/deepset-test");
  const auto stream = service.sources().SyncSource(&context, request);
  std::vector<v1::SyncSourceResponse> responses;
  v1::SyncSourceResponse response;
  while (stream->Read(&response)) responses.push_back(response);
  ASSERT_TRUE(stream->Finish().ok());
  ASSERT_FALSE(responses.empty());
  ASSERT_TRUE(responses.back().has_result());
  EXPECT_EQ(responses.back().result().state(), v1::Source::OK);
  for (std::size_t i = 0; i + 1 < responses.size(); ++i) EXPECT_TRUE(responses[i].has_progress());

  // What it found can be read at its revision.
  grpc::ClientContext read_context;
  v1::ListTokensRequest list;
  list.set_parent("sources/deepset-test");
  list.set_min_revision(responses.back().result().revision());
  v1::ListTokensResponse page;
  ASSERT_TRUE(service.tokens().ListTokens(&read_context, list, &page).ok());
  EXPECT_GE(page.revision(), responses.back().result().revision());
}

TEST_F(ServiceTest, EverythingIsThereAfterARestart) {
  TestService service(sim_);
  service.SyncAll();
  const std::map<std::string, v1::Token> before = service.ListAll();
  service.Stop();
  service.Start();
  const std::map<std::string, v1::Token> after = service.ListAll();
  ASSERT_EQ(NamesOf(after), NamesOf(before));
  for (const auto& [name, token] : before) {
    EXPECT_EQ(after.at(name).SerializeAsString().size(), token.SerializeAsString().size());
    EXPECT_EQ(after.at(name).uid(), token.uid());
  }
}

TEST_F(ServiceTest, AWatchResumesAcrossARestart) {
  TestService service(sim_);
  service.SyncAll();
  Watcher watcher;
  watcher.Connect(service.tokens());
  ASSERT_TRUE(watcher.ReadUntil([&] { return watcher.synced(); }));
  watcher.Cancel();
  EXPECT_EQ(watcher.Finish().error_code(), grpc::StatusCode::CANCELLED);

  sim_.ApplyChurn(60);
  for (const char* source : {"deepset-test", "opal-test", "buildkite-test"}) service.Sync(source);
  service.Stop();
  service.Start();
  sim_.ApplyChurn(60);
  std::int64_t revision = 0;
  for (const char* source : {"deepset-test", "opal-test", "buildkite-test"}) {
    revision = std::max(revision, service.Sync(source).revision());
  }
  watcher.Connect(service.tokens());
  ASSERT_TRUE(watcher.ReadUntilRevision(revision));
  EXPECT_EQ(NamesOf(watcher.copy()), NamesOf(service.ListAll()));
}

TEST_F(ServiceTest, AStopEndsStreamsWithTheirLastProgress) {
  TestService service(sim_);
  service.SyncAll();
  Watcher watcher;
  watcher.Connect(service.tokens());
  ASSERT_TRUE(watcher.ReadUntil([&] { return watcher.synced(); }));
  std::thread stop([&] { service.Stop(); });
  EXPECT_FALSE(watcher.ReadUntil([] { return false; }));
  EXPECT_TRUE(watcher.last_had_progress());
  const grpc::Status status = watcher.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "SERVER_STOPPING");
  stop.join();
}

TEST_F(ServiceTest, HealthIsServing) {
  TestService service(sim_);
  const auto health = grpc::health::v1::Health::NewStub(service.channel());
  for (const char* name : {"", "tokeninventory.v1.TokenInventory", "tokeninventory.v1.Sources"}) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(name);
    grpc::health::v1::HealthCheckResponse response;
    ASSERT_TRUE(health->Check(&context, request, &response).ok()) << name;
    EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  }
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("nobody");
  grpc::health::v1::HealthCheckResponse response;
  EXPECT_EQ(health->Check(&context, request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

// A client that knows the protos by reflection only writes JSON with the names that it is told.
TEST_F(ServiceTest, ReflectionTellsTheJsonNamesOfFields) {
  TestService service(sim_);
  grpc::ClientContext context;
  const auto stream = grpc::reflection::v1::ServerReflection::NewStub(service.channel())
                          ->ServerReflectionInfo(&context);
  grpc::reflection::v1::ServerReflectionRequest request;
  request.set_file_containing_symbol("tokeninventory.v1.Token");
  grpc::reflection::v1::ServerReflectionResponse response;
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());

  int fields = 0;
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    for (const auto& message : file.message_type()) {
      for (const auto& field : message.field()) {
        EXPECT_TRUE(field.has_json_name()) << message.name() << '.' << field.name();
        if (field.name() == "expire_time") {
          EXPECT_EQ(field.json_name(), "expireTime");
        }
        ++fields;
      }
    }
  }
  EXPECT_GT(fields, 30);
}

TEST_F(ServiceTest, SourcesTellTheirFreshnessAndCoverage) {
  TestService service(sim_);
  service.SyncAll();
  grpc::ClientContext context;
  v1::ListSourcesResponse response;
  ASSERT_TRUE(service.sources().ListSources(&context, {}, &response).ok());
  ASSERT_EQ(response.sources_size(), 3);
  for (const v1::Source& source : response.sources()) {
    EXPECT_EQ(source.state(), v1::Source::OK) << source.DebugString();
    EXPECT_TRUE(source.has_last_complete_time());
    EXPECT_TRUE(source.has_next_sync_time());
    EXPECT_GT(source.token_count(), 0);
    EXPECT_NE(source.coverage(), "");
  }
}

}  // namespace
}  // namespace tokeninventory
