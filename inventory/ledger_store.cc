// The Ledger over a store that fails: what it says, and how it finds out that the
// store is back. Readers need none of this: what they see is in memory.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/proto_time.h"
#include "inventory/errors.h"
#include "inventory/ledger.h"
#include "inventory/ledger_staged.h"

namespace tokeninventory {

void Ledger::SetStoreListener(std::function<void(const absl::Status&)> listener) {
  RunOnThread([&] {
    store_listener_ = std::move(listener);
    if (store_listener_) store_listener_(store_status_);
  });
}

// Each write of the store is told here.
void Ledger::NoteStore(const absl::Status& status) {
  const bool was_damaged = StoreIsDamaged();
  const bool is_news = status.ok() != store_status_.ok();
  store_status_ = status;
  const bool try_again = !status.ok() && !StoreIsDamaged();
  next_probe_ = try_again ? options_.clock->Now() + kDueRetry : absl::InfiniteFuture();
  if (status.ok()) {
    if (!is_news) return;
    LogInfo("the store can be written again");
    // What time brought meanwhile has waited long enough.
    retry_due_at_ = absl::InfinitePast();
  } else if (is_news || was_damaged != StoreIsDamaged()) {
    LogError(StoreIsDamaged() ? "the store is damaged, nothing is written to it any more"
                              : "the store cannot be written, trying again",
             {{"error", std::string(status.message())}});
  }
  if (is_news && store_listener_) store_listener_(status);
}

bool Ledger::StoreIsDamaged() const { return store_status_.code() == absl::StatusCode::kDataLoss; }

void Ledger::ProbeStore() {
  if (StoreIsDamaged()) return;
  NoteStore(options_.store->Commit(head_, CommitBatch()).status());
}

// As clients see it.
absl::Status Ledger::StoreError() const {
  if (StoreIsDamaged()) {
    return MakeError(
        absl::StatusCode::kDataLoss, "STORE_DAMAGED",
        absl::StrCat("the store is damaged and has to be restored: ", store_status_.message()));
  }
  return RetryableError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                        absl::StrCat("the store cannot be written now: ", store_status_.message()),
                        kDueRetry);
}

// A pass over `source` was given up.
void Ledger::PublishNotStored(const std::string& source) {
  PublishSource(source, [&](v1::Source& status) {
    status.set_syncing(false);
    status.set_state(v1::Source::STORE_UNAVAILABLE);
    status.set_error(std::string(StoreError().message()));
  });
}

void Ledger::Postpone(const std::string& source, absl::Time next_sync_time) {
  RunOnThread([&] {
    PublishSource(source, [&](v1::Source& status) {
      if (!status.syncing()) ToProto(next_sync_time, status.mutable_next_sync_time());
    });
  });
}

}  // namespace tokeninventory
