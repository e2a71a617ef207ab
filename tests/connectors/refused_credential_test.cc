// A wrong credential: how often a vendor gets to see it, and how soon another one
// is tried. Sources as the configuration makes them, over real HTTP, under a clock
// that the test moves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "connectors/credential_guard.h"
#include "connectors/poller.h"
#include "connectors/source_factory.h"
#include "tests/connectors/fake_pass_recorder.h"
#include "tests/connectors/fake_vendor.h"
#include "tests/testing/fake_clock.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory {
namespace {

using testing::FakeClock;
using testing::FakePassRecorder;
using testing::FakeVendor;
using ::testing::HasSubstr;
using testing::VendorReply;
using testing::VendorRequest;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr absl::Duration kDay = absl::Hours(24);

// A source that tells what becomes of its passes. Thread-safe.
class WatchedSource final : public PolledSource {
 public:
  explicit WatchedSource(std::unique_ptr<PolledSource> source) : source_(std::move(source)) {}

  const std::string& id() const override { return source_->id(); }
  absl::Duration interval() const override { return source_->interval(); }

  absl::StatusOr<v1::SyncResult> RunPass(const PassContext& context) override {
    absl::Time next;
    PassContext watched = context;
    watched.next_sync_time = [&](v1::Source::State state, absl::Time not_before) {
      return next = context.next_sync_time(state, not_before);
    };
    absl::StatusOr<v1::SyncResult> result = source_->RunPass(watched);
    MutexLock lock(mutex_);
    next_ = next;
    ++passes_;
    if (result.ok()) last_ = *result;
    changed_.NotifyAll();
    return result;
  }

  bool CredentialChanged() override {
    const bool changed = source_->CredentialChanged();
    MutexLock lock(mutex_);
    ++looks_;
    changed_.NotifyAll();
    return changed;
  }

  // Returns when so many passes are over; when the next one is due.
  absl::Time WaitPasses(int count) {
    MutexLock lock(mutex_);
    const absl::Time patience = absl::Now() + kPatience;
    while (passes_ < count && absl::Now() < patience) {
      changed_.WaitFor(mutex_, std::chrono::milliseconds(5));
    }
    EXPECT_GE(passes_, count);
    return next_;
  }
  // Moves the clock by the time between two looks until there was a look or a pass
  // more; it may take more than one move, because a look ends before the poller has
  // planned the next.
  void StepUntilLookOrPass(FakeClock& clock) {
    MutexLock lock(mutex_);
    const int had = looks_ + passes_;
    const absl::Time patience = absl::Now() + kPatience;
    while (looks_ + passes_ == had && absl::Now() < patience) {
      clock.Advance(absl::Seconds(10));
      changed_.WaitFor(mutex_, std::chrono::milliseconds(20));
    }
    EXPECT_GT(looks_ + passes_, had);
  }
  v1::SyncResult last() {
    MutexLock lock(mutex_);
    return last_;
  }

 private:
  const std::unique_ptr<PolledSource> source_;
  Mutex mutex_;
  CondVar changed_;
  int passes_ = 0;
  int looks_ = 0;
  absl::Time next_;
  v1::SyncResult last_;
};

class RefusedCredentialTest : public ::testing::Test {
 protected:
  RefusedCredentialTest()
      : vendor_([](const VendorRequest& request) {
          VendorReply reply;
          reply.body = R"({"results": []})";
          if (request.headers.at("authorization") != "Bearer the-good-one") reply.status = 401;
          return reply;
        }) {}

  void WriteKey(const std::string& value) {
    std::ofstream(dir_.File("new")) << value << "\n";
    ASSERT_EQ(std::rename(dir_.File("new").c_str(), KeyFile().c_str()), 0);
  }
  std::string KeyFile() const { return dir_.File("key"); }

  // `count` sources of one credential.
  BuiltSources Build(const std::string& interval, int count = 1) {
    std::string yaml = "sources:\n";
    for (int i = 0; i < count; ++i) {
      absl::StrAppend(&yaml, "  - {id: s", i, ", vendor: opal, interval: ", interval,
                      ", params: {base_url: '", vendor_.url(),
                      "'}, secrets: {token: {file: key}}}\n");
    }
    v1::ServerConfig config;
    const YamlReport report = ReadYaml("c.yaml", yaml, config);
    BuiltSources built =
        BuildSources(config, dir_.path(), report.locations, &clock_, std::string(TI_PAGE_WORKER));
    for (const std::string& problem : built.problems) ADD_FAILURE() << problem;
    return built;
  }

