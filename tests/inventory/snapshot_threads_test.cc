// Readers of snapshots while the next ones are made. Meant for ThreadSanitizer.
#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "inventory/inventory.h"
#include "tests/inventory/snapshot_maker.h"

namespace tokeninventory::testing {
namespace {

TEST(SnapshotThreadsTest, ReadersSeeWholeRevisionsWhileOthersAreMade) {
  constexpr int kRevisions = 300;
  constexpr int kPerRevision = 20;
  constexpr int kReaders = 3;
  Inventory inventory;
  std::atomic<bool> done{false};
  std::atomic<std::int64_t> reads{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < kReaders; ++r) {
    readers.emplace_back([&, r] {
      std::mt19937_64 random(static_cast<unsigned>(r));
      bool last_round = false;
      while (!last_round) {
        last_round = done;
        const auto snapshot = inventory.Current();
        // Revision n has rows 1 … n * kPerRevision.
        const std::int64_t rows = snapshot->revision() * kPerRevision;
        std::int64_t seen = 0;
        snapshot->Scan(0, {}, [&](const TokenRef& token) {
          EXPECT_EQ(token.row, ++seen);
          return true;
        });
        EXPECT_EQ(seen, rows);
        EXPECT_EQ(snapshot->Count({}), rows);
        for (int i = 0; i < 20; ++i) {
          const auto row = static_cast<std::int64_t>(random() % (kRevisions * kPerRevision)) + 1;
          const TokenRef token = snapshot->Find(TokenName("acme", absl::StrCat(row)));
          EXPECT_EQ(token.row, row <= rows ? row : 0);
        }
        ++reads;
      }
    });
  }
  SnapshotMaker maker;
  maker.Source("acme");
  for (std::int64_t revision = 1; revision <= kRevisions; ++revision) {
    for (int i = 1; i <= kPerRevision; ++i) {
      const std::int64_t row = (revision - 1) * kPerRevision + i;
      maker.Put(row, MakeToken("acme", absl::StrCat(row)));
    }
    inventory.Publish(maker.Build());
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GE(reads, kReaders);
}

}  // namespace
}  // namespace tokeninventory::testing
