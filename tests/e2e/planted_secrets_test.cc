// Secrets are planted in every place where a vendor, a configuration and a client can put
// one. The real program runs through all that can happen to it, crashes included, with
// every line of its log; then each file, log and answer is searched for them.
#include <gmock/gmock.h>
#include <google/protobuf/empty.pb.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "inventory/token_name.h"
#include "server/access/token_hash.h"
#include "tests/e2e/scrape.h"
#include "tests/e2e/service_process.h"
#include "tests/e2e/test_service.h"
#include "tests/testing/secret_search.h"
#include "tests/vendor_sim/credentials.h"
#include "tests/vendor_sim/spoilers.h"

namespace tokeninventory {
namespace {

using ::testing::Contains;
using testing::Finished;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::QuickSim;
using testing::RunService;
using testing::Scrape;
using testing::SecretSearch;
using testing::ServiceProcess;
using testing::TempDir;
using vendor_sim::Delivery;
using vendor_sim::Fault;
using vendor_sim::Request;
using vendor_sim::Response;
using vendor_sim::VendorSim;

constexpr int kAlways = 1'000'000;

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  chmod(path.c_str(), 0600);
}

// One way for a vendor to answer. MARK is a secret of the vendor's, CREDENTIAL the one
// that the request carried.
struct Spoiled {
  const char* what;
  int status;
  const char* body;
  std::vector<std::pair<const char*, const char*>> headers = {};
  Delivery delivery = Delivery::kWhole;
  std::optional<std::size_t> cut_after = {};
};

const Spoiled kSpoiled[] = {
    {"400", 400, R"({"message": "MARK: bad credential CREDENTIAL", "errors": ["CREDENTIAL"]})"},
    {"403", 403, R"({"error": {"token": "CREDENTIAL", "detail": "MARK"}})"},
    {"404", 404, "CREDENTIAL may not see MARK"},
    {"500", 500, "<pre>Authorization: Bearer CREDENTIAL MARK</pre>"},
    {"a redirect", 302, "MARK", {{"Location", "https://evil.example/MARK?token=CREDENTIAL"}}},
    {"headers",
     418,
     "{}",
     {{"WWW-Authenticate", "Bearer error=\"CREDENTIAL\", realm=\"MARK\""},
      {"Set-Cookie", "session=MARK"},
      {"X-MARK", "CREDENTIAL"},
      {"RateLimit-Reset", "MARK"}}},
    {"a next page elsewhere",
     200,
     R"({"results": [], "data": [], "next": "https://evil.example/?MARK=CREDENTIAL",
         "has_more": "MARK"})",
     {{"Link", "<https://evil.example/?token=CREDENTIAL&MARK>; rel=\"next\""}}},
    {"a next page here",
     200,
     "[]",
     {{"Link", "</v2/organizations?token=CREDENTIAL&page=MARK>; rel=\"next\""}}},
    {"no JSON", 200, "<html>MARK CREDENTIAL</html>"},
    {"broken JSON", 200, R"([{"id": "CREDENTIAL", "name": "MARK)"},
    {"a duplicate member", 200, R"({"MARK": "CREDENTIAL", "MARK": 1} x)"},
    {"text", 200, R"("CREDENTIAL MARK")"},
    {"wrong types", 200,
     R"([{"id": {"CREDENTIAL": "MARK"}, "name": ["MARK"], "slug": {"MARK": 1}}])"},
    {"records of wrong types", 200,
     R"({"results": [{"token_id": "t", "created_at": "MARK", "expires_at": "CREDENTIAL",
         "user": "MARK"}], "data": [{"token_id": {"MARK": 1}}], "has_more": false})"},
    {"records that are no records", 200, R"({"results": ["MARK"], "data": ["CREDENTIAL"]})"},
    {"a cut body", 200, R"([{"id": "CREDENTIAL", "name": "MARK"}])", {}, Delivery::kWhole, 30},
    {"a reset", 200, R"([{"id": "CREDENTIAL", "MARK": 1}])", {}, Delivery::kResetInBody, 25},
    {"429", 429, "MARK CREDENTIAL", {{"Retry-After", "0"}, {"X-RateLimit-Reset", "MARK"}}},
};

struct Source {
  const char* id;
  const char* listing;  // in the targets of the list that is spoiled
};
const Source kSources[] = {
    {"deepset", "/workspaces"}, {"opal", "/v1/tokens"}, {"buildkite", "/v2/organizations"}};

