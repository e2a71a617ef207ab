// Who may call what, over real gRPC: bearer tokens, roles, limits, the audit log.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "server/access/token_hash.h"
#include "tests/e2e/service_process.h"
#include "tests/e2e/test_service.h"
#include "tests/testing/temp_dir.h"
#include "tests/vendor_sim/vendor_sim.h"
#include "tokeninventory/v1/sources.grpc.pb.h"
#include "tokeninventory/v1/token_inventory.grpc.pb.h"

namespace tokeninventory {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::QuickSim;
using testing::ReasonOf;
using testing::TestService;
using ::testing::UnorderedElementsAre;
using vendor_sim::VendorSim;

constexpr char kReaderToken[] = "reader-token-0123456789";
constexpr char kOperatorToken[] = "operator-token-0123456789";

std::string AccessConfig(const std::string& more = "") {
  return absl::StrCat("access:\n  principals:\n    - {id: dashboard, token_hashes: ['",
                      TokenHash::Of(kReaderToken)->Text(),
                      "']}\n    - {id: oncall, role: OPERATOR, token_hashes: ['",
                      TokenHash::Of(kOperatorToken)->Text(), "']}\n", more);
}

// A call as somebody: `authorization` verbatim, or none.
class Call {
 public:
  explicit Call(const std::optional<std::string>& authorization) {
    if (authorization) context_.AddMetadata("authorization", *authorization);
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  }
  grpc::ClientContext* context() { return &context_; }

