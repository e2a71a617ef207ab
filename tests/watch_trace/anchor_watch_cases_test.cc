// Watch rules of google.watcher.v1, SpiceDB and Consul
// (testdata/watch_other_anchors.json).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/watch_trace/case_file.h"
#include "tests/watch_trace/watch_script.h"

namespace tokeninventory::testing {
namespace {

using Json = nlohmann::json;
using Pace = FakeStream::Pace;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class AnchorWatchCaseTest : public WatchScript, public ::testing::WithParamInterface<WatchCase> {
 protected:
  using Runner = void (AnchorWatchCaseTest::*)(const Json&);

  static std::vector<v1::TokenEventBatch> BatchesIn(
      const std::vector<v1::WatchTokensResponse>& messages) {
    std::vector<v1::TokenEventBatch> batches;
    for (const auto& message : messages) {
      batches.insert(batches.end(), message.batches().begin(), message.batches().end());
    }
    return batches;
  }
  static std::vector<ObservedToken> LargeTokens(int count) {
    std::vector<ObservedToken> tokens = ObservedRange("k", 1, count);
    for (ObservedToken& token : tokens) token.token.set_provider_uri(std::string(60 << 10, 'x'));
    return tokens;
  }

  // -- google.watcher.v1.

  void StartEmpty(const Json&) {
    Put("a", "1");
    Put("b", "1");
    Put("a", "2");
    Delete("b");
    OpenWatch watch = Watch(FromInitialState());
    const auto messages = Told(watch);
    EXPECT_THAT(InitialIn(messages), ElementsAre("a"));
    EXPECT_EQ(messages[0].batches(0).events(0).token().role(), "2");
  }

  void StartNow(const Json&) {
    Put("a");
    OpenWatch watch = Watch(FromNow());
    ASSERT_TRUE(watch.stream->AwaitMessages(1));
    Put("b");
    const auto messages = Told(watch);
    EXPECT_EQ(messages[0].batches_size(), 0);
    EXPECT_EQ(messages[0].progress().revision(), 1);
    EXPECT_THAT(EventsIn(messages), ElementsAre("2 ADDED b"));
  }

  void StartResume(const Json&) {
    KeepChanges(3);
    Put("a");
    OpenWatch watch = Watch(FromInitialState());
    ASSERT_TRUE(watch.stream->AwaitSynced());
    BreakOff(watch);
    for (int i = 0; i < 3; ++i) Put("b");
    Compact();
    OpenWatch resumed = Reconnect({watch.options, nullptr, watch.resume_token});
    EXPECT_THAT(EventsIn(Told(resumed)), SizeIs(3));
    Put("b");
    Compact();
    auto late = watch_.Make(resumed.options);
    const absl::Status status = late->Open();
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << "their FAILED_PRECONDITION";
    EXPECT_EQ(ReasonOf(status), "REVISION_COMPACTED");
  }

  void ForeignMarker(const Json&) {
    const std::string& epoch = house_.ledger().epoch();
    EXPECT_EQ(DecodeResumeToken("garbage", epoch).status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(DecodeResumeToken(EncodeResumeToken(std::string(16, 'x'), 1), epoch)),
              "STORE_EPOCH_CHANGED");
  }

  void CaughtUp(const Json&) {
    Observe(LargeTokens(40));
    OpenWatch watch = Watch(FromInitialState());
    ASSERT_TRUE(watch.stream->AwaitSynced());
    const auto messages = Told(watch);
    ASSERT_GT(messages.size(), 1u);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const bool last = i + 1 == messages.size();
      EXPECT_EQ(messages[i].has_synced(), last);
      EXPECT_EQ(messages[i].batches(0).continued(), !last);
    }
  }

  void EmptyEntity(const Json&) {
    OpenWatch watch = Watch(FromInitialState());
    ASSERT_TRUE(watch.stream->AwaitSynced());
    EXPECT_EQ(Told(watch)[0].batches_size(), 0);
  }

  void AtomicGroup(const Json&) {
    OpenWatch watch = Watch(FromNow());
    Commit({{"a", "1"}, {"b", "1"}, {"c", "1"}});
    const auto batches = BatchesIn(Told(watch));
    ASSERT_THAT(batches, SizeIs(1));
    EXPECT_EQ(batches[0].events_size(), 3);
    EXPECT_FALSE(batches[0].continued());
  }

  void GroupSplitOverBatches(const Json&) {
    OpenWatch watch = Watch(FromNow());
    Observe(LargeTokens(40));
    const auto batches = BatchesIn(Told(watch));
    ASSERT_GT(batches.size(), 1u);
    for (std::size_t i = 0; i < batches.size(); ++i) {
      EXPECT_EQ(batches[i].revision(), 1);
      EXPECT_EQ(batches[i].continued(), i + 1 < batches.size());
    }
  }

