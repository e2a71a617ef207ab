// What one watcher receives, by where it starts and what it asks for.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "gtest/gtest.h"
#include "tests/inventory/watch_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

// Tokens of 60 KiB each.
std::vector<ObservedToken> LargeTokens(int count) {
  std::vector<ObservedToken> tokens = ObservedRange("large", 1, count);
  for (ObservedToken& token : tokens) token.token.set_provider_uri(std::string(60 * 1024, 'x'));
  return tokens;
}

class WatchStreamTest : public ::testing::Test {
 protected:
  WatchHarness watch_;
  LedgerHarness& house_ = watch_.house();
};

TEST_F(WatchStreamTest, InitialStateThenSyncedThenChanges) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  const auto stream = watch_.Open(FromInitialState());
  ASSERT_TRUE(stream->AwaitSynced());
  const auto first = stream->messages();
  ASSERT_EQ(first.size(), 1u);
  ASSERT_EQ(first[0].batches_size(), 1);
  EXPECT_TRUE(first[0].batches(0).initial());
  EXPECT_EQ(first[0].batches(0).events_size(), 5);
  EXPECT_EQ(first[0].synced().revision(), 1);
  EXPECT_EQ(first[0].progress().revision(), 1);

  house_.Pass({Lists(ObservedRange("t", 2, 6))});
  ASSERT_TRUE(stream->AwaitRevision(3));
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchStreamTest, AnEmptyInventoryIsSyncedAtOnce) {
  const auto stream = watch_.Open(FromInitialState());
  ASSERT_TRUE(stream->AwaitSynced());
  EXPECT_EQ(stream->messages()[0].batches_size(), 0);
  EXPECT_EQ(stream->messages()[0].synced().revision(), 0);
  house_.Pass({Lists({Observed("a")})});
  ASSERT_TRUE(stream->AwaitRevision(1));
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchStreamTest, ALargeInitialStateComesInParts) {
  house_.Pass({Lists(LargeTokens(40))});
  const auto stream = watch_.Open(FromInitialState());
  ASSERT_TRUE(stream->AwaitSynced());
  const auto messages = stream->messages();
  EXPECT_EQ(messages.size(), 3u);
  EXPECT_TRUE(messages[0].batches(0).continued());
  EXPECT_FALSE(messages[2].batches(0).continued());
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchStreamTest, ChangesDuringTheInitialStateComeAfterIt) {
  house_.Pass({Lists(LargeTokens(40))});
  const auto stream = watch_.Open(FromInitialState(), FakeStream::Pace::kByHand);
  ASSERT_TRUE(stream->AwaitWrite());
  std::vector<ObservedToken> tokens = LargeTokens(39);
  tokens.push_back(Observed("later"));
  house_.Pass({Lists(tokens)});
  stream->TakeAll();
  ASSERT_TRUE(stream->AwaitRevision(3));
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchStreamTest, FromNowBeginsWithAProgressThatCanBeResumed) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  const auto stream = watch_.Open(FromNow());
  ASSERT_TRUE(stream->AwaitMessages(1)) << "no clock needs to move for it";
  const auto first = stream->messages()[0];
  EXPECT_EQ(first.batches_size(), 0);
  EXPECT_EQ(first.progress().revision(), 1);
  EXPECT_FALSE(first.resume_token().empty());
  house_.Pass({Lists(ObservedRange("t", 1, 6))});
  ASSERT_TRUE(stream->AwaitRevision(2));
  EXPECT_EQ(stream->checker().events(), 1);
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchStreamTest, AfterARevisionComesWhatFollowed) {
  for (int i = 1; i <= 3; ++i) house_.Pass({Lists(ObservedRange("t", 1, i))});
  const auto then = watch_.Current();
  for (int i = 4; i <= 9; ++i) house_.Pass({Lists(ObservedRange("t", 1, i))});
  auto stream = watch_.Make(AfterRevision(3));
  stream->Know(*then);
  ASSERT_TRUE(stream->Open().ok());
  ASSERT_TRUE(stream->AwaitRevision(9)) << "no clock needs to move for it";
  EXPECT_EQ(stream->messages().size(), 1u) << "all that is ready goes out as one";
  EXPECT_EQ(stream->messages()[0].batches_size(), 6);
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchStreamTest, AfterTheNewestRevisionComesWhatIsNew) {
  house_.Pass({Lists(ObservedRange("t", 1, 3))});
  auto stream = watch_.Make(AfterRevision(1));
  stream->Know(*watch_.Current());
  ASSERT_TRUE(stream->Open().ok());
  house_.Pass({Lists(ObservedRange("t", 1, 4))});
  ASSERT_TRUE(stream->AwaitRevision(2));
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchStreamTest, AFutureRevisionIsRefused) {
  house_.Pass({Lists({Observed("a")})});
  auto stream = watch_.Make(AfterRevision(2));
  const absl::Status status = stream->Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(status), "REVISION_IN_FUTURE");
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status)->metadata().at("current_revision"), "1");
  EXPECT_EQ(stream->writes_begun(), 0);
  EXPECT_EQ(watch_.hub().stream_count(), 0);
}

