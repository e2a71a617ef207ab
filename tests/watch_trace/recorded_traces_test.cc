// What watchers of a Ledger over a real store receive, judged by the trace
// checker: in a hurry, slowly, over compactions and restarts, broken off anywhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "inventory/token_watch_view.h"
#include "tests/inventory/vendor_churn.h"
#include "tests/testing/error_details.h"
#include "tests/watch_trace/trace_fixture.h"

namespace tokeninventory::testing {
namespace {

using watch_trace::CountEvents;
using watch_trace::Trace;

// Both ways of being fed: all from memory, and mostly from the store's log.
class RecordedTraceTest : public TraceFixture, public ::testing::WithParamInterface<std::int64_t> {
 protected:
  RecordedTraceTest() : TraceFixture(WithFeed()) {}

  static LedgerSetup WithFeed() {
    LedgerSetup setup;
    setup.feed_bytes = GetParam();
    setup.sources.push_back(MakeSourceInfo("beta"));
    return setup;
  }

  // Stepped by this thread.
  void Churn(int passes) {
    for (int i = 0; i < passes; ++i) {
      acme_.Step();
      if (i % 3 == 0) beta_.Step();
    }
  }

  VendorChurn acme_{house_, 1, "acme"};
  VendorChurn beta_{house_, 2, "beta"};
};

INSTANTIATE_TEST_SUITE_P(FeedBytes, RecordedTraceTest,
                         ::testing::Values(std::int64_t{64} << 20, std::int64_t{20} << 10),
                         [](const auto& param) {
                           return param.param > (1 << 20) ? "Memory" : "Store";
                         });

// However often a client that is far behind breaks off, it gets on: a revision that
// does not fit is not begun in a message that ends others.
TEST_P(RecordedTraceTest, ResumeTokensComeWithLargeRevisions) {
  for (char fill = 'a'; fill < 'a' + 20; ++fill) {
    std::vector<ObservedToken> tokens = ObservedRange("large", 1, 40);
    for (ObservedToken& observed : tokens) {
      observed.token.set_provider_uri(std::string(60 << 10, fill));
    }
    house_.Pass({Lists(tokens)});
  }
  OpenWatch watch = Watch(AfterRevision(0));
  AwaitTold(watch);
  int longest = 0, without = 0;
  for (const auto& message : watch.stream->messages()) {
    without = message.resume_token().empty() ? without + 1 : 0;
    longest = std::max(longest, without);
  }
  // One revision: 4.8 MiB of old and new tokens, of which a page of the log holds 1 MiB.
  EXPECT_LE(longest, 4);
}

// Of several parents, views and filters.
std::vector<WatchScope> Scopes() {
  return {MakeScope(v1::FULL), MakeScope(v1::BASIC, "beta"),
          MakeScope(v1::FULL, "acme", "role = \"1\""),
          MakeScope(v1::BASIC, "", "presence = MISSING OR role = \"2\""),
          MakeScope(v1::FULL, "", "NOT role = \"0\"")};
}

TEST_P(RecordedTraceTest, UnderChurn) {
  Churn(5);
  const std::int64_t early = house_.revision();
  acme_.Start(40);
  std::vector<OpenWatch> watches;
  int i = 0;
  while (acme_.running() && watches.size() < 15) {
    for (const WatchScope& scope : Scopes()) {
      WatchSession::Options options = i % 3 == 0   ? FromInitialState()
                                      : i % 3 == 1 ? FromNow()
                                                   : AfterRevision(early - i % 4);
      options.view = std::make_shared<TokenWatchView>(scope);
      watches.push_back(Watch(options));
      ++i;
    }
    if (!watches.back().stream->AwaitMessages(1)) ADD_FAILURE() << "no message";
  }
  acme_.Join();
  for (OpenWatch& watch : watches) {
    AwaitTold(watch);
    Finish(std::move(watch));
  }
  const Trace trace = ExpectNoViolation();
  EXPECT_GT(CountEvents(trace), 500);
}

TEST_P(RecordedTraceTest, SlowClientsThatBreakOffAnywhere) {
  std::mt19937_64 random(3);
  std::vector<OpenWatch> watches;
  for (const WatchScope& scope : Scopes()) {
    WatchSession::Options options = FromInitialState();
    options.view = std::make_shared<TokenWatchView>(scope);
    watches.push_back(Watch(options, FakeStream::Pace::kByHand));
  }
  for (int round = 0; round < 60; ++round) {
    Churn(1);
    OpenWatch& watch = watches[random() % watches.size()];
    watch.stream->Take(static_cast<int>(random() % 3));
    if (random() % 2 == 0) continue;
    // Told or not, this is where it ends; what was under way is lost.
    watch = Resume(std::move(watch), FakeStream::Pace::kByHand);
  }
  for (OpenWatch& watch : watches) {
    watch.stream->TakeAll();
    AwaitTold(watch);
    Finish(std::move(watch));
  }
  const Trace trace = ExpectNoViolation();
  EXPECT_GT(CountEvents(trace), 200);
  EXPECT_GT(trace.watches.size(), 15u);
}

TEST_P(RecordedTraceTest, OverRestarts) {
  Churn(5);
  std::vector<OpenWatch> watches;
  for (const WatchScope& scope : Scopes()) {
    WatchSession::Options options = FromInitialState();
    options.view = std::make_shared<TokenWatchView>(scope);
    watches.push_back(Watch(options));
    ASSERT_TRUE(watches.back().stream->AwaitSynced());
  }
  for (int restart = 0; restart < 4; ++restart) {
    Churn(6);
    for (OpenWatch& watch : watches) BreakOff(watch);
    LedgerSetup setup = WithFeed();
    // A source leaves the configuration, and comes back.
    if (restart == 1) setup.sources.pop_back();
    Reopen(setup);
    acme_.Step();
    for (OpenWatch& watch : watches) watch = Reconnect(std::move(watch));
    if (restart != 1) continue;
    for (OpenWatch& watch : watches) BreakOff(watch);
    Reopen(WithFeed());
    for (OpenWatch& watch : watches) watch = Reconnect(std::move(watch));
  }
  Churn(3);
  for (OpenWatch& watch : watches) {
    AwaitTold(watch);
    Finish(std::move(watch));
  }
  const Trace trace = ExpectNoViolation();
  EXPECT_GT(CountEvents(trace), 200);
}

TEST_P(RecordedTraceTest, OverCompactionsWatchersSeeAllOrAnError) {
  LedgerSetup setup = WithFeed();
  setup.retention.max_changes = 60;
  Reopen(setup);
  std::mt19937_64 random(4);
  std::vector<OpenWatch> watches;
  for (const WatchScope& scope : Scopes()) {
    for (int i = 0; i < 2; ++i) {
      WatchSession::Options options = FromInitialState();
      options.view = std::make_shared<TokenWatchView>(scope);
      // One reads all at once, one now and then.
      watches.push_back(
          Watch(options, i == 0 ? FakeStream::Pace::kAtOnce : FakeStream::Pace::kByHand));
    }
  }
  int compacted = 0;
  for (int round = 0; round < 40; ++round) {
    Churn(1);
    ReadLog();  // the store forgets it now
    house_.Advance(absl::Minutes(10));
    OpenWatch& watch = watches[random() % watches.size()];
    watch.stream->Take();
    if (random() % 3 == 0) watch = Resume(std::move(watch), FakeStream::Pace::kByHand, &compacted);
  }
  EXPECT_GT(house_.feed().bounds().oldest, 0);
  for (OpenWatch& watch : watches) {
    watch.stream->TakeAll();
    if (!AwaitToldOrEnd(watch)) ++compacted;
    Finish(std::move(watch));
  }
  EXPECT_GT(compacted, 0) << "nobody was too late";
  const Trace trace = ExpectNoViolation();
  EXPECT_GT(CountEvents(trace), 200);
}

// Messages hold a part of a revision only, and streams break between them.
TEST_P(RecordedTraceTest, RevisionsLargerThanAMessage) {
  const auto large = [](char fill) {
    std::vector<ObservedToken> tokens = ObservedRange("large", 1, 40);
    for (ObservedToken& token : tokens) token.token.set_provider_uri(std::string(60 << 10, fill));
    return Lists(tokens);
  };
  house_.Pass({large('a')});
  OpenWatch watch = Watch(FromInitialState(), FakeStream::Pace::kByHand);
  watch.stream->Take(3);
  ASSERT_TRUE(watch.stream->AwaitSynced());
  for (char fill = 'b'; fill < 'f'; ++fill) house_.Pass({large(fill)});
  int cut = 0;
  for (std::size_t most = 1; most <= 12; ++most) {
    watch = Resume(std::move(watch), FakeStream::Pace::kByHand);
    if (watch.options.after_revision == house_.revision()) break;
    std::size_t taken = 0;
    while (taken < most && !watch.stream->IsToldSoon(house_.revision())) {
      watch.stream->Take();
      ASSERT_TRUE(watch.stream->AwaitMessages(++taken));
    }
    if (taken > 0 && watch.stream->messages().back().resume_token().empty()) ++cut;
  }
  watch.stream->TakeAll();
  AwaitTold(watch);
  Finish(std::move(watch));
  EXPECT_GT(cut, 0);
  const Trace trace = ExpectNoViolation();
  EXPECT_GT(CountEvents(trace), 200);
}

// What no listing shows: time, reused ids, tombstones that come back.
TEST_P(RecordedTraceTest, EveryCauseOfAChange) {
  const auto expiring = [this](const std::string& id, absl::Duration in) {
    return Observed(
        id, [&](v1::Token& t) { ToProto(house_.clock().Now() + in, t.mutable_expire_time()); });
  };
  const auto of_kind = [](const std::string& id, const std::string& kind) {
    return Observed(id, [&](v1::Token& t) { t.set_kind(kind); });
  };
  std::vector<OpenWatch> watches;
  for (const char* filter : {"", "state = EXPIRED", "kind = \"personal\"", "presence = MISSING"}) {
    WatchSession::Options options = FromInitialState();
    options.view = std::make_shared<TokenWatchView>(MakeScope(v1::FULL, "", filter));
    watches.push_back(Watch(options));
    ASSERT_TRUE(watches.back().stream->AwaitSynced());
  }
  const ObservedToken soon = expiring("soon", absl::Hours(1));
  const ObservedToken later = expiring("later", absl::Hours(2));
  house_.Pass({Lists({soon, later, of_kind("a", "service"), Observed("b")})}, "acme");
  house_.Advance(absl::Hours(1));
  house_.Pass({Lists({soon, later, of_kind("a", "personal"), Observed("b")})}, "acme");
  house_.Advance(absl::Hours(1));
  // Not seen, believed gone, back.
  for (int i = 0; i < 2; ++i) {
    house_.Pass({Lists({soon, later, of_kind("a", "personal")})}, "acme");
  }
  house_.Pass({Lists({soon, later, of_kind("a", "personal"), Observed("b")})}, "acme");
  const auto target = house_.ledger().FindRefreshTarget("sources/acme/tokens/b");
  ASSERT_TRUE(target.ok()) << target.status();
  ASSERT_TRUE(house_.ledger().ApplyRefresh(*target, nullptr).ok());
  for (OpenWatch& watch : watches) {
    AwaitTold(watch);
    Finish(std::move(watch));
  }
  const Trace trace = ExpectNoViolation();
  for (const auto& watch : trace.watches) EXPECT_FALSE(watch.responses.empty());
  EXPECT_GT(CountEvents(trace), 12);
}

}  // namespace
}  // namespace tokeninventory::testing
