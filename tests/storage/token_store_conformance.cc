#include "tests/storage/token_store_conformance.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <utility>

namespace tokeninventory::testing {

using ::testing::FieldsAre;
using ::testing::IsEmpty;

namespace {

class Collector final : public LoadVisitor {
 public:
  absl::Status OnSource(StoredSource source) override {
    EXPECT_THAT(loaded.scopes, IsEmpty());
    EXPECT_THAT(loaded.tokens, IsEmpty());
    EXPECT_THAT(loaded.notices, IsEmpty());
    loaded.sources.push_back(std::move(source));
    return absl::OkStatus();
  }
  absl::Status OnScope(StoredScope scope) override {
    EXPECT_THAT(loaded.tokens, IsEmpty());
    EXPECT_THAT(loaded.notices, IsEmpty());
    loaded.scopes.push_back(std::move(scope));
    return absl::OkStatus();
  }
  absl::Status OnToken(const StoredTokenRef& token) override {
    EXPECT_THAT(loaded.notices, IsEmpty());
    EXPECT_LT(loaded.tokens.empty() ? 0 : loaded.tokens.back().row, token.row);
    loaded.tokens.push_back(
        {token.row, std::string(token.token), {token.marks.begin(), token.marks.end()}});
    return absl::OkStatus();
  }
  absl::Status OnNotice(StoredNotice notice) override {
    EXPECT_LT(loaded.notices.empty() ? 0 : loaded.notices.back().row, notice.row);
    loaded.notices.push_back(std::move(notice));
    return absl::OkStatus();
  }

  LoadedStore loaded;
};

}  // namespace

std::vector<LogPosition> PlacesOf(const std::vector<LogEntry>& entries) {
  std::vector<LogPosition> places;
  for (const LogEntry& entry : entries) places.push_back({entry.revision, entry.index});
  return places;
}

::testing::Matcher<const LogChange&> IsTokenChange(std::int64_t row, v1::TokenChange::Cause cause,
                                                   const std::string& before,
                                                   const std::string& after) {
  return FieldsAre(row, cause, before, after, LogSubject::kToken);
}

::testing::Matcher<const LogChange&> IsNoticeChange(std::int64_t row, const std::string& before,
                                                    const std::string& after) {
  return FieldsAre(row, v1::TokenChange::CAUSE_UNSPECIFIED, before, after, LogSubject::kNotice);
}

LoadedStore LoadAll(TokenStore& store) {
  Collector collector;
  const absl::Status status = store.Load(collector);
  EXPECT_TRUE(status.ok()) << status;
  return std::move(collector.loaded);
}

std::vector<LogEntry> ReadWholeLog(TokenStore& store, LogPosition after, std::int64_t max_bytes) {
  std::vector<LogEntry> all;
  while (true) {
    absl::StatusOr<LogPage> page = store.ReadLog(after, max_bytes);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok() || page->entries.empty()) return all;
    after = {page->entries.back().revision, page->entries.back().index + 1};
    std::move(page->entries.begin(), page->entries.end(), std::back_inserter(all));
  }
}

CommitBatch PutBatch(std::int64_t row, std::string before, std::string after,
                     absl::Time commit_time) {
  CommitBatch batch;
  batch.commit_time = commit_time;
  batch.put_tokens.push_back({row, after, {}});
  batch.changes.push_back(
      {row, v1::TokenChange::VENDOR_REPORTED, std::move(before), std::move(after)});
  return batch;
}

LogChange NoticeChange(std::int64_t row, std::string before, std::string after) {
  return {row, v1::TokenChange::CAUSE_UNSPECIFIED, std::move(before), std::move(after),
          LogSubject::kNotice};
}

CommitBatch NoticeBatch(std::int64_t row, std::string before, std::string after,
                        absl::Time commit_time) {
  CommitBatch batch;
  batch.commit_time = commit_time;
  if (after.empty()) {
    batch.delete_notices = {row};
  } else {
    batch.put_notices = {{row, after}};
  }
  batch.changes = {NoticeChange(row, std::move(before), std::move(after))};
  return batch;
}

void ExpectStateIsWhatTheLogSays(TokenStore& store) {
  absl::StatusOr<StoreHead> head = store.Head();
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->oldest_revision, 0);
  // A notice has its token's row.
  using Key = std::pair<LogSubject, std::int64_t>;
  std::map<Key, std::string> state;
  LogPosition next = {1, 0};
  for (const LogEntry& entry : ReadWholeLog(store, kLogStart, 1 << 16)) {
    if (entry.revision != next.revision) next = {next.revision + 1, 0};
    ASSERT_EQ(LogPosition({entry.revision, entry.index}), next);
    ++next.index;
    const Key key = {entry.change.subject, entry.change.row};
    const auto found = state.find(key);
    ASSERT_EQ(entry.change.before, found == state.end() ? "" : found->second);
    if (entry.change.after.empty()) {
      state.erase(key);
    } else {
      state[key] = entry.change.after;
    }
  }
  EXPECT_EQ(head->revision, next.index == 0 ? 0 : next.revision);
  LoadedStore loaded = LoadAll(store);
  std::map<Key, std::string> held;
  for (StoredToken& token : loaded.tokens) {
    held[{LogSubject::kToken, token.row}] = std::move(token.token);
  }
  for (StoredNotice& notice : loaded.notices) {
    held[{LogSubject::kNotice, notice.row}] = std::move(notice.notice);
  }
  EXPECT_EQ(held, state);
}

TokenStoreConformanceTest::TokenStoreConformanceTest() : place_(GetParam()()) { Reopen(); }

TokenStoreConformanceTest::~TokenStoreConformanceTest() = default;

void TokenStoreConformanceTest::Reopen() {
  store_.reset();
  absl::StatusOr<std::unique_ptr<TokenStore>> opened = place_->Open();
  // Without a store there is nothing to go on with.
  if (!opened.ok()) {
    ADD_FAILURE() << opened.status();
    std::abort();
  }
  store_ = *std::move(opened);
}

std::int64_t TokenStoreConformanceTest::Commit(const CommitBatch& batch) {
  const std::int64_t head = Head().revision;
  const absl::StatusOr<std::int64_t> revision = store().Commit(head, batch);
  EXPECT_TRUE(revision.ok()) << revision.status();
  return revision.value_or(head);
}

std::int64_t TokenStoreConformanceTest::CommitChanges(int changes, std::size_t bytes,
                                                      absl::Time commit_time) {
  CommitBatch batch;
  batch.commit_time = commit_time;
  for (std::int64_t row = 1; row <= changes; ++row) {
    batch.changes.push_back({row, v1::TokenChange::VENDOR_REPORTED, "", std::string(bytes, 'a')});
  }
  return Commit(batch);
}

StoreHead TokenStoreConformanceTest::Head() {
  absl::StatusOr<StoreHead> head = store().Head();
  EXPECT_TRUE(head.ok()) << head.status();
  return head.value_or(StoreHead());
}

StoreHead TokenStoreConformanceTest::CompactFully(const LogLimits& limits) {
  StoreHead before = Head();
  while (true) {
    absl::StatusOr<StoreHead> after = store().Compact(limits);
    EXPECT_TRUE(after.ok()) << after.status();
    if (!after.ok() || after->oldest_revision == before.oldest_revision) return before;
    EXPECT_GT(after->oldest_revision, before.oldest_revision);
    EXPECT_EQ(after->revision, before.revision);
    EXPECT_EQ(after->epoch, before.epoch);
    EXPECT_EQ(Head().oldest_revision, after->oldest_revision);
    before = *std::move(after);
  }
}

}  // namespace tokeninventory::testing
