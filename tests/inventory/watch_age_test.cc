// Streams end at an age.
#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/inventory/watch_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using Pace = FakeStream::Pace;

class WatchAgeTest : public ::testing::Test {
 protected:
  WatchAgeTest() {
    WatchHub::Options options;
    options.max_age = absl::Minutes(20);  // so from 16 min to 24 min
    options.stall_timeout = absl::Hours(1000);
    watch_.StartHub(std::move(options));
    house_.Pass({Lists(ObservedRange("t", 1, 5))});
  }

  static void ExpectAged(const FakeStream& stream) {
    EXPECT_EQ(stream.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ReasonOf(stream.status()), "MAX_AGE");
    EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(stream.status()).has_value());
    const auto messages = stream.messages();
    EXPECT_TRUE(messages.back().has_progress());
    EXPECT_FALSE(messages.back().resume_token().empty());
  }

  WatchHarness watch_;
  LedgerHarness& house_ = watch_.house();
};

TEST_F(WatchAgeTest, StreamsEndAtARandomAgeAroundTheirLimit) {
  constexpr int kStreams = 50;
  std::vector<std::unique_ptr<FakeStream>> streams;
  for (int i = 0; i < kStreams; ++i) {
    streams.push_back(watch_.Open(i % 2 == 0 ? FromNow() : FromInitialState()));
    ASSERT_TRUE(streams.back()->AwaitMessages(1));
  }
  house_.clock().Advance(absl::Minutes(16) - absl::Milliseconds(1));
  for (const auto& stream : streams) ASSERT_TRUE(stream->AwaitProgresses(2));
  EXPECT_EQ(watch_.hub().stream_count(), kStreams) << "all are younger";
  // Half of them, more or less, until the middle: all or none would be a wonder.
  house_.clock().Advance(absl::Minutes(4));
  for (int i = 3; i < 5; ++i) house_.Pass({Lists(ObservedRange("t", 1, i))});
  const auto ended = [&] {
    return std::count_if(streams.begin(), streams.end(),
                         [](const auto& stream) { return !stream->status().ok(); });
  };
  while (ended() == 0) std::this_thread::yield();
  for (const auto& stream : streams) {
    ASSERT_TRUE(stream->AwaitMessages(3)) << "a change, or the last Progress";
  }
  EXPECT_LT(ended(), kStreams);
  house_.clock().Advance(absl::Minutes(4) + absl::Milliseconds(1));
  for (const auto& stream : streams) {
    ASSERT_TRUE(stream->AwaitEnd());
    ExpectAged(*stream);
  }
  EXPECT_TRUE(watch_.AwaitStreamCount(0));
}

TEST_F(WatchAgeTest, AClientThatComesBackMissesNothing) {
  auto stream = watch_.Open(FromInitialState());
  ASSERT_TRUE(stream->AwaitSynced());
  for (int i = 6; i < 10; ++i) {
    house_.Pass({Lists(ObservedRange("t", i - 3, i))});
    house_.clock().Advance(absl::Minutes(25));
    ASSERT_TRUE(stream->AwaitEnd());
    ExpectAged(*stream);
    const WatchChecker known = stream->checker();
    house_.Pass({Lists(ObservedRange("t", i - 3, i + 1))});
    stream = watch_.Make(AfterRevision(known.told_revision()));
    stream->Continue(known);
    ASSERT_TRUE(stream->Open().ok());
  }
  ASSERT_TRUE(stream->AwaitRevision(house_.revision()));
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchAgeTest, AnInitialStateAndARevisionAreFinishedFirst) {
  std::vector<ObservedToken> large = ObservedRange("large", 1, 40);
  for (ObservedToken& token : large) token.token.set_provider_uri(std::string(60 * 1024, 'x'));
  const auto revision = watch_.Open(FromInitialState(), Pace::kByHand);
  revision->Take();
  ASSERT_TRUE(revision->AwaitSynced());
  for (const ObservedToken& token : ObservedRange("t", 1, 5)) large.push_back(token);
  house_.Pass({Lists(large)});
  ASSERT_TRUE(revision->AwaitWritesBegun(2)) << "the first part of it";
  const auto initial = watch_.Open(FromInitialState(), Pace::kByHand);
  ASSERT_TRUE(initial->AwaitWrite());
  house_.clock().Advance(absl::Minutes(25));
  for (FakeStream* stream : {revision.get(), initial.get()}) {
    stream->TakeAll();
    ASSERT_TRUE(stream->AwaitEnd());
    ExpectAged(*stream);
    stream->checker().ExpectKnows(*watch_.Current());
  }
}

TEST_F(WatchAgeTest, AStuckWriteIsCutAtItsTimeOutWhateverTheAge) {
  WatchHub::Options options;
  options.max_age = absl::Minutes(20);
  watch_.StartHub(std::move(options));
  const auto stream = watch_.Open(FromInitialState(), Pace::kByHand);
  ASSERT_TRUE(stream->AwaitWrite());
  house_.clock().Advance(absl::Minutes(25));
  ASSERT_TRUE(stream->AwaitEnd());
  EXPECT_EQ(ReasonOf(stream->status()), "SLOW_CONSUMER");
}

}  // namespace
}  // namespace tokeninventory::testing
