// A Ledger over a store, fed by hand instead of by vendors.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "bench/lib/process.h"
#include "bench/lib/sample_tokens.h"
#include "inventory/ledger.h"

namespace tokeninventory::bench {

// The value, or the end of this program.
template <typename T>
T Take(absl::StatusOr<T> result) {
  if (!result.ok()) Fail(result.status().ToString());
  return *std::move(result);
}

// Opened on a store file, which is made when missing, with kSampleSources.
class FedLedger {
 public:
  FedLedger(const std::string& store_file, Clock* clock);

  // A complete pass over a source, which shows these tokens by pages of 1000.
  void Show(const SampleSource& source, const std::vector<ObservedToken>& tokens);
  // A page of one that does not come to its end: one commit, if anything changed.
  void Change(const SampleSource& source, std::vector<ObservedToken> page);

  TokenStore& store() { return *store_; }
  Inventory& inventory() { return inventory_; }
  ChangeFeed& feed() { return feed_; }
  Ledger& ledger() { return *ledger_; }

 private:
  Clock* const clock_;
  const std::unique_ptr<TokenStore> store_;
  Inventory inventory_;
  ChangeFeed feed_{std::int64_t{64} << 20};
  std::unique_ptr<Ledger> ledger_;
};

}  // namespace tokeninventory::bench
