// The suite's half on commits and what Load gives back.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/storage/token_store_conformance.h"

namespace tokeninventory::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::string OddBytes() { return std::string("\0\xff'\"\n%s\xc3\x28\0", 10); }

// --- Head and epoch

TEST_P(TokenStoreConformanceTest, AnEmptyBatchChangesNothing) {
  EXPECT_EQ(store().Commit(0, CommitBatch()).value(), 0);
  Commit(PutBatch(1, "", "one", TestTime()));
  const StoreHead head = Head();
  EXPECT_EQ(store().Commit(1, CommitBatch()).value(), 1);
  EXPECT_EQ(CodeOf(store().Commit(2, CommitBatch())), absl::StatusCode::kAborted);
  Reopen();
  EXPECT_EQ(Head().revision, head.revision);
  EXPECT_EQ(Head().epoch, head.epoch);
  Commit(PutBatch(1, "one", "two", TestTime()));
  ExpectStateIsWhatTheLogSays(store());
}

TEST_P(TokenStoreConformanceTest, ANewStoreIsEmptyAtRevisionZero) {
  const StoreHead head = Head();
  EXPECT_THAT(head.epoch, SizeIs(16));
  EXPECT_EQ(head.revision, 0);
  EXPECT_EQ(head.oldest_revision, 0);
  EXPECT_THAT(LoadAll(store()), FieldsAre(IsEmpty(), IsEmpty(), IsEmpty(), IsEmpty()));
  EXPECT_THAT(ReadWholeLog(store(), kLogStart, kNoLimit), IsEmpty());
}

TEST_P(TokenStoreConformanceTest, TheEpochStaysWithTheStore) {
  const std::string epoch = Head().epoch;
  CommitChanges(1, 1, TestTime());
  Reopen();
  EXPECT_EQ(Head().epoch, epoch);
}

TEST_P(TokenStoreConformanceTest, EveryStoreHasItsOwnEpoch) {
  const std::unique_ptr<StorePlace> other_place = GetParam()();
  absl::StatusOr<std::unique_ptr<TokenStore>> other = other_place->Open();
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_NE((*other)->Head()->epoch, Head().epoch);
}

// --- Commit and Load

