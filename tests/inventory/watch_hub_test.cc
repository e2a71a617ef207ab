// How streams begin and end, and what the hub lends them.
#include "inventory/watch_hub.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "inventory/cursor.h"
#include "tests/inventory/watch_harness.h"
#include "tests/testing/error_details.h"
#include "tests/testing/gate.h"

namespace tokeninventory::testing {
namespace {

using Pace = FakeStream::Pace;

class WatchHubTest : public ::testing::Test {
 protected:
  WatchHubTest() { house_.Pass({Lists(ObservedRange("t", 1, 5))}); }

  // Large enough for a second message, so that an initial state's turn is not
  // over with the first.
  void PassWithLargeTokens() {
    std::vector<ObservedToken> tokens = ObservedRange("large", 1, 20);
    for (ObservedToken& token : tokens) token.token.set_provider_uri(std::string(60 * 1024, 'x'));
    for (ObservedToken& token : ObservedRange("t", 1, 5)) tokens.push_back(token);
    house_.Pass({Lists(tokens)});
  }

  WatchHarness watch_;
  LedgerHarness& house_ = watch_.house();
};

TEST_F(WatchHubTest, AWriteThatIsStuckIsAborted) {
  const auto stream = watch_.Open(FromInitialState(), Pace::kByHand);
  ASSERT_TRUE(stream->AwaitWrite());
  house_.clock().Advance(absl::Seconds(59));
  house_.Pass({Lists(ObservedRange("t", 1, 6))});  // the hub looks around
  EXPECT_FALSE(stream->aborted());
  house_.clock().Advance(absl::Seconds(1));
  ASSERT_TRUE(stream->AwaitEnd());
  EXPECT_TRUE(stream->aborted());
  EXPECT_EQ(stream->status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(stream->status()), "SLOW_CONSUMER");
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(stream->status())->metadata().count("resume_token"),
            0u)
      << "nothing was told whole";
  EXPECT_TRUE(watch_.AwaitStreamCount(0));
}

TEST_F(WatchHubTest, AStreamThatIsCutIsToldWhatItWasToldWhole) {
  const auto stream = watch_.Open(FromInitialState(), Pace::kByHand);
  stream->Take();
  ASSERT_TRUE(stream->AwaitSynced());
  house_.Pass({Lists(ObservedRange("t", 1, 6))});
  stream->Take();
  ASSERT_TRUE(stream->AwaitRevision(2));
  house_.Pass({Lists(ObservedRange("t", 1, 7))});
  ASSERT_TRUE(stream->AwaitWritesBegun(3));
  house_.clock().Advance(absl::Seconds(60));
  ASSERT_TRUE(stream->AwaitEnd());
  EXPECT_EQ(ReasonOf(stream->status()), "SLOW_CONSUMER");
  const std::string token =
      DetailOf<google::rpc::ErrorInfo>(stream->status())->metadata().at("resume_token");
  EXPECT_EQ(DecodeResumeToken(token, house_.ledger().epoch()).value(), 2);
  EXPECT_EQ(token, stream->checker().resume_token());
  // And one that had told nothing yet goes on where it began.
  auto later = watch_.Make(AfterRevision(1), Pace::kByHand);
  ASSERT_TRUE(later->Open().ok());
  ASSERT_TRUE(later->AwaitWrite());
  house_.clock().Advance(absl::Seconds(60));
  ASSERT_TRUE(later->AwaitEnd());
  EXPECT_EQ(DecodeResumeToken(
                DetailOf<google::rpc::ErrorInfo>(later->status())->metadata().at("resume_token"),
                house_.ledger().epoch())
                .value(),
            1);
}

TEST_F(WatchHubTest, OfTooManyStalledStreamsTheOldestAreCut) {
  WatchHub::Options options;
  options.max_stalled_messages = 2;
  watch_.StartHub(std::move(options));
  std::vector<std::unique_ptr<FakeStream>> streams;
  for (int i = 0; i < 4; ++i) {
    streams.push_back(watch_.Open(FromInitialState(), Pace::kByHand));
    ASSERT_TRUE(streams.back()->AwaitWrite());
    // Each is stalled before the next one begins to be.
    if (i < 2) {
      house_.clock().Advance(absl::Seconds(5));
      ASSERT_TRUE(watch_.AwaitStalledCount(i + 1));
    }
  }
  house_.clock().Advance(absl::Seconds(5));
  for (std::size_t i : {0u, 1u}) {
    ASSERT_TRUE(streams[i]->AwaitEnd());
    EXPECT_EQ(ReasonOf(streams[i]->status()), "SLOW_CONSUMER");
  }
  ASSERT_TRUE(watch_.AwaitStalledCount(2));
  // Those that go on make room.
  streams[2]->TakeAll();
  streams[3]->TakeAll();
  ASSERT_TRUE(watch_.AwaitStalledCount(0));
  for (std::size_t i : {2u, 3u}) {
    ASSERT_TRUE(streams[i]->AwaitSynced());
    EXPECT_FALSE(streams[i]->aborted());
  }
  EXPECT_TRUE(watch_.AwaitStreamCount(2));
}

// One message that many are told costs what it costs one, and they may all wait for the
// machine.
TEST_F(WatchHubTest, StreamsThatAreStalledOnOneMessageAreNotTooMany) {
  WatchHub::Options options;
  options.max_stalled_messages = 1;
  watch_.StartHub(std::move(options));
  constexpr int kTogether = 5;
  std::vector<std::unique_ptr<FakeStream>> streams;
  for (int i = 0; i < kTogether; ++i) {
    streams.push_back(watch_.Open(FromNow(), Pace::kByHand));
    // Those that begin now are told so.
    ASSERT_TRUE(streams.back()->AwaitWrite());
    streams.back()->Take();
    ASSERT_TRUE(streams.back()->AwaitMessages(1));
  }
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  for (const auto& stream : streams) ASSERT_TRUE(stream->AwaitWrite());
  house_.clock().Advance(absl::Seconds(5));
  ASSERT_TRUE(watch_.AwaitStalledCount(kTogether));
  // A message of its own makes all of them go: they have waited for longer.
  auto other = watch_.Open(FromInitialState(), Pace::kByHand);
  ASSERT_TRUE(other->AwaitWrite());
  house_.clock().Advance(absl::Seconds(2));
  for (const auto& stream : streams) EXPECT_FALSE(stream->aborted());
  house_.clock().Advance(absl::Seconds(3));
  for (const auto& stream : streams) {
    ASSERT_TRUE(stream->AwaitEnd());
    EXPECT_EQ(ReasonOf(stream->status()), "SLOW_CONSUMER");
  }
  EXPECT_FALSE(other->aborted());
}

TEST_F(WatchHubTest, ASlowWriteThatEndsInTimeIsNotAborted) {
  const auto stream = watch_.Open(FromInitialState(), Pace::kByHand);
  for (int i = 6; i < 10; ++i) {
    ASSERT_TRUE(stream->AwaitWrite());
    house_.clock().Advance(absl::Seconds(50));
    house_.Pass({Lists(ObservedRange("t", 1, i))});
    stream->Take();
    ASSERT_TRUE(stream->AwaitMessages(static_cast<std::size_t>(i - 5)));
  }
  EXPECT_FALSE(stream->aborted());
  EXPECT_TRUE(watch_.AwaitStreamCount(1));
}

TEST_F(WatchHubTest, CancelEndsAStreamInEveryState) {
  const auto quiet = watch_.Open(FromInitialState());
  ASSERT_TRUE(quiet->AwaitSynced());
  const auto writing = watch_.Open(FromInitialState(), Pace::kByHand);
  ASSERT_TRUE(writing->AwaitWrite());
  for (FakeStream* stream : {quiet.get(), writing.get()}) {
    stream->Cancel();
    ASSERT_TRUE(stream->AwaitEnd());
    EXPECT_EQ(stream->status().code(), absl::StatusCode::kCancelled);
  }
  EXPECT_TRUE(watch_.AwaitStreamCount(0));
}

TEST_F(WatchHubTest, DrainEndsStreamsWithAProgress) {
  const auto quiet = watch_.Open(FromInitialState());
  const auto now = watch_.Open(FromNow());
  ASSERT_TRUE(quiet->AwaitSynced());
  ASSERT_TRUE(now->AwaitMessages(1));
  const auto writing = watch_.Open(FromInitialState(), Pace::kByHand);
  ASSERT_TRUE(writing->AwaitWrite());
  watch_.hub().Drain();
  for (FakeStream* stream : {quiet.get(), now.get()}) {
    ASSERT_TRUE(stream->AwaitEnd());
    EXPECT_EQ(stream->messages().size(), 2u);
  }
  EXPECT_EQ(writing->writes_begun(), 1) << "what is under way is finished first";
  writing->TakeAll();
  ASSERT_TRUE(writing->AwaitEnd());
  EXPECT_EQ(writing->messages().size(), 2u);
  for (FakeStream* stream : {quiet.get(), now.get(), writing.get()}) {
    EXPECT_EQ(stream->status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ReasonOf(stream->status()), "SERVER_STOPPING");
    EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(stream->status()).has_value());
    const auto last = stream->messages().back();
    EXPECT_TRUE(last.has_progress());
    EXPECT_FALSE(last.resume_token().empty());
  }
  EXPECT_TRUE(watch_.AwaitStreamCount(0));
}