  WatchedSource* StartPoller(const std::string& interval) {
    BuiltSources built = Build(interval);
    std::vector<std::unique_ptr<PolledSource>> sources;
    auto watched = std::make_unique<WatchedSource>(std::move(built.sources.at(0)));
    WatchedSource* const source = watched.get();
    sources.push_back(std::move(watched));
    Poller::Options options;
    options.jitter = 0;
    poller_ = std::make_unique<Poller>(&clock_, &recorder_, std::move(sources), options);
    poller_->Start();
    return source;
  }

  testing::TempDir dir_;
  FakeClock clock_;
  FakeVendor vendor_;
  FakePassRecorder recorder_;
  std::unique_ptr<Poller> poller_;
};

TEST_F(RefusedCredentialTest, IsSentAFewTimesADayWhateverTheInterval) {
  WriteKey("a-wrong-one");
  for (const char* interval : {"1s", "30s", "5m", "1h", "7d"}) {
    SCOPED_TRACE(interval);
    const int before = vendor_.request_count();
    const absl::Time start = clock_.Now();
    WatchedSource* const source = StartPoller(interval);
    int passes = 0;
    for (;;) {
      const absl::Time next = source->WaitPasses(++passes);
      EXPECT_EQ(source->last().state(), v1::Source::AUTH_FAILED);
      if (next >= start + kDay || HasFailure()) break;
      clock_.Set(next);
    }
    poller_ = nullptr;
    const int requests = vendor_.request_count() - before;
    EXPECT_LE(requests, 30);
    EXPECT_EQ(requests, passes) << "no pass for nothing";
    std::printf("wrong credential, interval %s: %d requests in 24 h\n", interval, requests);
  }
}

TEST_F(RefusedCredentialTest, ClientsCannotHammerEither) {
  WriteKey("a-wrong-one");
  // Two sources and their look-ups share the credential.
  BuiltSources built = Build("1s", 2);
  ScopeRef scope;
  scope.stream = "tokens";
  int calls = 0;
  for (absl::Duration at; at < kDay; at += absl::Seconds(20)) {
    for (const std::unique_ptr<PolledSource>& source : built.sources) {
      PassContext context;
      context.recorder = &recorder_;
      const absl::StatusOr<v1::SyncResult> result = source->RunPass(context);
      ASSERT_TRUE(result.ok()) << result.status();
      ASSERT_EQ(result->state(), v1::Source::AUTH_FAILED);
      ASSERT_THAT(result->error(), HasSubstr("put a valid one into " + KeyFile()));
    }
    for (const std::unique_ptr<Connector>& fetcher : built.fetchers) {
      const absl::StatusOr<FetchedToken> fetched =
          fetcher->FetchOne(scope, "id", "known", false, {});
      ASSERT_TRUE(fetched.ok()) << fetched.status();
      ASSERT_EQ(fetched->outcome, FetchedToken::Outcome::kNotProven);
      ASSERT_THAT(fetched->reason, HasSubstr("HTTP 401"));
    }
    calls += 4;
    clock_.Advance(absl::Seconds(20));
  }
  // 1, 2, 4 and 8 minutes, then each ten.
  EXPECT_LE(vendor_.request_count(), 150);
  std::printf("wrong credential, %d calls of clients: %d requests in 24 h\n", calls,
              vendor_.request_count());
}

TEST_F(RefusedCredentialTest, AnotherCredentialAtTheSameHostIsNotHeld) {
  WriteKey("the-good-one");
  std::rename(KeyFile().c_str(), dir_.File("good").c_str());
  WriteKey("a-wrong-one");
  v1::ServerConfig config;
  const std::string more =
      absl::StrCat(", vendor: opal, params: {base_url: '", vendor_.url(), "'}, secrets: {token: {");
  const YamlReport report = ReadYaml("c.yaml",
                                     absl::StrCat("sources:\n  - {id: a", more, "file: key}}}\n",
                                                  "  - {id: b", more, "file: good}}}\n"),
                                     config);
  BuiltSources built =
      BuildSources(config, dir_.path(), report.locations, &clock_, std::string(TI_PAGE_WORKER));
  ASSERT_TRUE(built.ok()) << built.problems.front();
  PassContext context;
  context.recorder = &recorder_;
  EXPECT_EQ(built.sources[0]->RunPass(context)->state(), v1::Source::AUTH_FAILED);
  EXPECT_EQ(built.sources[1]->RunPass(context)->state(), v1::Source::OK);
}

TEST_F(RefusedCredentialTest, ARefusalIsToldWithItsTimes) {
  WriteKey("a-wrong-one");
  BuiltSources built = Build("5m");
  PassContext context;
  context.recorder = &recorder_;
  EXPECT_EQ(built.sources[0]->RunPass(context)->error(),
            absl::StrCat("the vendor refuses the credential (HTTP 401); put a valid one into ",
                         KeyFile()));
  clock_.Advance(absl::Seconds(30));
  EXPECT_EQ(built.sources[0]->RunPass(context)->error(),
            absl::StrCat("the vendor refuses the credential (HTTP 401 at 08:00:00 UTC; not sent "
                         "again before 08:01:00); put a valid one into ",
                         KeyFile()));
}

// What happens to the file while its source is AUTH_FAILED; in the end it is good.
TEST_F(RefusedCredentialTest, AnotherOneIsTriedSoonHoweverItComes) {
  struct Step {
    std::function<void()> edit;
    int passes;  // in all, when a look at the file came after it
  };
  struct Case {
    const char* what;
    std::vector<Step> steps;
  };
  const auto good = [this] { WriteKey("the-good-one"); };
  const auto remove = [this] { std::remove(KeyFile().c_str()); };
  const auto write = [this](const char* text) {
    return [this, text] { std::ofstream(KeyFile()) << text; };
  };
  const Case cases[] = {
      {"replaced at once", {{good, 2}}},
      {"written in place", {{write("the-good-one"), 2}}},
      {"missing for a while", {{remove, 1}, {[] {}, 1}, {good, 2}}},
      {"truncated meanwhile", {{write(""), 1}, {good, 2}}},
      {"half written meanwhile", {{write("the-go"), 2}, {good, 3}}},
      {"the same again", {{[this] { WriteKey("a-wrong-one"); }, 1}, {good, 2}}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    WriteKey("a-wrong-one");
    const int before = vendor_.request_count();
    WatchedSource* const source = StartPoller("1h");
    source->WaitPasses(1);
    ASSERT_EQ(source->last().state(), v1::Source::AUTH_FAILED);
    for (const Step& step : c.steps) {
      step.edit();
      source->StepUntilLookOrPass(clock_);
      source->WaitPasses(step.passes);
    }
    EXPECT_EQ(source->last().state(), v1::Source::OK) << source->last().error();
    EXPECT_EQ(vendor_.request_count() - before, c.steps.back().passes);
    poller_ = nullptr;
  }
}

TEST_F(RefusedCredentialTest, AFileThatIsMissingAtAPassIsReadWhenItIsBack) {
  WriteKey("the-good-one");
  WatchedSource* const source = StartPoller("1h");
  source->WaitPasses(1);
  ASSERT_EQ(source->last().state(), v1::Source::OK) << source->last().error();
  std::remove(KeyFile().c_str());
  clock_.Advance(absl::Hours(1));
  source->WaitPasses(2);
  EXPECT_EQ(source->last().state(), v1::Source::AUTH_FAILED);
  EXPECT_EQ(source->last().error(), absl::StrCat("file ", KeyFile(), " cannot be read"));
  EXPECT_EQ(vendor_.request_count(), 1) << "nothing is asked without a credential";
  WriteKey("the-good-one");
  source->StepUntilLookOrPass(clock_);
  source->WaitPasses(3);
  EXPECT_EQ(source->last().state(), v1::Source::OK) << source->last().error();
}

// All at once, as at a start: the first request tries the credential, the others wait
// for what comes of it.
TEST_F(RefusedCredentialTest, ManySourcesAtOnceSendItOnce) {
  constexpr int kSources = 8;
  WriteKey("a-wrong-one");
  BuiltSources built = Build("5m", kSources);
  for (const v1::Source::State want : {v1::Source::AUTH_FAILED, v1::Source::OK}) {
    const int before = vendor_.request_count();
    std::vector<FakePassRecorder> recorders(kSources);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kSources; ++i) {
      threads.emplace_back([&, i] {
        PassContext context;
        context.recorder = &recorders[i];
        EXPECT_EQ(built.sources[i]->RunPass(context)->state(), want);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(vendor_.request_count() - before, want == v1::Source::OK ? kSources : 1);
    WriteKey("the-good-one");
    clock_.Advance(absl::Seconds(10));
  }
}

class CredentialGuardTest : public ::testing::Test {
 protected:
  // The refusal that forbids it, as a request that does not go tells.
  std::optional<CredentialGuard::Refusal> Ask(std::uint64_t credential) {
    std::optional<CredentialGuard::Refusal> refusal = guard_.Enter(credential, clock_, {});
    if (!refusal) guard_.Leave();
    return refusal;
  }

  FakeClock clock_;
  CredentialGuard guard_;
};

TEST_F(CredentialGuardTest, HoldsLongerAfterEachRefusal) {
  EXPECT_FALSE(Ask(1).has_value());
  for (const int minutes : {1, 2, 4, 8, 10, 10}) {
    const absl::Time now = clock_.Now();
    const absl::Time until = guard_.Refused(1, "HTTP 401", now);
    EXPECT_EQ(until, now + absl::Minutes(minutes));
    // Another that was on its way.
    guard_.Refused(1, "HTTP 401", now);
    // Another credential has only the pause after a refusal.
    clock_.Set(now + absl::Seconds(9));
    EXPECT_TRUE(Ask(2).has_value());
    clock_.Set(now + absl::Seconds(10));
    EXPECT_FALSE(Ask(2).has_value());
    clock_.Set(until - absl::Seconds(1));
    ASSERT_TRUE(Ask(1).has_value());
    EXPECT_EQ(Ask(1)->hold_until, until);
    clock_.Set(until);
    EXPECT_FALSE(Ask(1).has_value());
  }
  EXPECT_EQ(guard_.Refused(2, "HTTP 401", clock_.Now()), clock_.Now() + absl::Minutes(1));
  guard_.Accepted(2);
  EXPECT_FALSE(Ask(2).has_value());
}

// Some listings refuse what others take; a credential that is revoked is refused twice.
TEST_F(CredentialGuardTest, OneRefusalOfWhatWasTakenHoldsNothing) {
  for (int i = 0; i < 5; ++i) {
    guard_.Accepted(1);
    EXPECT_EQ(guard_.Refused(1, "HTTP 401", clock_.Now()), clock_.Now());
    EXPECT_FALSE(Ask(1).has_value());
  }
  guard_.Refused(1, "HTTP 401", clock_.Now());
  EXPECT_TRUE(Ask(1).has_value());
}

TEST_F(CredentialGuardTest, AClockThatIsSetBackMakesNoHoldLonger) {
  guard_.Refused(1, "HTTP 401", clock_.Now());
  clock_.Advance(-kDay);
  EXPECT_EQ(Ask(1)->hold_until, clock_.Now() + absl::Minutes(1));
}

TEST_F(CredentialGuardTest, ATrialThatTakesLongHoldsNobodyUp) {
  ASSERT_FALSE(guard_.Enter(1, clock_, {}).has_value());
  std::thread other([this] { EXPECT_FALSE(Ask(1).has_value()); });
  // Moves on until the other one has had enough.
  std::stop_source stop;
  std::jthread mover([this](const std::stop_token& moved) {
    while (!moved.stop_requested()) clock_.Advance(absl::Seconds(1));
  });
  other.join();
  mover.request_stop();
  mover.join();
  // And a stop ends the wait at once.
  stop.request_stop();
  EXPECT_FALSE(guard_.Enter(1, clock_, stop.get_token()).has_value());
  guard_.Leave();
  guard_.Leave();
}

TEST_F(CredentialGuardTest, WhatWasTakenNeedsNoTrial) {
  guard_.Accepted(1);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(guard_.Enter(1, clock_, {}).has_value());
  for (int i = 0; i < 5; ++i) guard_.Leave();
}

}  // namespace
}  // namespace tokeninventory