class PlantedSecretsTest : public ::testing::Test {
 protected:
  PlantedSecretsTest() : sim_(QuickSim(60)) {
    EXPECT_TRUE(sim_.Start().ok());
    setenv("TI_PLANTED_OPAL", opal_.c_str(), 1);
    setenv("TI_PLANTED_REFUSED", refused_.c_str(), 1);
    setenv("SSLKEYLOGFILE", folder_.File("keys").c_str(), 1);
    WriteFile(folder_.File("deepset.key"), deepset_);
    WriteFile(folder_.File("buildkite.key"), buildkite_ + "\n");
    WriteFile(folder_.File("config.yaml"), absl::StrReplaceAll(
                                               R"(log_level: debug
metrics: {listen: '127.0.0.1:0'}
http: {max_attempts: 1}
access:
  principals:
    - {id: reader, token_hashes: ['@reader@']}
    - {id: operator, role: OPERATOR, token_hashes: ['@operator@']}
sources:
  - {id: opal, vendor: opal, interval: 1d, params: {base_url: '@opal@'},
     secrets: {token: {env: TI_PLANTED_OPAL}}}
  - {id: deepset, vendor: deepset, interval: 1d, params: {base_url: '@here@'},
     secrets: {api_key: {file: deepset.key}}}
  - {id: buildkite, vendor: buildkite, interval: 1d, params: {base_url: '@here@'},
     secrets: {token: {file: buildkite.key}}, max_requests_per_second: 1000}
  - {id: refused, vendor: opal, interval: 1d, params: {base_url: '@opal@'},
     secrets: {token: {env: TI_PLANTED_REFUSED}}}
)",
                                               {{"@reader@", TokenHash::Of(reader_)->Text()},
                                                {"@operator@", TokenHash::Of(operator_)->Text()},
                                                {"@opal@", sim_.OpalBaseUrl()},
                                                {"@here@", sim_.DeepsetBaseUrl()}}));
    BeGood();
  }
  ~PlantedSecretsTest() override {
    for (const char* name :
         {"TI_PLANTED_OPAL", "TI_PLANTED_REFUSED", "TI_PLANTED_CANARY", "SSLKEYLOGFILE"}) {
      unsetenv(name);
    }
  }

  // The vendors take the planted credentials for theirs.
  void LetIn(Request& request) const {
    const std::map<std::string, std::string> keys = {{opal_, vendor_sim::kOpalToken},
                                                     {deepset_, vendor_sim::kDeepsetKey},
                                                     {next_deepset_, vendor_sim::kDeepsetKey},
                                                     {buildkite_, vendor_sim::kBuildkiteToken}};
    const auto key = keys.find(BearerToken(request).value_or(""));
    if (key != keys.end()) request.authorization = absl::StrCat("Bearer ", key->second);
  }

  // Answers of a listing, changed by `edit`, which sees the request as it came.
  void Answer(const std::string& listing, Fault fault,
              std::function<void(const Request&, Response&)> edit) {
    sim_.ClearFaults();
    fault.count = kAlways;
    fault.target_contains = listing;
    fault.edit_request = [this](Request& request) { LetIn(request); };
    fault.edit_response = std::move(edit);
    sim_.AddFault(fault);
    Fault rest;
    rest.count = kAlways;
    rest.edit_request = [this](Request& request) { LetIn(request); };
    // Whoever is refused is told what it was refused with.
    rest.edit_response = [](const Request& request, Response& response) {
      if (response.status != 401) return;
      response.body = absl::StrCat(R"({"message": "bad token )", request.authorization, "\"}");
      response.headers.emplace_back("WWW-Authenticate", request.authorization);
    };
    sim_.AddFault(rest);
  }
  void BeGood() {
    Answer("no such listing", {}, [](const Request&, Response&) {});
  }
  void Spoil(const std::string& listing, const Spoiled& spoiled) {
    Fault fault;
    fault.delivery = spoiled.delivery;
    fault.cut_after = spoiled.cut_after;
    Answer(listing, fault, [this, &spoiled](const Request& request, Response& response) {
      const auto filled = [&](const char* text) {
        return absl::StrReplaceAll(
            text, {{"MARK", mark_}, {"CREDENTIAL", BearerToken(request).value_or("")}});
      };
      response.status = spoiled.status;
      response.body = filled(spoiled.body);
      response.headers.clear();
      for (const auto& [name, value] : spoiled.headers) {
        response.headers.emplace_back(filled(name), filled(value));
      }
    });
  }

  void Run() {
    service_.emplace(folder_.File("config.yaml"), folder_.File("data"));
    if (service_->port() == 0) {
      ADD_FAILURE() << service_->Log();
      std::abort();  // nothing can be tested
    }
    channel_ = service_->Connect();
    tokens_ = v1::TokenInventory::NewStub(channel_);
    sources_ = v1::Sources::NewStub(channel_);
  }
  void End(int signal) {
    const int code = service_->End(signal);
    EXPECT_EQ(code, signal == SIGTERM ? 0 : -signal);
    logs_ += service_->Log();
    service_.reset();
  }

  // A call of the operator's.
  std::unique_ptr<grpc::ClientContext> AsOperator() const {
    auto context = std::make_unique<grpc::ClientContext>();
    context->AddMetadata("authorization", absl::StrCat("Bearer ", operator_));
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    return context;
  }

  // All that came of a call.
  void Keep(std::string& answers, const grpc::ClientContext& context, const grpc::Status& status,
            const google::protobuf::Message& response) {
    absl::StrAppend(&answers, response.DebugString(), response.SerializeAsString(), "\n",
                    status.error_message(), "\n", status.error_details(), "\n");
    for (const auto& [key, value] : context.GetServerTrailingMetadata()) {
      absl::StrAppend(&answers, absl::string_view(key.data(), key.size()), ": ",
                      absl::string_view(value.data(), value.size()), "\n");
    }
  }
  // Everything that a stream says until `last` is true of it.
  template <typename ResponseType, typename Stream, typename Last>
  grpc::Status KeepStream(std::string& answers, grpc::ClientContext& context, Stream stream,
                          Last last) {
    ResponseType response;
    while (stream->Read(&response)) {
      absl::StrAppend(&answers, response.DebugString(), response.SerializeAsString());
      if (last(response)) context.TryCancel();
    }
    const grpc::Status status = stream->Finish();
    Keep(answers, context, status, response);
    return status;
  }

  v1::Source::State Sync(const std::string& source) {
    const auto context = AsOperator();
    v1::SyncSourceRequest request;
    request.set_name(SourceName(source));
    request.set_fresh(true);
    v1::Source::State state = v1::Source::STATE_UNSPECIFIED;
    KeepStream<v1::SyncSourceResponse>(answers_, *context,
                                       sources_->SyncSource(context.get(), request),
                                       [&](const v1::SyncSourceResponse& response) {
                                         if (response.has_result())
                                           state = response.result().state();
                                         return false;
                                       });
    return state;
  }

  // Asks for everything that the service knows; how many tokens there are.
  int ReadAll() {
    v1::ListTokensRequest list;
    list.set_parent("sources/-");
    list.set_page_size(1000);
    list.set_view(v1::FULL);
    list.set_show_deleted(true);
    v1::ListTokensResponse tokens;
    auto context = AsOperator();
    Keep(answers_, *context, tokens_->ListTokens(context.get(), list, &tokens), tokens);
    for (const v1::Token& token : tokens.tokens()) {
      v1::ListTokenChangesRequest changes;
      changes.set_parent(token.name());
      v1::ListTokenChangesResponse told;
      context = AsOperator();
      Keep(answers_, *context, tokens_->ListTokenChanges(context.get(), changes, &told), told);
    }
    v1::WatchTokensRequest watch;
    watch.set_parent("sources/-");
    watch.set_view(v1::FULL);
    watch.mutable_initial_state();
    context = AsOperator();
    KeepStream<v1::WatchTokensResponse>(
        answers_, *context, tokens_->WatchTokens(context.get(), watch),
        [](const v1::WatchTokensResponse& response) { return response.has_synced(); });
    v1::WatchExpirationsRequest notices;
    notices.set_parent("sources/-");
    notices.mutable_open_expirations();
    context = AsOperator();
    KeepStream<v1::WatchExpirationsResponse>(
        answers_, *context, tokens_->WatchExpirations(context.get(), notices),
        [](const v1::WatchExpirationsResponse& response) { return response.has_synced(); });
    v1::ListSourcesResponse sources;
    context = AsOperator();
    Keep(answers_, *context, sources_->ListSources(context.get(), {}, &sources), sources);
    v1::SummarizeTokensRequest summary;
    summary.set_parent("sources/-");
    v1::SummarizeTokensResponse sums;
    context = AsOperator();
    Keep(answers_, *context, tokens_->SummarizeTokens(context.get(), summary, &sums), sums);
    const Scrape scrape(service_->metrics_port());
    EXPECT_GT(scrape.Sum("token_inventory_tokens"), 0);
    absl::StrAppend(&answers_, scrape.text());
    return tokens.tokens_size();
  }

  // What others on this machine see of the process.
  void LookAtProc(SecretSearch& search) {
    for (const char* file : {"cmdline", "environ", "status"}) {
      search.LookAtFile(absl::StrCat("/proc/", service_->pid(), "/", file));
    }
  }

  // At all that the runs left behind.
  void LookEverywhere(SecretSearch& search) {
    search.LookAtFolder(folder_.File("data"));
    if (std::filesystem::exists(folder_.File("backup"))) search.LookAtFile(folder_.File("backup"));
    if (std::filesystem::exists(folder_.File("keys"))) search.LookAtFile(folder_.File("keys"));
    search.Look("the log", logs_);
    search.Look("what commands wrote", outputs_);
    search.Look("the answers", answers_);
  }
  static std::vector<std::string> CoreFiles() {
    std::vector<std::string> cores;
    for (const auto& file : std::filesystem::directory_iterator(".")) {
      const std::string name = file.path().filename().string();
      if (name == "core" || name.starts_with("core.")) cores.push_back(name);
    }
    return cores;
  }

  // In nobody's sight, ever.
  SecretSearch search_;
  // What a client puts into a request: in no file and no log, but that client may be
  // told what was wrong with it.
  SecretSearch from_clients_;

  const std::string opal_ = search_.Plant("a credential in the environment");
  const std::string refused_ = search_.Plant("a refused credential");
  const std::string deepset_ = search_.Plant("a credential in a file");
  const std::string next_deepset_ = search_.Plant("the credential that came after it");
  const std::string bad_deepset_ = search_.Plant("a bad credential that came after it");
  const std::string buildkite_ = search_.Plant("another credential in a file", "bkua_");
  const std::string mark_ = search_.Plant("a vendor's answer", "ghp_");
  const std::string reader_ = search_.Plant("a reader's token", "");
  const std::string operator_ = search_.Plant("an operator's token", "");

  TempDir folder_;
  VendorSim sim_;
  std::optional<ServiceProcess> service_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::TokenInventory::Stub> tokens_;
  std::unique_ptr<v1::Sources::Stub> sources_;
  std::string logs_;
  std::string answers_;
  std::string outputs_;
};

