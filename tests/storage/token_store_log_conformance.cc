// The suite's half on the change log: reading, history, compaction, threads.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
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

// --- The log

TEST_P(TokenStoreConformanceTest, TheLogTellsChangesInTheirOrder) {
  CommitBatch first = PutBatch(2, "", "two", TestTime());
  first.changes.push_back({1, v1::TokenChange::CONFIG_CHANGED, "", "one"});
  Commit(first);
  CommitBatch second;
  second.commit_time = TestTime(1);
  second.changes = {{2, v1::TokenChange::NOT_SEEN, "two", ""},
                    {1, v1::TokenChange::TIME_PASSED, "one", "uno"},
                    {2, v1::TokenChange::ID_REUSED, "", "zwei"}};
  Commit(second);
  Reopen();
  const absl::StatusOr<LogPage> page = store().ReadLog(kLogStart, kNoLimit);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_TRUE(page->ends_revision);
  EXPECT_THAT(
      page->entries,
      ElementsAre(
          FieldsAre(1, 0, TestTime(),
                    IsTokenChange(2, v1::TokenChange::VENDOR_REPORTED, "", "two")),
          FieldsAre(1, 1, TestTime(), IsTokenChange(1, v1::TokenChange::CONFIG_CHANGED, "", "one")),
          FieldsAre(2, 0, TestTime(1), IsTokenChange(2, v1::TokenChange::NOT_SEEN, "two", "")),
          FieldsAre(2, 1, TestTime(1),
                    IsTokenChange(1, v1::TokenChange::TIME_PASSED, "one", "uno")),
          FieldsAre(2, 2, TestTime(1), IsTokenChange(2, v1::TokenChange::ID_REUSED, "", "zwei"))));
}

TEST_P(TokenStoreConformanceTest, TheLogCanBeReadFromEveryPlaceInEverySize) {
  std::vector<LogPosition> all;
  for (const int changes : {3, 1, 4}) {
    const std::int64_t revision = CommitChanges(changes, 10, TestTime());
    for (int index = 0; index < changes; ++index) all.push_back({revision, index});
  }
  const auto ends_revision = [&](std::size_t i) {
    return i + 1 == all.size() || all[i + 1].revision != all[i].revision;
  };
  for (std::size_t behind = 0; behind < all.size(); ++behind) {
    for (const std::int64_t max_bytes : {0, 1, 10, 11, 20, 35, 1000}) {
      SCOPED_TRACE(absl::StrCat("behind ", behind, ", max_bytes ", max_bytes));
      const absl::StatusOr<LogPage> page = store().ReadLog(all[behind], max_bytes);
      ASSERT_TRUE(page.ok()) << page.status();
      // "About": as many as fit, or one more; never none.
      const auto fit = static_cast<std::size_t>(max_bytes / 10);
      const std::size_t left = all.size() - behind;
      const std::size_t got = page->entries.size();
      EXPECT_GE(got, std::min(left, std::max<std::size_t>(fit, 1)));
      EXPECT_LE(got, std::min(left, fit + 1));
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(behind);
      EXPECT_EQ(PlacesOf(page->entries),
                std::vector<LogPosition>(begin, begin + static_cast<std::ptrdiff_t>(got)));
      EXPECT_EQ(page->ends_revision, ends_revision(behind + got - 1));
    }
  }
}

TEST_P(TokenStoreConformanceTest, APlaceBehindTheWholeRevisionIsThePlaceBeforeTheNext) {
  CommitChanges(2, 1, TestTime());
  CommitChanges(1, 1, TestTime());
  for (const LogPosition after : {LogPosition{1, 2}, {1, 3}, {1, kNoLimit}, {2, 0}}) {
    SCOPED_TRACE(absl::StrCat(after.revision, ".", after.index));
    EXPECT_THAT(PlacesOf(ReadWholeLog(store(), after, kNoLimit)), ElementsAre(LogPosition{2, 0}));
  }
}

TEST_P(TokenStoreConformanceTest, TheLogIsEmptyBehindItsEnd) {
  CommitChanges(2, 1, TestTime());
  for (const LogPosition after : {LogPosition{1, 2}, {2, 0}, {2, 5}, {kNoLimit, kNoLimit}}) {
    SCOPED_TRACE(absl::StrCat(after.revision, ".", after.index));
    const absl::StatusOr<LogPage> page = store().ReadLog(after, kNoLimit);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_THAT(page->entries, IsEmpty());
    EXPECT_TRUE(page->ends_revision);
  }
  EXPECT_THAT(ReadWholeLog(store(), {0, kNoLimit}, 1), SizeIs(2));
}