 private:
  grpc::ClientContext context_;
};

std::optional<std::string> Bearer(const std::string& token) {
  return absl::StrCat("Bearer ", token);
}

// Every method of the service; what asking it comes to.
struct Method {
  const char* name;
  bool for_operators;
  grpc::Status (*ask)(const std::shared_ptr<grpc::Channel>&, grpc::ClientContext*);
};

// Of a stream: OK once it has said something.
template <typename Response, typename Stream>
grpc::Status FirstOf(Stream stream, grpc::ClientContext* context) {
  Response response;
  if (!stream->Read(&response)) return stream->Finish();
  context->TryCancel();
  while (stream->Read(&response)) {
  }
  stream->Finish();
  return grpc::Status::OK;
}

const Method kMethods[] = {
    {"GetToken", false,
     [](const auto& channel, auto* context) {
       v1::GetTokenRequest request;
       request.set_name("sources/opal-test/tokens/none");
       v1::Token response;
       const grpc::Status status =
           v1::TokenInventory::NewStub(channel)->GetToken(context, request, &response);
       // It was let in.
       return status.error_code() == grpc::StatusCode::NOT_FOUND ? grpc::Status::OK : status;
     }},
    {"BatchGetTokens", false,
     [](const auto& channel, auto* context) {
       v1::BatchGetTokensRequest request;
       request.set_parent("sources/-");
       request.add_names("sources/opal-test/tokens/none");
       v1::BatchGetTokensResponse response;
       return v1::TokenInventory::NewStub(channel)->BatchGetTokens(context, request, &response);
     }},
    {"ListTokens", false,
     [](const auto& channel, auto* context) {
       v1::ListTokensRequest request;
       request.set_parent("sources/-");
       v1::ListTokensResponse response;
       return v1::TokenInventory::NewStub(channel)->ListTokens(context, request, &response);
     }},
    {"SummarizeTokens", false,
     [](const auto& channel, auto* context) {
       v1::SummarizeTokensRequest request;
       request.set_parent("sources/-");
       v1::SummarizeTokensResponse response;
       return v1::TokenInventory::NewStub(channel)->SummarizeTokens(context, request, &response);
     }},
    {"ListTokenChanges", false,
     [](const auto& channel, auto* context) {
       v1::ListTokenChangesRequest request;
       request.set_parent("sources/opal-test/tokens/none");
       v1::ListTokenChangesResponse response;
       const grpc::Status status =
           v1::TokenInventory::NewStub(channel)->ListTokenChanges(context, request, &response);
       return status.error_code() == grpc::StatusCode::NOT_FOUND ? grpc::Status::OK : status;
     }},
    {"ListExpirations", false,
     [](const auto& channel, auto* context) {
       v1::ListExpirationsRequest request;
       request.set_parent("sources/-");
       v1::ListExpirationsResponse response;
       return v1::TokenInventory::NewStub(channel)->ListExpirations(context, request, &response);
     }},
    {"WatchTokens", false,
     [](const auto& channel, auto* context) {
       v1::WatchTokensRequest request;
       request.set_parent("sources/-");
       request.mutable_now();
       return FirstOf<v1::WatchTokensResponse>(
           v1::TokenInventory::NewStub(channel)->WatchTokens(context, request), context);
     }},
    {"WatchExpirations", false,
     [](const auto& channel, auto* context) {
       v1::WatchExpirationsRequest request;
       request.set_parent("sources/-");
       request.mutable_now();
       return FirstOf<v1::WatchExpirationsResponse>(
           v1::TokenInventory::NewStub(channel)->WatchExpirations(context, request), context);
     }},
    {"ListSources", false,
     [](const auto& channel, auto* context) {
       v1::ListSourcesResponse response;
       return v1::Sources::NewStub(channel)->ListSources(context, {}, &response);
     }},
    {"GetSource", false,
     [](const auto& channel, auto* context) {
       v1::GetSourceRequest request;
       request.set_name("sources/opal-test");
       v1::Source response;
       return v1::Sources::NewStub(channel)->GetSource(context, request, &response);
     }},
    {"RefreshToken", true,
     [](const auto& channel, auto* context) {
       v1::RefreshTokenRequest request;
       request.set_name("sources/opal-test/tokens/none");
       v1::Token response;
       const grpc::Status status =
           v1::TokenInventory::NewStub(channel)->RefreshToken(context, request, &response);
       return status.error_code() == grpc::StatusCode::NOT_FOUND ? grpc::Status::OK : status;
     }},
    {"SyncSource", true,
     [](const auto& channel, auto* context) {
       v1::SyncSourceRequest request;
       request.set_name("sources/opal-test");
       return FirstOf<v1::SyncSourceResponse>(
           v1::Sources::NewStub(channel)->SyncSource(context, request), context);
     }},
    {"ApproveSync", true,
     [](const auto& channel, auto* context) {
       v1::ApproveSyncRequest request;
       request.set_name("sources/opal-test");
       request.set_hold_id("none");
       v1::ApproveSyncResponse response;
       const grpc::Status status =
           v1::Sources::NewStub(channel)->ApproveSync(context, request, &response);
       return ReasonOf(status) == "NOTHING_HELD" ? grpc::Status::OK : status;
     }},
    {"PurgeSource", true,
     [](const auto& channel, auto* context) {
       v1::PurgeSourceRequest request;
       request.set_name("sources/opal-test");
       v1::PurgeSourceResponse response;
       const grpc::Status status =
           v1::Sources::NewStub(channel)->PurgeSource(context, request, &response);
       return ReasonOf(status) == "SOURCE_CONFIGURED" ? grpc::Status::OK : status;
     }},
};

grpc::Status CheckHealth(const std::shared_ptr<grpc::Channel>& channel,
                         grpc::ClientContext* context) {
  grpc::health::v1::HealthCheckResponse response;
  return grpc::health::v1::Health::NewStub(channel)->Check(context, {}, &response);
}
grpc::Status WatchHealth(const std::shared_ptr<grpc::Channel>& channel,
                         grpc::ClientContext* context) {
  return FirstOf<grpc::health::v1::HealthCheckResponse>(
      grpc::health::v1::Health::NewStub(channel)->Watch(context, {}), context);
}
grpc::Status Reflect(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext* context) {
  const auto stream =
      grpc::reflection::v1::ServerReflection::NewStub(channel)->ServerReflectionInfo(context);
  grpc::reflection::v1::ServerReflectionRequest request;
  request.set_list_services("*");
  grpc::reflection::v1::ServerReflectionResponse response;
  stream->Write(request);
  const bool answered = stream->Read(&response);
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  return answered ? grpc::Status::OK : status;
}

class AccessTest : public ::testing::Test {
 protected:
  AccessTest() : sim_(QuickSim(20)) { EXPECT_TRUE(sim_.Start().ok()); }
  VendorSim sim_;
};

TEST_F(AccessTest, EveryMethodByEveryCaller) {
  const TestService service(sim_, AccessConfig());
  // No method may be forgotten.
  const auto methods_of = [](const char* name) {
    return google::protobuf::DescriptorPool::generated_pool()
        ->FindServiceByName(name)
        ->method_count();
  };
  EXPECT_EQ(static_cast<int>(std::size(kMethods)), methods_of("tokeninventory.v1.TokenInventory") +
                                                       methods_of("tokeninventory.v1.Sources"));
  struct Who {
    const char* name;
    std::optional<std::string> authorization;
    const char* reason;  // why no method is for it; empty: some are
    bool is_operator;
  };
  const Who callers[] = {
      {"nobody", std::nullopt, "CREDENTIALS_MISSING", false},
      {"stranger", Bearer("somebody-elses-token-000"), "CREDENTIALS_UNKNOWN", false},
      {"nothing behind Bearer", "Bearer ", "CREDENTIALS_UNKNOWN", false},
      {"another scheme", absl::StrCat("Basic ", kOperatorToken), "CREDENTIALS_UNKNOWN", false},
      {"no scheme", kOperatorToken, "CREDENTIALS_UNKNOWN", false},
      {"a token and more", Bearer(absl::StrCat(kOperatorToken, "x")), "CREDENTIALS_UNKNOWN", false},
      {"the beginning of one", Bearer("operator-token-012345678"), "CREDENTIALS_UNKNOWN", false},
      {"a reader", Bearer(kReaderToken), "", false},
      {"an operator", Bearer(kOperatorToken), "", true},
      {"an operator, the scheme in other letters", absl::StrCat("bEARER ", kOperatorToken), "",
       true},
  };
  for (const Who& who : callers) {
    for (const Method& method : kMethods) {
      SCOPED_TRACE(absl::StrCat(who.name, ": ", method.name));
      Call call(who.authorization);
      const grpc::Status status = method.ask(service.channel(), call.context());
      if (*who.reason != '\0') {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << status.error_message();
        EXPECT_EQ(ReasonOf(status), who.reason);
      } else if (method.for_operators && !who.is_operator) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
        EXPECT_EQ(ReasonOf(status), "ROLE_REQUIRED");
      } else {
        EXPECT_TRUE(status.ok()) << status.error_code() << " " << status.error_message();
      }
      EXPECT_THAT(status.error_message(), Not(HasSubstr("token-0")));
    }
  }
}