TEST_F(PlantedSecretsTest, VendorsAndCredentialsAreFoundNowhere) {
  const std::vector<std::string> cores = CoreFiles();
  // What a vendor shows as ordinary text is no secret: it must be found, or the search is none.
  SecretSearch canary;
  setenv("TI_PLANTED_CANARY", canary.Plant("a variable").c_str(), 1);
  ASSERT_FALSE(sim_.ReadTruth().opal_tokens.empty());
  ASSERT_TRUE(
      sim_.RenameToken(sim_.ReadTruth().opal_tokens.front().id, canary.Plant("a name", "")));

  Run();
  for (const Source& source : kSources) EXPECT_EQ(Sync(source.id), v1::Source::OK) << source.id;
  EXPECT_EQ(Sync("refused"), v1::Source::AUTH_FAILED);
  LookAtProc(search_);
  LookAtProc(canary);
  for (const Source& source : kSources) {
    for (const Spoiled& spoiled : kSpoiled) {
      SCOPED_TRACE(absl::StrCat(source.id, ": ", spoiled.what));
      Spoil(source.listing, spoiled);
      EXPECT_NE(Sync(source.id), v1::Source::STATE_UNSPECIFIED);
    }
  }
  BeGood();
  EXPECT_GT(ReadAll(), 50);

  // The credential's file changes: to another good one, and to one that is refused.
  WriteFile(folder_.File("deepset.key"), next_deepset_ + "\n");
  EXPECT_EQ(Sync("deepset"), v1::Source::OK);
  WriteFile(folder_.File("deepset.key"), bad_deepset_);
  EXPECT_EQ(Sync("deepset"), v1::Source::AUTH_FAILED);
  WriteFile(folder_.File("deepset.key"), next_deepset_);

  // Killed while a vendor lets it wait.
  Fault stall;
  stall.delivery = Delivery::kStallInBody;
  stall.cut_after = 20;
  Answer("/v1/tokens", stall, [](const Request&, Response&) {});
  {
    const auto context = AsOperator();
    v1::SyncSourceRequest request;
    request.set_name(SourceName("opal"));
    request.set_fresh(true);
    const auto stream = sources_->SyncSource(context.get(), request);
    v1::SyncSourceResponse response;
    EXPECT_TRUE(stream->Read(&response));
    End(SIGKILL);
    while (stream->Read(&response)) {
    }
    stream->Finish();
  }
  search_.LookAtFolder(folder_.File("data"));  // with the log that SQLite had no time to empty
  BeGood();

  Run();
  ReadAll();
  // Aborted as by a bug of its own.
  End(SIGABRT);
  search_.LookAtFolder(folder_.File("data"));
  EXPECT_EQ(CoreFiles(), cores);

  Run();
  EXPECT_EQ(Sync("opal"), v1::Source::OK);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"backup", folder_.File("backup"), "--data", folder_.File("data")},
        {"verify-store", "--data", folder_.File("data")},
        {"verify-store", folder_.File("backup")}}) {
    const Finished finished = RunService(command);
    EXPECT_EQ(finished.exit_code, 0) << finished.output;
    outputs_ += finished.output;
  }
  EXPECT_GT(ReadAll(), 50);
  LookAtProc(search_);
  End(SIGTERM);

  LookEverywhere(search_);
  EXPECT_THAT(search_.found(), IsEmpty());
  EXPECT_GT(search_.looked_at(), 100'000);
  LookEverywhere(canary);
  EXPECT_THAT(canary.found(),
              Contains(AllOf(HasSubstr("a variable in plain"), HasSubstr("environ"))));
  for (const char* place : {"inventory.db", "backup", "the answers"}) {
    EXPECT_THAT(canary.found(), Contains(AllOf(HasSubstr("a name in plain"), HasSubstr(place))));
  }
}