TEST_P(TokenStoreConformanceTest, HistoryIsOneRowsChangesNewestFirst) {
  Commit(PutBatch(1, "", "a", TestTime(1)));
  Commit(PutBatch(2, "", "other", TestTime(2)));
  CommitBatch twice = PutBatch(1, "a", "b", TestTime(3));
  twice.changes.push_back({1, v1::TokenChange::TIME_PASSED, "b", "c"});
  Commit(twice);
  Commit(PutBatch(1, "c", "d", TestTime(4)));
  const auto history = [&](std::int64_t before_revision, int limit) {
    absl::StatusOr<std::vector<LogEntry>> entries = store().ReadHistory(1, before_revision, limit);
    EXPECT_TRUE(entries.ok()) << entries.status();
    return entries.value_or(std::vector<LogEntry>());
  };
  EXPECT_THAT(PlacesOf(history(kNoLimit, 100)), ElementsAre(LogPosition{4, 0}, LogPosition{3, 1},
                                                            LogPosition{3, 0}, LogPosition{1, 0}));
  EXPECT_THAT(PlacesOf(history(5, 2)), ElementsAre(LogPosition{4, 0}, LogPosition{3, 1}));
  EXPECT_THAT(PlacesOf(history(4, 100)),
              ElementsAre(LogPosition{3, 1}, LogPosition{3, 0}, LogPosition{1, 0}));
  EXPECT_THAT(history(3, 100),
              ElementsAre(FieldsAre(1, 0, TestTime(1),
                                    IsTokenChange(1, v1::TokenChange::VENDOR_REPORTED, "", "a"))));
  EXPECT_THAT(history(1, 100), IsEmpty());
  EXPECT_THAT(history(kNoLimit, 0), IsEmpty());
  EXPECT_THAT(store().ReadHistory(3, kNoLimit, 100).value(), IsEmpty());
}

TEST_P(TokenStoreConformanceTest, HistoryOutlivesThePurge) {
  Commit(PutBatch(1, "", "a", TestTime()));
  CommitBatch purge;
  purge.commit_time = TestTime();
  purge.changes = {{1, v1::TokenChange::CONFIG_CHANGED, "a", ""}};
  purge.purge_rows = {1};
  Commit(purge);
  EXPECT_THAT(LoadAll(store()).tokens, IsEmpty());
  EXPECT_THAT(store().ReadHistory(1, kNoLimit, 100).value(), SizeIs(2));
  Reopen();
  EXPECT_EQ(Head().revision, 2);
  ExpectStateIsWhatTheLogSays(store());
}

// --- Compact

TEST_P(TokenStoreConformanceTest, CompactWithoutLimitsKeepsAll) {
  EXPECT_EQ(CompactFully(NoLimits()).oldest_revision, 0);
  CommitChanges(3, 1, TestTime());
  EXPECT_EQ(CompactFully(NoLimits()).oldest_revision, 0);
  EXPECT_THAT(ReadWholeLog(store(), kLogStart, kNoLimit), SizeIs(3));
}

TEST_P(TokenStoreConformanceTest, CompactByAge) {
  for (int second = 1; second <= 5; ++second) CommitChanges(2, 1, TestTime(second));
  LogLimits limits = NoLimits();
  limits.oldest_commit_time = TestTime(3);  // this old may stay
  EXPECT_EQ(CompactFully(limits).oldest_revision, 2);
  limits.oldest_commit_time = TestTime(3) + absl::Nanoseconds(1);
  EXPECT_EQ(CompactFully(limits).oldest_revision, 3);
  limits.oldest_commit_time = absl::InfiniteFuture();
  EXPECT_EQ(CompactFully(limits).oldest_revision, 5);
  EXPECT_EQ(Head().revision, 5);
}

TEST_P(TokenStoreConformanceTest, CompactByAgeStopsAtTheFirstYoungOne) {
  CommitChanges(1, 1, TestTime(10));
  CommitChanges(1, 1, TestTime(1));  // the clock went back
  LogLimits limits = NoLimits();
  limits.oldest_commit_time = TestTime(5);
  EXPECT_EQ(CompactFully(limits).oldest_revision, 0);
}

