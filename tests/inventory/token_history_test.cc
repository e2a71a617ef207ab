// ListTokenChanges: one token's history, from the store's log.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/answers.h"
#include "inventory/token_name.h"
#include "tests/inventory/ledger_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class TokenHistoryTest : public ::testing::Test {
 protected:
  // As the server does it.
  absl::StatusOr<v1::ListTokenChangesResponse> Ask(const v1::ListTokenChangesRequest& request) {
    const std::string& epoch = house_.ledger().epoch();
    const auto query =
        ParseHistoryQuery(*house_.inventory().Current(), SourceSet(), epoch, request);
    if (!query.ok()) return query.status();
    const auto entries =
        house_.store().ReadHistory(query->row, query->before_revision, query->limit + 1);
    if (!entries.ok()) return entries.status();
    return MakeHistoryPage(*query, epoch, *entries);
  }
  v1::ListTokenChangesRequest Request(const std::string& id, std::int32_t page_size = 0) {
    v1::ListTokenChangesRequest request;
    request.set_parent(TokenName("acme", id));
    request.set_page_size(page_size);
    return request;
  }
  void PassWithRole(const std::string& role) {
    house_.Pass({Lists({Observed("a", [&](v1::Token& t) { t.set_role(role); }), Observed("b")})});
  }

  LedgerHarness house_;
};

TEST_F(TokenHistoryTest, TellsWhatChangedWhenAndWhyNewestFirst) {
  PassWithRole("one");
  const absl::Time first = house_.clock().Now();
  house_.Advance(absl::Hours(1));
  PassWithRole("two");
  house_.Pass({Lists({Observed("b")})});
  const auto page = Ask(Request("a"));
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->token_changes_size(), 3);
  const v1::TokenChange& missing = page->token_changes(0);
  EXPECT_EQ(missing.revision(), 3);
  EXPECT_EQ(missing.cause(), v1::TokenChange::NOT_SEEN);
  EXPECT_THAT(missing.changed_fields().paths(), ElementsAre("presence"));
  EXPECT_EQ(missing.old_token().presence(), v1::Token::LISTED);
  EXPECT_EQ(missing.new_token().presence(), v1::Token::MISSING);
  const v1::TokenChange& changed = page->token_changes(1);
  EXPECT_EQ(changed.cause(), v1::TokenChange::VENDOR_REPORTED);
  EXPECT_THAT(changed.changed_fields().paths(), ElementsAre("role"));
  EXPECT_EQ(changed.old_token().role(), "one");
  EXPECT_EQ(changed.new_token().role(), "two");
  const v1::TokenChange& added = page->token_changes(2);
  EXPECT_FALSE(added.has_old_token());
  EXPECT_THAT(added.changed_fields().paths(), IsEmpty());
  EXPECT_EQ(added.commit_time().seconds(), absl::ToUnixSeconds(first));
  EXPECT_THAT(page->next_page_token(), IsEmpty());
}

TEST_F(TokenHistoryTest, PagesWithoutHoleOrRepetitionWhileChangesCome) {
  for (int i = 0; i < 23; ++i) PassWithRole(absl::StrCat(i));
  std::vector<std::int64_t> revisions;
  v1::ListTokenChangesRequest request = Request("a", 5);
  int pages = 0;
  do {
    const auto page = Ask(request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->token_changes_size(), 5);
    for (const auto& change : page->token_changes()) revisions.push_back(change.revision());
    request.set_page_token(page->next_page_token());
    ++pages;
    PassWithRole(absl::StrCat("later ", pages));
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 5);
  ASSERT_EQ(revisions.size(), 23u);
  for (std::size_t i = 0; i < 23; ++i) EXPECT_EQ(revisions[i], 23 - static_cast<int>(i));
}

TEST_F(TokenHistoryTest, AnswersBasicUnlessAskedForFull) {
  house_.Pass({Lists({Observed("a", [](v1::Token& t) { t.add_permissions("p"); })})});
  house_.Pass({Lists({Observed("a")})});
  v1::ListTokenChangesRequest request = Request("a");
  const auto basic = Ask(request);
  EXPECT_EQ(basic->token_changes(0).old_token().permissions_size(), 0);
  EXPECT_EQ(basic->token_changes(0).old_token().provider_token_id(), "a");
  EXPECT_THAT(basic->token_changes(0).changed_fields().paths(), Contains("permissions"));
  request.set_view(v1::FULL);
  EXPECT_EQ(Ask(request)->token_changes(0).old_token().permissions_size(), 1);
}

TEST_F(TokenHistoryTest, APageEndsAtThreeMebibytes) {
  for (int i = 0; i < 60; ++i) {
    house_.Pass({Lists({Observed("a", [i](v1::Token& t) {
      t.set_role(absl::StrCat(i));
      t.set_provider_uri(std::string(60 * 1024, 'x'));
    })})});
  }
  v1::ListTokenChangesRequest request = Request("a", 1000);
  request.set_view(v1::FULL);
  int seen = 0;
  int pages = 0;
  do {
    const auto page = Ask(request);
    ASSERT_TRUE(page.ok());
    EXPECT_LT(page->ByteSizeLong(), std::size_t{4} << 20);
    seen += page->token_changes_size();
    request.set_page_token(page->next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(seen, 60);
  EXPECT_GT(pages, 1);
}

TEST_F(TokenHistoryTest, ChecksItsRequest) {
  PassWithRole("one");
  PassWithRole("two");
  EXPECT_EQ(ReasonOf(Ask(Request("none"))), "TOKEN_NOT_FOUND");
  EXPECT_THAT(FieldsOf(Ask(Request("a", -1))), ElementsAre("page_size"));
  v1::ListTokenChangesRequest request = Request("a", 1);
  request.set_parent("sources/acme");
  EXPECT_THAT(FieldsOf(Ask(request)), ElementsAre("parent"));
  const std::string token = Ask(Request("a", 1))->next_page_token();
  ASSERT_FALSE(token.empty());
  request = Request("b", 1);
  request.set_page_token(token);
  EXPECT_EQ(ReasonOf(Ask(request)), "PAGE_TOKEN_MISMATCH");
  request = Request("a", 1);
  request.set_page_token(token);
  request.set_view(v1::FULL);
  EXPECT_EQ(ReasonOf(Ask(request)), "PAGE_TOKEN_MISMATCH");
  request.set_page_token("x");
  EXPECT_THAT(FieldsOf(Ask(request)), ElementsAre("page_token"));
}

}  // namespace
}  // namespace tokeninventory::testing