  // Nothing is left out here, though it might be.
  void Coalesce(const Json&) {
    OpenWatch watch = Watch(FromNow(), Pace::kByHand);
    for (int i = 0; i < 5; ++i) Put("a");
    watch.stream->TakeAll();
    EXPECT_THAT(EventsIn(Told(watch)), SizeIs(5));
  }

  // The trace is the proof.
  void NoLoss(const Json&) {
    OpenWatch watch = Watch(FromNow());
    for (int i = 0; i < 50; ++i) Put(absl::StrCat("k", i % 7));
    ASSERT_TRUE(watch.stream->AwaitRevision(50)) << "no clock moved";
    Finish(std::move(watch));
  }

  void ParentChild(const Json&) {
    LedgerSetup both;
    both.sources.push_back(MakeSourceInfo("beta"));
    Reopen(both);
    Put("a", "", "beta");
    OpenWatch watch = Watch(FromInitialState());
    ASSERT_TRUE(watch.stream->AwaitSynced());
    BreakOff(watch);
    // The parent leaves.
    Reopen({});
    OpenWatch without = Reconnect({watch.options, nullptr, watch.resume_token});
    Put("b", "", "acme");
    EXPECT_THAT(EventsIn(Told(without)), ElementsAre("2 REMOVED a", "3 ADDED b"));
    // It is there again, and then its child.
    Reopen(both);
    OpenWatch with = Reconnect({watch.options, nullptr, without.resume_token});
    house_.Pass({Lists({Observed("a")})}, "beta");
    const auto events = EventsIn(Told(with));
    ASSERT_FALSE(events.empty());
    EXPECT_TRUE(absl::EndsWith(events[0], " ADDED a")) << events[0];
  }

  void FirstMessage(const Json&) {
    for (const auto& options : {FromInitialState(), FromNow()}) {
      OpenWatch watch = Watch(options);
      EXPECT_TRUE(watch.stream->AwaitMessages(1)) << "nothing happened, no clock moved";
      Finish(std::move(watch));
    }
  }

  // -- SpiceDB.