TEST_P(TokenStoreConformanceTest, CompactByCountRemovesWholeRevisions) {
  for (const int changes : {2, 3, 4}) CommitChanges(changes, 1, TestTime());
  LogLimits limits = NoLimits();
  for (const auto& [max_changes, oldest] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {9, 0}, {8, 1}, {7, 1}, {6, 2}, {4, 2}, {3, 3}, {0, 3}}) {
    SCOPED_TRACE(max_changes);
    limits.max_changes = max_changes;
    EXPECT_EQ(CompactFully(limits).oldest_revision, oldest);
  }
}

TEST_P(TokenStoreConformanceTest, CompactByBytes) {
  for (int i = 0; i < 4; ++i) Commit(PutBatch(1, "12345", "67890", TestTime()));
  LogLimits limits = NoLimits();
  for (const auto& [max_bytes, oldest] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {40, 0}, {39, 1}, {30, 1}, {29, 2}, {0, 4}}) {
    SCOPED_TRACE(max_bytes);
    limits.max_bytes = max_bytes;
    EXPECT_EQ(CompactFully(limits).oldest_revision, oldest);
  }
}

TEST_P(TokenStoreConformanceTest, TheStricterLimitWins) {
  for (int second = 1; second <= 10; ++second) CommitChanges(1, 10, TestTime(second));
  EXPECT_EQ(CompactFully({TestTime(3), 9, 90}).oldest_revision, 2);
  EXPECT_EQ(CompactFully({TestTime(3), 6, 90}).oldest_revision, 4);
  EXPECT_EQ(CompactFully({TestTime(3), 6, 40}).oldest_revision, 6);
}

TEST_P(TokenStoreConformanceTest, ACompactedLogStillServesWhatItHolds) {
  for (int i = 0; i < 4; ++i) CommitChanges(2, 1, TestTime());
  LogLimits limits = NoLimits();
  limits.max_changes = 4;
  CompactFully(limits);
  for (const bool reopened : {false, true}) {
    SCOPED_TRACE(reopened);
    if (reopened) Reopen();
    EXPECT_EQ(Head().oldest_revision, 2);
    // Revision 2 is gone: only who has seen all of it can go on.
    for (const LogPosition after : {kLogStart, {1, 0}, {1, 2}, {2, 0}, {2, 1}, {-1, 0}}) {
      SCOPED_TRACE(absl::StrCat(after.revision, ".", after.index));
      EXPECT_EQ(CodeOf(store().ReadLog(after, 1)), absl::StatusCode::kOutOfRange);
    }
    for (const LogPosition after : {LogPosition{2, 2}, {2, kNoLimit}, {3, 0}}) {
      SCOPED_TRACE(absl::StrCat(after.revision, ".", after.index));
      EXPECT_THAT(
          PlacesOf(ReadWholeLog(store(), after, 1)),
          ElementsAre(LogPosition{3, 0}, LogPosition{3, 1}, LogPosition{4, 0}, LogPosition{4, 1}));
    }
    EXPECT_THAT(PlacesOf(store().ReadHistory(1, kNoLimit, 100).value()),
                ElementsAre(LogPosition{4, 0}, LogPosition{3, 0}));
    EXPECT_THAT(store().ReadHistory(1, 3, 100).value(), IsEmpty());
    EXPECT_THAT(store().ReadHistory(1, 1, 100).value(), IsEmpty());
  }
}

