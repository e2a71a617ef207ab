// What it costs to notice that time has passed, with a million tokens that it will
// end: the Ledger on a clock that is moved by hand.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/lib/cpu_time.h"
#include "bench/lib/fed_ledger.h"
#include "bench/lib/filled_store.h"
#include "tests/testing/fake_clock.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::bench {
namespace {

// What is due goes before queued work, in bounded steps, one for each work.
void Settle(Ledger& ledger) {
  for (int i = 0; i < 10; ++i) ledger.Abandon(-1);
}

std::int64_t ChangesAfter(const ChangeFeed& feed, std::int64_t revision) {
  std::int64_t changes = 0;
  for (const auto& each : feed.Read({revision + 1, 0}, std::int64_t{64} << 20)) {
    changes += static_cast<std::int64_t>(each->changes.size());
  }
  return changes;
}

void Run(const Setup& setup) {
  const int tokens = setup.quick ? 100'000 : 1'000'000;
  const FilledStore store(setup, tokens);
  const testing::TempDir folder;
  std::filesystem::copy_file(store.folder() + "/inventory.db", folder.File("inventory.db"));
  testing::FakeClock clock(absl::Now());
  FedLedger fed(folder.File("inventory.db"), &clock);
  Settle(fed.ledger());
  Note(absl::StrCat("an hour passes, ", tokens, " tokens armed"));
  std::vector<double> millis;
  const auto micros = RunRounds({[&] {
                                  const std::int64_t revision =
                                      fed.inventory().Current()->revision();
                                  const double cpu = ThisProcessCpuSeconds();
                                  const absl::Time begin = absl::Now();
                                  clock.Advance(absl::Hours(1));
                                  Settle(fed.ledger());
                                  millis.push_back(absl::ToDoubleMilliseconds(absl::Now() - begin));
                                  const double spent = ThisProcessCpuSeconds() - cpu;
                                  const std::int64_t changes = ChangesAfter(fed.feed(), revision);
                                  if (changes == 0) Fail("nothing fell due");
                                  return spent * 1e6 / static_cast<double>(changes);
                                }},
                                setup.rounds)[0];
  Print({"expirations-tick", "us/change", micros});
  Print({"expirations-tick-wall", "ms", Counted(millis)});
}

}  // namespace
}  // namespace tokeninventory::bench

int main(int argc, char** argv) {
  tokeninventory::bench::Run(tokeninventory::bench::ReadArguments(argc, argv));
}
