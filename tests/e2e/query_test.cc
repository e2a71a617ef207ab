// Filters, orders, pages, summaries and refreshes as clients meet them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/proto_time.h"
#include "tests/e2e/test_service.h"

namespace tokeninventory {
namespace {

using testing::FieldOf;
using testing::QuickSim;
using testing::ReasonOf;
using testing::TestService;
using vendor_sim::VendorSim;

class QueryTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    sim_ = new VendorSim(QuickSim(400));
    ASSERT_TRUE(sim_->Start().ok());
    service_ = new TestService(*sim_);
    service_->SyncAll();
  }
  static void TearDownTestSuite() {
    delete service_;
    delete sim_;
  }

  static v1::ListTokensRequest Request(const std::string& filter = "",
                                       const std::string& order_by = "") {
    v1::ListTokensRequest request;
    request.set_parent("sources/-");
    request.set_filter(filter);
    request.set_order_by(order_by);
    request.set_view(v1::FULL);
    request.set_page_size(1000);
    return request;
  }

  static v1::ListTokensResponse List(const v1::ListTokensRequest& request) {
    grpc::ClientContext context;
    v1::ListTokensResponse response;
    const grpc::Status status = service_->tokens().ListTokens(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  static grpc::Status ListError(const v1::ListTokensRequest& request) {
    grpc::ClientContext context;
    v1::ListTokensResponse response;
    return service_->tokens().ListTokens(&context, request, &response);
  }

  static VendorSim* sim_;
  static TestService* service_;
};

VendorSim* QueryTest::sim_ = nullptr;
TestService* QueryTest::service_ = nullptr;

TEST_F(QueryTest, FiltersAnswerWhatPeopleAsk) {
  const absl::Time now = absl::Now();
  using Token = v1::Token;
  struct Case {
    const char* filter;
    std::function<bool(const Token&)> want;
  };
  const std::vector<Case> cases = {
      {"state = ACTIVE", [](const Token& t) { return t.state() == Token::ACTIVE; }},
      {"expire_time < now+30d AND state = ACTIVE",
       [&](const Token& t) {
         return t.state() == Token::ACTIVE && t.has_expire_time() &&
                FromProto(t.expire_time()) < now + absl::Hours(24 * 30);
       }},
      {"expiry = NEVER AND (access_level = WRITE OR access_level = ADMIN)",
       [](const Token& t) {
         return t.expiry() == Token::NEVER &&
                (t.access_level() == Token::WRITE || t.access_level() == Token::ADMIN);
       }},
      {"last_used_time < now-7d",
       [&](const Token& t) {
         return t.has_last_used_time() && FromProto(t.last_used_time()) < now - absl::Hours(24 * 7);
       }},
      {"provider = \"opal\" AND NOT last_use = USED",
       [](const Token& t) { return t.provider() == "opal" && t.last_use() != Token::USED; }},
      {"scopes.type:registry",
       [](const Token& t) {
         return std::any_of(t.scopes().begin(), t.scopes().end(),
                            [](const auto& scope) { return scope.type() == "registry"; });
       }},
      {"attributes:graphql_id",
       [](const Token& t) { return t.attributes().fields().count("graphql_id") > 0; }},
      {"creator.email:*", [](const Token& t) { return !t.creator().email().empty(); }},
      {"kind = \"personal\" OR kind = \"service\"",
       [](const Token& t) { return t.kind() == "personal" || t.kind() == "service"; }},
      {"-kind:agent", [](const Token& t) { return t.kind().find("agent") == std::string::npos; }},
  };
  const std::map<std::string, Token> all = service_->ListAll(1000);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.filter);
    std::set<std::string> want;
    for (const auto& [name, token] : all) {
      if (c.want(token)) want.insert(name);
    }
    EXPECT_FALSE(want.empty());
    const v1::ListTokensResponse response = List(Request(c.filter));
    std::set<std::string> got;
    for (const Token& token : response.tokens()) got.insert(token.name());
    EXPECT_EQ(got, want);
    EXPECT_EQ(response.total_size(), static_cast<int>(want.size()));
  }
}

