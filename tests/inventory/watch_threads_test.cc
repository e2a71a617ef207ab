// Watchers while a writer commits without pause. Meant for ThreadSanitizer too.
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "inventory/cursor.h"
#include "tests/inventory/vendor_churn.h"
#include "tests/inventory/watch_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using Pace = FakeStream::Pace;

LedgerSetup WithFeed(std::int64_t feed_bytes) {
  LedgerSetup setup;
  setup.feed_bytes = feed_bytes;
  return setup;
}

// Both ways of being fed: all from memory, and mostly from the store's log.
class WatchThreadsTest : public ::testing::TestWithParam<std::int64_t> {
 protected:
  WatchHarness watch_{WithFeed(GetParam())};
  LedgerHarness& house_ = watch_.house();
  VendorChurn churn_{house_, 1};
};

INSTANTIATE_TEST_SUITE_P(FeedBytes, WatchThreadsTest,
                         ::testing::Values(std::int64_t{64} << 20, std::int64_t{20} << 10),
                         [](const auto& param) {
                           return param.param > (1 << 20) ? "Memory" : "Store";
                         });

TEST_P(WatchThreadsTest, InitialStateAndChangesHaveNoHoleAndNoDuplicate) {
  for (int i = 0; i < 5; ++i) churn_.Step();
  churn_.Start(60);
  std::vector<std::unique_ptr<FakeStream>> streams;
  while (churn_.running() && streams.size() < 24) {
    const v1::TokenView view = streams.size() % 2 == 0 ? v1::FULL : v1::BASIC;
    streams.push_back(watch_.Open(FromInitialState(view)));
    ASSERT_TRUE(streams.back()->AwaitSynced());
  }
  churn_.Join();
  for (const auto& stream : streams) {
    ASSERT_TRUE(stream->AwaitRevision(house_.revision()));
    stream->checker().ExpectKnows(*watch_.Current());
  }
}

TEST_P(WatchThreadsTest, FromNowAndFromARevisionHaveNoHoleAndNoDuplicate) {
  for (int i = 0; i < 5; ++i) churn_.Step();
  churn_.Start(60);
  std::mt19937_64 random(2);
  std::vector<std::unique_ptr<FakeStream>> streams;
  while (churn_.running() && streams.size() < 24) {
    if (streams.size() % 2 == 0) {
      // Which revision it begins at shows its first message.
      auto stream = watch_.Make(FromNow());
      ASSERT_TRUE(stream->Open().ok());
      ASSERT_TRUE(stream->AwaitMessages(1));
      streams.push_back(std::move(stream));
      continue;
    }
    const auto revision =
        static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(churn_.newest() + 1));
    const auto then = churn_.At(revision);
    ASSERT_NE(then, nullptr) << revision;
    auto stream = watch_.Make(AfterRevision(revision));
    stream->Know(*then);
    ASSERT_TRUE(stream->Open().ok());
    streams.push_back(std::move(stream));
  }
  churn_.Stop();
  for (std::size_t i = 0; i < streams.size(); ++i) {
    ASSERT_TRUE(streams[i]->AwaitRevision(house_.revision()));
    if (i % 2 == 1) {
      streams[i]->checker().ExpectKnows(*watch_.Current());
      continue;
    }
    const auto messages = streams[i]->messages();
    ASSERT_TRUE(messages[0].has_progress());
    WatchChecker checker(house_.ledger().epoch(), MakeScope(v1::FULL));
    const auto then = churn_.At(messages[0].progress().revision());
    ASSERT_NE(then, nullptr);
    checker.Know(*then);
    for (const auto& message : messages) checker.Take(message);
    checker.ExpectKnows(*watch_.Current());
  }
}

// Clients that read slowly, break off and come back with their resume token see
// every change exactly once.
TEST_P(WatchThreadsTest, ClientsThatReconnectMissNothing) {
  churn_.Step();
  churn_.Start(60);
  std::vector<std::thread> clients;
  for (unsigned c = 0; c < 4; ++c) {
    clients.emplace_back([this, c] {
      std::mt19937_64 random(c);
      auto stream = watch_.Open(FromInitialState());
      if (!stream->AwaitSynced()) ADD_FAILURE() << "never synced";
      for (int connection = 0; churn_.running() || connection < 5; ++connection) {
        stream->Cancel();
        if (!stream->AwaitEnd()) ADD_FAILURE() << "never ended";
        const WatchChecker known = stream->checker();
        stream = nullptr;
        const auto revision = DecodeResumeToken(known.resume_token(), house_.ledger().epoch());
        if (!revision.ok()) {
          ADD_FAILURE() << revision.status();
          return;
        }
        const bool by_hand = random() % 2 == 0;
        stream = watch_.Make(AfterRevision(*revision), by_hand ? Pace::kByHand : Pace::kAtOnce);
        stream->Continue(known);
        const absl::Status opened = stream->Open();
        if (!opened.ok()) {
          ADD_FAILURE() << opened;
          return;
        }
        const auto messages = static_cast<int>(random() % 4);
        stream->Take(messages);
        // Where there is more, it comes.
        if (*revision < house_.revision()) {
          EXPECT_TRUE(stream->AwaitWritesBegun(1));
        }
      }
      stream->TakeAll();
      EXPECT_TRUE(stream->AwaitRevision(house_.revision()));
      stream->checker().ExpectKnows(*watch_.Current());
    });
  }
  for (std::thread& client : clients) client.join();
  churn_.Stop();
}

