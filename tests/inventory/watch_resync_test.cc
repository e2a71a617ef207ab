// Streams whose cursor the log does not hold: they fail or begin anew.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/inventory/watch_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using Pace = FakeStream::Pace;

// The log keeps three changes, and the memory the newest revision.
LedgerSetup ShortLog() {
  LedgerSetup setup;
  setup.feed_bytes = 1;
  setup.retention.max_changes = 3;
  return setup;
}

class WatchResyncTest : public ::testing::Test {
 protected:
  WatchResyncTest() { watch_.StartHub(1000, /*stall_timeout=*/absl::Hours(1000)); }

  static WatchSession::Options Resync(WatchSession::Options options) {
    options.on_gap = v1::RESYNC;
    return options;
  }
  // Revisions that shift the tokens by one each, and a log that forgot all but
  // the newest.
  void FallOutOfTheLog(int revisions = 6) {
    for (int i = 0; i < revisions; ++i, ++shift_) {
      house_.Pass({Lists(ObservedRange("t", shift_, shift_ + 5))});
    }
    house_.Advance(absl::Minutes(10));
  }
  static std::vector<ObservedToken> Large(int count) {
    std::vector<ObservedToken> tokens = ObservedRange("large", 1, count);
    for (ObservedToken& token : tokens) token.token.set_provider_uri(std::string(60 * 1024, 'x'));
    return tokens;
  }

  int shift_ = 1;
  WatchHarness watch_{ShortLog()};
  LedgerHarness& house_ = watch_.house();
};

TEST_F(WatchResyncTest, ACompactedStartBeginsAnewWithAReset) {
  FallOutOfTheLog();
  const auto stream = watch_.Open(Resync(AfterRevision(1)));
  ASSERT_TRUE(stream->AwaitSyncs(1));
  const auto first = stream->messages()[0];
  EXPECT_EQ(first.reset().reason(), v1::WatchReset::COMPACTED);
  ASSERT_EQ(first.batches_size(), 1);
  EXPECT_TRUE(first.batches(0).initial());
  EXPECT_EQ(first.synced().revision(), house_.revision());
  house_.Pass({Lists(ObservedRange("t", 7, 20))});
  ASSERT_TRUE(stream->AwaitRevision(house_.revision()));
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchResyncTest, AFutureStartBeginsAnewWithAReset) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  const auto stream = watch_.Open(Resync(AfterRevision(99)));
  ASSERT_TRUE(stream->AwaitSyncs(1));
  EXPECT_EQ(stream->messages()[0].reset().reason(), v1::WatchReset::REVISION_IN_FUTURE);
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchResyncTest, ACursorOfAnotherStoreBeginsAnewWithAReset) {
  house_.Pass({Lists(Large(40))});
  WatchSession::Options options = Resync(FromInitialState());
  options.reset = v1::WatchReset::STORE_EPOCH_CHANGED;
  const auto stream = watch_.Open(options);
  ASSERT_TRUE(stream->AwaitSyncs(1));
  const auto messages = stream->messages();
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].reset().reason(), v1::WatchReset::STORE_EPOCH_CHANGED);
  EXPECT_FALSE(messages[1].has_reset()) << "only with the first part";
  EXPECT_FALSE(messages[2].has_reset());
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchResyncTest, AStartThatTheLogHoldsIsNotReset) {
  FallOutOfTheLog();
  auto stream = watch_.Make(Resync(AfterRevision(house_.revision())));
  stream->Know(*watch_.Current());
  ASSERT_TRUE(stream->Open().ok());
  house_.Pass({Lists(ObservedRange("t", 7, 20))});
  ASSERT_TRUE(stream->AwaitRevision(house_.revision()));
  EXPECT_EQ(stream->checker().resets(), 0);
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchResyncTest, ARunningStreamThatFallsOutOfTheLogBeginsAnew) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  const auto resyncs = watch_.Open(Resync(FromInitialState()), Pace::kByHand);
  const auto fails = watch_.Open(FromInitialState(), Pace::kByHand);
  ASSERT_TRUE(resyncs->AwaitWrite());
  ASSERT_TRUE(fails->AwaitWrite());
  FallOutOfTheLog();
  resyncs->TakeAll();
  fails->TakeAll();
  ASSERT_TRUE(resyncs->AwaitSyncs(2));
  ASSERT_TRUE(resyncs->AwaitRevision(house_.revision()));
  EXPECT_EQ(resyncs->checker().resets(), 1);
  EXPECT_EQ(resyncs->messages()[1].reset().reason(), v1::WatchReset::COMPACTED);
  resyncs->checker().ExpectKnows(*watch_.Current());

  ASSERT_TRUE(fails->AwaitEnd());
  EXPECT_EQ(fails->status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(fails->status()), "REVISION_COMPACTED");
  const auto info = *DetailOf<google::rpc::ErrorInfo>(fails->status());
  EXPECT_EQ(info.metadata().at("oldest_revision"), absl::StrCat(house_.feed().bounds().oldest));
  EXPECT_EQ(info.metadata().at("current_revision"), absl::StrCat(house_.revision()));
}

