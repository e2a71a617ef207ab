// What every TokenStore must do. A store's own test has the four
// token_store_*conformance.cc among its sources and instantiates the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, TokenStoreConformanceTest,
//                            ::testing::Values(StorePlaceFactory(…)));
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/token_store.h"

namespace tokeninventory::testing {

// Where one store lives: a directory, a database. Its destructor removes the
// data; every store opened here is gone by then.
class StorePlace {
 public:
  virtual ~StorePlace() = default;

  // Opens the store, which is made by the first call. The store of the call
  // before is gone.
  virtual absl::StatusOr<std::unique_ptr<TokenStore>> Open() = 0;
};

// Makes an empty place.
using StorePlaceFactory = std::function<std::unique_ptr<StorePlace>()>;

inline constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();
inline constexpr LogPosition kLogStart = {0, 0};

// With nanoseconds: watchers get commit times from memory and from the log, and
// must not see two.
inline absl::Time TestTime(int seconds = 0) {
  return absl::FromUnixSeconds(1'800'000'000 + seconds) + absl::Nanoseconds(123'456'789);
}

inline LogLimits NoLimits() { return {absl::InfinitePast(), kNoLimit, kNoLimit}; }

// Of a Status that a StatusOr carries.
template <typename Value>
absl::StatusCode CodeOf(const absl::StatusOr<Value>& result) {
  return result.status().code();
}

// The places of a page's entries.
std::vector<LogPosition> PlacesOf(const std::vector<LogEntry>& entries);

// A change in the log of that subject.
::testing::Matcher<const LogChange&> IsTokenChange(std::int64_t row, v1::TokenChange::Cause cause,
                                                   const std::string& before,
                                                   const std::string& after);
::testing::Matcher<const LogChange&> IsNoticeChange(std::int64_t row, const std::string& before,
                                                    const std::string& after);

// What Load told.
struct LoadedStore {
  std::vector<StoredSource> sources;
  std::vector<StoredScope> scopes;
  std::vector<StoredToken> tokens;
  std::vector<StoredNotice> notices;
};

// Loads everything; fails the test if the order is not as Load promises.
LoadedStore LoadAll(TokenStore& store);

// All of the log after `after`, read in pages of about `max_bytes`.
std::vector<LogEntry> ReadWholeLog(TokenStore& store, LogPosition after, std::int64_t max_bytes);

// A batch with one change: `row` gets `after`, in the log and in the state.
CommitBatch PutBatch(std::int64_t row, std::string before, std::string after,
                     absl::Time commit_time);

// A change for CommitBatch::changes.
LogChange NoticeChange(std::int64_t row, std::string before, std::string after);

// As PutBatch, of the notice of `row`. A notice without `after` is deleted.
CommitBatch NoticeBatch(std::int64_t row, std::string before, std::string after,
                        absl::Time commit_time);

// Expects what must hold after any crash: revisions and indexes without holes
// up to the head; each row's `before` is its previous `after`; the state is what
// the log says last, of tokens and of notices. For stores that were never
// compacted, whose batches tell all that they write.
void ExpectStateIsWhatTheLogSays(TokenStore& store);

class TokenStoreConformanceTest : public ::testing::TestWithParam<StorePlaceFactory> {
 protected:
  TokenStoreConformanceTest();
  ~TokenStoreConformanceTest() override;

  TokenStore& store() { return *store_; }
  void Reopen();

  // Commits on the newest revision and expects it to work.
  std::int64_t Commit(const CommitBatch& batch);
  // Commits `changes` changes of rows from 1 on, each with `bytes` bytes.
  std::int64_t CommitChanges(int changes, std::size_t bytes, absl::Time commit_time);
  StoreHead Head();
  // Calls Compact until it has nothing more to do.
  StoreHead CompactFully(const LogLimits& limits);

 private:
  std::unique_ptr<StorePlace> place_;
  std::unique_ptr<TokenStore> store_;
};

}  // namespace tokeninventory::testing