TEST_F(WatchHubTest, ADrainingHubOpensNoStream) {
  watch_.hub().Drain();
  for (const auto& options : {FromInitialState(), FromNow(), AfterRevision(1)}) {
    const auto stream = watch_.Make(options);
    const absl::Status status = stream->Open();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ReasonOf(status), "SERVER_STOPPING");
    EXPECT_EQ(stream->writes_begun(), 0);
  }
}

TEST_F(WatchHubTest, AWriteThatIsStuckDoesNotHoldUpADrainForEver) {
  const auto stream = watch_.Open(FromInitialState(), Pace::kByHand);
  ASSERT_TRUE(stream->AwaitWrite());
  watch_.hub().Drain();
  EXPECT_TRUE(watch_.AwaitStreamCount(1));
  house_.clock().Advance(absl::Seconds(61));
  ASSERT_TRUE(stream->AwaitEnd());
  EXPECT_TRUE(watch_.AwaitStreamCount(0));
}

TEST_F(WatchHubTest, TooManyStreamsAreRefused) {
  watch_.StartHub(/*max_streams=*/3);
  std::vector<std::unique_ptr<FakeStream>> streams;
  for (int i = 0; i < 3; ++i) streams.push_back(watch_.Open(FromNow()));
  const auto refused = watch_.Make(FromNow());
  const absl::Status status = refused->Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "TOO_MANY_STREAMS");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(status).has_value());
  EXPECT_EQ(refused->writes_begun(), 0);
  // One that ends makes room.
  streams.back()->Cancel();
  ASSERT_TRUE(streams.back()->AwaitEnd());
  streams.pop_back();
  const auto next = watch_.Open(FromNow());
  ASSERT_TRUE(next->AwaitMessages(1));
}