TEST_F(PlantedSecretsTest, WhatClientsSendIsKeptNowhere) {
  Run();
  EXPECT_EQ(Sync("opal"), v1::Source::OK);
  std::string to_clients;
  int refused = 0;
  const auto call = [&](auto ask) {
    const auto context = AsOperator();
    const grpc::Status status = ask(*context);
    refused += status.ok() ? 0 : 1;
    Keep(to_clients, *context, status, google::protobuf::Empty());
  };
  const auto list = [&](grpc::ClientContext& context, auto fill) {
    v1::ListTokensRequest request;
    request.set_parent("sources/-");
    fill(request);
    v1::ListTokensResponse response;
    return tokens_->ListTokens(&context, request, &response);
  };
  const auto nothing = [](v1::ListTokensRequest&) {};

  // Credentials of callers, good ones and bad ones, and what is beside them.
  for (const std::string& authorization :
       {absl::StrCat("Bearer ", search_.Plant("a wrong bearer token", "")),
        absl::StrCat("bearer  ", search_.Plant("a strange bearer token", "")),
        absl::StrCat("Basic ",
                     absl::Base64Escape(absl::StrCat("me:", search_.Plant("a password", "")))),
        search_.Plant("no scheme"), absl::StrCat("Bearer ", reader_)}) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", authorization);
    const grpc::Status status = list(context, nothing);
    EXPECT_EQ(status.ok(), authorization == absl::StrCat("Bearer ", reader_));
    Keep(answers_, context, status, google::protobuf::Empty());
    grpc::ClientContext again;
    again.AddMetadata("authorization", authorization);
    v1::SyncSourceRequest request;
    request.set_name(SourceName("opal"));
    EXPECT_FALSE(KeepStream<v1::SyncSourceResponse>(answers_, again,
                                                    sources_->SyncSource(&again, request),
                                                    [](const auto&) { return false; })
                     .ok());
  }
  call([&](auto& context) {
    context.AddMetadata("x-api-key", search_.Plant("unknown metadata"));
    context.AddMetadata("cookie", search_.Plant("a cookie"));
    context.AddMetadata("x-blob-bin", search_.Plant("binary metadata"));
    return list(context, nothing);
  });
  {
    grpc::ChannelArguments arguments;
    arguments.SetUserAgentPrefix(search_.Plant("a user agent"));
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub = v1::Sources::NewStub(
        grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", service_->port()),
                                  grpc::InsecureChannelCredentials(), arguments));
    call([&](auto& context) {
      v1::GetSourceRequest request;
      request.set_name(SourceName("opal"));
      v1::Source response;
      return stub->GetSource(&context, request, &response);
    });
  }
  EXPECT_EQ(refused, 0);

  // Fields of requests.
  const auto planted = [&](const char* where) { return from_clients_.Plant(where); };
  const std::string in_filter = planted("a filter");
  for (const std::string& filter :
       {absl::StrCat("display_name = \"", in_filter, "\""), absl::StrCat(in_filter, " = 1"),
        absl::StrCat("display_name = \"", in_filter), absl::StrCat("state = ", in_filter),
        absl::StrCat("expire_time < \"", in_filter, "\""), absl::StrCat("((", in_filter)}) {
    call([&](auto& context) {
      return list(context, [&](auto& request) { request.set_filter(filter); });
    });
    call([&](auto& context) {
      v1::WatchTokensRequest request;
      request.set_parent("sources/-");
      request.mutable_initial_state();
      request.set_filter(filter);
      return KeepStream<v1::WatchTokensResponse>(
          to_clients, context, tokens_->WatchTokens(&context, request),
          [](const v1::WatchTokensResponse& response) { return response.has_synced(); });
    });
  }
  const std::string in_page_token = planted("a page token");
  const std::string in_order = planted("an order");
  const std::string in_parent = planted("a parent");
  for (const auto& fill : std::vector<std::function<void(v1::ListTokensRequest&)>>{
           [&](auto& request) { request.set_page_token(in_page_token); },
           [&](auto& request) { request.set_order_by(in_order); },
           [&](auto& request) { request.set_parent(absl::StrCat("sources/", in_parent)); },
           [&](auto& request) { request.set_parent(in_parent); }}) {
    call([&](auto& context) { return list(context, fill); });
  }
  const std::string in_resume_token = planted("a resume token");
  call([&](auto& context) {
    v1::WatchTokensRequest request;
    request.set_parent("sources/-");
    request.set_resume_token(in_resume_token);
    return KeepStream<v1::WatchTokensResponse>(to_clients, context,
                                               tokens_->WatchTokens(&context, request),
                                               [](const auto&) { return true; });
  });
  call([&](auto& context) {
    v1::WatchExpirationsRequest request;
    request.set_parent("sources/-");
    request.set_resume_token(in_resume_token);
    return KeepStream<v1::WatchExpirationsResponse>(to_clients, context,
                                                    tokens_->WatchExpirations(&context, request),
                                                    [](const auto&) { return true; });
  });
  const std::string in_name = planted("a name");
  for (const std::string& name :
       {absl::StrCat("sources/opal/tokens/", in_name), absl::StrCat("sources/", in_name),
        absl::StrCat("sources/", in_name, "/tokens/x"), in_name}) {
    call([&](auto& context) {
      v1::GetTokenRequest request;
      request.set_name(name);
      v1::Token response;
      return tokens_->GetToken(&context, request, &response);
    });
    call([&](auto& context) {
      v1::BatchGetTokensRequest request;
      request.set_parent("sources/-");
      request.add_names(name);
      v1::BatchGetTokensResponse response;
      return tokens_->BatchGetTokens(&context, request, &response);
    });
    call([&](auto& context) {
      v1::RefreshTokenRequest request;
      request.set_name(name);
      v1::Token response;
      return tokens_->RefreshToken(&context, request, &response);
    });
    call([&](auto& context) {
      v1::ListTokenChangesRequest request;
      request.set_parent(name);
      v1::ListTokenChangesResponse response;
      return tokens_->ListTokenChanges(&context, request, &response);
    });
    call([&](auto& context) {
      v1::GetSourceRequest request;
      request.set_name(name);
      v1::Source response;
      return sources_->GetSource(&context, request, &response);
    });
    call([&](auto& context) {
      v1::SyncSourceRequest request;
      request.set_name(name);
      return KeepStream<v1::SyncSourceResponse>(to_clients, context,
                                                sources_->SyncSource(&context, request),
                                                [](const auto&) { return false; });
    });
    call([&](auto& context) {
      v1::ApproveSyncRequest request;
      request.set_name(name);
      request.set_hold_id(planted("a hold's id"));
      v1::ApproveSyncResponse response;
      return sources_->ApproveSync(&context, request, &response);
    });
    call([&](auto& context) {
      v1::PurgeSourceRequest request;
      request.set_name(name);
      v1::PurgeSourceResponse response;
      return sources_->PurgeSource(&context, request, &response);
    });
    call([&](auto& context) {
      grpc::health::v1::HealthCheckRequest request;
      request.set_service(name);
      grpc::health::v1::HealthCheckResponse response;
      return grpc::health::v1::Health::NewStub(channel_)->Check(&context, request, &response);
    });
  }
  EXPECT_GT(refused, 40);
  ReadAll();
  End(SIGTERM);

  search_.Look("the answers to clients", to_clients);
  LookEverywhere(search_);
  EXPECT_THAT(search_.found(), IsEmpty());
  LookEverywhere(from_clients_);
  EXPECT_THAT(from_clients_.found(), IsEmpty());
}

