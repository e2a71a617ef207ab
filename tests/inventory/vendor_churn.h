// A vendor whose tokens come, change, go and come back.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "tests/inventory/ledger_harness.h"

namespace tokeninventory::testing {

// Runs passes over one source; nobody else may write meanwhile. Thread-safe but
// for Step and Start, which one thread calls.
class VendorChurn {
 public:
  VendorChurn(LedgerHarness& house, unsigned seed, std::string source = "acme");
  ~VendorChurn() { Stop(); }

  // One pass of a few pages.
  void Step();

  // Makes `passes` passes on a thread of its own.
  void Start(int passes);
  // Waits for them, or for the one that runs.
  void Join();
  void Stop();
  bool running() const { return running_; }

  // The newest that At knows.
  std::int64_t newest() const;
  // What was current at a revision that this made; null when it did not.
  std::shared_ptr<const Snapshot> At(std::int64_t revision) const;

 private:
  void Remember();

  LedgerHarness& house_;
  const std::string source_;
  std::mt19937_64 random_;
  std::map<std::string, int> roles_;  // of the tokens that the vendor has, by id
  int next_id_ = 1;
  std::thread thread_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> running_{false};
  mutable Mutex mutex_;
  std::map<std::int64_t, std::shared_ptr<const Snapshot>> snapshots_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory::testing