// What somebody sees who may see one source of three.
class LimitedCallerTest : public ::testing::Test {
 protected:
  LimitedCallerTest() : sim_(QuickSim(600)) {
    EXPECT_TRUE(sim_.Start().ok());
    service_ = std::make_unique<TestService>(
        sim_, absl::StrCat("access:\n  principals:\n    - {id: opal-team, role: OPERATOR, sources: "
                           "[opal-test, not-there], token_hashes: ['",
                           TokenHash::Of(kReaderToken)->Text(),
                           "']}\n    - {id: all, role: OPERATOR, token_hashes: ['",
                           TokenHash::Of(kOperatorToken)->Text(), "']}\n"));
    for (const char* source : {"deepset-test", "opal-test", "buildkite-test"}) {
      Call call(Bearer(kOperatorToken));
      v1::SyncSourceRequest request;
      request.set_name(absl::StrCat("sources/", source));
      request.set_fresh(true);
      const auto stream = service_->sources().SyncSource(call.context(), request);
      v1::SyncSourceResponse response;
      while (stream->Read(&response)) {
      }
      EXPECT_TRUE(stream->Finish().ok());
    }
    for (const std::string& name : testing::TrueNames(sim_.ReadTruth())) {
      (absl::StartsWith(name, "sources/opal-test/") ? mine_ : others_).push_back(name);
    }
  }

