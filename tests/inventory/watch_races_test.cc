// Everything that can end or turn a stream, arriving at every moment while a
// writer commits. Meant for ThreadSanitizer too.
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/inventory/vendor_churn.h"
#include "tests/inventory/watch_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using Pace = FakeStream::Pace;

// A short log, of which the memory holds little; `beta` has no tokens, but states.
LedgerSetup ShortLog() {
  LedgerSetup setup;
  setup.sources.push_back(MakeSourceInfo("beta"));
  setup.feed_bytes = 20 << 10;
  setup.retention.max_changes = 50;
  return setup;
}

WatchHub::Options ShortLives() {
  WatchHub::Options options;
  options.max_age = absl::Minutes(2);
  options.stall_timeout = absl::Seconds(40);
  options.max_stalled_messages = 2;
  return options;
}

class WatchRacesTest : public ::testing::Test {
 protected:
  WatchRacesTest() {
    watch_.StartHub(ShortLives());
    for (int i = 0; i < 10; ++i) churn_.Step();
    churn_.Start(100'000);
    // Time passes with the revisions, so that compactions, ages and time-outs come
    // among them.
    others_.emplace_back([this] {
      std::int64_t seen = 0;
      while (!stop_) {
        const std::int64_t revision = house_.revision();
        if (revision != seen) house_.clock().Advance(absl::Seconds(revision % 20));
        seen = revision;
        std::this_thread::yield();
      }
    });
    others_.emplace_back([this] {
      for (int i = 0; !stop_; ++i) {
        const PassId pass = house_.BeginPass({}, "beta");
        house_.EndPass(pass, {}, i % 2 == 0 ? v1::Source::UNREACHABLE : v1::Source::OK);
      }
    });
  }
  ~WatchRacesTest() override { StopAll(); }

  void StopAll() {
    stop_ = true;
    for (std::thread& other : others_) other.join();
    others_.clear();
    churn_.Stop();
  }

  WatchSession::Options RandomOptions(std::mt19937_64& random) {
    const auto head = static_cast<std::uint64_t>(house_.revision());
    const std::uint64_t start = random() % 3;
    const std::string source = random() % 3 == 0 ? "beta" : random() % 2 == 0 ? "acme" : "";
    WatchSession::Options options =
        start == 0 ? FromInitialState(v1::BASIC, source)
        : start == 1
            ? FromNow(v1::BASIC, source)
            : AfterRevision(static_cast<std::int64_t>(random() % (head + 2)), v1::BASIC, source);
    options.progress_interval = absl::Seconds(1 + static_cast<std::int64_t>(random() % 20));
    if (random() % 2 == 0) options.on_gap = v1::RESYNC;
    return options;
  }

  // Shows that time goes on. What is there when it begins is not known.
  std::unique_ptr<FakeStream> OpenWitness() {
    auto witness = watch_.Make(FromNow());
    const absl::Status status = witness->Open();
    EXPECT_TRUE(status.ok()) << status;
    return witness;
  }

  static void ExpectGoodEnd(const FakeStream& stream, bool resyncs) {
    const absl::Status status = stream.status();
    const std::string reason = ReasonOf(status);
    switch (status.code()) {
      case absl::StatusCode::kCancelled:
        return;
      case absl::StatusCode::kUnavailable:
        EXPECT_TRUE(reason == "MAX_AGE" || reason == "SERVER_STOPPING") << status;
        if (reason == "MAX_AGE") {
          const auto messages = stream.messages();
          // It broke off behind the last Progress, or while that was under way.
          EXPECT_FALSE(messages.empty() && !stream.aborted());
        }
        return;
      case absl::StatusCode::kResourceExhausted:
        EXPECT_EQ(reason, "SLOW_CONSUMER");
        EXPECT_TRUE(stream.aborted());
        return;
      case absl::StatusCode::kOutOfRange:
        EXPECT_EQ(reason, "REVISION_COMPACTED");
        EXPECT_FALSE(resyncs);
        return;
      default:
        ADD_FAILURE() << status;
    }
  }

  // Opens streams of all kinds and lets them end in all ways, until `count` or the
  // hub stops.
  void RunClient(unsigned seed, int count) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < count; ++i) {
      const WatchSession::Options options = RandomOptions(random);
      const bool resyncs = options.on_gap == v1::RESYNC;
      auto stream = watch_.Make(options, random() % 2 == 0 ? Pace::kByHand : Pace::kAtOnce);
      const absl::Status opened = stream->Open();
      if (ReasonOf(opened) == "SERVER_STOPPING") return;
      if (!opened.ok()) {
        EXPECT_EQ(opened.code(), absl::StatusCode::kOutOfRange) << opened;
        EXPECT_FALSE(resyncs);
        continue;
      }
      stream->Take(static_cast<int>(random() % 8));
      switch (random() % 4) {
        case 0:
          stream->Cancel();
          break;
        case 1:
          EXPECT_TRUE(stream->AwaitWriteOrEnd());
          stream->Cancel();
          break;
        default:  // until its age, its stall or its gap
          break;
      }
      EXPECT_TRUE(stream->AwaitEnd());
      ExpectGoodEnd(*stream, resyncs);
    }
  }

  WatchHarness watch_{ShortLog()};
  LedgerHarness& house_ = watch_.house();
  VendorChurn churn_{house_, 1};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> others_;
};