  void Writes(const Json& watch_case) {
    const int count = watch_case["given"]["writes"];
    KeepChanges(10'000, /*feed_bytes=*/1);
    OpenWatch watch = Watch(AfterRevision(0));
    for (int i = 0; i < count; ++i) Put(absl::StrCat("k", i));
    std::vector<ScriptWrite> all;
    for (int i = 0; i < count; ++i) all.push_back({absl::StrCat("k", i), ScriptWrite::kGone});
    Commit(all);
    const auto first = BatchesIn(Told(watch));
    EXPECT_THAT(first, SizeIs(static_cast<std::size_t>(count) + 1));
    EXPECT_EQ(first.back().events_size(), count);
    OpenWatch again = Watch(AfterRevision(0));
    EXPECT_EQ(EventsIn(Told(again)).size(), static_cast<std::size_t>(2 * count));
  }

  void FallBehind(const Json& watch_case) {
    KeepChanges(50);
    OpenWatch watch = Watch(FromNow(), Pace::kByHand);
    for (int i = 0; i < watch_case["given"]["writes"].get<int>(); ++i) Put("k");
    Compact();
    watch.stream->TakeAll();
    ASSERT_TRUE(watch.stream->AwaitEnd());
    EXPECT_EQ(ReasonOf(watch.stream->status()), "REVISION_COMPACTED");
    Finish(std::move(watch));
  }

  void Cancel(const Json&) {
    OpenWatch watch = Watch(FromNow());
    Put("k");
    watch.stream->Cancel();
    ASSERT_TRUE(watch.stream->AwaitEnd());
    EXPECT_EQ(watch.stream->status().code(), absl::StatusCode::kCancelled);
    Finish(std::move(watch));
  }

  // The same listing once more.
  void NoopWrite(const Json&) {
    house_.Pass({Lists({Observed("k")})});
    OpenWatch watch = Watch(FromNow());
    house_.Pass({Lists({Observed("k")})});
    EXPECT_EQ(house_.revision(), 1);
    EXPECT_THAT(EventsIn(Told(watch)), IsEmpty());
  }

  void AttributeChange(const Json&) {
    const auto with = [](const char* kind, const char* role) {
      return std::vector<ObservedToken>{Observed("k", [&](v1::Token& t) {
        t.set_provider_state(kind);
        t.set_role(role);
      })};
    };
    Observe(with("a", "a"));
    OpenWatch watch = Watch(FromNow());
    Observe(with("b", "a"));
    Observe(with("b", "b"));
    const auto messages = Told(watch);
    EXPECT_THAT(EventsIn(messages), ElementsAre("2 MODIFIED k", "3 MODIFIED k"));
  }

  void OneDelete(const Json&) {
    for (const char* key : {"a", "b", "c"}) Put(key);
    OpenWatch watch = Watch(FromNow());
    Delete("b");
    EXPECT_THAT(EventsIn(Told(watch)), ElementsAre("4 REMOVED b"));
  }

  void NoopRevisionReached(const Json&) {
    house_.Pass({Lists({Observed("k")})});
    OpenWatch watch = Watch(WithFilter(FromInitialState(), "role = \"nobody\""));
    ASSERT_TRUE(watch.stream->AwaitSynced());
    const PassOutcome changes = house_.Pass({Lists({Observed("k"), Observed("l")})});
    const PassOutcome nothing = house_.Pass({Lists({Observed("k"), Observed("l")})});
    EXPECT_EQ(nothing.revision, changes.revision);
    house_.clock().Advance(absl::Seconds(15));
    EXPECT_TRUE(watch.stream->AwaitRevision(nothing.revision));
    Finish(std::move(watch));
  }

  void CheckpointAfterWrite(const Json&) {
    OpenWatch watch = Watch(FromNow());
    Put("k");
    ASSERT_TRUE(watch.stream->AwaitRevision(1)) << "the resume token says so at once";
    house_.clock().Advance(absl::Seconds(15));
    ASSERT_TRUE(watch.stream->AwaitProgresses(2));
    EXPECT_EQ(watch.stream->messages().back().progress().revision(), 1);
    Finish(std::move(watch));
  }

  // A Progress is due while a part of a revision is still to come.
  void CheckpointNotEarly(const Json&) {
    OpenWatch watch = Watch(FromNow(), Pace::kByHand);
    Observe(LargeTokens(40));
    for (std::size_t taken = 1; taken <= 4; ++taken) {
      ASSERT_TRUE(watch.stream->AwaitWrite());
      house_.clock().Advance(absl::Minutes(1));
      watch.stream->Take();
      ASSERT_TRUE(watch.stream->AwaitMessages(taken));
    }
    EXPECT_THAT(EventsIn(watch.stream->messages()), SizeIs(40));
    Finish(std::move(watch));
  }

  void IdleCheckpoint(const Json&) {
    OpenWatch watch = Watch(FromNow());
    for (int i = 1; i <= 20; ++i) {
      ASSERT_TRUE(watch.stream->AwaitProgresses(i));
      house_.clock().Advance(absl::Seconds(15));
    }
    Finish(std::move(watch));
  }

  // -- Consul.

  void SpuriousWake(const Json&) {
    LedgerSetup setup;
    setup.sources.push_back(MakeSourceInfo("beta"));
    Reopen(setup);
    OpenWatch other = Watch(FromNow(v1::FULL, "beta"));
    OpenWatch filtered = Watch(WithFilter(FromNow(), "role = \"x\""));
    for (int i = 0; i < 5; ++i) Put("k", "y", "acme");
    EXPECT_THAT(EventsIn(Told(other)), IsEmpty());
    EXPECT_THAT(EventsIn(Told(filtered)), IsEmpty());
  }

  static Runner RunnerFor(const WatchCase& watch_case) {
    using T = AnchorWatchCaseTest;
    static const auto* const ids = new std::map<std::string, Runner>{
        {"start_empty", &T::StartEmpty},
        {"start_now", &T::StartNow},
        {"start_resume", &T::StartResume},
        {"foreign_marker", &T::ForeignMarker},
        {"caught_up", &T::CaughtUp},
        {"empty_entity", &T::EmptyEntity},
        {"atomic_group", &T::AtomicGroup},
        {"group_split_over_batches", &T::GroupSplitOverBatches},
        {"coalesce", &T::Coalesce},
        {"no_loss", &T::NoLoss},
        {"parent_child", &T::ParentChild},
        {"first_message", &T::FirstMessage},
        {"small", &T::Writes},
        {"two", &T::Writes},
        {"many", &T::Writes},
        {"fall_behind", &T::FallBehind},
        {"cancel", &T::Cancel},
        {"noop_write", &T::NoopWrite},
        {"attribute_change", &T::AttributeChange},
        {"delete", &T::OneDelete},
        {"noop_revision_reached", &T::NoopRevisionReached},
        {"checkpoint_after_write", &T::CheckpointAfterWrite},
        {"checkpoint_not_early", &T::CheckpointNotEarly},
        {"idle_checkpoint", &T::IdleCheckpoint},
        {"spurious_wake", &T::SpuriousWake},
    };
    const auto id = ids->find(watch_case.id);
    return id == ids->end() ? nullptr : id->second;
  }
};

TEST_P(AnchorWatchCaseTest, HoldsOrHasItsReason) {
  const Runner runner = RunnerFor(GetParam());
  if (GetParam().is_set_aside()) {
    EXPECT_EQ(runner, nullptr) << "run and set aside";
    return;
  }
  ASSERT_NE(runner, nullptr) << "neither run nor set aside";
  (this->*runner)(GetParam().json);
  ExpectNoViolation();
}

INSTANTIATE_TEST_SUITE_P(Anchors, AnchorWatchCaseTest,
                         ::testing::ValuesIn(ReadWatchCases("watch_other_anchors.json")),
                         [](const auto& param) { return param.param.id; });

}  // namespace
}  // namespace tokeninventory::testing