TEST_F(WatchStreamTest, ALargeRevisionIsDeliveredInParts) {
  const auto stream = watch_.Open(FromNow());
  house_.Pass({Lists(LargeTokens(40))});
  ASSERT_TRUE(stream->AwaitRevision(1));
  stream->checker().ExpectKnows(*watch_.Current());
  EXPECT_EQ(stream->messages().size(), 4u) << "a Progress and three parts";
}

TEST_F(WatchStreamTest, AWatcherOfOneSourceHearsOfThatOne) {
  LedgerSetup setup;
  setup.sources.push_back(MakeSourceInfo("beta"));
  watch_.Reopen(setup);
  house_.Pass({Lists(ObservedRange("a", 1, 3))}, "acme");
  house_.Pass({Lists(ObservedRange("b", 1, 3))}, "beta");
  const auto initial = watch_.Open(FromInitialState(v1::BASIC, "beta"));
  const auto now = watch_.Open(FromNow(v1::BASIC, "acme"));
  ASSERT_TRUE(initial->AwaitSynced());
  house_.Pass({Lists(ObservedRange("b", 1, 4))}, "beta");
  ASSERT_TRUE(initial->AwaitRevision(3));
  house_.Pass({Lists(ObservedRange("a", 1, 4))}, "acme");
  ASSERT_TRUE(now->AwaitRevision(4));
  // The other one learns of it by its next Progress.
  house_.Advance(absl::Seconds(15));
  ASSERT_TRUE(initial->AwaitRevision(4));
  initial->checker().ExpectKnows(*watch_.Current());
  now->checker().ExpectKnows(*watch_.Current());
  EXPECT_EQ(now->checker().events(), 1);
}

TEST_F(WatchStreamTest, TombstonesAreRemovedWithTheirCause) {
  house_.Pass({Lists(ObservedRange("t", 1, 5))});
  const auto stream = watch_.Open(FromNow(v1::BASIC));
  house_.Pass({Lists(ObservedRange("t", 1, 4))});
  house_.Pass({Lists(ObservedRange("t", 1, 4))});
  ASSERT_TRUE(stream->AwaitRevision(3));
  const auto messages = stream->messages();
  const v1::TokenEventBatch& batch = *messages.back().batches().rbegin();
  EXPECT_EQ(batch.events(0).type(), v1::TokenEvent::REMOVED);
  EXPECT_EQ(batch.events(0).remove_cause(), v1::TokenEvent::DELETED);
  EXPECT_EQ(batch.events(0).token().delete_cause(), v1::NOT_LISTED);
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchStreamTest, AReusedIdIsARemovalAndAnAddition) {
  const auto of_kind = [](const char* kind) {
    return Lists({Observed("a", [kind](v1::Token& t) { t.set_kind(kind); })});
  };
  house_.Pass({of_kind("service")});
  const auto stream = watch_.Open(FromNow());
  house_.Pass({of_kind("personal")});
  ASSERT_TRUE(stream->AwaitRevision(2));
  const v1::TokenEventBatch batch = stream->messages().back().batches(0);
  ASSERT_EQ(batch.events_size(), 2);
  EXPECT_EQ(batch.events(0).type(), v1::TokenEvent::REMOVED);
  EXPECT_EQ(batch.events(1).type(), v1::TokenEvent::ADDED);
  EXPECT_NE(batch.events(0).uid(), batch.events(1).uid());
  EXPECT_EQ(batch.events(0).token().name(), batch.events(1).token().name());
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchStreamTest, AQuietStreamHasProgressAtItsInterval) {
  house_.Pass({Lists({Observed("a")})});
  const auto stream = watch_.Open(FromInitialState());
  ASSERT_TRUE(stream->AwaitSynced());
  for (int i = 2; i <= 5; ++i) {
    house_.clock().Advance(absl::Seconds(15));
    ASSERT_TRUE(stream->AwaitProgresses(i));
    const v1::Progress progress = stream->checker().last_progress();
    EXPECT_EQ(progress.revision(), 1);
    EXPECT_EQ(progress.head_revision(), 1);
    EXPECT_EQ(FromProto(progress.server_time()), house_.clock().Now());
    ASSERT_EQ(progress.sources_size(), 1);
    EXPECT_EQ(progress.sources(0).source(), "sources/acme");
    EXPECT_EQ(progress.sources(0).state(), v1::Source::OK);
    EXPECT_TRUE(progress.sources(0).has_last_complete_time());
  }
  EXPECT_EQ(stream->messages().size(), 5u) << "and nothing else";
}

TEST_F(WatchStreamTest, IntervalsAreEachStreamsOwn) {
  WatchSession::Options often = FromInitialState();
  often.progress_interval = absl::Seconds(1);
  WatchSession::Options seldom = FromInitialState();
  seldom.progress_interval = absl::Minutes(5);
  const auto a = watch_.Open(often);
  const auto b = watch_.Open(seldom);
  ASSERT_TRUE(a->AwaitSynced());
  ASSERT_TRUE(b->AwaitSynced());
  for (int i = 2; i <= 11; ++i) {
    house_.clock().Advance(absl::Seconds(1));
    ASSERT_TRUE(a->AwaitProgresses(i));
  }
  EXPECT_EQ(b->checker().progresses(), 1);
  house_.clock().Advance(absl::Minutes(5));
  ASSERT_TRUE(b->AwaitProgresses(2));
}

}  // namespace
}  // namespace tokeninventory::testing
