// A Ledger whose every word about ends is taken down and checked. Its log forgets
// nothing, unless Reopen says otherwise.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/expiration/notice_words.h"
#include "tests/inventory/ledger_harness.h"

namespace tokeninventory::testing {

// Thread-compatible.
class ExpiryHouse {
 public:
  explicit ExpiryHouse(LedgerSetup setup = {});

  // The events that were committed since the last call, in order, as the store's log
  // has them. Checks what holds for every event, and that memory, the store and the
  // log's replay agree; purged rows aside, the log must not have lost any of it.
  std::vector<v1::Expiration> News();
  // The same as text: `a LEAD 7d; b EXPIRED; acme DIGEST`. What was digested stands in
  // brackets.
  std::string Said(bool also_of_sources = true);

  void Reopen() { house_.Reopen(setup_); }
  void Reopen(const LedgerSetup& setup) {
    setup_ = setup;
    Reopen();
  }
  // Waits until nothing is due, and returns what was said of it.
  std::string SaidAfter(absl::Duration by);
  std::string SaidAt(absl::Time time);
  void Settle();

  LedgerHarness& house() { return house_; }
  const LedgerSetup& setup() const { return setup_; }
  absl::Time now() { return house_.clock().Now(); }
  // The revisions that said something, and how much.
  const std::map<std::int64_t, std::size_t>& sizes() const { return sizes_; }

 private:
  void CheckEvent(const v1::Expiration& notice);
  void CheckOrder(const std::vector<v1::Expiration>& revision) const;
  void CheckReplay();

  LedgerSetup setup_;
  LedgerHarness house_;
  std::int64_t told_ = 0;  // revision
  std::set<std::string> event_ids_;
  std::map<std::int64_t, std::string> replayed_;  // by row
  std::map<std::int64_t, std::size_t> sizes_;
};

}  // namespace tokeninventory::testing
