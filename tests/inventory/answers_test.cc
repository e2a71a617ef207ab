#include "inventory/answers.h"

#include <memory>
#include <string>
#include <vector>

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

// Three sources; acme has a token of each presence.
class AnswersTest : public ::testing::Test {
 protected:
  AnswersTest() {
    maker_.Source("acme").Source("beta").Source("empty");
    maker_.Put(1, MakeToken("acme", "listed"))
        .Put(2, MakeToken("acme", "missing", v1::Token::MISSING))
        .Put(3, MakeToken("acme", "deleted", v1::Token::DELETED))
        .Put(4, MakeToken("acme", "detached", v1::Token::DETACHED))
        .Put(5, MakeToken("beta", "b/1"));
    snapshot_ = maker_.Build();
  }

  SnapshotMaker maker_;
  std::shared_ptr<const Snapshot> snapshot_;
};

absl::StatusOr<v1::Token> Get(const Snapshot& snapshot, const std::string& name,
                              v1::TokenView view = v1::TOKEN_VIEW_UNSPECIFIED) {
  v1::GetTokenRequest request;
  request.set_name(name);
  request.set_view(view);
  const absl::StatusOr<std::string> bytes = GetToken(snapshot, SourceSet(), request);
  if (!bytes.ok()) return bytes.status();
  v1::Token token;
  EXPECT_TRUE(token.ParseFromString(*bytes));
  return token;
}

v1::BatchGetTokensRequest BatchRequest(const std::vector<std::string>& names,
                                       const std::string& parent = "") {
  v1::BatchGetTokensRequest request;
  request.set_parent(parent);
  for (const std::string& name : names) request.add_names(name);
  return request;
}

absl::StatusOr<v1::BatchGetTokensResponse> BatchGet(const Snapshot& snapshot,
                                                    const v1::BatchGetTokensRequest& request) {
  const absl::StatusOr<std::string> bytes = BatchGetTokens(snapshot, SourceSet(), request);
  if (!bytes.ok()) return bytes.status();
  v1::BatchGetTokensResponse response;
  EXPECT_TRUE(response.ParseFromString(*bytes));
  return response;
}

std::vector<std::string> IdsOf(const v1::BatchGetTokensResponse& response) {
  std::vector<std::string> ids;
  for (const v1::Token& token : response.tokens()) ids.push_back(token.provider_token_id());
  return ids;
}

TEST_F(AnswersTest, GetAnswersTokensOfEveryPresence) {
  for (const char* id : {"listed", "missing", "deleted", "detached"}) {
    const auto token = Get(*snapshot_, TokenName("acme", id));
    ASSERT_TRUE(token.ok()) << token.status();
    EXPECT_EQ(token->provider_token_id(), id);
  }
  EXPECT_EQ(Get(*snapshot_, "sources/beta/tokens/b%2F1")->provider_token_id(), "b/1");
}

TEST_F(AnswersTest, GetAnswersFullUnlessAskedForBasic) {
  const std::string name = TokenName("acme", "listed");
  EXPECT_EQ(Get(*snapshot_, name)->permissions_size(), 1);
  EXPECT_EQ(Get(*snapshot_, name, v1::FULL)->permissions_size(), 1);
  EXPECT_EQ(Get(*snapshot_, name, v1::BASIC)->permissions_size(), 0);
  const auto unknown = Get(*snapshot_, name, static_cast<v1::TokenView>(7));
  EXPECT_THAT(FieldsOf(unknown), ElementsAre("view"));
}

