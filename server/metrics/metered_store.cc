#include "server/metrics/metered_store.h"

#include <chrono>

namespace tokeninventory {

absl::StatusOr<std::int64_t> MeteredStore::Commit(std::int64_t expected_head,
                                                  const CommitBatch& batch) {
  const auto begin = std::chrono::steady_clock::now();
  absl::StatusOr<std::int64_t> head = store_->Commit(expected_head, batch);
  meter_.durations.Observe(absl::FromChrono(std::chrono::steady_clock::now() - begin));
  if (!head.ok()) meter_.failures.fetch_add(1, std::memory_order_relaxed);
  return head;
}

}  // namespace tokeninventory