// Problems name the place, not what stands there.
TEST_F(PlantedSecretsTest, ConfigurationsAndManifestsAreNotQuoted) {
  std::vector<std::string> configs;
  const auto config = [&](const char* where, absl::string_view text) {
    configs.push_back(absl::StrReplaceAll(
        text, {{"SECRET", search_.Plant(absl::StrCat("in a config: ", where))}}));
  };
  config("instead of a reference", "sources: [{id: a, vendor: opal, secrets: {token: SECRET}}]");
  config("in a list", "sources: [{id: a, vendor: opal, secrets: {token: [SECRET]}}]");
  config("an unknown field of a reference",
         "sources: [{id: a, vendor: opal, secrets: {token: {value: SECRET}}}]");
  config("a reference that is two",
         "sources: [{id: a, vendor: opal, secrets: {token: {env: SECRET, file: SECRET}}}]");
  config("an unknown field of a source",
         "sources: [{id: a, vendor: opal, api_key: SECRET, secrets: {token: {env: PATH}}}]");
  config("an unknown field", "password: SECRET");
  config("an unknown mapping", "passwords: {one: {two: [SECRET]}}");
  config("a bearer token for its hash", "access: {principals: [{id: a, token_hashes: [SECRET]}]}");
  config("a bad hash", "access: {principals: [{id: a, token_hashes: ['sha256:SECRET']}]}");
  config("a bad hash with salt",
         "access: {principals: [{id: a, token_hashes: ['sha256:00:SECRET']}]}");
  config("a bearer token", "access: {principals: [{id: a, bearer_token: SECRET}]}");
  config("a role", "access: {principals: [{id: a, role: SECRET}]}");
  config("an id", "access: {principals: [{id: SECRET}]}");
  config("a number", "http: {max_attempts: SECRET}");
  config("a duration", "shutdown_grace: SECRET");
  config("a boolean", "insecure: SECRET");
  config("a list for a mapping", "http: [SECRET]");
  config("a text for a mapping", "http: SECRET");
  config("a proxy's password", "http: {proxy: 'http://me:SECRET@proxy.example:1'}");
  config("an address", "http: {allowed_addresses: [SECRET]}");
  config("a host",
         "sources: [{id: a, vendor: opal, secrets: {token: {env: PATH}}, "
         "allowed_hosts: ['https://SECRET']}]");
  config("a URL's password",
         "sources: [{id: a, vendor: opal, secrets: {token: {env: PATH}}, "
         "params: {base_url: 'https://me:SECRET@opal.example'}}]");
  config("a URL's query",
         "sources: [{id: a, vendor: opal, secrets: {token: {env: PATH}}, "
         "params: {base_url: 'SECRET'}}]");
  config("a source's id", "sources: [{id: SECRET, vendor: opal}]");
  config("broken YAML", "sources: [{id: a, secrets: {token: 'SECRET");
  config("a tag", "sources: !SECRET x");
  config("an alias", "sources: *SECRET");
  for (std::size_t i = 0; i < configs.size(); ++i) {
    const std::string file = folder_.File(absl::StrCat("bad", i, ".yaml"));
    WriteFile(file, configs[i]);
    const Finished finished = RunService({"--config", file, "--data", folder_.File("nowhere")});
    EXPECT_EQ(finished.exit_code, 2) << configs[i] << finished.output;
    EXPECT_THAT(finished.output, HasSubstr(absl::StrCat("bad", i, ".yaml:1:")));
    search_.Look(configs[i], finished.output);
  }

  const auto plant = [&](const char* where) {
    return search_.Plant(absl::StrCat("in a manifest: ", where));
  };
  constexpr char kManifest[] = R"(vendor: acme
title: Acme
base: https://acme.example
secrets: {key: {help: a key}}
auth: [{headers: {Authorization: "Bearer ${secret.key}"}}]
streams:
  tokens:
    get: /tokens
    records: .body
    token: "{providerTokenId: .id, displayName: .name, kind: \"api_token\"}"
)";
  const std::string manifest = folder_.File("acme.yaml");
  WriteFile(manifest, absl::StrReplaceAll(
                          kManifest, {{"title: Acme", absl::StrCat("password: ", plant("unknown"))},
                                      {"{help: a key}", plant("instead of a mapping")}}));
  const Finished bad = RunService({"check-manifest", manifest});
  EXPECT_EQ(bad.exit_code, 1) << bad.output;
  search_.Look("check-manifest", bad.output);
  // A saved page with what no field of a token is made of.
  WriteFile(manifest, kManifest);
  const std::string page = folder_.File("page.json");
  WriteFile(page, absl::StrCat(R"([{"id": "t1", "name": "one", "secret": ")", plant("a record"),
                               R"("}, {"id": {"x": ")", plant("a bad id"), R"("}}])"));
  const Finished shown = RunService({"check-manifest", manifest, "--page", page});
  EXPECT_THAT(shown.output, HasSubstr("t1"));
  search_.Look("check-manifest --page", shown.output);
  WriteFile(page, absl::StrCat(R"([{"id": ")", plant("a broken page")));
  search_.Look("a broken page", RunService({"check-manifest", manifest, "--page", page}).output);
  EXPECT_THAT(search_.found(), IsEmpty());
}

