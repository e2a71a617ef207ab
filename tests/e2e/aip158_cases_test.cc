// The case file on pages from AIP-158, AIP-132 and aip-go, run as data. A case
// that is neither run nor listed with a reason fails the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/e2e/ledger_service.h"
#include "tests/e2e/test_service.h"

namespace tokeninventory::testing {
namespace {

using Json = nlohmann::json;
using ::testing::MatchesRegex;

constexpr int kTokens = 120;
constexpr int kLargeTokens = 60;

// Sources `first` with 120 tokens, `second` with 5, `large` with 60 of 60 KiB, `watched`
// with none.
class Aip158Test : public ::testing::Test {
 protected:
  Aip158Test() {
    service_.Show("first", ObservedRange("t", 1, kTokens));
    service_.Show("second", ObservedRange("s", 1, 5));
    std::vector<ObservedToken> large = ObservedRange("l", 1, kLargeTokens);
    for (ObservedToken& token : large) token.token.add_permissions(std::string(60 << 10, 'p'));
    service_.Show("large", std::move(large));
  }

  static v1::ListTokensRequest Request(const std::string& source = "first") {
    v1::ListTokensRequest request;
    request.set_parent(absl::StrCat("sources/", source));
    return request;
  }
  v1::ListTokensResponse List(const v1::ListTokensRequest& request) {
    v1::ListTokensResponse response;
    const grpc::Status status = service_.List(request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  void ExpectRefused(const v1::ListTokensRequest& request, const std::string& field,
                     const std::string& reason) {
    v1::ListTokensResponse response;
    const grpc::Status status = service_.List(request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldOf(status), field);
    EXPECT_EQ(ReasonOf(status), reason);
  }
  // The page behind the first `shown` tokens of `request`.
  std::string TokenBehind(v1::ListTokensRequest request, int shown) {
    request.set_page_size(shown);
    return List(request).next_page_token();
  }

  void PageSizeUnset();
  void PageSizeNegative();
  void PageSizeTooLarge();
  void PageSizeChanges();
  void PageTokenGarbage();
  void PageTokenOfAnotherRequest();
  void PageTokenIsUrlSafe();
  void NextPageTokenEnds();
  void ShortPage();
  static void FirstField();
  static void NotStreaming();
  void TotalSize();
  void Skip();
  void SkipBehindAPageToken();
  void ListToWatch();

  LedgerService service_{{"first", "second", "large", "watched"}};
  const Json cases_ =
      Json::parse(std::ifstream(std::string(TI_E2E_TESTDATA) + "aip158_pagination.json"));
};

void Aip158Test::PageSizeUnset() { EXPECT_EQ(List(Request()).tokens_size(), 100); }

void Aip158Test::PageSizeNegative() {
  v1::ListTokensRequest request = Request();
  request.set_page_size(-1);
  ExpectRefused(request, "page_size", "INVALID_PAGE_SIZE");
}

void Aip158Test::PageSizeTooLarge() {
  service_.Show("second", ObservedRange("s", 1, 1100));
  v1::ListTokensRequest request = Request("second");
  request.set_page_size(1'000'000);
  EXPECT_EQ(List(request).tokens_size(), 1000);
}

void Aip158Test::PageSizeChanges() {
  v1::ListTokensRequest request = Request();
  request.set_page_token(TokenBehind(request, 10));
  request.set_page_size(7);
  const v1::ListTokensResponse page = List(request);
  ASSERT_EQ(page.tokens_size(), 7);
  EXPECT_EQ(page.tokens(0).provider_token_id(), "t11");
}

void Aip158Test::PageTokenGarbage() {
  v1::ListTokensRequest request = Request();
  request.set_page_token("invalid");
  ExpectRefused(request, "page_token", "INVALID_PAGE_TOKEN");
}

void Aip158Test::PageTokenOfAnotherRequest() {
  const std::string token = TokenBehind(Request(), 10);
  const std::function<void(v1::ListTokensRequest&)> edits[] = {
      [](v1::ListTokensRequest& r) { r.set_parent("sources/second"); },
      [](v1::ListTokensRequest& r) { r.set_filter("state = ACTIVE"); },
      [](v1::ListTokensRequest& r) { r.set_order_by("uid"); },
      [](v1::ListTokensRequest& r) { r.set_show_deleted(true); },
      [](v1::ListTokensRequest& r) { r.set_view(v1::FULL); },
  };
  for (const auto& edit : edits) {
    v1::ListTokensRequest request = Request();
    edit(request);
    request.set_page_token(token);
    ExpectRefused(request, "page_token", "PAGE_TOKEN_MISMATCH");
  }
}

// It says no secret, and what it says is checked on use (DESIGN 7): so it is
// sealed, not encrypted.
void Aip158Test::PageTokenIsUrlSafe() {
  for (const char* order_by : {"", "display_name desc"}) {
    v1::ListTokensRequest request = Request();
    request.set_order_by(order_by);
    std::string token = TokenBehind(request, 10);
    EXPECT_THAT(token, MatchesRegex("[A-Za-z0-9_-]+"));
    token[token.size() / 2] = token[token.size() / 2] == 'A' ? 'B' : 'A';
    request.set_page_token(token);
    ExpectRefused(request, "page_token", "INVALID_PAGE_TOKEN");
  }
}

void Aip158Test::NextPageTokenEnds() {
  for (const char* order_by : {"", "display_name"}) {
    for (const int page_size : {1, 7, 60, kTokens - 1, kTokens, kTokens + 1}) {
      SCOPED_TRACE(absl::StrCat(order_by, " by ", page_size));
      v1::ListTokensRequest request = Request();
      request.set_order_by(order_by);
      request.set_page_size(page_size);
      int seen = 0;
      do {
        const v1::ListTokensResponse page = List(request);
        seen += page.tokens_size();
        EXPECT_EQ(page.next_page_token().empty(), seen == kTokens);
        request.set_page_token(page.next_page_token());
      } while (!request.page_token().empty() && seen <= kTokens);
      EXPECT_EQ(seen, kTokens);
    }
  }
}

void Aip158Test::ShortPage() {
  v1::ListTokensRequest request = Request("large");
  request.set_view(v1::FULL);
  request.set_page_size(kLargeTokens);
  int seen = 0;
  int pages = 0;
  do {
    const v1::ListTokensResponse page = List(request);
    EXPECT_LT(page.tokens_size(), kLargeTokens);
    seen += page.tokens_size();
    ++pages;
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && seen <= kLargeTokens);
  EXPECT_EQ(seen, kLargeTokens);
  EXPECT_EQ(pages, 2);
}

void Aip158Test::FirstField() {
  const auto* const field = v1::ListTokensResponse::descriptor()->FindFieldByNumber(1);
  EXPECT_EQ(field->name(), "tokens");
  EXPECT_EQ(field->index(), 0);
  EXPECT_TRUE(field->is_repeated());
}

void Aip158Test::NotStreaming() {
  const auto* const method = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
      "tokeninventory.v1.TokenInventory.ListTokens");
  ASSERT_NE(method, nullptr);
  EXPECT_FALSE(method->server_streaming());
  EXPECT_FALSE(method->client_streaming());
}

void Aip158Test::TotalSize() {
  v1::ListTokensRequest request = Request();
  EXPECT_EQ(List(request).total_size(), kTokens);
  request.set_filter("provider_token_id = \"t1*\"");
  request.set_page_size(10);
  EXPECT_EQ(List(request).total_size(), 1 + 10 + 21);  // t1, t10 …, t100 … t120
}

void Aip158Test::Skip() {
  v1::ListTokensRequest request = Request();
  request.set_skip(30);
  EXPECT_EQ(List(request).tokens(0).provider_token_id(), "t31");
}

void Aip158Test::SkipBehindAPageToken() {
  v1::ListTokensRequest request = Request();
  request.set_page_token(TokenBehind(request, 50));
  request.set_skip(30);
  EXPECT_EQ(List(request).tokens(0).provider_token_id(), "t81");
}

void Aip158Test::ListToWatch() {
  service_.Show("watched", ObservedRange("w", 1, 5));
  v1::ListTokensRequest list = Request("watched");
  list.set_page_size(2);
  const v1::ListTokensResponse first = List(list);
  service_.Show("watched", ObservedRange("w", 1, 6));
  list.set_page_token(first.next_page_token());
  const v1::ListTokensResponse second = List(list);
  service_.Show("watched", ObservedRange("w", 1, 7));

  grpc::ClientContext context;
  v1::WatchTokensRequest watch;
  watch.set_parent(list.parent());
  watch.set_resume_token(second.resume_token());
  const auto stream = service_.tokens().WatchTokens(&context, watch);
  std::vector<std::string> events;
  v1::WatchTokensResponse response;
  while (events.size() < 2 && stream->Read(&response)) {
    for (const auto& batch : response.batches()) {
      for (const v1::TokenEvent& event : batch.events()) {
        events.push_back(absl::StrCat(v1::TokenEvent::Type_Name(event.type()), " ",
                                      event.token().provider_token_id()));
      }
    }
  }
  EXPECT_THAT(events, ::testing::ElementsAre("ADDED w6", "ADDED w7"));
  context.TryCancel();
}

TEST_F(Aip158Test, EachRuleHoldsOrDoesNotApply) {
  const std::map<std::string, std::function<void()>> runs = {
      {"page_size.unset", [this] { PageSizeUnset(); }},
      {"page_size.negative", [this] { PageSizeNegative(); }},
      {"page_size.too_large", [this] { PageSizeTooLarge(); }},
      {"page_size.changes_between_pages", [this] { PageSizeChanges(); }},
      {"page_token.garbage", [this] { PageTokenGarbage(); }},
      {"page_token.checksum", [this] { PageTokenOfAnotherRequest(); }},
      {"page_token.opaque", [this] { PageTokenIsUrlSafe(); }},
      {"next_page_token.end", [this] { NextPageTokenEnds(); }},
      {"short_page", [this] { ShortPage(); }},
      {"first_field", [] { FirstField(); }},
      {"not_streaming", [] { NotStreaming(); }},
      {"total_size", [this] { TotalSize(); }},
      {"skip.1", [this] { Skip(); }},
      {"skip.2", [this] { SkipBehindAPageToken(); }},
      {"list_to_watch", [this] { ListToWatch(); }},
  };
  const std::map<std::string, std::string> not_here = {
      {"page_token.no_authz", "every caller may read everything, for now"},
      {"token.expiry", "a may: a page token holds as long as its store"},
      {"snapshot", "pages are live keyset reads: list_tokens_test.cc proves what they promise"},
      {"snapshot.compacted", "there is no snapshot that could be gone"},
  };
  std::size_t cases = 0;
  for (const char* group : {"rules", "beyond_the_anchors"}) {
    for (const Json& row : cases_[group]) {
      const std::string id = row["id"];
      SCOPED_TRACE(id);
      ++cases;
      const auto run = runs.find(id);
      EXPECT_EQ(not_here.count(id) + (run == runs.end() ? 0 : 1), 1u) << "run it, or say why not";
      if (run != runs.end()) run->second();
    }
  }
  EXPECT_EQ(cases, runs.size() + not_here.size());
}

// aip-go tells requests apart by a checksum; here a page token of the one is
// good for the other, or not.
TEST_F(Aip158Test, PageTokensAreBoundAsInAipGo) {
  const std::map<std::string, std::string> parents = {
      {"shelves/1", "first"}, {"shelves/2", "large"}, {"shippers/1", "first"}};
  const auto request_of = [&](const Json& json) {
    v1::ListTokensRequest request = Request(parents.at(json["Parent"]));
    request.set_page_size(json["PageSize"]);
    request.set_skip(json.value("Skip", 0));
    return request;
  };
  for (const Json& row : cases_["checksum"]) {
    SCOPED_TRACE(row["name"]);
    v1::ListTokensRequest first = request_of(row["request1"]);
    first.set_page_size(10);  // leaves something for another page
    v1::ListTokensRequest second = request_of(row["request2"]);
    second.set_page_token(List(first).next_page_token());
    if (row["name"] == "different page tokens") {
      first.set_page_token(second.page_token());
      second.set_page_token(List(first).next_page_token());
    }
    if (row["same_checksum"]) {
      EXPECT_GT(List(second).tokens_size(), 0);
    } else {
      ExpectRefused(second, "page_token", "PAGE_TOKEN_MISMATCH");
    }
  }
}

}  // namespace
}  // namespace tokeninventory::testing