TEST_P(WatchThreadsTest, CancelAtAnyMomentEndsAStreamOnce) {
  churn_.Step();
  churn_.Start(100'000);
  std::vector<std::thread> clients;
  for (unsigned c = 0; c < 4; ++c) {
    clients.emplace_back([this, c] {
      std::mt19937_64 random(c);
      for (int i = 0; i < 150; ++i) {
        const std::uint64_t start = random() % 3;
        const auto head = static_cast<std::uint64_t>(house_.revision());
        const bool by_hand = random() % 2 == 0;
        auto stream = watch_.Make(
            start == 0   ? FromInitialState()
            : start == 1 ? FromNow()
                         : AfterRevision(static_cast<std::int64_t>(random() % (head + 1))),
            by_hand ? Pace::kByHand : Pace::kAtOnce);
        const absl::Status opened = stream->Open();
        if (!opened.ok()) {
          ADD_FAILURE() << opened;
          return;
        }
        stream->Take(static_cast<int>(random() % 3));
        // Some are broken off at once, some after a message or the initial state.
        EXPECT_TRUE(stream->AwaitWritesBegun(static_cast<int>(random() % (by_hand ? 2 : 4))));
        stream->Cancel();
        EXPECT_TRUE(stream->AwaitEnd());
        EXPECT_EQ(stream->status().code(), absl::StatusCode::kCancelled);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  churn_.Stop();
  EXPECT_TRUE(watch_.AwaitStreamCount(0));
  // No turn of an initial state was lost.
  std::vector<std::unique_ptr<FakeStream>> streams;
  for (int i = 0; i < 20; ++i) streams.push_back(watch_.Open(FromInitialState()));
  for (const auto& stream : streams) {
    ASSERT_TRUE(stream->AwaitSynced());
    stream->checker().ExpectKnows(*watch_.Current());
  }
}

TEST_P(WatchThreadsTest, DrainWhileStreamsOpenAndChangesComeEndsThemAll) {
  churn_.Step();
  churn_.Start(100'000);
  std::vector<std::thread> clients;
  for (unsigned c = 0; c < 4; ++c) {
    clients.emplace_back([this] {
      for (;;) {
        auto stream = watch_.Make(FromInitialState());
        const absl::Status opened = stream->Open();
        if (!opened.ok()) {
          EXPECT_EQ(ReasonOf(opened), "SERVER_STOPPING");
          return;
        }
        auto other = watch_.Make(FromNow());
        if (!other->Open().ok()) continue;
        EXPECT_TRUE(other->AwaitMessageOrEnd());
      }
    });
  }
  const auto witness = watch_.Open(FromInitialState());
  EXPECT_TRUE(witness->AwaitRevision(house_.revision() + 20));
  watch_.hub().Drain();
  EXPECT_TRUE(witness->AwaitEnd());
  EXPECT_EQ(ReasonOf(witness->status()), "SERVER_STOPPING");
  for (std::thread& client : clients) client.join();
  churn_.Stop();
  EXPECT_TRUE(watch_.AwaitStreamCount(0));
}

TEST_P(WatchThreadsTest, ManyStreamsOfManyKindsAgree) {
  const WatchScope scopes[] = {
      MakeScope(v1::FULL),
      MakeScope(v1::BASIC),
      MakeScope(v1::FULL, "acme", "role = \"1\""),
      MakeScope(v1::BASIC, "", "presence = MISSING OR role = \"2\""),
      MakeScope(v1::BASIC, "", "role = \"no such role\""),
  };
  watch_.StartHub(1000, /*stall_timeout=*/absl::Hours(1000));
  churn_.Step();
  std::vector<std::unique_ptr<FakeStream>> streams;
  for (int i = 0; i < 60; ++i) {
    WatchSession::Options options = i % 2 == 0 ? FromInitialState() : FromNow();
    options.view = std::make_shared<TokenWatchView>(scopes[i % 5]);
    streams.push_back(watch_.Open(options, i % 7 == 0 ? Pace::kByHand : Pace::kAtOnce));
  }
  for (int pass = 0; pass < 30; ++pass) {
    churn_.Step();
    // Slow ones take a message now and then.
    for (const auto& stream : streams) stream->Take();
  }
  for (const auto& stream : streams) stream->TakeAll();
  for (const auto& stream : streams) {
    // Those whom the last revisions do not concern learn of them by a Progress,
    // which is due an interval after their last message.
    for (int i = 0; i < 1000 && !stream->IsToldSoon(house_.revision()); ++i) {
      house_.clock().Advance(absl::Seconds(15));
    }
    ASSERT_TRUE(stream->AwaitRevision(house_.revision()));
    stream->checker().ExpectKnows(*watch_.Current());
  }
}

}  // namespace
}  // namespace tokeninventory::testing