  template <typename Response, typename Ask>
  Response Get(const Ask& ask) {
    Call call(Bearer(kReaderToken));
    Response response;
    const grpc::Status status = ask(call.context(), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::ListTokensResponse List(const v1::ListTokensRequest& request) {
    return Get<v1::ListTokensResponse>([&](auto* context, auto* response) {
      return service_->tokens().ListTokens(context, request, response);
    });
  }

  VendorSim sim_;
  std::unique_ptr<TestService> service_;
  std::vector<std::string> mine_;
  std::vector<std::string> others_;
};

TEST_F(LimitedCallerTest, ListsCountsAndSummariesShowNothingElse) {
  ASSERT_GT(mine_.size(), 100u);
  ASSERT_GT(others_.size(), 100u);
  for (const char* order : {"", "expire_time", "expire_time desc", "display_name"}) {
    for (const char* filter : {"", "state = ACTIVE OR state != ACTIVE"}) {
      for (const bool show_deleted : {false, true}) {
        SCOPED_TRACE(absl::StrCat(order, "|", filter, "|", show_deleted));
        v1::ListTokensRequest request;
        request.set_parent("sources/-");
        request.set_page_size(50);
        request.set_order_by(order);
        request.set_filter(filter);
        request.set_show_deleted(show_deleted);
        std::vector<std::string> names;
        v1::ListTokensResponse page;
        do {
          request.set_page_token(page.next_page_token());
          page = List(request);
          EXPECT_EQ(page.total_size(), static_cast<int>(mine_.size()));
          for (const v1::Token& token : page.tokens()) names.push_back(token.name());
        } while (!page.next_page_token().empty());
        EXPECT_THAT(names, ::testing::UnorderedElementsAreArray(mine_));
      }
    }
  }
  v1::ListTokensRequest filtered;
  filtered.set_parent("sources/-");
  filtered.set_filter("source = \"sources/deepset-test\"");
  EXPECT_EQ(List(filtered).total_size(), 0);

  const auto summary = Get<v1::SummarizeTokensResponse>([&](auto* context, auto* response) {
    v1::SummarizeTokensRequest request;
    request.set_parent("sources/-");
    request.add_group_by(v1::SummarizeTokensRequest::SOURCE);
    return service_->tokens().SummarizeTokens(context, request, response);
  });
  EXPECT_EQ(summary.total_count(), static_cast<int>(mine_.size()));
  EXPECT_EQ(summary.groups_size(), 1);

  const auto expirations = Get<v1::ListExpirationsResponse>([&](auto* context, auto* response) {
    v1::ListExpirationsRequest request;
    request.set_parent("sources/-");
    request.set_page_size(1000);
    return service_->tokens().ListExpirations(context, request, response);
  });
  EXPECT_GT(expirations.expirations_size(), 0);
  EXPECT_EQ(expirations.total_size(), expirations.expirations_size());
  for (const v1::Expiration& notice : expirations.expirations()) {
    EXPECT_EQ(notice.source(), "sources/opal-test");
  }
  const auto sources = Get<v1::ListSourcesResponse>([&](auto* context, auto* response) {
    return service_->sources().ListSources(context, {}, response);
  });
  ASSERT_EQ(sources.sources_size(), 1);
  EXPECT_EQ(sources.sources(0).name(), "sources/opal-test");
}

TEST_F(LimitedCallerTest, WhatIsNamedAndForbiddenIsRefusedWhetherItIsThereOrNot) {
  const auto refused = [](const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << status.error_message();
    EXPECT_EQ(ReasonOf(status), "SOURCE_FORBIDDEN");
  };
  for (const std::string& name :
       {others_.front(), others_.back(), std::string("sources/deepset-test/tokens/none"),
        std::string("sources/nobody/tokens/none")}) {
    SCOPED_TRACE(name);
    const std::string source = name.substr(0, name.find("/tokens/"));
    v1::Token token;
    v1::GetTokenRequest get;
    get.set_name(name);
    refused(service_->tokens().GetToken(Call(Bearer(kReaderToken)).context(), get, &token));
    v1::RefreshTokenRequest refresh;
    refresh.set_name(name);
    refused(service_->tokens().RefreshToken(Call(Bearer(kReaderToken)).context(), refresh, &token));
    v1::BatchGetTokensRequest batch;
    batch.add_names(mine_.front());
    batch.add_names(name);
    v1::BatchGetTokensResponse batched;
    refused(
        service_->tokens().BatchGetTokens(Call(Bearer(kReaderToken)).context(), batch, &batched));
    v1::ListTokenChangesRequest changes;
    changes.set_parent(name);
    v1::ListTokenChangesResponse changed;
    refused(service_->tokens().ListTokenChanges(Call(Bearer(kReaderToken)).context(), changes,
                                                &changed));
    v1::ListTokensRequest list;
    list.set_parent(source);
    v1::ListTokensResponse listed;
    refused(service_->tokens().ListTokens(Call(Bearer(kReaderToken)).context(), list, &listed));
    v1::SummarizeTokensRequest summarize;
    summarize.set_parent(source);
    v1::SummarizeTokensResponse summary;
    refused(service_->tokens().SummarizeTokens(Call(Bearer(kReaderToken)).context(), summarize,
                                               &summary));
    v1::ListExpirationsRequest expirations;
    expirations.set_parent(source);
    v1::ListExpirationsResponse expiring;
    refused(service_->tokens().ListExpirations(Call(Bearer(kReaderToken)).context(), expirations,
                                               &expiring));
    v1::WatchTokensRequest watch;
    watch.set_parent(source);
    watch.mutable_now();
    v1::WatchTokensResponse watched;
    Call watching(Bearer(kReaderToken));
    const auto stream = service_->tokens().WatchTokens(watching.context(), watch);
    EXPECT_FALSE(stream->Read(&watched));
    refused(stream->Finish());
    v1::GetSourceRequest get_source;
    get_source.set_name(source);
    v1::Source got;
    refused(service_->sources().GetSource(Call(Bearer(kReaderToken)).context(), get_source, &got));
    v1::ApproveSyncRequest approve;
    approve.set_name(source);
    approve.set_hold_id("x");
    v1::ApproveSyncResponse approved;
    refused(
        service_->sources().ApproveSync(Call(Bearer(kReaderToken)).context(), approve, &approved));
    v1::PurgeSourceRequest purge;
    purge.set_name(source);
    v1::PurgeSourceResponse purged;
    refused(service_->sources().PurgeSource(Call(Bearer(kReaderToken)).context(), purge, &purged));
    v1::SyncSourceRequest sync;
    sync.set_name(source);
    v1::SyncSourceResponse synced;
    Call syncing(Bearer(kReaderToken));
    const auto pass = service_->sources().SyncSource(syncing.context(), sync);
    EXPECT_FALSE(pass->Read(&synced));
    refused(pass->Finish());
  }
  v1::Token token;
  v1::GetTokenRequest get;
  get.set_name(mine_.front());
  EXPECT_TRUE(service_->tokens().GetToken(Call(Bearer(kReaderToken)).context(), get, &token).ok());
}

TEST_F(LimitedCallerTest, StreamsShowNothingElse) {
  v1::WatchTokensRequest request;
  request.set_parent("sources/-");
  request.mutable_initial_state();
  Call call(Bearer(kReaderToken));
  const auto stream = service_->tokens().WatchTokens(call.context(), request);
  v1::WatchTokensResponse response;
  std::vector<std::string> names;
  const auto read_until = [&](const auto& done) {
    while (!done()) {
      if (!stream->Read(&response)) return false;
      for (const auto& batch : response.batches()) {
        for (const auto& event : batch.events()) names.push_back(event.token().name());
      }
      for (const auto& source : response.progress().sources()) {
        EXPECT_EQ(source.source(), "sources/opal-test");
      }
    }
    return true;
  };
  ASSERT_TRUE(read_until([&] { return response.has_synced(); }));
  EXPECT_THAT(names, ::testing::UnorderedElementsAreArray(mine_));
  names.clear();

  // Changes everywhere; the last is one that it may see.
  sim_.AddToken(vendor_sim::TokenKind::kDeepset);
  sim_.AddToken(vendor_sim::TokenKind::kBuildkiteRegistry);
  const auto added = sim_.AddToken(vendor_sim::TokenKind::kOpal);
  ASSERT_TRUE(added.has_value());
  for (const char* source : {"deepset-test", "buildkite-test", "opal-test"}) {
    Call sync(Bearer(kOperatorToken));
    v1::SyncSourceRequest asked;
    asked.set_name(absl::StrCat("sources/", source));
    asked.set_fresh(true);
    const auto pass = service_->sources().SyncSource(sync.context(), asked);
    v1::SyncSourceResponse progress;
    while (pass->Read(&progress)) {
    }
    ASSERT_TRUE(pass->Finish().ok());
  }
  ASSERT_TRUE(read_until([&] { return !names.empty(); }));
  EXPECT_THAT(names,
              ::testing::ElementsAre(absl::StrCat("sources/opal-test/tokens/", added->ToString())));
  call.context()->TryCancel();
  while (stream->Read(&response)) {
  }
  stream->Finish();

  v1::WatchExpirationsRequest expirations;
  expirations.set_parent("sources/-");
  expirations.mutable_open_expirations();
  Call watching(Bearer(kReaderToken));
  const auto notices = service_->tokens().WatchExpirations(watching.context(), expirations);
  v1::WatchExpirationsResponse told;
  int count = 0;
  while (!told.has_synced() && notices->Read(&told)) {
    for (const auto& batch : told.batches()) {
      for (const auto& notice : batch.expirations()) {
        ++count;
        EXPECT_EQ(notice.source(), "sources/opal-test");
      }
    }
  }
  EXPECT_GT(count, 0);
  watching.context()->TryCancel();
  while (notices->Read(&told)) {
  }
  notices->Finish();
}

TEST_F(AccessTest, HealthAndReflectionAreOpenOnlyWhenToldSo) {
  for (const bool open : {false, true}) {
    const TestService service(
        sim_, AccessConfig(open ? "  open_health: true\n  open_reflection: true\n" : ""));
    for (const auto& ask : {CheckHealth, WatchHealth, Reflect}) {
      Call nobody(std::nullopt);
      EXPECT_EQ(ask(service.channel(), nobody.context()).error_code(),
                open ? grpc::StatusCode::OK : grpc::StatusCode::UNAUTHENTICATED);
      Call reader(Bearer(kReaderToken));
      EXPECT_TRUE(ask(service.channel(), reader.context()).ok());
    }
  }
}

TEST_F(AccessTest, LimitsAreEachPrincipalsOwn) {
  const std::string limits = absl::StrCat(
      "access:\n  principals:\n    - {id: slow, max_calls_per_second: 0.001, token_hashes: ['",
      TokenHash::Of(kReaderToken)->Text(), "']}\n    - {id: few, max_streams: 2, token_hashes: ['",
      TokenHash::Of(kOperatorToken)->Text(), "']}\n");
  const TestService service(sim_, limits);
  const auto list = [&](const char* token) {
    Call call(Bearer(token));
    v1::ListSourcesResponse response;
    return v1::Sources::NewStub(service.channel())->ListSources(call.context(), {}, &response);
  };
  EXPECT_TRUE(list(kReaderToken).ok());
  const grpc::Status refused = list(kReaderToken);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused), "CALL_RATE");
  EXPECT_TRUE(testing::HasRetryInfo(refused));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(list(kOperatorToken).ok());