TEST_F(WatchHubTest, SixteenInitialStatesAreSentAtOnceAndOthersWait) {
  PassWithLargeTokens();
  std::vector<std::unique_ptr<FakeStream>> streams;
  for (int i = 0; i < 40; ++i) streams.push_back(watch_.Open(FromInitialState(), Pace::kByHand));
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(streams[static_cast<std::size_t>(i)]->AwaitWrite());
  // Those that resume do not wait for them.
  const auto resumed = watch_.Open(FromNow());
  ASSERT_TRUE(resumed->AwaitMessages(1));
  for (std::size_t i = 16; i < 40; ++i) EXPECT_EQ(streams[i]->writes_begun(), 0);

  // Turns go on by end, by cancel, and over those who gave up waiting.
  streams[0]->TakeAll();
  ASSERT_TRUE(streams[16]->AwaitWrite());
  streams[1]->Cancel();
  ASSERT_TRUE(streams[17]->AwaitWrite());
  streams[18]->Cancel();
  streams[19]->Cancel();
  ASSERT_TRUE(streams[18]->AwaitEnd());
  ASSERT_TRUE(streams[19]->AwaitEnd());
  streams[2]->TakeAll();
  ASSERT_TRUE(streams[20]->AwaitWrite());
  EXPECT_EQ(streams[21]->writes_begun(), 0);
  for (const auto& stream : streams) stream->TakeAll();
  for (std::size_t i = 0; i < 40; ++i) {
    if (i == 1 || i == 18 || i == 19) continue;
    ASSERT_TRUE(streams[i]->AwaitSynced()) << i;
    streams[i]->checker().ExpectKnows(*watch_.Current());
  }
}