// The search finds what it is for, in every form.
TEST(SecretSearchTest, FindsWhatIsThere) {
  const auto found = [](const std::function<std::string(const std::string&)>& write) {
    SecretSearch search;
    search.Plant("another place");
    const std::string secret = search.Plant("a place");
    search.Look("a text", absl::StrCat("something ", write(secret), " more"));
    return static_cast<int>(search.found().size());
  };
  const auto each = [](const std::string& text, const char* before) {
    std::string out;
    for (const char c : text) {
      absl::StrAppend(&out, before, absl::BytesToHexString(std::string(1, c)));
    }
    return out;
  };
  EXPECT_EQ(found([](const std::string&) { return ""; }), 0);
  EXPECT_EQ(found([](const std::string& secret) { return secret; }), 2);
  EXPECT_EQ(found([](const std::string& secret) { return secret.substr(0, 24); }), 1);
  EXPECT_EQ(found([](const std::string& secret) { return secret.substr(24); }), 1);
  EXPECT_EQ(found([](const std::string& secret) { return absl::AsciiStrToLower(secret); }), 2);
  EXPECT_EQ(found([&](const std::string& secret) { return each(secret, ""); }), 2);
  EXPECT_EQ(found([&](const std::string& secret) { return each(secret, "%"); }), 2);
  EXPECT_EQ(found([&](const std::string& secret) { return each(secret, "\\u00"); }), 2);
  for (const char* before : {"", "x", "xy"}) {
    EXPECT_EQ(found([&](const std::string& secret) {
                return absl::Base64Escape(absl::StrCat(before, secret, "z"));
              }),
              2);
    EXPECT_EQ(found([&](const std::string& secret) {
                return absl::WebSafeBase64Escape(absl::StrCat(before, secret));
              }),
              2);
  }
}

