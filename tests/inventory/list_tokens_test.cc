// ListTokens: pages, limits, and what a client sees while tokens come and go.
#include "inventory/list_tokens.h"

#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/cursor.h"
#include "inventory/list_tokens.h"
#include "tests/inventory/snapshot_maker.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kEpoch[] = "0123456789abcdef";

v1::ListTokensRequest Request(const std::string& parent, std::int32_t page_size = 0) {
  v1::ListTokensRequest request;
  request.set_parent(parent);
  request.set_page_size(page_size);
  return request;
}

absl::StatusOr<v1::ListTokensResponse> List(const Snapshot& snapshot,
                                            const v1::ListTokensRequest& request) {
  const absl::StatusOr<std::string> bytes =
      ListTokens(snapshot, SourceSet(), kEpoch, request, absl::UnixEpoch());
  if (!bytes.ok()) return bytes.status();
  v1::ListTokensResponse response;
  EXPECT_TRUE(response.ParseFromString(*bytes));
  return response;
}

std::vector<std::string> IdsOf(const v1::ListTokensResponse& response) {
  std::vector<std::string> ids;
  for (const v1::Token& token : response.tokens()) ids.push_back(token.provider_token_id());
  return ids;
}

class ListTokensTest : public ::testing::Test {
 protected:
  ListTokensTest() {
    maker_.Source("acme").Source("beta").Source("empty");
    maker_.Put(1, MakeToken("acme", "listed"))
        .Put(2, MakeToken("beta", "b"))
        .Put(3, MakeToken("acme", "missing", v1::Token::MISSING))
        .Put(4, MakeToken("acme", "deleted", v1::Token::DELETED))
        .Put(5, MakeToken("acme", "detached", v1::Token::DETACHED));
    snapshot_ = maker_.Build();
  }

  SnapshotMaker maker_;
  std::shared_ptr<const Snapshot> snapshot_;
};

TEST_F(ListTokensTest, ShowsWhatIsThereByParent) {
  EXPECT_THAT(IdsOf(*List(*snapshot_, Request("sources/-"))),
              ElementsAre("listed", "b", "missing"));
  EXPECT_THAT(IdsOf(*List(*snapshot_, Request("sources/acme"))), ElementsAre("listed", "missing"));
  EXPECT_THAT(IdsOf(*List(*snapshot_, Request("sources/beta"))), ElementsAre("b"));
  EXPECT_THAT(IdsOf(*List(*snapshot_, Request("sources/empty"))), IsEmpty());
  const auto none = List(*snapshot_, Request("sources/none"));
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(none), "SOURCE_NOT_FOUND");
}

TEST_F(ListTokensTest, ShowsDeletedAndDetachedTokensWhenAsked) {
  v1::ListTokensRequest request = Request("sources/acme");
  request.set_show_deleted(true);
  const auto page = List(*snapshot_, request);
  EXPECT_THAT(IdsOf(*page), ElementsAre("listed", "missing", "deleted", "detached"));
  EXPECT_EQ(page->total_size(), 4);
}

TEST_F(ListTokensTest, AnswersBasicUnlessAskedForFull) {
  v1::ListTokensRequest request = Request("sources/beta");
  EXPECT_EQ(List(*snapshot_, request)->tokens(0).permissions_size(), 0);
  request.set_view(v1::FULL);
  EXPECT_EQ(List(*snapshot_, request)->tokens(0).permissions_size(), 1);
}

