// Watchers that are behind: fed from the store's log, or too late for it.
#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/inventory/watch_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using ::testing::Gt;
using ::testing::SizeIs;

// The memory holds the newest revision only.
LedgerSetup SmallFeed() {
  LedgerSetup setup;
  setup.feed_bytes = 1;
  setup.retention.max_age = absl::Hours(24);
  return setup;
}

class WatchLogTest : public ::testing::Test {
 protected:
  // A stream behind revision `revision`, at which `then` was current.
  std::unique_ptr<FakeStream> OpenBehind(const Snapshot& then,
                                         FakeStream::Pace pace = FakeStream::Pace::kAtOnce,
                                         const std::string& source = "") {
    auto stream = watch_.Make(AfterRevision(then.revision(), v1::FULL, source), pace);
    stream->Know(then);
    const absl::Status status = stream->Open();
    if (!status.ok()) ADD_FAILURE() << status;
    return stream;
  }

  WatchHarness watch_{SmallFeed()};
  LedgerHarness& house_ = watch_.house();
};

TEST_F(WatchLogTest, OldRevisionsComeFromTheStore) {
  const auto then = watch_.Current();
  for (int i = 1; i <= 50; ++i) house_.Pass({Lists(ObservedRange("t", i, i + 5))});
  EXPECT_EQ(house_.feed().bounds().memory_oldest, house_.revision() - 1);
  const auto stream = OpenBehind(*then);
  ASSERT_TRUE(stream->AwaitRevision(house_.revision()));
  stream->checker().ExpectKnows(*watch_.Current());
  EXPECT_THAT(house_.store().log_reads(), Gt(0));
  // And then from memory. This makes one revision, which is all that it holds.
  house_.Pass({Lists(ObservedRange("t", 50, 55))});
  ASSERT_TRUE(stream->AwaitRevision(house_.revision()));
  const int reads = house_.store().log_reads();
  house_.Pass({Lists(ObservedRange("t", 50, 56))});
  ASSERT_TRUE(stream->AwaitRevision(house_.revision()));
  stream->checker().ExpectKnows(*watch_.Current());
  EXPECT_EQ(house_.store().log_reads(), reads);
}

TEST_F(WatchLogTest, ResumesOverARestart) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  const auto then = watch_.Current();
  for (int i = 1; i <= 20; ++i) house_.Pass({Lists(ObservedRange("t", i, i + 5))});
  // Its source leaves with it: what was there is removed.
  LedgerSetup setup = SmallFeed();
  setup.sources = {MakeSourceInfo("beta")};
  watch_.Reopen(setup);
  const auto stream = OpenBehind(*then);
  ASSERT_TRUE(stream->AwaitRevision(house_.revision()));
  stream->checker().ExpectKnows(*watch_.Current());
  EXPECT_EQ(watch_.Current()->Count({}), 0);
  const auto messages = stream->messages();
  const v1::TokenEventBatch& last = *messages.back().batches().rbegin();
  EXPECT_EQ(last.events(0).remove_cause(), v1::TokenEvent::DETACHED);
}

TEST_F(WatchLogTest, RevisionsLargerThanAMessageAreCut) {
  const auto then = watch_.Current();
  for (int pass = 0; pass < 3; ++pass) {
    std::vector<ObservedToken> tokens = ObservedRange("t", 1, 50);
    for (ObservedToken& token : tokens) {
      token.token.set_provider_uri(std::string(60 * 1024, static_cast<char>('a' + pass)));
    }
    house_.Pass({Lists(tokens)});
  }
  house_.Pass({Lists(ObservedRange("t", 1, 50))});
  const auto stream = OpenBehind(*then);
  ASSERT_TRUE(stream->AwaitRevision(4));
  stream->checker().ExpectKnows(*watch_.Current());
  int continued = 0;
  for (const auto& message : stream->messages()) {
    for (const auto& batch : message.batches()) continued += batch.continued() ? 1 : 0;
  }
  EXPECT_THAT(continued, Gt(6));
}