// ReasonOf knows reasons of our domain only.
void ExpectFieldError(const grpc::Status& status, const std::string& field,
                      const std::string& reason) {
  SCOPED_TRACE(status.error_message());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), field);
  EXPECT_EQ(ReasonOf(status), reason);
  EXPECT_THAT(status.error_message(), ::testing::StartsWith(field + ": "));
}

TEST_F(QueryTest, BadListsSayWhereAndWhy) {
  using List = v1::ListTokensRequest;
  struct Case {
    const char* field;
    const char* reason;
    std::function<void(List&)> edit;
  };
  const std::vector<Case> cases = {
      {"filter", "FILTER_SYNTAX", [](List& r) { r.set_filter("state = "); }},
      {"filter", "FILTER_UNKNOWN_FIELD", [](List& r) { r.set_filter("stat = ACTIVE"); }},
      {"filter", "FILTER_TYPE_MISMATCH", [](List& r) { r.set_filter("state = active"); }},
      {"filter", "FILTER_TOO_COMPLEX", [](List& r) { r.set_filter(std::string(9000, 'a')); }},
      {"order_by", "ORDER_BY_UNKNOWN_FIELD", [](List& r) { r.set_order_by("expire_tim"); }},
      {"order_by", "ORDER_BY_SYNTAX", [](List& r) { r.set_order_by("expire_time down"); }},
      {"order_by", "ORDER_BY_NOT_SORTABLE", [](List& r) { r.set_order_by("scopes"); }},
      {"page_token", "INVALID_PAGE_TOKEN", [](List& r) { r.set_page_token("2"); }},
      {"page_size", "INVALID_PAGE_SIZE", [](List& r) { r.set_page_size(-1); }},
      {"skip", "INVALID_SKIP", [](List& r) { r.set_skip(-1); }},
      {"view", "INVALID_VIEW", [](List& r) { r.set_view(static_cast<v1::TokenView>(3)); }},
      {"view", "INVALID_VIEW", [](List& r) { r.set_view(static_cast<v1::TokenView>(-1)); }},
      {"parent", "INVALID_NAME", [](List& r) { r.set_parent(""); }},
      {"parent", "INVALID_NAME", [](List& r) { r.set_parent("opal-test"); }},
      {"min_revision", "INVALID_MIN_REVISION", [](List& r) { r.set_min_revision(-1); }},
  };
  for (const Case& c : cases) {
    v1::ListTokensRequest request = Request();
    c.edit(request);
    SCOPED_TRACE(request.ShortDebugString());
    ExpectFieldError(ListError(request), c.field, c.reason);
  }
  // Where, what was expected, and what was perhaps meant.
  EXPECT_EQ(ListError(Request("kind = \"x\" AND stat = ACTIVE")).error_message(),
            "filter: column 16: no field 'stat'; did you mean state?");
  EXPECT_EQ(ListError(Request("state = ")).error_message(),
            "filter: column 9: expected a value, but the filter ends here");
}

TEST_F(QueryTest, BadSummariesSayWhereAndWhy) {
  using Summary = v1::SummarizeTokensRequest;
  struct Case {
    const char* field;
    const char* reason;
    std::function<void(Summary&)> edit;
  };
  const std::vector<Case> cases = {
      {"filter", "FILTER_UNKNOWN_FIELD", [](Summary& r) { r.set_filter("stat = ACTIVE"); }},
      {"parent", "INVALID_NAME", [](Summary& r) { r.set_parent("opal-test"); }},
      {"min_revision", "INVALID_MIN_REVISION", [](Summary& r) { r.set_min_revision(-1); }},
      {"group_by", "INVALID_DIMENSION",
       [](Summary& r) { r.add_group_by(Summary::DIMENSION_UNSPECIFIED); }},
      {"group_by", "INVALID_DIMENSION",
       [](Summary& r) { r.add_group_by(static_cast<Summary::Dimension>(99)); }},
      {"group_by", "INVALID_DIMENSION",
       [](Summary& r) {
         r.add_group_by(Summary::STATE);
         r.add_group_by(Summary::STATE);
       }},
      {"group_by", "TOO_MANY_DIMENSIONS",
       [](Summary& r) {
         for (int number = 1; number <= 5; ++number) {
           r.add_group_by(static_cast<Summary::Dimension>(number));
         }
       }},
  };
  for (const Case& c : cases) {
    Summary request;
    request.set_parent("sources/-");
    c.edit(request);
    SCOPED_TRACE(request.ShortDebugString());
    grpc::ClientContext context;
    v1::SummarizeTokensResponse response;
    ExpectFieldError(service_->tokens().SummarizeTokens(&context, request, &response), c.field,
                     c.reason);
  }
}