TEST_P(TokenStoreConformanceTest, AWhollyCompactedLogGoesOn) {
  CommitChanges(2, 1, TestTime());
  Commit(PutBatch(1, "", "one", TestTime()));
  LogLimits nothing = NoLimits();
  nothing.max_changes = 0;
  const StoreHead head = CompactFully(nothing);
  EXPECT_EQ(head.revision, 2);
  EXPECT_EQ(head.oldest_revision, 2);
  Reopen();
  EXPECT_EQ(Head().revision, 2);
  EXPECT_THAT(ReadWholeLog(store(), {2, 1}, kNoLimit), IsEmpty());
  EXPECT_EQ(CodeOf(store().ReadLog({2, 0}, 1)), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(LoadAll(store()).tokens, SizeIs(1));
  EXPECT_EQ(CommitChanges(3, 1, TestTime()), 3);
  EXPECT_THAT(ReadWholeLog(store(), {2, 1}, kNoLimit), SizeIs(3));
}

TEST_P(TokenStoreConformanceTest, CompactRemovesALongLogStepByStep) {
  constexpr int kRevisions = 30;
  for (int i = 0; i < kRevisions; ++i) CommitChanges(1000, 1, TestTime(i));
  LogLimits limits = NoLimits();
  limits.max_changes = 1000;
  const absl::StatusOr<StoreHead> first = store().Compact(limits);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_GT(first->oldest_revision, 0);
  EXPECT_LT(first->oldest_revision, kRevisions - 1);
  EXPECT_EQ(CompactFully(limits).oldest_revision, kRevisions - 1);
}

TEST_P(TokenStoreConformanceTest, CompactRemovesARevisionOfAnySize) {
  CommitChanges(25'000, 1, TestTime());
  CommitChanges(1, 1, TestTime());
  LogLimits limits = NoLimits();
  limits.max_changes = 1;
  EXPECT_EQ(CompactFully(limits).oldest_revision, 1);
}

// --- Threads

TEST_P(TokenStoreConformanceTest, AReaderBesideTheWriterSeesWholeCommitsOnly) {
  constexpr int kRevisions = 200;
  const auto changes_of = [](std::int64_t revision) {
    return static_cast<std::size_t>(revision % 7 + 1);
  };
  std::atomic<bool> failed = false;
  std::thread reader([&] {
    LogPosition after = kLogStart;
    std::int64_t revision = 0;
    while (revision < kRevisions && !failed) {
      const absl::StatusOr<LogPage> page = store().ReadLog(after, kNoLimit);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) return;
      EXPECT_TRUE(page->ends_revision);
      std::map<std::int64_t, std::size_t> seen;
      for (const LogEntry& entry : page->entries) {
        EXPECT_EQ(entry.change.row, entry.revision);
        EXPECT_EQ(static_cast<std::size_t>(entry.index), seen[entry.revision]++);
      }
      for (const auto& [seen_revision, changes] : seen) {
        EXPECT_EQ(seen_revision, ++revision);
        EXPECT_EQ(changes, changes_of(seen_revision));
      }
      after = {revision + 1, 0};
      const absl::StatusOr<std::vector<LogEntry>> history =
          store().ReadHistory(std::max<std::int64_t>(revision, 1), kNoLimit, 100);
      EXPECT_TRUE(history.ok()) << history.status();
      if (revision > 0 && history.ok()) {
        EXPECT_THAT(*history, SizeIs(changes_of(revision)));
      }
    }
  });
  for (std::int64_t revision = 1; revision <= kRevisions; ++revision) {
    CommitBatch batch;
    batch.commit_time = TestTime();
    batch.changes.assign(changes_of(revision),
                         {revision, v1::TokenChange::VENDOR_REPORTED, "", "a"});
    const absl::StatusOr<std::int64_t> committed = store().Commit(revision - 1, batch);
    EXPECT_TRUE(committed.ok()) << committed.status();
    if (!committed.ok()) failed = true;
  }
  reader.join();
}

TEST_P(TokenStoreConformanceTest, AReaderBesideCompactMissesNothingUntold) {
  constexpr std::int64_t kRevisions = 300;
  std::thread reader([&] {
    LogPosition after = kLogStart;
    while (after.revision < kRevisions) {
      const absl::StatusOr<LogPage> page = store().ReadLog(after, 1);
      if (CodeOf(page) == absl::StatusCode::kOutOfRange) {
        const absl::StatusOr<StoreHead> head = store().Head();
        EXPECT_TRUE(head.ok()) << head.status();
        EXPECT_LT(after.revision, head->oldest_revision);
        after = {head->oldest_revision, kNoLimit};
        continue;
      }
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) return;
      if (page->entries.empty()) continue;
      EXPECT_THAT(PlacesOf(page->entries), ElementsAre(LogPosition{after.revision + 1, 0}));
      after = {page->entries[0].revision, kNoLimit};
    }
  });
  LogLimits limits = NoLimits();
  limits.max_changes = 1;
  for (std::int64_t revision = 1; revision <= kRevisions; ++revision) {
    EXPECT_EQ(CommitChanges(1, 1, TestTime()), revision);
    const absl::StatusOr<StoreHead> head = store().Compact(limits);
    EXPECT_TRUE(head.ok()) << head.status();
  }
  reader.join();
}

}  // namespace
}  // namespace tokeninventory::testing
