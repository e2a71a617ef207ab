// The suite's part on notices: what Load gives back, their changes in the log, and
// the cursor that needs them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
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

// --- Commit and Load

TEST_P(TokenStoreConformanceTest, NoticesComeBackByRisingRow) {
  const std::string odd("\0\xff'\"\n%s\xc3\x28\0", 10);
  const std::string big(64 << 10, '\0');
  CommitBatch batch = PutBatch(2, "", "two", TestTime());
  // Of a token, and of rows that no token has.
  batch.put_notices = {{5'000'000'000, odd}, {2, "soon"}, {3, ""}, {7, big}};
  Commit(batch);
  for (const bool reopened : {false, true}) {
    SCOPED_TRACE(reopened);
    if (reopened) Reopen();
    const LoadedStore loaded = LoadAll(store());
    EXPECT_THAT(loaded.tokens, ElementsAre(FieldsAre(2, "two", IsEmpty())));
    EXPECT_THAT(loaded.notices, ElementsAre(FieldsAre(2, "soon"), FieldsAre(3, ""),
                                            FieldsAre(7, big), FieldsAre(5'000'000'000, odd)));
  }
}

TEST_P(TokenStoreConformanceTest, NoticesArePutReplacedAndDeleted) {
  CommitBatch first;
  first.put_notices = {{1, "soon"}, {2, "soon"}, {3, "soon"}};
  CommitBatch second;
  second.put_notices = {{1, "sooner"}, {2, "put after it was deleted"}};
  second.delete_notices = {3, 2, 99};  // the last is not there
  CommitBatch third;
  third.delete_notices = {1, 2, 3};
  const struct {
    const CommitBatch& batch;
    ::testing::Matcher<std::vector<StoredNotice>> notices;
  } steps[] = {
      {first, ElementsAre(FieldsAre(1, "soon"), FieldsAre(2, "soon"), FieldsAre(3, "soon"))},
      {second, ElementsAre(FieldsAre(1, "sooner"), FieldsAre(2, "put after it was deleted"))},
      {third, IsEmpty()},
      {third, IsEmpty()},
  };
  for (const auto& [batch, notices] : steps) {
    // Without changes there is no revision.
    EXPECT_EQ(Commit(batch), 0);
    EXPECT_THAT(LoadAll(store()).notices, notices);
    Reopen();
    EXPECT_EQ(Head().revision, 0);
    EXPECT_THAT(LoadAll(store()).notices, notices);
    EXPECT_THAT(ReadWholeLog(store(), kLogStart, kNoLimit), IsEmpty());
  }
}

TEST_P(TokenStoreConformanceTest, ATokenAndItsNoticeComeAndGoApart) {
  CommitBatch both = PutBatch(1, "", "one", TestTime());
  both.put_notices = {{1, "soon"}};
  CommitBatch purge;
  purge.purge_rows = {1};
  CommitBatch again;
  again.put_tokens = {{1, "another token", {}}};
  CommitBatch resolve;
  resolve.delete_notices = {1};
  const struct {
    const CommitBatch& batch;
    std::size_t tokens;
    std::size_t notices;
  } steps[] = {{both, 1, 1}, {purge, 0, 1}, {again, 1, 1}, {resolve, 1, 0}};
  for (const auto& [batch, tokens, notices] : steps) {
    Commit(batch);
    EXPECT_THAT(LoadAll(store()), FieldsAre(IsEmpty(), IsEmpty(), SizeIs(tokens), SizeIs(notices)));
  }
}

TEST_P(TokenStoreConformanceTest, ABadBatchWritesNoNotices) {
  CommitBatch before = PutBatch(1, "", "one", TestTime());
  before.put_notices = {{1, "soon"}, {2, "soon"}};
  before.changes.push_back(NoticeChange(1, "", "soon"));
  before.changes.push_back(NoticeChange(2, "", "soon"));
  Commit(before);
  CommitBatch good = NoticeBatch(1, "soon", "sooner", TestTime());
  good.put_notices.push_back({3, "soon"});
  good.changes.push_back(NoticeChange(3, "", "soon"));
  good.delete_notices = {2};
  good.changes.push_back(NoticeChange(2, "soon", ""));
  std::vector<CommitBatch> bad(6, good);
  bad[0].put_notices.push_back({0, "zero"});
  bad[1].put_notices.push_back({-1, "negative"});
  bad[2].delete_notices.push_back(0);
  bad[3].delete_notices.push_back(-1);
  bad[4].changes.push_back(NoticeChange(0, "", "zero"));
  bad[5].put_marks = {{99, "", {{1, 0}}}};  // no such token
  const auto expect_nothing_written = [&] {
    EXPECT_EQ(Head().revision, 1);
    EXPECT_THAT(LoadAll(store()).notices, ElementsAre(FieldsAre(1, "soon"), FieldsAre(2, "soon")));
    ExpectStateIsWhatTheLogSays(store());
  };
  for (std::size_t i = 0; i < bad.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(CodeOf(store().Commit(1, bad[i])), absl::StatusCode::kInvalidArgument);
    expect_nothing_written();
  }
  EXPECT_EQ(CodeOf(store().Commit(2, good)), absl::StatusCode::kAborted);
  expect_nothing_written();
  EXPECT_EQ(Commit(good), 2);
  EXPECT_THAT(LoadAll(store()).notices, ElementsAre(FieldsAre(1, "sooner"), FieldsAre(3, "soon")));
  ExpectStateIsWhatTheLogSays(store());
}

// --- The log

TEST_P(TokenStoreConformanceTest, TheLogSaysWhatAChangeIsAbout) {
  CommitBatch mixed = PutBatch(1, "", "one", TestTime());
  mixed.put_notices = {{1, "soon"}, {9, "unhealthy"}};
  mixed.changes.push_back(NoticeChange(1, "", "soon"));
  mixed.changes.push_back({2, v1::TokenChange::NOT_SEEN, "two", ""});
  mixed.changes.push_back(NoticeChange(9, "", "unhealthy"));
  EXPECT_EQ(Commit(mixed), 1);
  // A notice's change makes a revision by itself. What is told of a notice that
  // leaves the store is its last state.
  CommitBatch resolve;
  resolve.commit_time = TestTime(1);
  resolve.changes = {NoticeChange(1, "soon", "resolved")};
  resolve.delete_notices = {1};
  EXPECT_EQ(Commit(resolve), 2);
  for (const bool reopened : {false, true}) {
    SCOPED_TRACE(reopened);
    if (reopened) Reopen();
    for (const std::int64_t max_bytes : {std::int64_t{1}, kNoLimit}) {
      EXPECT_THAT(
          ReadWholeLog(store(), kLogStart, max_bytes),
          ElementsAre(
              FieldsAre(1, 0, TestTime(),
                        IsTokenChange(1, v1::TokenChange::VENDOR_REPORTED, "", "one")),
              FieldsAre(1, 1, TestTime(), IsNoticeChange(1, "", "soon")),
              FieldsAre(1, 2, TestTime(), IsTokenChange(2, v1::TokenChange::NOT_SEEN, "two", "")),
              FieldsAre(1, 3, TestTime(), IsNoticeChange(9, "", "unhealthy")),
              FieldsAre(2, 0, TestTime(1), IsNoticeChange(1, "soon", "resolved"))));
    }
    EXPECT_THAT(LoadAll(store()).notices, ElementsAre(FieldsAre(9, "unhealthy")));
  }
}

TEST_P(TokenStoreConformanceTest, HistoryLeavesNoticesOut) {
  CommitBatch mixed = NoticeBatch(1, "", "soon", TestTime());
  mixed.changes.push_back({1, v1::TokenChange::VENDOR_REPORTED, "", "one"});
  mixed.changes.push_back(NoticeChange(1, "soon", "sooner"));
  mixed.changes.push_back({1, v1::TokenChange::TIME_PASSED, "one", "uno"});
  Commit(mixed);
  for (int i = 0; i < 20; ++i) Commit(NoticeBatch(1, "sooner", "sooner", TestTime()));
  Commit(PutBatch(1, "uno", "eins", TestTime(1)));
  Commit(NoticeBatch(1, "sooner", "", TestTime()));
  Commit(NoticeBatch(2, "", "of no token", TestTime()));
  const struct {
    std::int64_t before_revision;
    int limit;
    std::vector<LogPosition> places;
  } cases[] = {
      {kNoLimit, 100, {{22, 0}, {1, 3}, {1, 1}}},
      {kNoLimit, 2, {{22, 0}, {1, 3}}},  // `limit` counts what is given
      {23, 1, {{22, 0}}},
      {22, 100, {{1, 3}, {1, 1}}},
      {10, 1, {{1, 3}}},
      {1, 100, {}},
  };
  for (const auto& [before_revision, limit, places] : cases) {
    SCOPED_TRACE(absl::StrCat("before ", before_revision, ", limit ", limit));
    const absl::StatusOr<std::vector<LogEntry>> history =
        store().ReadHistory(1, before_revision, limit);
    ASSERT_TRUE(history.ok()) << history.status();
    EXPECT_EQ(PlacesOf(*history), places);
    for (const LogEntry& entry : *history) EXPECT_EQ(entry.change.subject, LogSubject::kToken);
  }
  EXPECT_THAT(store().ReadHistory(2, kNoLimit, 100).value(), IsEmpty());
}

// --- Compact

TEST_P(TokenStoreConformanceTest, CompactCountsNotices) {
  for (int i = 0; i < 4; ++i) {
    CommitBatch batch = NoticeBatch(1, "12345", "67890", TestTime());  // 10 bytes, 1 change
    batch.changes.push_back({1, v1::TokenChange::TIME_PASSED, "123", "45"});
    Commit(batch);
  }
  LogLimits limits = NoLimits();
  for (const auto& [max_bytes, oldest] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{60, 0}, {59, 1}, {45, 1}, {44, 2}}) {
    SCOPED_TRACE(max_bytes);
    limits.max_bytes = max_bytes;
    EXPECT_EQ(CompactFully(limits).oldest_revision, oldest);
  }
  limits = NoLimits();
  for (const auto& [max_changes, oldest] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{4, 2}, {3, 3}, {0, 4}}) {
    SCOPED_TRACE(max_changes);
    limits.max_changes = max_changes;
    EXPECT_EQ(CompactFully(limits).oldest_revision, oldest);
  }
  EXPECT_THAT(LoadAll(store()).notices, ElementsAre(FieldsAre(1, "67890")));
}

TEST_P(TokenStoreConformanceTest, AgeRemovesNothingThatACursorNeeds) {
  for (int second = 1; second <= 6; ++second) {
    Commit(NoticeBatch(1, "12345", "67890", TestTime(second)));
  }
  // Each step goes on with what the one before left.
  const struct {
    absl::Time oldest_commit_time;
    std::int64_t cursor;
    std::int64_t oldest;
  } steps[] = {
      {absl::InfiniteFuture(), -1, 0},
      {absl::InfiniteFuture(), 0, 0},  // nothing is told yet
      {absl::InfiniteFuture(), 2, 2},  // revision 2 is told, 3 is needed
      {absl::InfiniteFuture(), 2, 2},
      {absl::InfiniteFuture(), 1, 2},  // a cursor brings nothing back
      {TestTime(4), 6, 3},             // young enough besides
      {absl::InfinitePast(), 6, 3},
      {absl::InfiniteFuture(), 4, 4},
      {absl::InfiniteFuture(), 100, 6},  // beyond the head
  };
  for (const auto& [oldest_commit_time, cursor, oldest] : steps) {
    SCOPED_TRACE(absl::StrCat("cursor ", cursor, ", expected ", oldest));
    LogLimits limits = NoLimits();
    limits.oldest_commit_time = oldest_commit_time;
    limits.oldest_cursor = cursor;
    EXPECT_EQ(CompactFully(limits).oldest_revision, oldest);
    if (cursor >= oldest) {
      // What is after the cursor can be read from where it says.
      EXPECT_TRUE(store().ReadLog({cursor + 1, 0}, 1).ok());
    }
    EXPECT_THAT(ReadWholeLog(store(), {oldest + 1, 0}, 1),
                SizeIs(static_cast<std::size_t>(6 - oldest)));
  }
  EXPECT_EQ(Commit(PutBatch(1, "", "one", TestTime(7))), 7);
}

TEST_P(TokenStoreConformanceTest, TheCapsBeatAnyCursor) {
  for (int second = 1; second <= 6; ++second) {
    Commit(NoticeBatch(1, "12345", "67890", TestTime(second)));
  }
  LogLimits limits = NoLimits();
  limits.oldest_commit_time = absl::InfiniteFuture();
  limits.oldest_cursor = 0;
  EXPECT_EQ(CompactFully(limits).oldest_revision, 0);
  limits.max_changes = 4;
  EXPECT_EQ(CompactFully(limits).oldest_revision, 2);
  limits.max_bytes = 29;
  EXPECT_EQ(CompactFully(limits).oldest_revision, 4);
  // The cursor's place is gone, and that is told.
  EXPECT_EQ(CodeOf(store().ReadLog({1, 0}, 1)), absl::StatusCode::kOutOfRange);
  limits.max_changes = 0;
  EXPECT_EQ(CompactFully(limits).oldest_revision, 6);
}

}  // namespace
}  // namespace tokeninventory::testing