TEST_F(AnswersTest, GetOfWhatIsNotThereSaysSo) {
  const auto token = Get(*snapshot_, TokenName("acme", "none"));
  EXPECT_EQ(token.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(token), "TOKEN_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Get(*snapshot_, TokenName("none", "x"))), "TOKEN_NOT_FOUND");
  for (const char* name : {"", "acme", "sources/acme", "sources/beta/tokens/b/1"}) {
    const auto bad = Get(*snapshot_, name);
    EXPECT_EQ(bad.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(FieldsOf(bad), ElementsAre("name"));
  }
}

TEST_F(AnswersTest, BatchGetAnswersInTheOrderAskedAndNamesWhatIsMissing) {
  const std::string none = TokenName("acme", "none");
  const std::string nowhere = TokenName("nowhere", "x");
  const auto response = BatchGet(
      *snapshot_, BatchRequest({TokenName("beta", "b/1"), none, TokenName("acme", "missing"),
                                TokenName("acme", "listed"), nowhere, TokenName("beta", "b/1")}));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(IdsOf(*response), ElementsAre("b/1", "missing", "listed", "b/1"));
  EXPECT_THAT(response->missing_names(), ElementsAre(none, nowhere));
  EXPECT_EQ(response->tokens(0).permissions_size(), 0) << "BASIC unless asked for FULL";
}

TEST_F(AnswersTest, BatchGetChecksItsRequest) {
  const std::string good = TokenName("acme", "listed");
  struct Case {
    v1::BatchGetTokensRequest request;
    std::string field;
    std::string reason;
  };
  v1::BatchGetTokensRequest bad_view = BatchRequest({good});
  bad_view.set_view(static_cast<v1::TokenView>(-1));
  const Case cases[] = {
      {BatchRequest({}), "names", "MISSING_NAMES"},
      {BatchRequest(std::vector<std::string>(1001, good)), "names", "TOO_MANY_NAMES"},
      {BatchRequest({good, "x"}), "names[1]", "INVALID_NAME"},
      {BatchRequest({good, good, TokenName("beta", "b/1")}, "sources/acme"), "names[2]",
       "NAME_OUTSIDE_PARENT"},
      {BatchRequest({good}, "acme"), "parent", "INVALID_NAME"},
      {bad_view, "view", "INVALID_VIEW"},
  };
  for (const Case& c : cases) {
    const auto response = BatchGet(*snapshot_, c.request);
    EXPECT_EQ(response.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(FieldsOf(response), ElementsAre(c.field));
    EXPECT_EQ(ReasonOf(response), c.reason);
  }
  EXPECT_TRUE(BatchGet(*snapshot_, BatchRequest(std::vector<std::string>(1000, good))).ok());
  EXPECT_TRUE(BatchGet(*snapshot_, BatchRequest({good}, "sources/acme")).ok());
  EXPECT_TRUE(BatchGet(*snapshot_, BatchRequest({good}, "sources/-")).ok());
}

TEST_F(AnswersTest, BatchGetThatWouldBeTooLargeIsRefusedWhole) {
  std::vector<std::string> names;
  for (int i = 0; i < 60; ++i) {
    v1::Token token = MakeToken("beta", absl::StrCat("large-", i));
    token.set_permissions(0, std::string(60 * 1024, 'p'));
    maker_.Put(10 + i, token);
    names.push_back(token.name());
  }
  snapshot_ = maker_.Build();
  v1::BatchGetTokensRequest request = BatchRequest(names);
  EXPECT_TRUE(BatchGet(*snapshot_, request).ok());
  request.set_view(v1::FULL);
  const auto response = BatchGet(*snapshot_, request);
  EXPECT_EQ(response.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(response), "ANSWER_TOO_LARGE");
}

TEST_F(AnswersTest, GetSourceCountsTheTokensThatListShows) {
  v1::GetSourceRequest request;
  request.set_name("sources/acme");
  const auto source = GetSource(*snapshot_, SourceSet(), request);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(source->name(), "sources/acme");
  EXPECT_EQ(source->token_count(), 2);
  request.set_name("sources/none");
  EXPECT_EQ(GetSource(*snapshot_, SourceSet(), request).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(GetSource(*snapshot_, SourceSet(), request)), "SOURCE_NOT_FOUND");
  request.set_name("sources/-");
  EXPECT_THAT(FieldsOf(GetSource(*snapshot_, SourceSet(), request)), ElementsAre("name"));
}

TEST_F(AnswersTest, ListSourcesPagesByName) {
  for (int i = 0; i < 120; ++i) maker_.Source(absl::StrCat("s", (i * 37) % 120));
  snapshot_ = maker_.Build();
  std::vector<std::string> names;
  v1::ListSourcesRequest request;
  request.set_page_size(7);
  do {
    const auto page = ListSources(*snapshot_, SourceSet(), kEpoch, request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->sources_size(), 7);
    for (const v1::Source& source : page->sources()) names.push_back(source.name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(names.size(), 123u);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST_F(AnswersTest, ListSourcesChecksItsRequest) {
  v1::ListSourcesRequest request;
  EXPECT_EQ(ListSources(*snapshot_, SourceSet(), kEpoch, request)->sources_size(), 3);
  request.set_page_size(3);
  EXPECT_THAT(ListSources(*snapshot_, SourceSet(), kEpoch, request)->next_page_token(), IsEmpty());
  request.set_page_size(-1);
  EXPECT_THAT(FieldsOf(ListSources(*snapshot_, SourceSet(), kEpoch, request)),
              ElementsAre("page_size"));
  request.set_page_size(2);
  request.set_page_token("garbage");
  EXPECT_THAT(FieldsOf(ListSources(*snapshot_, SourceSet(), kEpoch, request)),
              ElementsAre("page_token"));
  // Of another list.
  v1::ListTokensRequest other;
  other.set_parent("sources/-");
  other.set_page_size(1);
  v1::ListTokensResponse tokens;
  ASSERT_TRUE(tokens.ParseFromString(
      *ListTokens(*snapshot_, SourceSet(), kEpoch, other, absl::UnixEpoch())));
  request.set_page_token(tokens.next_page_token());
  EXPECT_EQ(ReasonOf(ListSources(*snapshot_, SourceSet(), kEpoch, request)), "PAGE_TOKEN_MISMATCH");
}

}  // namespace
}  // namespace tokeninventory::testing