TEST_F(QueryTest, OrdersPutMissingTimesLastInBothDirections) {
  const auto key = [](const v1::Token& token) {
    return token.has_expire_time() ? FromProto(token.expire_time()) : absl::InfiniteFuture();
  };
  for (const bool descending : {false, true}) {
    SCOPED_TRACE(descending);
    const v1::ListTokensResponse response =
        List(Request("", descending ? "expire_time desc" : "expire_time"));
    ASSERT_EQ(response.tokens_size(), response.total_size());
    for (int i = 1; i < response.tokens_size(); ++i) {
      const v1::Token& a = response.tokens(i - 1);
      const v1::Token& b = response.tokens(i);
      if (key(a) == key(b)) {
        EXPECT_LT(a.uid(), b.uid());
      } else if (descending) {
        EXPECT_TRUE(!b.has_expire_time() || (a.has_expire_time() && key(a) > key(b)));
      } else {
        EXPECT_LT(key(a), key(b));
      }
    }
  }
}

TEST_F(QueryTest, PagesForwardAndBackShowTheSame) {
  struct Case {
    const char* filter;
    const char* order_by;
  };
  for (const Case& c : std::vector<Case>{{"", ""},
                                         {"state = ACTIVE", ""},
                                         {"", "expire_time"},
                                         {"", "expire_time desc"},
                                         {"provider = \"opal\"", "effective_expire_time desc"},
                                         {"", "provider, display_name desc"},
                                         {"last_use = USED", "last_used_time"}}) {
    SCOPED_TRACE(std::string(c.filter) + " | " + c.order_by);
    std::vector<std::string> whole;
    const v1::ListTokensResponse at_once = List(Request(c.filter, c.order_by));
    for (const v1::Token& token : at_once.tokens()) whole.push_back(token.name());
    ASSERT_FALSE(whole.empty());

    std::vector<std::string> forward;
    v1::ListTokensRequest request = Request(c.filter, c.order_by);
    request.set_page_size(17);
    v1::ListTokensResponse page;
    do {
      page = List(request);
      EXPECT_EQ(page.total_size(), at_once.total_size());
      for (const v1::Token& token : page.tokens()) forward.push_back(token.name());
      request.set_page_token(page.next_page_token());
    } while (!page.next_page_token().empty());
    EXPECT_EQ(forward, whole);

    // Back from the last page.
    std::vector<std::string> backward;
    for (auto it = page.tokens().rbegin(); it != page.tokens().rend(); ++it) {
      backward.push_back(it->name());
    }
    while (!page.previous_page_token().empty()) {
      request.set_page_token(page.previous_page_token());
      page = List(request);
      for (auto it = page.tokens().rbegin(); it != page.tokens().rend(); ++it) {
        backward.push_back(it->name());
      }
    }
    std::reverse(backward.begin(), backward.end());
    EXPECT_EQ(backward, whole);

    // By number.
    request.clear_page_token();
    request.set_skip(17);
    page = List(request);
    ASSERT_FALSE(page.tokens().empty());
    EXPECT_EQ(page.tokens(0).name(), whole[17]);
    EXPECT_EQ(page.total_size(), at_once.total_size());
  }
}

TEST_F(QueryTest, APageTokenOfAnotherRequestIsRefused) {
  v1::ListTokensRequest request = Request("state = ACTIVE");
  request.set_page_size(1);
  const std::string token = List(request).next_page_token();
  ASSERT_NE(token, "");
  v1::ListTokensRequest other = Request("state = EXPIRED");
  other.set_page_token(token);
  EXPECT_EQ(ReasonOf(ListError(other)), "PAGE_TOKEN_MISMATCH");
  other = Request("state = ACTIVE", "expire_time");
  other.set_page_token(token);
  EXPECT_EQ(ReasonOf(ListError(other)), "PAGE_TOKEN_MISMATCH");
}