TEST_F(ListTokensTest, BadRequestsNameTheField) {
  struct Case {
    const char* field;
    void (*edit)(v1::ListTokensRequest&);
  };
  const Case cases[] = {
      {"parent", [](v1::ListTokensRequest& r) { r.set_parent(""); }},
      {"parent", [](v1::ListTokensRequest& r) { r.set_parent("acme"); }},
      {"parent", [](v1::ListTokensRequest& r) { r.set_parent("sources/acme/tokens/x"); }},
      {"page_size", [](v1::ListTokensRequest& r) { r.set_page_size(-1); }},
      {"view", [](v1::ListTokensRequest& r) { r.set_view(static_cast<v1::TokenView>(3)); }},
      {"skip", [](v1::ListTokensRequest& r) { r.set_skip(-1); }},
      {"page_token", [](v1::ListTokensRequest& r) { r.set_page_token("x"); }},
      {"page_token", [](v1::ListTokensRequest& r) { r.set_page_token(std::string(5000, 'A')); }},
      {"page_token",
       [](v1::ListTokensRequest& r) { r.set_page_token(EncodeResumeToken(kEpoch, 1)); }},
  };
  for (const Case& c : cases) {
    v1::ListTokensRequest request = Request("sources/-");
    c.edit(request);
    const auto page = List(*snapshot_, request);
    EXPECT_EQ(page.status().code(), absl::StatusCode::kInvalidArgument) << request.DebugString();
    EXPECT_THAT(FieldsOf(page), ElementsAre(c.field)) << request.DebugString();
    EXPECT_FALSE(ReasonOf(page).empty());
  }
}

TEST_F(ListTokensTest, APageTokenIsBoundToItsRequestButForThePageSize) {
  v1::ListTokensRequest request = Request("sources/-", 1);
  request.set_page_token(List(*snapshot_, request)->next_page_token());
  ASSERT_FALSE(request.page_token().empty());

  v1::ListTokensRequest same = request;
  same.set_page_size(500);
  same.set_view(v1::BASIC);  // is what unspecified means
  EXPECT_THAT(IdsOf(*List(*snapshot_, same)), ElementsAre("b", "missing"));

  void (*const edits[])(v1::ListTokensRequest&) = {
      [](v1::ListTokensRequest& r) { r.set_parent("sources/acme"); },
      [](v1::ListTokensRequest& r) { r.set_show_deleted(true); },
      [](v1::ListTokensRequest& r) { r.set_view(v1::FULL); },
  };
  for (const auto edit : edits) {
    v1::ListTokensRequest other = request;
    edit(other);
    const auto page = List(*snapshot_, other);
    EXPECT_EQ(ReasonOf(page), "PAGE_TOKEN_MISMATCH");
    EXPECT_THAT(FieldsOf(page), ElementsAre("page_token"));
  }
  // Of another store.
  EXPECT_EQ(
      ReasonOf(ListTokens(*snapshot_, SourceSet(), "another epoch!!!", request, absl::UnixEpoch())),
      "INVALID_PAGE_TOKEN");
}

TEST_F(ListTokensTest, AForgedPageTokenIsOnlyAnotherPlace) {
  v1::ListTokensRequest request = Request("sources/-", 1);
  // A client can look inside, and has all that it takes to seal it again.
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(List(*snapshot_, request)->next_page_token(), &bytes));
  internal::v1::PageCursor cursor;
  ASSERT_TRUE(cursor.ParseFromString(bytes.substr(0, bytes.size() - 4)));
  for (const std::int64_t after :
       {std::int64_t{64}, std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::max()}) {
    cursor.set_after(after);
    request.set_page_token(EncodePageToken(cursor));
    const auto page = List(*snapshot_, request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->tokens_size(), 0);
    EXPECT_THAT(page->next_page_token(), IsEmpty());
  }
}

TEST_F(ListTokensTest, PageSizesHaveADefaultAndAMost) {
  for (int i = 0; i < 1500; ++i) maker_.Put(10 + i, MakeToken("beta", absl::StrCat(i)));
  snapshot_ = maker_.Build();
  struct Case {
    std::int32_t asked;
    int got;
  };
  for (const Case& c : {Case{0, 100}, Case{1, 1}, Case{999, 999}, Case{1000, 1000},
                        Case{1001, 1000}, Case{std::numeric_limits<std::int32_t>::max(), 1000}}) {
    const auto page = List(*snapshot_, Request("sources/-", c.asked));
    EXPECT_EQ(page->tokens_size(), c.got);
    EXPECT_FALSE(page->next_page_token().empty());
    EXPECT_EQ(page->total_size(), 1503);
  }
}