// A vendor that shows whole secrets where names belong.
TEST_F(PlantedSecretsTest, WholeSecretsInRecordsAreDropped) {
  Run();
  std::map<std::string, std::vector<std::string>> fields = {
      {"opal", {"token_label", "access_level", "note", "secret", "value"}},
      {"deepset", {"name", "description", "api_key", "token", "secret"}},
      {"buildkite", {"description", "token", "name", "value", "secret"}}};
  int passes = 0;
  for (const auto& [source, listing] : std::map<std::string, std::string>{
           {"opal", "/v1/tokens"}, {"deepset", "/token"}, {"buildkite", "/tokens"}}) {
    for (const char* prefix : {"ghp_", "sk_live_", "bkua_", "xoxb-123456789012-"}) {
      std::map<std::string, std::string> secrets;
      for (const std::string& field : fields[source]) {
        secrets[field] = search_.Plant(absl::StrCat(source, "'s ", field), prefix);
      }
      Answer(listing, {}, [secrets](const Request&, Response& response) {
        for (const auto& [field, secret] : secrets) AddMember(response, field, secret);
      });
      EXPECT_NE(Sync(source), v1::Source::STATE_UNSPECIFIED);
      ++passes;
    }
  }
  EXPECT_EQ(passes, 12);
  EXPECT_GT(ReadAll(), 0);
  End(SIGTERM);
  LookEverywhere(search_);
  EXPECT_THAT(search_.found(), IsEmpty());
}

}  // namespace
}  // namespace tokeninventory