TEST_F(QueryTest, SummariesCountWhatListsShow) {
  using Request = v1::SummarizeTokensRequest;
  const std::map<std::string, v1::Token> all = service_->ListAll(1000);
  Request request;
  request.set_parent("sources/-");
  request.add_group_by(Request::PROVIDER);
  request.add_group_by(Request::STATE);
  request.set_filter("expiry = AT");
  std::map<std::vector<std::string>, std::int64_t> want;
  std::map<std::vector<std::string>, absl::Time> soonest;
  for (const auto& [name, token] : all) {
    if (token.expiry() != v1::Token::AT) continue;
    const std::vector<std::string> key = {token.provider(), v1::Token::State_Name(token.state())};
    ++want[key];
    const absl::Time end = FromProto(token.effective_expire_time());
    if (end <= absl::Now()) continue;
    const auto [it, is_new] = soonest.emplace(key, end);
    if (!is_new) it->second = std::min(it->second, end);
  }
  grpc::ClientContext context;
  v1::SummarizeTokensResponse response;
  ASSERT_TRUE(service_->tokens().SummarizeTokens(&context, request, &response).ok());
  std::map<std::vector<std::string>, std::int64_t> got;
  std::int64_t total = 0;
  for (const v1::TokenGroup& group : response.groups()) {
    const std::vector<std::string> key(group.values().begin(), group.values().end());
    got[key] = group.count();
    total += group.count();
    EXPECT_EQ(group.has_soonest_expire_time(), soonest.count(key) > 0);
    if (group.has_soonest_expire_time()) {
      EXPECT_EQ(FromProto(group.soonest_expire_time()), soonest[key]);
    }
  }
  EXPECT_EQ(got, want);
  EXPECT_EQ(response.total_count(), total);
}

TEST_F(QueryTest, EverySummaryDimensionGroupsAllTokens) {
  using Request = v1::SummarizeTokensRequest;
  const auto all = static_cast<std::int64_t>(service_->ListAll(1000).size());
  for (int number = 1; number <= Request::Dimension_MAX; ++number) {
    const auto dimension = static_cast<Request::Dimension>(number);
    SCOPED_TRACE(Request::Dimension_Name(dimension));
    Request request;
    request.set_parent("sources/-");
    request.add_group_by(dimension);
    grpc::ClientContext context;
    v1::SummarizeTokensResponse response;
    ASSERT_TRUE(service_->tokens().SummarizeTokens(&context, request, &response).ok());
    EXPECT_EQ(response.total_count(), all);
    std::int64_t sum = 0;
    for (const v1::TokenGroup& group : response.groups()) sum += group.count();
    EXPECT_GE(sum, all);
    EXPECT_GT(response.groups_size(), 1);
  }
}

TEST_F(QueryTest, RefreshTokenTakesTheVendorsWordOfNow) {
  const vendor_sim::Truth truth = sim_->ReadTruth();
  const auto refresh = [&](const std::string& name, v1::Token& token) {
    grpc::ClientContext context;
    v1::RefreshTokenRequest request;
    request.set_name(name);
    return service_->tokens().RefreshToken(&context, request, &token);
  };
  // Each vendor's own way to ask for one.
  std::vector<std::pair<std::string, vendor_sim::Uuid>> asked = {
      {"sources/opal-test/tokens/", truth.opal_tokens.back().id},
      {"sources/buildkite-test/tokens/", truth.registry_tokens.back().id},
      {"sources/buildkite-test/tokens/", truth.agent_tokens.back().id},
  };
  for (const auto& token : truth.deepset_tokens) {
    if (token.IsExclusive()) asked.emplace_back("sources/deepset-test/tokens/", token.id);
    if (token.IsExclusive()) break;
  }
  for (const auto& [prefix, id] : asked) {
    const std::string name = prefix + id.ToString();
    SCOPED_TRACE(name);
    ASSERT_TRUE(sim_->RenameToken(id, "renamed now"));
    v1::Token token;
    ASSERT_TRUE(refresh(name, token).ok());
    EXPECT_EQ(token.display_name(), "renamed now");
    ASSERT_TRUE(sim_->RemoveToken(id));
    const grpc::Status status = refresh(name, token);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(token.presence(), v1::Token::DELETED);
    EXPECT_EQ(token.delete_cause(), v1::VENDOR_404);
    EXPECT_EQ(ReasonOf(refresh(name, token)), "TOKEN_NOT_LISTED");
  }
  v1::Token token;
  EXPECT_EQ(ReasonOf(refresh("sources/opal-test/tokens/nobody", token)), "TOKEN_NOT_FOUND");
  EXPECT_EQ(ReasonOf(refresh("sources/deepset-test/tokens/model-" +
                                 truth.model_registry_tokens.front().id.ToString(),
                             token)),
            "REFRESH_UNSUPPORTED");
}