  const auto stub = v1::TokenInventory::NewStub(service.channel());
  v1::WatchTokensRequest request;
  request.set_parent("sources/-");
  request.mutable_now();
  v1::WatchTokensResponse response;
  Call first(Bearer(kOperatorToken));
  Call second(Bearer(kOperatorToken));
  const auto one = stub->WatchTokens(first.context(), request);
  const auto two = stub->WatchTokens(second.context(), request);
  ASSERT_TRUE(one->Read(&response));
  ASSERT_TRUE(two->Read(&response));
  Call third(Bearer(kOperatorToken));
  const auto three = stub->WatchTokens(third.context(), request);
  EXPECT_FALSE(three->Read(&response));
  const grpc::Status too_many = three->Finish();
  EXPECT_EQ(ReasonOf(too_many), "TOO_MANY_STREAMS");
  EXPECT_TRUE(testing::HasRetryInfo(too_many));
  first.context()->TryCancel();
  while (one->Read(&response)) {
  }
  one->Finish();
  // The place is free once the service has let go of the stream.
  for (bool opened = false; !opened;) {
    Call again(Bearer(kOperatorToken));
    const auto stream = stub->WatchTokens(again.context(), request);
    opened = stream->Read(&response);
    if (opened) again.context()->TryCancel();
    while (stream->Read(&response)) {
    }
    const grpc::Status status = stream->Finish();
    if (!opened) {
      ASSERT_EQ(ReasonOf(status), "TOO_MANY_STREAMS");
    }
  }
  second.context()->TryCancel();
  while (two->Read(&response)) {
  }
  two->Finish();
}