TEST_F(ListTokensTest, TheLastPageHasNoNextOneAlsoWhenItIsFull) {
  const auto page = List(*snapshot_, Request("sources/-", 3));
  EXPECT_EQ(page->tokens_size(), 3);
  EXPECT_THAT(page->next_page_token(), IsEmpty());
}

TEST_F(ListTokensTest, EveryPageTellsTheFirstPagesTotalAndResumeToken) {
  v1::ListTokensRequest request = Request("sources/-", 1);
  const auto first = List(*snapshot_, request);
  EXPECT_EQ(first->revision(), 1);
  EXPECT_EQ(DecodeResumeToken(first->resume_token(), kEpoch).value(), 1);
  request.set_page_token(first->next_page_token());
  snapshot_ = maker_.Put(6, MakeToken("acme", "later")).Build();
  const auto second = List(*snapshot_, request);
  EXPECT_EQ(second->revision(), 2);
  EXPECT_EQ(second->total_size(), 3);
  EXPECT_EQ(second->resume_token(), first->resume_token());
}

TEST_F(ListTokensTest, TheFirstPageNamesSourcesThatMayBeOutOfDate) {
  maker_.Source("acme", v1::Source::UNREACHABLE)
      .Source("beta", v1::Source::SUSPICIOUS)
      .Source("pending", v1::Source::PENDING)
      .Source("old", v1::Source::DETACHED);
  snapshot_ = maker_.Build();
  v1::ListTokensRequest request = Request("sources/-", 1);
  const auto first = List(*snapshot_, request);
  EXPECT_THAT(first->unreachable(), ElementsAre("sources/acme", "sources/beta", "sources/pending"));
  request.set_page_token(first->next_page_token());
  EXPECT_THAT(List(*snapshot_, request)->unreachable(), IsEmpty());
  EXPECT_THAT(List(*snapshot_, Request("sources/acme"))->unreachable(),
              ElementsAre("sources/acme"));
  EXPECT_THAT(List(*snapshot_, Request("sources/empty"))->unreachable(), IsEmpty());
}

