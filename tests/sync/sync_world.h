// One simulated vendor, its built-in manifest run by real connectors over real HTTP, and a real
// Ledger over a real store. Time is fake: connectors move it on instead of waiting.
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "connectors/http/http_client.h"
#include "connectors/manifest.h"
#include "connectors/source_factory.h"
#include "tests/inventory/ledger_harness.h"
#include "tests/sync/token_facts.h"
#include "tests/vendor_sim/vendor_sim.h"

namespace tokeninventory::testing {

// A view of a FakeClock for which a wait is a step to its end. Thread-safe.
class SkippingClock final : public Clock {
 public:
  explicit SkippingClock(FakeClock* clock) : clock_(clock) {}

  absl::Time Now() override { return clock_->Now(); }
  void WaitUntil(Mutex&, CondVar&, absl::Time deadline) override { SkipTo(deadline); }
  void SkipTo(absl::Time time) {
    if (time > clock_->Now()) clock_->Set(time);
  }

 private:
  FakeClock* const clock_;
};

class SyncWorld {
 public:
  struct Options {
    std::string vendor;
    // With the streams that are off by default.
    bool all_streams = false;
    // A made-up world of so many tokens over all vendors, for VendorSim::ApplyChurn; 0 for a small
    // one of this vendor alone.
    std::int64_t tokens = 0;
    std::uint64_t seed = 1;
    // Small pages, so that every list has several.
    int page_size = 5;
    int max_attempts = 2;
    int max_pages = 30;
  };

  explicit SyncWorld(Options options);
  ~SyncWorld();

  // One pass; the next one is planned as a Poller would. Empty when it was stopped.
  v1::SyncResult Pass(const std::stop_token& stop = {});
  // Time comes to when the next pass is due.
  void WaitForNextPass();
  // Clean passes, each when it is due, until the inventory is the simulator's truth. How many it
  // took; -1 when `most` did not do.
  int Converge(int most);

  // Gives up soon on answers that stall; for passes in which one does.
  void BeHasty(bool hasty);

  // The vendor's tokens change a little: of each kind one is removed, one added, one renamed.
  // Equal worlds change equally.
  void ChangeALittle();

  TokenFacts Truth() const;
  std::map<std::string, KnownToken> Known();
  std::string Difference();
  v1::Source Status();

  // A regular expression for the targets of a stream's listings, not for look-ups of one token.
  std::string TargetsOf(const CompiledStream& stream) const;
  // The same for look-ups of one token of the stream; empty when there are none.
  std::string LookUpsOf(const CompiledStream& stream) const;

  const CompiledManifest& manifest() const { return *manifest_; }
  const std::string& source() const { return options_.vendor; }
  vendor_sim::VendorSim& sim() { return *sim_; }
  LedgerHarness& ledger() { return *harness_; }

 private:
  class SwitchedHttp;

  void Populate();
  void AddAccessToken();
  // The path of a URL parameter.
  std::string PathOf(const std::string& param) const;
  std::map<std::string, std::string> Params() const;
  // A regular expression for the paths of a manifest's `get` or `post`.
  std::string PathsOf(const std::string& text) const;

  const Options options_;
  std::shared_ptr<const CompiledManifest> manifest_;
  TempDir secrets_;
  std::unique_ptr<LedgerHarness> harness_;
  std::unique_ptr<SkippingClock> clock_;
  std::unique_ptr<vendor_sim::VendorSim> sim_;
  std::shared_ptr<SwitchedHttp> http_;
  std::unique_ptr<PolledSource> connector_;
  std::uint64_t changes_ = 0;
  int access_tokens_ = 0;
};

// A built-in manifest.
std::shared_ptr<const CompiledManifest> BuiltInManifest(const std::string& vendor);
// The vendors of all built-in manifests.
std::vector<std::string> BuiltInVendors();

}  // namespace tokeninventory::testing