TEST_F(QueryTest, ARefreshThatFailsChangesNothing) {
  const std::string name =
      "sources/opal-test/tokens/" + sim_->ReadTruth().opal_tokens.front().id.ToString();
  sim_->AddFault({.count = 20, .target_contains = "/v1/tokens", .status = 500, .body = "oops"});
  grpc::ClientContext context;
  v1::RefreshTokenRequest request;
  request.set_name(name);
  v1::Token token;
  const grpc::Status status = service_->tokens().RefreshToken(&context, request, &token);
  sim_->ClearFaults();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "REFRESH_FAILED");
  EXPECT_EQ(service_->ListAll(1000).count(name), 1u);
}

TEST_F(QueryTest, AFilteredWatchTellsWhatEntersAndLeaves) {
  const vendor_sim::Uuid id = sim_->ReadTruth().opal_tokens[3].id;
  ASSERT_TRUE(sim_->RenameToken(id, "nothing special"));
  service_->Sync("opal-test");
  grpc::ClientContext context;
  v1::WatchTokensRequest request;
  request.set_parent("sources/-");
  request.set_filter("display_name = \"watched*\"");
  request.mutable_initial_state();
  const auto stream = service_->tokens().WatchTokens(&context, request);
  v1::WatchTokensResponse response;
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_TRUE(response.has_synced());
  EXPECT_EQ(response.batches_size(), 0);
  const auto next_event = [&] {
    do {
      EXPECT_TRUE(stream->Read(&response));
    } while (response.batches().empty());
    EXPECT_EQ(response.batches(0).events_size(), 1);
    return response.batches(0).events(0);
  };
  for (const char* display_name : {"watched 1", "watched 2", "again nothing"}) {
    ASSERT_TRUE(sim_->RenameToken(id, display_name));
    service_->Sync("opal-test");
    const v1::TokenEvent event = next_event();
    EXPECT_EQ(event.token().display_name(), display_name);
    const bool left = std::string(display_name) == "again nothing";
    EXPECT_EQ(event.type(), left                     ? v1::TokenEvent::REMOVED
                            : display_name[8] == '1' ? v1::TokenEvent::ADDED
                                                     : v1::TokenEvent::MODIFIED);
    EXPECT_EQ(event.remove_cause(),
              left ? v1::TokenEvent::LEFT_FILTER : v1::TokenEvent::REMOVE_CAUSE_UNSPECIFIED);
  }
  context.TryCancel();
}

TEST_F(QueryTest, AWatchRefusesAFilterThatTimeMoves) {
  grpc::ClientContext context;
  v1::WatchTokensRequest request;
  request.set_parent("sources/-");
  request.set_filter("expire_time < now+7d");
  request.mutable_now();
  const auto stream = service_->tokens().WatchTokens(&context, request);
  v1::WatchTokensResponse response;
  EXPECT_FALSE(stream->Read(&response));
  const grpc::Status status = stream->Finish();
  ExpectFieldError(status, "filter", "FILTER_TYPE_MISMATCH");
  EXPECT_THAT(status.error_message(), ::testing::HasSubstr("use WatchExpirations"));
}

}  // namespace
}  // namespace tokeninventory