TEST_F(WatchRacesTest, EveryStreamEndsOnceAndForAReason) {
  std::vector<std::thread> clients;
  for (unsigned c = 0; c < 6; ++c) clients.emplace_back([this, c] { RunClient(c, 40); });
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(watch_.AwaitStreamCount(0));
  EXPECT_TRUE(watch_.AwaitStalledCount(0));
  // No turn of an initial state was lost.
  StopAll();
  std::vector<std::unique_ptr<FakeStream>> streams;
  for (int i = 0; i < 20; ++i) streams.push_back(watch_.Open(FromInitialState()));
  for (const auto& stream : streams) ASSERT_TRUE(stream->AwaitSyncs(1));
}

TEST_F(WatchRacesTest, StreamsThatBeginAnewEndUpKnowingWhatIsThere) {
  WatchHub::Options options = ShortLives();
  options.max_age = absl::Hours(1000);
  options.stall_timeout = absl::Hours(1000);
  options.max_stalled_messages = 1000;
  watch_.StartHub(std::move(options));
  std::vector<std::unique_ptr<FakeStream>> streams;
  for (int i = 0; i < 12; ++i) {
    WatchSession::Options from = FromInitialState(v1::FULL, i % 2 == 0 ? "" : "acme");
    from.on_gap = v1::RESYNC;
    streams.push_back(watch_.Open(from, Pace::kByHand));
  }
  const auto witness = OpenWitness();
  // Each takes a message only now and then, so that the log runs away from it.
  for (int round = 0; round < 40; ++round) {
    ASSERT_TRUE(witness->AwaitRevision(house_.revision() + 10) || !witness->status().ok());
    streams[static_cast<std::size_t>(round) % streams.size()]->Take();
  }
  StopAll();
  int resets = 0;
  for (const auto& stream : streams) {
    stream->TakeAll();
    ASSERT_TRUE(stream->AwaitRevision(house_.revision())) << stream->status();
    stream->checker().ExpectKnows(*watch_.Current());
    resets += stream->checker().resets();
  }
  EXPECT_GT(resets, 0);
}

TEST_F(WatchRacesTest, DrainAndShutdownAtAnyMomentEndAllStreams) {
  for (unsigned round = 0; round < 5; ++round) {
    std::vector<std::thread> clients;
    for (unsigned c = 0; c < 4; ++c) {
      clients.emplace_back([this, c, round] { RunClient(10 * round + c, 100'000); });
    }
    auto witness = OpenWitness();
    // It may be over its age before it has so many.
    EXPECT_TRUE(witness->AwaitMessages(1 + round) || !witness->status().ok());
    watch_.hub().Drain();
    for (std::thread& client : clients) client.join();
    EXPECT_TRUE(witness->AwaitEnd());
    witness = nullptr;
    EXPECT_TRUE(watch_.AwaitStreamCount(0));
    // A service that starts again, while the Ledger goes on.
    watch_.StartHub(ShortLives());
  }
}

}  // namespace
}  // namespace tokeninventory::testing