TEST_F(WatchLogTest, ARevisionWhoseRestConcernsOthersIsClosedByProgress) {
  LedgerSetup setup = SmallFeed();
  setup.sources.push_back(MakeSourceInfo("beta"));
  setup.rules = *LeadRules::Make({LeadRule{}});  // nobody is warned before
  watch_.Reopen(setup);
  const absl::Time end = house_.clock().Now() + absl::Hours(1);
  const auto expiring = [end](const std::string& prefix, int count) {
    std::vector<ObservedToken> tokens = ObservedRange(prefix, 1, count);
    for (ObservedToken& token : tokens) {
      ToProto(end, token.token.mutable_expire_time());
      token.token.set_provider_uri(std::string(2000, 'x'));
    }
    return tokens;
  };
  // One revision expires acme's tokens, then beta's, in more than one page of
  // the log.
  house_.Pass({Lists(expiring("a", 500))}, "acme");
  house_.Pass({Lists(expiring("b", 490))}, "beta");
  const auto then = watch_.Current();
  house_.Advance(absl::Hours(1));
  ASSERT_EQ(house_.revision(), 3);
  house_.Pass({Lists({Observed("later")})}, "beta");
  house_.Pass({Lists({Observed("later")})}, "beta");
  house_.Pass({Lists({Observed("even later")})}, "beta");
  const std::int64_t head = house_.revision();
  for (const char* source : {"acme", "beta"}) {
    SCOPED_TRACE(source);
    const auto stream = OpenBehind(*then, FakeStream::Pace::kAtOnce, source);
    ASSERT_TRUE(stream->AwaitRevision(3)) << "without waiting for the interval";
    house_.clock().Advance(absl::Seconds(15));
    ASSERT_TRUE(stream->AwaitRevision(head));
    stream->checker().ExpectKnows(*watch_.Current());
  }
}

TEST_F(WatchLogTest, AStoreThatCannotBeReadEndsTheStreamForNow) {
  const auto then = watch_.Current();
  for (int i = 1; i <= 5; ++i) house_.Pass({Lists(ObservedRange("t", 1, i))});
  house_.store().FailReadLog(true);
  const auto stream = OpenBehind(*then);
  ASSERT_TRUE(stream->AwaitEnd());
  EXPECT_EQ(stream->status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(stream->status()), "STORE_UNAVAILABLE");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(stream->status()).has_value());
  EXPECT_TRUE(watch_.AwaitStreamCount(0));
}

TEST_F(WatchLogTest, ACompactedRevisionIsRefused) {
  for (int i = 1; i <= 5; ++i) house_.Pass({Lists(ObservedRange("t", 1, i))});
  house_.Advance(absl::Hours(25));
  house_.Advance(absl::Minutes(10));
  ASSERT_EQ(house_.feed().bounds().oldest, 5);
  auto stream = watch_.Make(AfterRevision(4));
  const absl::Status status = stream->Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(status), "REVISION_COMPACTED");
  const auto info = *DetailOf<google::rpc::ErrorInfo>(status);
  EXPECT_EQ(info.metadata().at("oldest_revision"), "5");
  EXPECT_EQ(info.metadata().at("current_revision"), "6") << "a day without a pass was told";
  EXPECT_EQ(stream->writes_begun(), 0);
}

TEST_F(WatchLogTest, AWatchThatStartsAtTheCompactionPointMissesNothing) {
  for (int i = 1; i <= 5; ++i) house_.Pass({Lists(ObservedRange("t", 1, i))});
  const auto then = watch_.Current();
  house_.Advance(absl::Hours(25));
  house_.Pass({Lists(ObservedRange("t", 2, 5))});
  house_.Pass({Lists(ObservedRange("t", 2, 5))});
  house_.Pass({Lists(ObservedRange("t", 2, 6))});
  house_.Advance(absl::Minutes(10));
  ASSERT_EQ(house_.feed().bounds().oldest, 5);
  const auto stream = OpenBehind(*then);
  ASSERT_TRUE(stream->AwaitRevision(house_.revision()));
  stream->checker().ExpectKnows(*watch_.Current());
}