TEST_F(WatchResyncTest, ALogThatWasCutUnnoticedIsFoundWhenItIsRead) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  const auto stream = watch_.Open(Resync(FromInitialState()), Pace::kByHand);
  ASSERT_TRUE(stream->AwaitWrite());
  for (int i = 2; i < 9; ++i) house_.Pass({Lists(ObservedRange("t", i, i + 5))});
  // The store knows it a moment before the feed.
  ASSERT_TRUE(house_.store().Compact({absl::InfinitePast(), 3, std::int64_t{1} << 40}).ok());
  stream->TakeAll();
  ASSERT_TRUE(stream->AwaitSyncs(2));
  EXPECT_EQ(stream->checker().resets(), 1);
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchResyncTest, AStreamThatFallsBehindWhileItBeginsAnewIsResetAgain) {
  house_.Pass({Lists(Large(40))});
  const auto stream = watch_.Open(Resync(FromInitialState()), Pace::kByHand);
  ASSERT_TRUE(stream->AwaitWrite());
  const auto shift_a_large_one = [&](int round) {
    for (int i = 0; i < 6; ++i) {
      std::vector<ObservedToken> tokens = Large(40);
      tokens.push_back(Observed(absl::StrCat("r", round, "-", i)));
      house_.Pass({Lists(tokens)});
    }
    house_.Advance(absl::Minutes(10));
  };
  shift_a_large_one(1);
  stream->Take(3);  // the first initial state
  ASSERT_TRUE(stream->AwaitWritesBegun(4)) << "the first part of the second one";
  stream->Take();
  ASSERT_TRUE(stream->AwaitWritesBegun(5));
  shift_a_large_one(2);
  stream->TakeAll();
  ASSERT_TRUE(stream->AwaitSyncs(3));
  ASSERT_TRUE(stream->AwaitRevision(house_.revision()));
  EXPECT_EQ(stream->checker().resets(), 2);
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchResyncTest, AStreamThatBeginsAnewWaitsItsTurnAndCanEndThen) {
  house_.Pass({Lists(Large(40))});
  // Two that follow; their writes are stuck.
  const auto stays = watch_.Open(Resync(FromNow()), Pace::kByHand);
  const auto leaves = watch_.Open(Resync(FromNow()), Pace::kByHand);
  ASSERT_TRUE(stays->AwaitWrite());
  ASSERT_TRUE(leaves->AwaitWrite());
  std::vector<std::unique_ptr<FakeStream>> initial;
  for (int i = 0; i < 16; ++i) initial.push_back(watch_.Open(FromInitialState(), Pace::kByHand));
  for (const auto& stream : initial) ASSERT_TRUE(stream->AwaitWrite());
  for (int i = 0; i < 6; ++i) {
    std::vector<ObservedToken> tokens = Large(40);
    tokens.push_back(Observed(absl::StrCat("new", i)));
    house_.Pass({Lists(tokens)});
  }
  house_.Advance(absl::Minutes(10));
  stays->TakeAll();
  leaves->TakeAll();
  ASSERT_TRUE(stays->AwaitMessages(1));
  ASSERT_TRUE(leaves->AwaitMessages(1));
  EXPECT_EQ(stays->writes_begun(), 1) << "it waits for its turn";
  leaves->Cancel();
  ASSERT_TRUE(leaves->AwaitEnd());
  for (const auto& stream : initial) stream->TakeAll();
  ASSERT_TRUE(stays->AwaitSyncs(1));
  EXPECT_EQ(stays->checker().resets(), 1);
  ASSERT_TRUE(stays->AwaitRevision(house_.revision()));
  stays->checker().ExpectKnows(*watch_.Current());
}

}  // namespace
}  // namespace tokeninventory::testing
