// What open streams tell when their callers may see other sources than before.
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "inventory/cursor.h"
#include "inventory/token_bytes.h"
#include "tests/inventory/vendor_churn.h"
#include "tests/inventory/watch_harness.h"

namespace tokeninventory::testing {
namespace {

using Pace = FakeStream::Pace;

const SourceSet kAcme({"acme"});
const SourceSet kBeta({"beta"});
const SourceSet kBoth({"acme", "beta"});
const SourceSet kNone{std::vector<std::string>()};

LedgerSetup ThreeSources(std::int64_t feed_bytes = std::int64_t{64} << 20) {
  LedgerSetup setup;
  setup.feed_bytes = feed_bytes;
  setup.sources = {MakeSourceInfo("acme"), MakeSourceInfo("beta"), MakeSourceInfo("gamma")};
  return setup;
}

// Records that make an initial state of several messages.
std::vector<ObservedToken> Big(const std::string& prefix, int count) {
  std::vector<ObservedToken> tokens = ObservedRange(prefix, 1, count);
  for (ObservedToken& token : tokens) token.token.set_display_name(std::string(30'000, 'x'));
  return tokens;
}

WatchSession::Options Seeing(WatchSession::Options options, const SourceSet& visible,
                             const std::string& source = "", const std::string& filter = "") {
  WatchScope scope = MakeScope(v1::FULL, source, filter);
  scope.visible = visible;
  options.view = std::make_shared<TokenWatchView>(std::move(scope));
  return options;
}

// Both ways of being fed: all from memory, and mostly from the store's log.
class WatchPolicyTest : public ::testing::TestWithParam<std::int64_t> {
 protected:
  WatchPolicyTest() {
    house_.Pass({Lists(ObservedRange("a", 1, 5))}, "acme");
    house_.Pass({Lists(ObservedRange("b", 1, 5))}, "beta");
    house_.Pass({Lists(ObservedRange("g", 1, 5))}, "gamma");
    // ExpectSees moves the clock while threads still write.
    watch_.StartHub(1000, /*stall_timeout=*/absl::Hours(1000));
  }

  std::set<std::string> UidsOf(const std::string& source) {
    std::set<std::string> uids;
    const auto snapshot = watch_.Current();
    snapshot->Scan(0, ScanFilter{snapshot->FindSource(source)}, [&](const TokenRef& token) {
      uids.insert(std::string(ReadTokenFacts(token.full).uid));
      return true;
    });
    return uids;
  }
  // Each once; `also_again`: what changed meanwhile may be named again.
  static std::set<std::string> HiddenFrom(const FakeStream& stream, bool also_again = false) {
    const WatchChecker checker = stream.checker();
    if (!also_again) {
      EXPECT_EQ(checker.hidden().size(),
                std::set<std::string>(checker.hidden().begin(), checker.hidden().end()).size());
    }
    return {checker.hidden().begin(), checker.hidden().end()};
  }
  void ExpectSees(FakeStream& stream) {
    // What is of no interest to it is told by Progress, when its time has come.
    for (int i = 0; i < 1000 && !stream.HasSightSoon(house_.revision()); ++i) {
      house_.clock().Advance(absl::Seconds(15));
    }
    ASSERT_TRUE(stream.HasSightSoon(house_.revision()));
    stream.checker().ExpectKnows(*watch_.Current());
  }
  static std::set<std::string> ProgressOf(const FakeStream& stream) {
    std::set<std::string> sources;
    const WatchChecker checker = stream.checker();
    for (const auto& source : checker.last_progress().sources()) {
      sources.insert(source.source());
    }
    return sources;
  }

  WatchHarness watch_{ThreeSources(GetParam())};
  LedgerHarness& house_ = watch_.house();
};

INSTANTIATE_TEST_SUITE_P(FeedBytes, WatchPolicyTest,
                         ::testing::Values(std::int64_t{64} << 20, std::int64_t{4} << 10),
                         [](const auto& param) {
                           return param.param > (1 << 20) ? "Memory" : "Store";
                         });

TEST_P(WatchPolicyTest, WhatIsHiddenLeavesByItsUidAndComesBackAsAdded) {
  const auto stream = watch_.Open(FromInitialState());
  ASSERT_TRUE(stream->AwaitSynced());
  const std::set<std::string> beta = UidsOf("beta");
  stream->SetVisible(SourceSet({"acme", "gamma"}));
  ExpectSees(*stream);
  EXPECT_EQ(HiddenFrom(*stream), beta) << "each once, and no other";
  ASSERT_TRUE(stream->AwaitProgresses(2));
  EXPECT_EQ(ProgressOf(*stream), (std::set<std::string>{"sources/acme", "sources/gamma"}));
  house_.Pass({Lists(ObservedRange("b", 3, 9))}, "beta");
  house_.Pass({Lists(ObservedRange("a", 1, 6))}, "acme");
  ExpectSees(*stream);
  EXPECT_EQ(HiddenFrom(*stream), beta);
  const std::int64_t events = stream->checker().events();
  stream->SetVisible(SourceSet());
  ExpectSees(*stream);
  EXPECT_EQ(stream->checker().events() - events, 9) << "beta's, as they are now";
  ASSERT_TRUE(stream->AwaitProgresses(3));
  EXPECT_EQ(ProgressOf(*stream).size(), 3u);
  house_.Pass({Lists(ObservedRange("b", 3, 12))}, "beta");
  ExpectSees(*stream);
  EXPECT_EQ(stream->checker().resets(), 0);
}

// A client that knows the filter's rows of one source, of all, or begins now.
TEST_P(WatchPolicyTest, FilteredStreamsAndThoseOfOneSource) {
  const auto filtered =
      watch_.Open(Seeing(FromInitialState(), SourceSet(), "", "display_name = 'b2'"));
  const auto of_gamma = watch_.Open(Seeing(FromInitialState(), SourceSet(), "gamma"));
  const auto now = watch_.Open(Seeing(FromNow(), kBoth));
  ASSERT_TRUE(filtered->AwaitSynced());
  ASSERT_TRUE(of_gamma->AwaitSynced());
  for (FakeStream* stream : {filtered.get(), of_gamma.get(), now.get()}) {
    stream->SetVisible(SourceSet({"acme", "gamma"}));
    ExpectSees(*stream);
  }
  EXPECT_LE(HiddenFrom(*filtered).size(), 1u) << "no more than it was shown";
  EXPECT_TRUE(HiddenFrom(*of_gamma).empty());
  EXPECT_EQ(HiddenFrom(*now), UidsOf("beta"));
}

// The client has not read for a while: what the log holds for it is partly of a source that is
// hidden by now. Rows were added, changed and deleted since.
TEST_P(WatchPolicyTest, WhatLiesInTheLogIsHiddenToo) {
  const auto stream = watch_.Open(FromInitialState(), Pace::kByHand);
  stream->Take(1);
  ASSERT_TRUE(stream->AwaitSynced());
  house_.Pass({Lists(ObservedRange("a", 1, 6))}, "acme");
  ASSERT_TRUE(stream->AwaitWrite());  // stuck with this one
  const std::set<std::string> known = UidsOf("beta");
  for (int i = 0; i < 3; ++i) {
    house_.Pass({Lists(ObservedRange("b", 2 + i, 9 + i))}, "beta");
    house_.Pass({Lists(ObservedRange("a", 1 + i, 7 + i))}, "acme");
  }
  stream->SetVisible(kAcme);
  house_.Pass({Lists(ObservedRange("b", 5, 20))}, "beta");
  house_.Pass({Lists(ObservedRange("a", 1, 9))}, "acme");
  stream->TakeAll();
  ExpectSees(*stream);
  const std::set<std::string> hidden = HiddenFrom(*stream, /*also_again=*/true);
  for (const std::string& uid : known) EXPECT_TRUE(hidden.contains(uid)) << uid;
  EXPECT_LT(hidden.size(), 20u) << "nothing of after the change";
}

TEST_P(WatchPolicyTest, InTheMidstOfTheInitialState) {
  house_.Pass({Lists(Big("a", 60))}, "acme");
  house_.Pass({Lists(Big("b", 60))}, "beta");
  house_.Pass({Lists(Big("g", 60))}, "gamma");
  for (int taken = 0; taken < 5; ++taken) {
    for (const SourceSet& then : {kAcme, kBeta, kBoth, kNone}) {
      SCOPED_TRACE(absl::StrCat(taken, " messages, then ", then.Key()));
      const auto stream = watch_.Open(FromInitialState(), Pace::kByHand);
      ASSERT_TRUE(stream->AwaitWrite());
      stream->Take(taken);
      ASSERT_TRUE(stream->AwaitMessages(static_cast<std::size_t>(taken)));
      stream->SetVisible(then);
      stream->TakeAll();
      ASSERT_TRUE(stream->AwaitSynced());
      ExpectSees(*stream);
      EXPECT_EQ(stream->checker().resets(), 0);
      stream->SetVisible(SourceSet());
      ExpectSees(*stream);
    }
  }
}

TEST_P(WatchPolicyTest, HiddenAgainWhileItComesIntoSight) {
  house_.Pass({Lists(Big("b", 100))}, "beta");
  const auto stream = watch_.Open(Seeing(FromInitialState(), kAcme), Pace::kByHand);
  stream->Take(1);
  ASSERT_TRUE(stream->AwaitSynced());
  stream->SetVisible(SourceSet());
  ASSERT_TRUE(stream->AwaitWritesBegun(2));  // the first part of what is new
  stream->SetVisible(SourceSet({"acme", "gamma"}));
  house_.Pass({Lists(Big("b", 90))}, "beta");
  stream->TakeAll();
  ExpectSees(*stream);
  stream->SetVisible(kBoth);
  ExpectSees(*stream);
}

// Of a revision that is too large for one message a part was told.
TEST_P(WatchPolicyTest, InTheMidstOfARevision) {
  for (int taken = 1; taken <= 3; ++taken) {
    const auto stream = watch_.Open(FromNow(), Pace::kByHand);
    stream->Take(1);
    ASSERT_TRUE(stream->AwaitProgresses(1));
    std::vector<ObservedToken> page = Big("b", 100);
    for (ObservedToken& token : page) token.token.set_role(absl::StrCat(taken));
    house_.Pass({Lists(std::move(page))}, "beta");
    stream->Take(taken);
    ASSERT_TRUE(stream->AwaitMessages(static_cast<std::size_t>(1 + taken)));
    const bool whole = !stream->messages().back().resume_token().empty();
    EXPECT_EQ(whole, false) << "a part";
    stream->SetVisible(kAcme);
    stream->TakeAll();
    ExpectSees(*stream);
    stream->SetVisible(SourceSet());
    ExpectSees(*stream);
  }
}

// A token that was given while rows leave is for nobody's eyes: it fits neither policy.
TEST_P(WatchPolicyTest, ResumeTokensSayWhatTheirClientSees) {
  house_.Pass({Lists(ObservedRange("b", 1, 30'000))}, "beta");
  const auto stream = watch_.Open(Seeing(FromInitialState(), kBoth));
  ASSERT_TRUE(stream->AwaitSynced());
  const std::size_t before = stream->messages().size();
  stream->SetVisible(kAcme);
  ExpectSees(*stream);
  const auto messages = stream->messages();
  std::uint64_t hash = 0;
  const std::string& epoch = house_.ledger().epoch();
  ASSERT_TRUE(DecodeResumeToken(messages[before - 1].resume_token(), epoch, &hash).ok());
  EXPECT_EQ(hash, VisibleHash(kBoth));
  ASSERT_GT(messages.size(), before + 2) << "several parts";
  ASSERT_TRUE(DecodeResumeToken(messages[before].resume_token(), epoch, &hash).ok());
  EXPECT_NE(hash, VisibleHash(kBoth));
  EXPECT_NE(hash, VisibleHash(kAcme));
  ASSERT_TRUE(DecodeResumeToken(messages.back().resume_token(), epoch, &hash).ok());
  EXPECT_EQ(hash, VisibleHash(kAcme));
}

TEST_P(WatchPolicyTest, AnEndComesBeforeAnyFurtherEvent) {
  const auto stream = watch_.Open(FromInitialState(), Pace::kByHand);
  stream->Take(1);
  ASSERT_TRUE(stream->AwaitSynced());
  stream->End(absl::UnauthenticatedError("nobody's any more"));
  house_.Pass({Lists(ObservedRange("a", 1, 8))}, "acme");
  ASSERT_TRUE(stream->AwaitEnd());
  EXPECT_TRUE(absl::IsUnauthenticated(stream->status()));
  EXPECT_EQ(stream->messages().size(), 1u);
}

// Policies that change to and fro while vendors churn and clients read at any pace: in the end
// each knows what it may, and no message began with what was hidden then.
TEST_P(WatchPolicyTest, PoliciesChangeUnderChurn) {
  const SourceSet sets[] = {SourceSet(), kAcme, kBeta, kBoth, kNone, SourceSet({"beta", "gamma"})};
  for (unsigned seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    VendorChurn acme(house_, seed, "acme");
    VendorChurn beta(house_, seed + 100, "beta");
    acme.Step();
    beta.Step();
    std::vector<std::unique_ptr<FakeStream>> streams;
    for (int i = 0; i < 6; ++i) {
      const Pace pace = i % 3 == 0 ? Pace::kByHand : Pace::kAtOnce;
      streams.push_back(watch_.Open(
          Seeing(i % 2 == 0 ? FromInitialState() : FromNow(), sets[random() % std::size(sets)],
                 i == 4 ? "beta" : "", i == 5 ? "role = '1'" : ""),
          pace));
    }
    beta.Start(15);
    while (beta.running()) {
      FakeStream& stream = *streams[random() % streams.size()];
      if (random() % 3 == 0) {
        stream.SetVisible(sets[random() % std::size(sets)]);
      } else {
        stream.Take(static_cast<int>(random() % 3));
      }
    }
    beta.Join();
    for (const auto& stream : streams) {
      stream->TakeAll();
      // One that it did not have before: what it was told last is of this one then.
      stream->SetVisible(SourceSet({"acme", absl::StrCat("not-there-", seed)}));
      ExpectSees(*stream);
      stream->SetVisible(SourceSet());
      ExpectSees(*stream);
    }
  }
}

}  // namespace
}  // namespace tokeninventory::testing