// Its cursor holds the log for as long as it may, and no longer.
TEST_F(WatchLogTest, AWatcherThatFallsBehindIsEndedAndTheLogGoesOn) {
  house_.Pass({Lists(ObservedRange("t", 1, 1))});
  const std::int64_t told = house_.revision();
  const auto stream = watch_.Open(FromInitialState(), FakeStream::Pace::kByHand);
  ASSERT_TRUE(stream->AwaitWrite());
  for (int i = 2; i <= 5; ++i) house_.Pass({Lists(ObservedRange("t", 1, i))});
  house_.clock().Advance(absl::Hours(25));
  ASSERT_TRUE(stream->AwaitEnd());
  EXPECT_EQ(stream->status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(stream->status()), "SLOW_CONSUMER");
  house_.Advance(absl::Minutes(10));
  const absl::Status late = watch_.Make(AfterRevision(told))->Open();
  EXPECT_EQ(late.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(late), "REVISION_COMPACTED");
}

TEST_F(WatchLogTest, CompactionByCountTellsAWatcherThatIsBehind) {
  LedgerSetup setup = SmallFeed();
  setup.retention.max_changes = 3;
  watch_.Reopen(setup);
  house_.Pass({Lists(ObservedRange("t", 1, 1))});
  const auto stream = watch_.Open(FromInitialState(), FakeStream::Pace::kByHand);
  ASSERT_TRUE(stream->AwaitWrite());
  for (int i = 2; i <= 9; ++i) house_.Pass({Lists(ObservedRange("t", 1, i))});
  // A restart of the Ledger alone would compact as well; the clock need not move.
  const auto head = house_.store().Compact({absl::InfinitePast(), 3, std::int64_t{1} << 40});
  ASSERT_TRUE(head.ok()) << head.status();
  ASSERT_GT(head->oldest_revision, 1);
  stream->TakeAll();
  ASSERT_TRUE(stream->AwaitEnd());
  EXPECT_EQ(stream->status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(stream->status()), "REVISION_COMPACTED");
}

TEST_F(WatchLogTest, CompactionIsToldWhatLiveCursorsNeed) {
  constexpr std::int64_t kNobody = std::numeric_limits<std::int64_t>::max();
  const auto oldest_cursor = [this] {
    house_.Advance(absl::Minutes(10));
    return house_.store().last_limits().oldest_cursor;
  };
  watch_.StartHub(1000, /*stall_timeout=*/absl::Hours(1000));
  EXPECT_EQ(oldest_cursor(), kNobody);
  for (int i = 1; i <= 3; ++i) house_.Pass({Lists(ObservedRange("t", 1, i))});
  const auto initial = watch_.Open(FromInitialState(), FakeStream::Pace::kByHand);
  ASSERT_TRUE(initial->AwaitWrite());
  EXPECT_EQ(oldest_cursor(), 3) << "what comes after the initial state that is being sent";
  for (int i = 4; i <= 6; ++i) house_.Pass({Lists(ObservedRange("t", 1, i))});
  const auto quick = watch_.Open(FromNow());
  ASSERT_TRUE(quick->AwaitMessages(1));
  EXPECT_EQ(oldest_cursor(), 3);
  initial->TakeAll();
  ASSERT_TRUE(initial->AwaitRevision(6));
  EXPECT_EQ(oldest_cursor(), 6);
  // One whom nothing concerns needs nothing.
  const auto other = watch_.Open(FromNow(v1::BASIC, "nobody"));
  ASSERT_TRUE(other->AwaitMessages(1));
  house_.Pass({Lists(ObservedRange("t", 1, 7))});
  ASSERT_TRUE(quick->AwaitRevision(7));
  ASSERT_TRUE(initial->AwaitRevision(7));
  house_.clock().Advance(absl::Seconds(15));
  ASSERT_TRUE(other->AwaitRevision(7));
  EXPECT_EQ(oldest_cursor(), 7);
  for (FakeStream* stream : {initial.get(), quick.get(), other.get()}) stream->Cancel();
  ASSERT_TRUE(watch_.AwaitStreamCount(0));
  EXPECT_EQ(oldest_cursor(), kNobody);
}