TEST_F(ListTokensTest, APageEndsAtThreeMebibytes) {
  constexpr int kTokens = 200;
  for (int i = 0; i < kTokens; ++i) {
    v1::Token token = MakeToken("beta", absl::StrCat("large-", i));
    token.set_permissions(0, std::string(60 * 1024, 'p'));
    maker_.Put(10 + i, token);
  }
  snapshot_ = maker_.Build();
  v1::ListTokensRequest request = Request("sources/beta", 1000);
  request.set_view(v1::FULL);
  int seen = 0;
  int pages = 0;
  do {
    const absl::StatusOr<std::string> bytes =
        ListTokens(*snapshot_, SourceSet(), kEpoch, request, absl::UnixEpoch());
    ASSERT_TRUE(bytes.ok());
    EXPECT_LT(bytes->size(), std::size_t{4} << 20) << "gRPC's clients refuse more";
    v1::ListTokensResponse page;
    ASSERT_TRUE(page.ParseFromString(*bytes));
    EXPECT_GT(page.tokens_size(), 0);
    seen += page.tokens_size();
    ++pages;
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(seen, kTokens + 1);
  EXPECT_EQ(pages, 4);
  // BASIC leaves out what is large.
  request.set_view(v1::BASIC);
  request.set_page_token("");
  EXPECT_EQ(List(*snapshot_, request)->tokens_size(), kTokens + 1);
}

// Copied in runs: the lengths before them have one to three bytes, and rows between them
// are hidden, empty or replaced.
TEST_F(ListTokensTest, FullPagesHoldWholeTokensOfAnyLength) {
  constexpr std::size_t kLengths[] = {1, 10, 100, 1000, 16'000, 17'000, 200, 3};
  constexpr int kTokens = 300;
  std::map<std::string, std::string> expected;  // serialised, by id
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kTokens; ++i) {
      if (i % 11 == 0 || (round == 1 && i % 3 != 0)) continue;
      const std::string id = absl::StrCat("t", i);
      const bool deleted = i % 7 == 0;
      v1::Token token = MakeToken("beta", id, deleted ? v1::Token::DELETED : v1::Token::LISTED);
      token.set_permissions(0, std::string(kLengths[(i + round) % 8], 'p'));
      token.mutable_expire_time()->set_seconds(i * 37 % 101);
      maker_.Put(10 + i, token);
      if (!deleted) expected[id] = SerializeToken(token);
    }
    snapshot_ = maker_.Build();
  }
  for (int i = 0; i < kTokens; i += 13) {
    maker_.Purge(10 + i);
    expected.erase(absl::StrCat("t", i));
  }
  snapshot_ = maker_.Build();
  expected["b"] = SerializeToken(MakeToken("beta", "b"));

  for (const char* order : {"", "expire_time", "expire_time desc", "display_name"}) {
    SCOPED_TRACE(order);
    v1::ListTokensRequest request = Request("sources/beta", 64);
    request.set_view(v1::FULL);
    request.set_order_by(order);
    std::map<std::string, std::string> listed;
    do {
      const auto page = List(*snapshot_, request);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const v1::Token& token : page->tokens()) {
        EXPECT_TRUE(listed.emplace(token.provider_token_id(), SerializeToken(token)).second);
      }
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    EXPECT_EQ(listed, expected);
  }
}

// Tokens come, go, change and come back between the pages.
TEST(ListTokensModelTest, ATokenThatDoesNotChangeIsSeenExactlyOnce) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    SnapshotMaker maker;
    maker.Source("acme").Source("beta");
    std::set<std::string> steady;
    std::map<std::int64_t, std::string> churning;  // by row
    std::int64_t next_row = 1;
    const auto add = [&](bool is_steady) {
      const std::string id = absl::StrCat("t", next_row);
      maker.Put(next_row, MakeToken(random() % 2 == 0 ? "acme" : "beta", id));
      if (is_steady) {
        steady.insert(id);
      } else {
        churning[next_row] = id;
      }
      ++next_row;
    };
    for (int i = 0; i < 500; ++i) add(random() % 2 == 0);
    auto snapshot = maker.Build();

    std::map<std::string, int> seen;
    v1::ListTokensRequest request = Request("sources/-");
    std::string resume_token;
    do {
      request.set_page_size(static_cast<std::int32_t>(1 + random() % 40));
      const auto page = List(*snapshot, request);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const v1::Token& token : page->tokens()) ++seen[token.provider_token_id()];
      if (resume_token.empty()) resume_token = page->resume_token();
      EXPECT_EQ(page->resume_token(), resume_token);
      request.set_page_token(page->next_page_token());

      for (int i = 0; i < 20; ++i) add(false);
      for (auto it = churning.begin(); it != churning.end();) {
        const std::uint64_t what = random() % 10;
        const v1::Token::Presence presence = what < 2   ? v1::Token::DELETED
                                             : what < 4 ? v1::Token::MISSING
                                                        : v1::Token::LISTED;
        if (what == 9) {
          maker.Purge(it->first);
          it = churning.erase(it);
          continue;
        }
        maker.Put(it->first, MakeToken("acme", it->second, presence));
        ++it;
      }
      // The end must stay within reach.
      snapshot = next_row < 3000 ? maker.Build() : snapshot;
    } while (!request.page_token().empty());

    for (const std::string& id : steady) EXPECT_EQ(seen[id], 1) << id;
    for (const auto& [id, times] : seen) EXPECT_LE(times, 1) << id;
  }
}

}  // namespace
}  // namespace tokeninventory::testing
