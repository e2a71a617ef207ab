// The Ledger under another configuration.
#include <limits>
#include <utility>

#include "base/proto_time.h"
#include "base/status_macros.h"
#include "inventory/ledger.h"
#include "inventory/ledger_staged.h"

namespace tokeninventory {

absl::Status Ledger::Reconfigure(Configuration configuration) {
  absl::Status result;
  RunOnThread([&] {
    // Whoever asks does not wait for the next attempt.
    if (!store_status_.ok()) ProbeStore();
    if (!store_status_.ok()) {
      result = StoreError();
      return;
    }
    std::swap(options_.sources, configuration.sources);
    std::swap(options_.rules, configuration.rules);
    result = ConfigureSources();
    if (!result.ok()) {
      std::swap(options_.sources, configuration.sources);
      std::swap(options_.rules, configuration.rules);
      return;
    }
    options_.retention = configuration.retention;
    next_compaction_ = options_.clock->Now();
    // What a source lost that is detached now is nothing to approve.
    for (auto it = held_.begin(); it != held_.end();) {
      const int index = snapshot_->FindSource(it->first);
      const bool is_detached =
          index < 0 || snapshot_->sources()[static_cast<std::size_t>(index)].status->state() ==
                           v1::Source::DETACHED;
      is_detached ? held_.erase(it++) : void(++it);
    }
    RearmAll();
  });
  return result;
}

void Ledger::RearmAll() {
  const SortedEntry first{std::numeric_limits<std::int64_t>::min(), 0, 0};
  snapshot_->by_effective_expire_time().Scan(first, [&](const SortedEntry& entry) {
    if (entry.key == std::numeric_limits<std::int64_t>::max()) return false;  // they never end
    const absl::Time due = absl::FromUnixNanos(entry.key) - options_.rules.widest();
    const TokenFacts facts = ReadTokenFacts(snapshot_->At(entry.row).full);
    // Whichever rule is the token's: the rest is seen to when the time comes.
    if (facts.state == v1::Token::ACTIVE && due < DueOf(entry.row)) {
      Arm(entry.row, due);
    }
    return true;
  });
  snapshot_->notices().Scan(0, [&](std::int64_t row, const std::shared_ptr<const Notice>& notice) {
    if (notice->is_about_token() && notice->is_open()) Arm(row, absl::UnixEpoch());
    return true;
  });
}

}  // namespace tokeninventory
