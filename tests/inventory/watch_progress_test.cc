// What Progress tells, and when it is sent besides its interval.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "gtest/gtest.h"
#include "tests/inventory/watch_harness.h"
#include "tests/testing/error_details.h"

namespace tokeninventory::testing {
namespace {

using Pace = FakeStream::Pace;

LedgerSetup TwoSources() {
  LedgerSetup setup;
  setup.sources.push_back(MakeSourceInfo("beta"));
  return setup;
}

class WatchProgressTest : public ::testing::Test {
 protected:
  // A pass that makes no revision.
  void EndPassAs(v1::Source::State state, const std::string& source = "acme") {
    house_.EndPass(house_.BeginPass({}, source), {}, state);
  }
  static v1::SourceFreshness FreshnessOf(const v1::Progress& progress, const std::string& source) {
    for (const v1::SourceFreshness& freshness : progress.sources()) {
      if (freshness.source() == absl::StrCat("sources/", source)) return freshness;
    }
    ADD_FAILURE() << source << " is not told";
    return {};
  }

  WatchHarness watch_{TwoSources()};
  LedgerHarness& house_ = watch_.house();
};

TEST_F(WatchProgressTest, ASourceThatChangesItsStateIsToldToEveryStreamAtOnce) {
  const auto all = watch_.Open(FromInitialState());
  const auto of_acme = watch_.Open(FromNow(v1::BASIC, "acme"));
  const auto of_beta = watch_.Open(FromNow(v1::BASIC, "beta"));
  for (const auto* stream : {&all, &of_acme, &of_beta}) {
    ASSERT_TRUE((*stream)->AwaitProgresses(1));
  }
  const v1::Source::State states[] = {v1::Source::UNREACHABLE, v1::Source::AUTH_FAILED,
                                      v1::Source::OK};
  int progresses = 1;
  for (const v1::Source::State state : states) {
    EndPassAs(state);
    ++progresses;
    for (const auto* stream : {&all, &of_acme, &of_beta}) {
      ASSERT_TRUE((*stream)->AwaitProgresses(progresses)) << "no clock needs to move for it";
      const v1::Progress progress = (*stream)->checker().last_progress();
      EXPECT_EQ(FreshnessOf(progress, "acme").state(), state);
      EXPECT_EQ(FreshnessOf(progress, "beta").state(), v1::Source::OK);
      EXPECT_EQ(progress.revision(), 0);
    }
  }
}

TEST_F(WatchProgressTest, APassThatChangesNoStateIsNotTold) {
  const auto stream = watch_.Open(FromInitialState());
  ASSERT_TRUE(stream->AwaitSynced());
  for (int i = 0; i < 5; ++i) EndPassAs(v1::Source::OK);
  EndPassAs(v1::Source::FAILED);
  for (int i = 0; i < 5; ++i) EndPassAs(v1::Source::FAILED, "acme");
  EndPassAs(v1::Source::FAILED, "beta");
  ASSERT_TRUE(stream->AwaitProgresses(3));
  house_.Pass({Lists({Observed("a")})});
  ASSERT_TRUE(stream->AwaitProgresses(4)) << "acme is OK again";
  const auto messages = stream->messages();
  EXPECT_EQ(messages.size(), 5u) << "Synced, two failures, a token, one recovery";
}

TEST_F(WatchProgressTest, AStateComesAfterTheChangesThatCameWithIt) {
  const auto stream = watch_.Open(FromInitialState(), Pace::kByHand);
  ASSERT_TRUE(stream->AwaitWrite());
  house_.Pass({Lists({Observed("a")})});
  const PassId pass = house_.BeginPass({Lists({Observed("a"), Observed("b")})});
  house_.EndPass(pass, {{"tokens", true}}, v1::Source::DEGRADED);
  house_.Pass({Lists({Observed("c")})}, "beta");
  stream->TakeAll();
  ASSERT_TRUE(stream->AwaitRevision(3));
  ASSERT_TRUE(stream->AwaitProgresses(2));
  const auto messages = stream->messages();
  for (const auto& message : messages) {
    if (message.has_synced() || !message.has_progress()) continue;
    EXPECT_GE(message.progress().revision(), 2) << "DEGRADED came with revision 2";
    EXPECT_EQ(FreshnessOf(message.progress(), "acme").state(), v1::Source::DEGRADED);
  }
  stream->checker().ExpectKnows(*watch_.Current());
}

TEST_F(WatchProgressTest, TellsHowFreshEachSourceIs) {
  const auto stream = watch_.Open(FromInitialState());
  ASSERT_TRUE(stream->AwaitSynced());
  PassEnd end;
  end.state = v1::Source::DEGRADED;
  end.next_sync_time = house_.clock().Now() + absl::Minutes(7);
  end.incomplete_scopes.resize(3);
  for (v1::IncompleteScope& scope : end.incomplete_scopes) scope.set_stream("tokens");
  ASSERT_TRUE(house_.ledger().End(house_.BeginPass({}), end).ok());
  ASSERT_TRUE(stream->AwaitProgresses(2));
  v1::SourceFreshness acme = FreshnessOf(stream->checker().last_progress(), "acme");
  EXPECT_EQ(FromProto(acme.next_sync_time()), end.next_sync_time);
  EXPECT_EQ(acme.incomplete_scope_count(), 3);
  EXPECT_EQ(FreshnessOf(stream->checker().last_progress(), "beta").incomplete_scope_count(), 0);
  // While a pass runs there is no next one. That is no other state.
  const PassId pass = house_.BeginPass({});
  house_.clock().Advance(absl::Seconds(15));
  ASSERT_TRUE(stream->AwaitProgresses(3));
  acme = FreshnessOf(stream->checker().last_progress(), "acme");
  EXPECT_FALSE(acme.has_next_sync_time());
  EXPECT_EQ(acme.state(), v1::Source::DEGRADED);
  house_.EndPass(pass, {});
}

TEST_F(WatchProgressTest, LagIsZeroWhenAllIsToldAndElseTheAgeOfWhatIsNot) {
  // Each revision fills a message.
  const auto large = [](int round) {
    std::vector<ObservedToken> tokens = ObservedRange("large", 1, 15);
    for (ObservedToken& token : tokens) {
      token.token.set_provider_uri(std::string(60 * 1024, static_cast<char>('a' + round)));
    }
    return tokens;
  };
  const auto then = watch_.Current();
  const auto told = watch_.Open(FromNow());
  for (int round = 0; round < 3; ++round) {
    house_.Pass({Lists(large(round))});
    house_.clock().Advance(absl::Seconds(10));
  }
  ASSERT_TRUE(told->AwaitRevision(3));
  auto behind = watch_.Make(AfterRevision(0), Pace::kByHand);
  behind->Know(*then);
  ASSERT_TRUE(behind->Open().ok());
  ASSERT_TRUE(behind->AwaitWrite());
  watch_.hub().Drain();
  behind->TakeAll();
  ASSERT_TRUE(behind->AwaitEnd());
  ASSERT_TRUE(told->AwaitEnd());
  const v1::Progress last = behind->checker().last_progress();
  EXPECT_EQ(last.revision(), 1);
  EXPECT_EQ(last.head_revision(), 3);
  EXPECT_EQ(FromProto(last.lag()), absl::Seconds(20));
  EXPECT_EQ(FromProto(told->checker().last_progress().lag()), absl::ZeroDuration());
  EXPECT_TRUE(told->checker().last_progress().has_lag());
}

}  // namespace
}  // namespace tokeninventory::testing