// The audit lines of one method, without time and port.
std::vector<std::string> AuditLines(const std::string& log, const std::string& method) {
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(log, '\n')) {
    if (!absl::StrContains(line, "\"message\":\"audit\"") ||
        !absl::StrContains(line, absl::StrCat("\"method\":\"", method, "\""))) {
      continue;
    }
    EXPECT_TRUE(absl::StrContains(line, "\"peer\":\"ipv4:127.0.0.1:")) << line;
    std::string& kept = lines.emplace_back();
    for (const char* key : {"principal", "resource", "outcome"}) {
      const std::string begin = absl::StrCat("\"", key, "\":\"");
      const std::size_t at = line.find(begin);
      if (at == absl::string_view::npos) continue;
      const absl::string_view value = line.substr(at + begin.size());
      absl::StrAppend(&kept, kept.empty() ? "" : " ", value.substr(0, value.find('"')));
    }
  }
  return lines;
}

// One line for each call, let in or not; none for those that only read.
TEST_F(AccessTest, WhatAsksOrChangesIsAudited) {
  constexpr char kStranger[] = "stranger-token-0123456789";
  ::testing::internal::CaptureStderr();
  {
    const TestService service(sim_, AccessConfig());
    for (const Method& method : kMethods) {
      for (const char* token : {kReaderToken, kOperatorToken, kStranger}) {
        Call call(Bearer(token));
        method.ask(service.channel(), call.context());
      }
    }
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::map<std::string, std::string> outcomes = {
      {"RefreshToken", "NOT_FOUND"},
      {"SyncSource", "OK"},
      {"ApproveSync", "FAILED_PRECONDITION"},
      {"PurgeSource", "FAILED_PRECONDITION"},
  };
  for (const Method& method : kMethods) {
    SCOPED_TRACE(method.name);
    if (!method.for_operators) {
      EXPECT_THAT(AuditLines(log, method.name), IsEmpty());
      continue;
    }
    EXPECT_THAT(
        AuditLines(log, method.name),
        UnorderedElementsAre("dashboard sources/opal-test PERMISSION_DENIED",
                             absl::StrCat("oncall sources/opal-test ", outcomes.at(method.name)),
                             "UNAUTHENTICATED"));
  }
  for (const char* token : {kReaderToken, kOperatorToken, kStranger}) {
    EXPECT_THAT(log, Not(HasSubstr(token)));
  }
}

// A token that was pasted where a name belongs is not kept in the log.
TEST_F(AccessTest, WhatIsNotThereIsNotAuditedByName) {
  constexpr char kPasted[] = "ghp_PastedByMistake0123456789";
  ::testing::internal::CaptureStderr();
  {
    TestService service(sim_);
    for (const std::string& name :
         {absl::StrCat("sources/opal-test/tokens/", kPasted), absl::StrCat("sources/", kPasted),
          absl::StrCat("sources/", kPasted, "/tokens/x"), std::string(kPasted)}) {
      grpc::ClientContext refresh, sync;
      v1::RefreshTokenRequest token;
      token.set_name(name);
      v1::Token refreshed;
      EXPECT_FALSE(service.tokens().RefreshToken(&refresh, token, &refreshed).ok());
      v1::SyncSourceRequest source;
      source.set_name(name);
      EXPECT_FALSE(
          FirstOf<v1::SyncSourceResponse>(service.sources().SyncSource(&sync, source), &sync).ok());
    }
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(AuditLines(log, "RefreshToken").size(), 4);
  EXPECT_EQ(AuditLines(log, "SyncSource").size(), 4);
  EXPECT_THAT(log, Not(HasSubstr(kPasted)));
}

TEST(AccessConfigTest, EveryProblemIsListed) {
  const testing::TempDir folder;
  const auto problems = [&](const std::string& access) {
    std::ofstream(folder.File("config.yaml")) << "access: " << access << "\n";
    return absl::StrJoin(LoadServerConfig(folder.File("config.yaml"), {}, Clock::Real()).problems,
                         "\n");
  };
  const std::string hash = TokenHash::Of(kReaderToken)->Text();
  const struct {
    std::string access;
    const char* what;
  } cases[] = {
      {"{}", "access.principals: missing"},
      {"{principals: [{}]}", "principals[0].id: missing"},
      {"{principals: [{id: a}]}", "principals[0].token_hashes: missing"},
      {"{principals: [{id: Not An Id}]}", "principals[0].id: must be of a-z"},
      {"{principals: [{id: anonymous}]}", "is taken"},
      {absl::StrCat("{principals: [{id: a, token_hashes: [", hash, "]}, {id: a, token_hashes: [",
                    hash, "]}]}"),
       "principals[1].id: `a` is taken"},
      {"{principals: [{id: a, token_hashes: [plain-text-token-0123456789]}]}",
       "principals[0].token_hashes[0]: is no hash of a token"},
      {"{principals: [{id: a, certificate_names: [x]}]}", "needs `tls.client_ca_file`"},
      {"{principals: [{id: a, certificate_names: [x, x]}]}", "`x` is taken"},
      {"{principals: [{id: a, role: ADMIN}]}", "role"},
      {"{principals: [{id: a, max_streams: -1}]}", "max_streams: must not be negative"},
      {"{principals: [{id: a, max_calls_per_second: -1}]}", "max_calls_per_second"},
  };
  for (const auto& c : cases) {
    const std::string found = problems(c.access);
    EXPECT_THAT(found, HasSubstr(c.what)) << c.access;
    EXPECT_THAT(found, Not(HasSubstr("plain-text"))) << "it may be a token";
  }
  EXPECT_EQ(problems(absl::StrCat("{principals: [{id: a, token_hashes: ['", hash, "']}]}")), "");
}

TEST(AccessConfigTest, HashTokenPrintsWhatTheConfigurationTakes) {
  const testing::Finished made = testing::RunService({"hash-token", "--new"});
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const std::vector<std::string> lines = absl::StrSplit(made.output, '\n');
  ASSERT_GE(lines.size(), 2u);
  EXPECT_TRUE(TokenHash::Parse(lines[1])->Matches(lines[0]));
  EXPECT_FALSE(TokenHash::Parse(lines[1])->Matches(lines[1]));
  const std::vector<std::string> again =
      absl::StrSplit(testing::RunService({"hash-token", "--new"}).output, '\n');
  EXPECT_NE(again[0], lines[0]);
  EXPECT_FALSE(TokenHash::Of("too short").ok());
  EXPECT_FALSE(TokenHash::Of("with a space 0123456789").ok());
  EXPECT_NE(TokenHash::Of(kReaderToken)->Text(), TokenHash::Of(kReaderToken)->Text()) << "salted";
}

}  // namespace
}  // namespace tokeninventory
