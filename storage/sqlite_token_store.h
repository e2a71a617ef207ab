// The embedded store: a file of SQLite's, nothing to set up.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "inventory/token_store.h"

namespace tokeninventory {

class SqliteLogReader;
class SqliteWriter;
class StoreLock;

// A store at `path`, with `path`-wal and `path`-shm while it is open and an
// empty `path`.lock beside it. A commit is on the disk when Commit returns
// (WAL, synchronous=FULL). Other programs may read the file; a second one of
// ours is refused, because the Ledger is the only writer. What INVALID_ARGUMENT
// of Commit says is a mistake of the caller's; nothing is written then.
//
// In one batch removals come before writes: a row that is both purged and put
// holds what was put.
//
// Thread-safety: as TokenStore says; besides, Head, ReadLog and ReadHistory may
// be called by any thread, and wait for each other.
class SqliteTokenStore final : public TokenStore {
 public:
  // Opens the store, or makes it if there is no file or an empty one. Blocks.
  // FAILED_PRECONDITION: another process has it open, a newer version made it,
  // or the file is another program's. DATA_LOSS: damaged, or no SQLite file.
  // UNAVAILABLE: the file cannot be opened or written.
  static absl::StatusOr<std::unique_ptr<TokenStore>> Open(const std::string& path);

  ~SqliteTokenStore() override;

  absl::StatusOr<StoreHead> Head() override;
  absl::Status Load(LoadVisitor& visitor) override;
  absl::StatusOr<std::int64_t> Commit(std::int64_t expected_head,
                                      const CommitBatch& batch) override;
  absl::StatusOr<LogPage> ReadLog(LogPosition after, std::int64_t max_bytes) override;
  absl::StatusOr<std::vector<LogEntry>> ReadHistory(std::int64_t row, std::int64_t before_revision,
                                                    int limit) override;
  absl::StatusOr<StoreHead> Compact(const LogLimits& limits) override;

 private:
  SqliteTokenStore(std::unique_ptr<StoreLock> lock, std::unique_ptr<SqliteWriter> writer,
                   std::unique_ptr<SqliteLogReader> reader);

  // What `call` returns, SQLite's exceptions included; remembers damage.
  template <typename Call>
  auto Run(absl::string_view doing, const Call& call) -> decltype(call());
  // The same, but not on a store that is damaged.
  template <typename Call>
  auto Write(absl::string_view doing, const Call& call) -> decltype(call());

  // Let go of in reverse: the writer closes last, because the last connection
  // empties the WAL, and under the lock.
  const std::unique_ptr<StoreLock> lock_;
  const std::unique_ptr<SqliteWriter> writer_;
  // Once true, it stays so.
  std::atomic<bool> damaged_ = false;
  Mutex reader_mutex_;
  const std::unique_ptr<SqliteLogReader> reader_ ABSL_PT_GUARDED_BY(reader_mutex_);
};

}  // namespace tokeninventory