TEST_F(WatchHubTest, ADrainReachesThoseWhoWaitForTheirTurn) {
  PassWithLargeTokens();
  std::vector<std::unique_ptr<FakeStream>> streams;
  for (int i = 0; i < 20; ++i) streams.push_back(watch_.Open(FromInitialState(), Pace::kByHand));
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(streams[static_cast<std::size_t>(i)]->AwaitWrite());
  watch_.hub().Drain();
  for (std::size_t i = 16; i < 20; ++i) {
    ASSERT_TRUE(streams[i]->AwaitEnd());
    EXPECT_EQ(ReasonOf(streams[i]->status()), "SERVER_STOPPING");
  }
  for (const auto& stream : streams) stream->TakeAll();
  for (const auto& stream : streams) ASSERT_TRUE(stream->AwaitEnd());
  EXPECT_TRUE(watch_.AwaitStreamCount(0));
}

TEST_F(WatchHubTest, AMessageIsMadeOnceForAllWhoAreAtTheSamePlace) {
  class KeepingSink final : public WatchSink {
   public:
    void Write(const WatchMessage& message) override {
      MutexLock lock(mutex_);
      message_ = message;
      written_.Open();
    }
    void Finish(const absl::Status&) override { finished_.Open(); }
    void Abort() override {}
    WatchMessage message() {
      MutexLock lock(mutex_);
      return message_;
    }
    Gate written_;
    Gate finished_;

   private:
    Mutex mutex_;
    WatchMessage message_ ABSL_GUARDED_BY(mutex_);
  };
  house_.Pass({Lists(ObservedRange("t", 1, 9))});
  KeepingSink a, b, c;
  auto first = *watch_.hub().Open(a, AfterRevision(0, v1::FULL));
  auto second = *watch_.hub().Open(b, AfterRevision(0, v1::FULL));
  auto other = *watch_.hub().Open(c, AfterRevision(0, v1::BASIC));
  ASSERT_TRUE(a.written_.Await() && b.written_.Await() && c.written_.Await());
  EXPECT_EQ(a.message(), b.message());
  EXPECT_NE(a.message(), c.message());
  for (const auto& session : {first, second, other}) session->OnWriteDone(false);
  ASSERT_TRUE(a.finished_.Await() && b.finished_.Await() && c.finished_.Await());
}

TEST_F(WatchHubTest, GivesUpWaitsForRevisionsThatDoNotCome) {
  Gate called;
  bool reached = true;
  house_.inventory().WhenRevision(99, house_.clock().Now() + absl::Seconds(5), [&](bool ok) {
    reached = ok;
    called.Open();
  });
  house_.clock().Advance(absl::Seconds(6));
  ASSERT_TRUE(called.Await());
  EXPECT_FALSE(reached);
}

}  // namespace
}  // namespace tokeninventory::testing