TEST_F(WatchLogTest, AClientThatStopsReadingHoldsOneMessageAndNoOtherIsKeptForIt) {
  watch_.StartHub(1000, /*stall_timeout=*/absl::Hours(1000));
  // Counts the messages that somebody holds.
  class CountingSink final : public WatchSink {
   public:
    void Write(const WatchMessage& message) override {
      MutexLock lock(mutex_);
      written_.push_back(message);
      under_way_ = message;
      wake_.NotifyAll();
    }
    void Finish(const absl::Status&) override { finished_.Open(); }
    void Abort() override {}
    // Waits for a message, and takes it.
    void Take() {
      MutexLock lock(mutex_);
      while (under_way_ == nullptr) wake_.Wait(mutex_);
      under_way_ = nullptr;
    }
    std::size_t written() const {
      MutexLock lock(mutex_);
      return written_.size();
    }
    std::size_t held() const {
      MutexLock lock(mutex_);
      return static_cast<std::size_t>(
          std::count_if(written_.begin(), written_.end(),
                        [](const auto& message) { return !message.expired(); }));
    }
    Gate finished_;

   private:
    mutable Mutex mutex_;
    CondVar wake_;
    std::vector<std::weak_ptr<const std::string>> written_ ABSL_GUARDED_BY(mutex_);
    WatchMessage under_way_ ABSL_GUARDED_BY(mutex_);
  };
  CountingSink stopped;
  CountingSink reads;
  const auto stopped_session = *watch_.hub().Open(stopped, FromNow());
  const auto reading_session = *watch_.hub().Open(reads, FromNow());
  constexpr int kRevisions = 60;
  for (int i = 1; i <= kRevisions; ++i) {
    reads.Take();
    reading_session->OnWriteDone(true);
    house_.Pass({Lists(ObservedRange("t", 1, i))});
  }
  reads.Take();
  reading_session->OnWriteDone(true);
  EXPECT_EQ(reads.written(), 1u + kRevisions) << "each as it came";
  EXPECT_EQ(stopped.written(), 1u);
  EXPECT_EQ(stopped.held(), 1u);
  // Some are kept for whoever comes next, and no more than that.
  EXPECT_LE(reads.held(), 17u);
  stopped_session->OnWriteDone(false);
  reading_session->OnCancel();
  ASSERT_TRUE(stopped.finished_.Await() && reads.finished_.Await());
}

TEST_F(WatchLogTest, ASlowWatcherCostsOneMessageAndCatchesUp) {
  const auto slow = watch_.Open(FromNow(), FakeStream::Pace::kByHand);
  const auto fast = watch_.Open(FromNow());
  ASSERT_TRUE(slow->AwaitWrite());
  for (int i = 1; i <= 40; ++i) {
    house_.Pass({Lists(ObservedRange("t", 1, i))});
    ASSERT_TRUE(fast->AwaitRevision(i)) << "nobody waits for the slow one";
    EXPECT_EQ(slow->writes_begun(), 1);
  }
  slow->TakeAll();
  ASSERT_TRUE(slow->AwaitRevision(40));
  EXPECT_LT(slow->messages().size(), 10u) << "what waits goes out together";
  slow->checker().ExpectKnows(*watch_.Current());
  fast->checker().ExpectKnows(*watch_.Current());
}

}  // namespace
}  // namespace tokeninventory::testing