TEST_P(TokenStoreConformanceTest, LoadGivesWhatWasCommitted) {
  CommitBatch batch = PutBatch(7, "", "seven", TestTime());
  batch.put_tokens.push_back({3, "three", {{1, 0}, {9'000'000'000, 2}}});
  batch.put_tokens.push_back({5'000'000'000, "", {{2, 2'000'000'000}}});
  batch.put_scopes = {{2, "src", "tokens", "ws-2", R"({"a":1})", 0},
                      {9'000'000'000, "src", "workspaces", "", "", 2'000'000'000}};
  batch.put_sources = {{"b", "status b"}, {"a", ""}};
  EXPECT_EQ(Commit(batch), 1);
  for (const bool reopened : {false, true}) {
    SCOPED_TRACE(reopened);
    if (reopened) Reopen();
    LoadedStore loaded = LoadAll(store());
    EXPECT_THAT(
        loaded.tokens,
        ElementsAre(
            FieldsAre(3, "three", ElementsAre(ScopeMark{1, 0}, ScopeMark{9'000'000'000, 2})),
            FieldsAre(7, "seven", IsEmpty()),
            FieldsAre(5'000'000'000, "", ElementsAre(ScopeMark{2, 2'000'000'000}))));
    EXPECT_THAT(
        loaded.scopes,
        UnorderedElementsAre(FieldsAre(2, "src", "tokens", "ws-2", R"({"a":1})", 0),
                             FieldsAre(9'000'000'000, "src", "workspaces", "", "", 2'000'000'000)));
    EXPECT_THAT(loaded.sources,
                UnorderedElementsAre(FieldsAre("a", ""), FieldsAre("b", "status b")));
    EXPECT_EQ(Head().revision, 1);
  }
}

TEST_P(TokenStoreConformanceTest, PutReplacesAndDeleteRemoves) {
  CommitBatch first;
  first.put_tokens = {{1, "one", {{1, 1}}}, {2, "two", {}}};
  first.put_scopes = {{1, "s", "a", "k", "{}", 1}, {2, "s", "b", "k", "{}", 0}};
  first.put_sources = {{"a", "1"}, {"b", "1"}};
  Commit(first);
  CommitBatch second;
  second.put_tokens = {{1, "one again", {}}};
  second.purge_rows = {2};
  second.put_scopes = {{1, "s", "a", "k2", "[]", 0}};
  second.delete_scopes = {2};
  second.put_sources = {{"a", "2"}};
  second.delete_sources = {"b"};
  Commit(second);
  EXPECT_THAT(LoadAll(store()),
              FieldsAre(ElementsAre(FieldsAre("a", "2")),
                        ElementsAre(FieldsAre(1, "s", "a", "k2", "[]", 0)),
                        ElementsAre(FieldsAre(1, "one again", IsEmpty())), IsEmpty()));
}

TEST_P(TokenStoreConformanceTest, RemovingWhatIsNotThereIsFine) {
  CommitBatch batch;
  batch.purge_rows = {1};
  batch.delete_scopes = {1};
  batch.delete_sources = {"a"};
  EXPECT_EQ(Commit(batch), 0);
}

TEST_P(TokenStoreConformanceTest, RemovalsComeBeforeWrites) {
  Commit(PutBatch(1, "", "first", TestTime()));
  CommitBatch batch;
  batch.purge_rows = {1};
  batch.put_tokens = {{1, "another token", {}}};
  batch.delete_scopes = {1};
  batch.put_scopes = {{1, "s", "a", "k", "{}", 0}};
  batch.delete_sources = {"a"};
  batch.put_sources = {{"a", "1"}};
  Commit(batch);
  EXPECT_THAT(LoadAll(store()),
              FieldsAre(SizeIs(1), SizeIs(1), ElementsAre(FieldsAre(1, "another token", IsEmpty())),
                        IsEmpty()));
}

TEST_P(TokenStoreConformanceTest, MarksMoveWithoutTheToken) {
  CommitBatch put = PutBatch(1, "", "one", TestTime());
  put.put_tokens[0].marks = {{1, 0}};
  Commit(put);
  CommitBatch marks;
  marks.put_marks = {{1, "unused", {{1, 1}, {2, 0}}}};
  EXPECT_EQ(Commit(marks), 1);
  Reopen();
  EXPECT_THAT(LoadAll(store()).tokens,
              ElementsAre(FieldsAre(1, "one", ElementsAre(ScopeMark{1, 1}, ScopeMark{2, 0}))));
  EXPECT_THAT(ReadWholeLog(store(), kLogStart, kNoLimit), SizeIs(1));
}

TEST_P(TokenStoreConformanceTest, OnlyChangesMakeARevision) {
  CommitBatch quiet;
  quiet.put_sources = {{"a", "polled"}};
  EXPECT_EQ(Commit(quiet), 0);
  EXPECT_EQ(Commit(PutBatch(1, "", "one", TestTime())), 1);
  EXPECT_EQ(Commit(quiet), 1);
  EXPECT_EQ(Commit(CommitBatch()), 1);
  EXPECT_EQ(Commit(PutBatch(1, "one", "uno", TestTime())), 2);
  Reopen();
  EXPECT_EQ(Head().revision, 2);
  EXPECT_THAT(LoadAll(store()).sources, ElementsAre(FieldsAre("a", "polled")));
}

TEST_P(TokenStoreConformanceTest, CommitOnAnotherRevisionIsAbortedAndWritesNothing) {
  Commit(PutBatch(1, "", "one", TestTime()));
  CommitBatch quiet;
  quiet.put_sources = {{"a", "1"}};
  for (const std::int64_t expected : {std::int64_t{0}, std::int64_t{2}, std::int64_t{-1}}) {
    SCOPED_TRACE(expected);
    EXPECT_EQ(CodeOf(store().Commit(expected, PutBatch(2, "", "two", TestTime()))),
              absl::StatusCode::kAborted);
    EXPECT_EQ(CodeOf(store().Commit(expected, quiet)), absl::StatusCode::kAborted);
    EXPECT_EQ(CodeOf(store().Commit(expected, CommitBatch())), absl::StatusCode::kAborted);
  }
  EXPECT_THAT(LoadAll(store()), FieldsAre(IsEmpty(), IsEmpty(), SizeIs(1), IsEmpty()));
  ExpectStateIsWhatTheLogSays(store());
  EXPECT_EQ(Commit(PutBatch(2, "", "two", TestTime())), 2);
}

TEST_P(TokenStoreConformanceTest, ABadBatchWritesNothing) {
  Commit(PutBatch(1, "", "one", TestTime()));
  std::vector<CommitBatch> bad(4, PutBatch(1, "one", "uno", TestTime()));
  bad[0].put_marks = {{99, "", {{1, 0}}}};  // no such token
  bad[1].put_tokens.push_back({0, "zero", {}});
  bad[2].put_scopes.push_back({0, "s", "a", "k", "{}", 0});
  bad[3].changes.push_back({-1, v1::TokenChange::NOT_SEEN, "a", ""});
  for (const CommitBatch& batch : bad) {
    EXPECT_EQ(CodeOf(store().Commit(1, batch)), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Head().revision, 1);
    ExpectStateIsWhatTheLogSays(store());
  }
  EXPECT_EQ(Commit(PutBatch(1, "one", "uno", TestTime())), 2);
  ExpectStateIsWhatTheLogSays(store());
}

TEST_P(TokenStoreConformanceTest, LoadStopsAtTheVisitorsError) {
  class Refuser final : public LoadVisitor {
   public:
    explicit Refuser(int accepted) : accepted_(accepted) {}
    absl::Status OnSource(StoredSource) override { return Next(); }
    absl::Status OnScope(StoredScope) override { return Next(); }
    absl::Status OnToken(const StoredTokenRef&) override { return Next(); }
    absl::Status OnNotice(StoredNotice) override { return Next(); }

   private:
    absl::Status Next() {
      EXPECT_GE(accepted_, 0);
      return accepted_-- > 0 ? absl::OkStatus() : absl::CancelledError("enough");
    }
    int accepted_;
  };
  CommitBatch batch;
  batch.put_sources = {{"a", ""}, {"b", ""}};
  batch.put_scopes = {{1, "s", "a", "k", "{}", 0}, {2, "s", "a", "l", "{}", 0}};
  batch.put_tokens = {{1, "one", {}}, {2, "two", {}}};
  batch.put_notices = {{1, "soon"}, {2, "soon"}};
  Commit(batch);
  for (int accepted = 0; accepted < 8; ++accepted) {
    Refuser refuser(accepted);
    EXPECT_EQ(store().Load(refuser).code(), absl::StatusCode::kCancelled);
  }
  EXPECT_THAT(LoadAll(store()), FieldsAre(SizeIs(2), SizeIs(2), SizeIs(2), SizeIs(2)));
  EXPECT_EQ(Commit(PutBatch(1, "one", "uno", TestTime())), 1);
}

TEST_P(TokenStoreConformanceTest, OddBytesComeBack) {
  const std::string big(64 << 10, '\0');
  CommitBatch batch = PutBatch(1, OddBytes(), big, TestTime());
  batch.put_tokens.push_back({2, OddBytes(), {}});
  const std::string text("caf\xc3\xa9\0'\"\\", 9);
  batch.put_scopes = {{1, text, text, text, text, 0}};
  batch.put_sources = {{text, OddBytes()}};
  Commit(batch);
  Reopen();
  EXPECT_THAT(LoadAll(store()), FieldsAre(ElementsAre(FieldsAre(text, OddBytes())),
                                          ElementsAre(FieldsAre(1, text, text, text, text, 0)),
                                          ElementsAre(FieldsAre(1, big, IsEmpty()),
                                                      FieldsAre(2, OddBytes(), IsEmpty())),
                                          IsEmpty()));
  EXPECT_THAT(
      ReadWholeLog(store(), kLogStart, kNoLimit),
      ElementsAre(FieldsAre(1, 0, TestTime(),
                            IsTokenChange(1, v1::TokenChange::VENDOR_REPORTED, OddBytes(), big))));
  CommitBatch remove;
  remove.delete_sources = {text};
  Commit(remove);
  EXPECT_THAT(LoadAll(store()).sources, IsEmpty());
}

TEST_P(TokenStoreConformanceTest, BigBatches) {
  constexpr std::int64_t kTokens = 5000;
  std::vector<ScopeMark> marks;
  for (std::int64_t scope = 1; scope <= 300; ++scope) marks.push_back({scope, 1});
  CommitBatch batch;
  batch.commit_time = TestTime();
  for (std::int64_t row = kTokens; row > 0; --row) {  // not in the order of rows
    batch.put_tokens.push_back({row, absl::StrCat("token ", row), marks});
    batch.put_scopes.push_back({row, "s", "a", absl::StrCat(row), "{}", 0});
    batch.changes.push_back(
        {row, v1::TokenChange::VENDOR_REPORTED, "", absl::StrCat("token ", row)});
  }
  EXPECT_EQ(Commit(batch), 1);
  Reopen();
  ExpectStateIsWhatTheLogSays(store());
  const LoadedStore loaded = LoadAll(store());
  ASSERT_THAT(loaded.tokens, SizeIs(kTokens));
  EXPECT_EQ(loaded.tokens.back().marks, marks);
  EXPECT_THAT(loaded.scopes, SizeIs(kTokens));
}

}  // namespace
}  // namespace tokeninventory::testing
