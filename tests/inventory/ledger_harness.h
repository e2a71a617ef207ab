// A Ledger over a real store in a temporary directory, and short ways to say
// what a vendor shows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inventory/ledger.h"
#include "tests/testing/fake_clock.h"
#include "tests/testing/faulty_token_store.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::testing {

// A vendor's record of this id; `edit` says more of it.
ObservedToken Observed(const std::string& id, const std::function<void(v1::Token&)>& edit = {});

// Records `prefix``first` … `prefix``last`.
std::vector<ObservedToken> ObservedRange(const std::string& prefix, int first, int last);

// One listing of a pass, read to its end unless `complete` is false.
struct Listing {
  ScopeRef scope;
  std::vector<ObservedToken> tokens;
  bool complete = true;
};

// The listing of a stream that has one, or of one of its keys.
Listing Lists(std::vector<ObservedToken> tokens, const std::string& stream = "tokens",
              const std::string& key = "");
// The same, cut off before its end.
Listing Incomplete(Listing listing);

// A source of the vendor `acme-cloud`.
SourceInfo MakeSourceInfo(const std::string& id, const std::string& provider = "acme-cloud");

// What a LedgerHarness opens.
struct LedgerSetup {
  std::vector<SourceInfo> sources = {MakeSourceInfo("acme")};
  Retention retention;
  std::int64_t feed_bytes = std::int64_t{64} << 20;
  LeadRules rules;
};

// Everything that lives behind the service's doors. Opened by the constructor;
// one source, `acme`, unless told otherwise.
class LedgerHarness {
 public:
  using Setup = LedgerSetup;

  explicit LedgerHarness(Setup setup = {});
  ~LedgerHarness();

  // Ends the service's process, so to speak, and starts it again.
  void Reopen();
  void Reopen(const Setup& setup);
  void Close();
  // What a start comes to.
  absl::Status Open(const Setup& setup);

  // Returns when the Ledger has done what is due by the clock.
  void Settle();
  void Advance(absl::Duration by);

  // One pass from Begin to End. `reports`: none means that the parents of all
  // listed streams were complete.
  PassOutcome Pass(const std::vector<Listing>& listings, const std::string& source = "acme",
                   const std::vector<StreamReport>& reports = {});
  // The same in parts: what is observed, then the end.
  PassId BeginPass(const std::vector<Listing>& listings, const std::string& source = "acme");
  PassOutcome EndPass(PassId pass, const std::vector<StreamReport>& reports,
                      v1::Source::State state = v1::Source::OK);

  // By id within a source; fails the test when it is not there.
  v1::Token Token(const std::string& id, const std::string& source = "acme");
  v1::Token::Presence PresenceOf(const std::string& id, const std::string& source = "acme");
  std::vector<std::string> IdsWith(v1::Token::Presence presence,
                                   const std::string& source = "acme");
  v1::Source Source(const std::string& id = "acme");
  // What was said last of a token's end, its token included; nothing when nothing was.
  std::optional<v1::Expiration> NoticeOf(const std::string& id, const std::string& source = "acme");
  std::int64_t RowOf(const std::string& id, const std::string& source = "acme");
  std::int64_t revision() { return inventory().Current()->revision(); }

  // The changes of a revision that the feed holds.
  std::vector<LogChange> ChangesOf(std::int64_t revision);

  Ledger& ledger() { return *ledger_; }
  FaultyTokenStore& store() { return *store_; }
  std::string store_file() const { return dir_.File("store.db"); }
  Inventory& inventory() { return *inventory_; }
  ChangeFeed& feed() { return *feed_; }
  FakeClock& clock() { return clock_; }

 private:
  FakeClock clock_;
  TempDir dir_;
  Setup setup_;
  std::unique_ptr<FaultyTokenStore> store_;
  std::unique_ptr<Inventory> inventory_;
  std::unique_ptr<ChangeFeed> feed_;
  std::unique_ptr<Ledger> ledger_;
};

// All that a snapshot shows, tombstones included, as text: to compare two.
std::string Describe(const Snapshot& snapshot);

// Expects that memory, the store and the feed tell the same, and that the store is sound. The feed
// must reach back to the first revision unless `whole_feed` is false.
void ExpectConsistent(LedgerHarness& harness, bool whole_feed = true);

}  // namespace tokeninventory::testing
