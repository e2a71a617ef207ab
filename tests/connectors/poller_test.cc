#include "connectors/poller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <vector>

#include "tests/connectors/fake_pass_recorder.h"
#include "tests/testing/fake_clock.h"

namespace tokeninventory {
namespace {

using testing::FakeClock;
using testing::FakePassRecorder;

constexpr absl::Duration kPatience = absl::Seconds(20);

// A source whose passes last until the test lets them go.
class GatedSource final : public PolledSource {
 public:
  explicit GatedSource(std::string id, absl::Duration interval = absl::Minutes(5))
      : id_(std::move(id)), interval_(interval) {}

  const std::string& id() const override { return id_; }
  absl::Duration interval() const override { return interval_; }

  absl::StatusOr<v1::SyncResult> RunPass(const PassContext& context) override {
    {
      MutexLock lock(mutex_);
      stopped_ = false;  // of the last one
    }
    const std::stop_callback on_stop(context.stop, [this] {
      MutexLock lock(mutex_);
      stopped_ = true;
      changed_.NotifyAll();
    });
    v1::SyncResult result;
    {
      MutexLock lock(mutex_);
      ++started_;
      EXPECT_FALSE(running_) << "two passes of one source at once";
      running_ = true;
      changed_.NotifyAll();
      while (allowed_ < started_ && !stopped_) changed_.Wait(mutex_);
      running_ = false;
      changed_.NotifyAll();
      if (stopped_) return absl::CancelledError("stopped");
      result.set_state(state_);
      result.set_revision(started_);
    }
    v1::SyncProgress progress;
    progress.set_stream("s");
    context.on_progress(progress);
    const absl::Time next = context.next_sync_time(result.state(), not_before);
    MutexLock lock(mutex_);
    planned_.push_back(next);
    changed_.NotifyAll();
    return result;
  }

  // Waits until `count` passes have begun.
  bool WaitStarted(int count, absl::Duration at_most = kPatience) {
    MutexLock lock(mutex_);
    const absl::Time patience = absl::Now() + at_most;
    while (started_ < count && absl::Now() < patience) {
      changed_.WaitFor(mutex_, std::chrono::milliseconds(2));
    }
    return started_ >= count;
  }
  // Waits until `count` passes know when the next one is due; returns when.
  absl::Time WaitPlanned(std::size_t count) {
    MutexLock lock(mutex_);
    const absl::Time patience = absl::Now() + kPatience;
    while (planned_.size() < count && absl::Now() < patience) {
      changed_.WaitFor(mutex_, std::chrono::milliseconds(5));
    }
    return planned_.size() < count ? absl::InfinitePast() : planned_[count - 1];
  }
  void Allow(int passes = 1) {
    MutexLock lock(mutex_);
    allowed_ += passes;
    changed_.NotifyAll();
  }
  void SetState(v1::Source::State state) {
    MutexLock lock(mutex_);
    state_ = state;
  }
  int started() {
    MutexLock lock(mutex_);
    return started_;
  }

  absl::Time not_before = absl::InfinitePast();

 private:
  const std::string id_;
  const absl::Duration interval_;
  Mutex mutex_;
  CondVar changed_;
  int started_ = 0;
  int allowed_ = 0;
  std::vector<absl::Time> planned_;
  bool running_ = false;
  bool stopped_ = false;
  v1::Source::State state_ = v1::Source::OK;
};

class NotingObserver final : public SyncObserver {
 public:
  void OnProgress(const v1::SyncProgress&) override {
    MutexLock lock(mutex_);
    EXPECT_FALSE(ended_.has_value());
    ++progress_;
  }
  void OnEnd(const absl::StatusOr<v1::SyncResult>& result) override {
    MutexLock lock(mutex_);
    EXPECT_FALSE(ended_.has_value()) << "ended twice";
    ended_ = result;
    changed_.NotifyAll();
  }

  absl::StatusOr<v1::SyncResult> Wait() {
    MutexLock lock(mutex_);
    const absl::Time patience = absl::Now() + kPatience;
    while (!ended_ && absl::Now() < patience) {
      changed_.WaitFor(mutex_, std::chrono::milliseconds(5));
    }
    return ended_.value_or(absl::StatusOr<v1::SyncResult>(absl::InternalError("never ended")));
  }
  bool ended() {
    MutexLock lock(mutex_);
    return ended_.has_value();
  }
  int progress() {
    MutexLock lock(mutex_);
    return progress_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int progress_ = 0;
  std::optional<absl::StatusOr<v1::SyncResult>> ended_;
};

class PollerTest : public ::testing::Test {
 protected:
  GatedSource* AddSource(const std::string& id, absl::Duration interval = absl::Minutes(5)) {
    auto source = std::make_unique<GatedSource>(id, interval);
    GatedSource* const raw = source.get();
    sources_.push_back(std::move(source));
    return raw;
  }
  Poller& Start(bool poll_at_start = true, int workers = 4) {
    Poller::Options options;
    options.poll_at_start = poll_at_start;
    options.workers = workers;
    options.jitter = 0;
    poller_ = std::make_unique<Poller>(&clock_, &recorder_, std::move(sources_), options);
    poller_->Start();
    return *poller_;
  }

  FakeClock clock_;
  FakePassRecorder recorder_;
  std::vector<std::unique_ptr<PolledSource>> sources_;
  std::unique_ptr<Poller> poller_;
};

TEST_F(PollerTest, PollsAtStartThenAtItsInterval) {
  GatedSource* const source = AddSource("a", absl::Minutes(5));
  source->Allow(3);
  Start();
  EXPECT_EQ(source->WaitPlanned(1), clock_.Now() + absl::Minutes(5));
  clock_.Advance(absl::Minutes(5));
  ASSERT_TRUE(source->WaitStarted(2));
  EXPECT_EQ(source->started(), 2);
}

TEST_F(PollerTest, SyncNowStartsAPassAndTellsItsResult) {
  GatedSource* const source = AddSource("a");
  Poller& poller = Start(/*poll_at_start=*/false);
  const auto observer = std::make_shared<NotingObserver>();
  const auto subscription = poller.SyncNow("a", false, observer);
  ASSERT_TRUE(subscription.ok()) << subscription.status();
  source->Allow();
  const absl::StatusOr<v1::SyncResult> result = observer->Wait();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->state(), v1::Source::OK);
  EXPECT_EQ(observer->progress(), 1);
}

TEST_F(PollerTest, AFailedPassIsAResult) {
  GatedSource* const source = AddSource("a");
  source->SetState(v1::Source::AUTH_FAILED);
  source->Allow();
  Poller& poller = Start(false);
  const auto observer = std::make_shared<NotingObserver>();
  const auto subscription = poller.SyncNow("a", false, observer);
  const absl::StatusOr<v1::SyncResult> result = observer->Wait();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->state(), v1::Source::AUTH_FAILED);
}

TEST_F(PollerTest, OneRunningPassIsJoinedAndFreshOnesShareTheNext) {
  GatedSource* const source = AddSource("a");
  Poller& poller = Start(false);
  const auto first = std::make_shared<NotingObserver>();
  const auto joined = std::make_shared<NotingObserver>();
  const auto fresh = std::make_shared<NotingObserver>();
  const auto fresh_too = std::make_shared<NotingObserver>();
  const auto s1 = poller.SyncNow("a", false, first);
  ASSERT_TRUE(source->WaitStarted(1));
  const auto s2 = poller.SyncNow("a", false, joined);
  const auto s3 = poller.SyncNow("a", true, fresh);
  const auto s4 = poller.SyncNow("a", true, fresh_too);
  source->Allow();
  EXPECT_EQ(first->Wait()->revision(), 1);
  EXPECT_EQ(joined->Wait()->revision(), 1);
  EXPECT_FALSE(fresh->ended());
  ASSERT_TRUE(source->WaitStarted(2));
  source->Allow();
  EXPECT_EQ(fresh->Wait()->revision(), 2);
  EXPECT_EQ(fresh_too->Wait()->revision(), 2);
  EXPECT_EQ(source->started(), 2);
}

TEST_F(PollerTest, CancellingDoesNotStopThePass) {
  GatedSource* const source = AddSource("a");
  Poller& poller = Start(false);
  const auto gone = std::make_shared<NotingObserver>();
  const auto stays = std::make_shared<NotingObserver>();
  auto subscription = poller.SyncNow("a", false, gone);
  const auto other = poller.SyncNow("a", false, stays);
  ASSERT_TRUE(source->WaitStarted(1));
  subscription->Cancel();
  subscription->Cancel();
  source->Allow();
  EXPECT_TRUE(stays->Wait().ok());
  EXPECT_FALSE(gone->ended());
}

// Cancels itself while it is being called.
class SelfCancelling final : public SyncObserver {
 public:
  void OnProgress(const v1::SyncProgress&) override {
    MutexLock lock(mutex);
    subscription.Cancel();
    ++calls;
  }
  void OnEnd(const absl::StatusOr<v1::SyncResult>&) override { ++calls; }

  Mutex mutex;
  Poller::Subscription subscription;
  std::atomic<int> calls{0};
};

TEST_F(PollerTest, AnObserverMayCancelFromInside) {
  GatedSource* const source = AddSource("a");
  Poller& poller = Start(false);
  const auto observer = std::make_shared<SelfCancelling>();
  const auto other = std::make_shared<NotingObserver>();
  {
    MutexLock lock(observer->mutex);
    observer->subscription = *poller.SyncNow("a", false, observer);
  }
  const auto subscription = poller.SyncNow("a", false, other);
  source->Allow();
  EXPECT_TRUE(other->Wait().ok());
  EXPECT_EQ(observer->calls, 1);
}

TEST_F(PollerTest, ASubscriptionMayOutliveThePoller) {
  GatedSource* const source = AddSource("a");
  source->Allow();
  Poller& poller = Start(false);
  const auto observer = std::make_shared<NotingObserver>();
  auto subscription = poller.SyncNow("a", false, observer);
  EXPECT_TRUE(observer->Wait().ok());
  poller_.reset();
  subscription->Cancel();
}

TEST_F(PollerTest, StopEndsPassesAndObserversQuickly) {
  GatedSource* const running = AddSource("running");
  AddSource("queued");
  Poller& poller = Start(false, /*workers=*/1);
  const auto of_running = std::make_shared<NotingObserver>();
  const auto of_next = std::make_shared<NotingObserver>();
  const auto of_queued = std::make_shared<NotingObserver>();
  const auto s1 = poller.SyncNow("running", false, of_running);
  ASSERT_TRUE(running->WaitStarted(1));
  const auto s2 = poller.SyncNow("running", true, of_next);
  const auto s3 = poller.SyncNow("queued", false, of_queued);
  poller.Stop();
  for (const auto& observer : {of_running, of_next, of_queued}) {
    EXPECT_EQ(observer->Wait().status().code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_EQ(poller.SyncNow("running", false, of_next).status().code(),
            absl::StatusCode::kUnavailable);
  poller.Stop();
}

TEST_F(PollerTest, UnknownSourcesAreNotFound) {
  AddSource("a");
  Poller& poller = Start(false);
  EXPECT_EQ(poller.SyncNow("b", false, nullptr).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PollerTest, APassAskedForBeforeStartWaitsForIt) {
  for (const bool poll_at_start : {false, true}) {
    SCOPED_TRACE(poll_at_start);
    GatedSource* const source = AddSource("a", absl::Minutes(5));
    source->Allow(2);
    Poller::Options options;
    options.poll_at_start = poll_at_start;
    options.jitter = 0;
    Poller poller(&clock_, &recorder_, std::move(sources_), options);
    const auto observer = std::make_shared<NotingObserver>();
    const auto subscription = poller.SyncNow("a", false, observer);
    ASSERT_TRUE(subscription.ok()) << subscription.status();
    EXPECT_FALSE(observer->ended());
    poller.Start();
    EXPECT_TRUE(observer->Wait().ok());
    // That was the pass of the start, too.
    EXPECT_EQ(source->WaitPlanned(1), clock_.Now() + absl::Minutes(5));
    EXPECT_EQ(source->started(), 1);
    sources_.clear();
  }
}

TEST_F(PollerTest, APassAskedForInVainEndsWithTheService) {
  AddSource("a");
  const auto observer = std::make_shared<NotingObserver>();
  Poller poller(&clock_, &recorder_, std::move(sources_), {});
  const auto subscription = poller.SyncNow("a", false, observer);
  ASSERT_TRUE(subscription.ok()) << subscription.status();
  poller.Stop();
  EXPECT_EQ(observer->Wait().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(poller.SyncNow("a", false, nullptr).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(PollerTest, WaitsAsLongAsTheVendorAskedFor) {
  GatedSource* const source = AddSource("a");
  source->SetState(v1::Source::RATE_LIMITED);
  source->not_before = clock_.Now() + absl::Hours(1);
  source->Allow(2);
  Start();
  EXPECT_EQ(source->WaitPlanned(1), source->not_before);
}

TEST_F(PollerTest, FailuresMakeItComeBackSoonerThenLater) {
  GatedSource* const source = AddSource("a", absl::Hours(1));
  source->SetState(v1::Source::UNREACHABLE);
  source->Allow(3);
  Start();
  EXPECT_EQ(source->WaitPlanned(1), clock_.Now() + absl::Seconds(30));
  clock_.Advance(absl::Seconds(30));
  EXPECT_EQ(source->WaitPlanned(2), clock_.Now() + absl::Seconds(60));
  clock_.Advance(absl::Seconds(60));
  ASSERT_TRUE(source->WaitStarted(3));
}

TEST_F(PollerTest, AClockThatIsSetBackDoesNotStopThePolling) {
  GatedSource* const source = AddSource("a", absl::Minutes(5));
  source->Allow(2);
  Start();
  source->WaitPlanned(1);
  clock_.Advance(-absl::Hours(24));
  // In small steps, so that the scheduler looks in between.
  const absl::Time patience = absl::Now() + kPatience;
  while (!source->WaitStarted(2, absl::Milliseconds(3)) && absl::Now() < patience) {
    clock_.Advance(absl::Seconds(10));
  }
  EXPECT_EQ(source->started(), 2);
  EXPECT_LT(clock_.Now(), FakeClock().Now());
}

TEST_F(PollerTest, AnOperatorDoesNotWaitForTheBackoff) {
  GatedSource* const source = AddSource("a");
  source->SetState(v1::Source::AUTH_FAILED);
  source->Allow(2);
  Poller& poller = Start();
  ASSERT_TRUE(source->WaitStarted(1));
  const auto observer = std::make_shared<NotingObserver>();
  const auto subscription = poller.SyncNow("a", true, observer);
  EXPECT_TRUE(observer->Wait().ok());
}

TEST(PollerDelayTest, Delays) {
  struct Case {
    v1::Source::State state;
    int failures;
    absl::Duration interval;
    absl::Duration want;
  };
  const absl::Duration m = absl::Minutes(1);
  const Case cases[] = {
      {v1::Source::OK, 0, 5 * m, 5 * m},
      {v1::Source::DEGRADED, 0, 5 * m, 5 * m},
      {v1::Source::UNREACHABLE, 1, 5 * m, absl::Seconds(30)},
      {v1::Source::UNREACHABLE, 2, 5 * m, m},
      {v1::Source::UNREACHABLE, 9, 5 * m, 5 * m},
      {v1::Source::UNREACHABLE, 9, 60 * m, 60 * m},
      {v1::Source::FAILED, 1, absl::Seconds(1), absl::Seconds(1)},
      {v1::Source::FAILED, 4, absl::Seconds(1), absl::Seconds(8)},
      {v1::Source::FAILED, 99, absl::Seconds(1), 5 * m},
      {v1::Source::AUTH_FAILED, 1, absl::Seconds(1), m},
      {v1::Source::AUTH_FAILED, 1, 5 * m, 5 * m},
      {v1::Source::AUTH_FAILED, 2, 5 * m, 10 * m},
      {v1::Source::AUTH_FAILED, 99, 5 * m, 60 * m},
      {v1::Source::AUTH_FAILED, 99, 60 * 24 * m, 60 * 24 * m},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Poller::DelayAfter(c.state, c.failures, c.interval), c.want)
        << v1::Source::State_Name(c.state) << " " << c.failures << " " << c.interval;
  }
}

TEST_F(PollerTest, ReplacingASourceLeavesTheOthersAlone) {
  GatedSource* const stays = AddSource("stays");
  GatedSource* const changes = AddSource("changes");
  GatedSource* const leaves = AddSource("leaves");
  Poller& poller = Start(true, /*workers=*/8);
  for (GatedSource* source : {stays, changes, leaves}) ASSERT_TRUE(source->WaitStarted(1));
  std::vector<std::shared_ptr<NotingObserver>> observers;
  std::vector<Poller::Subscription> subscriptions;
  for (const char* id : {"stays", "changes", "leaves"}) {
    observers.push_back(std::make_shared<NotingObserver>());
    auto subscription = poller.SyncNow(id, false, observers.back());
    ASSERT_TRUE(subscription.ok());
    subscriptions.push_back(*std::move(subscription));
  }
  GatedSource* const changed = AddSource("changes");
  GatedSource* const added = AddSource("added");
  bool called = false;
  const absl::Status status = poller.Replace(
      {"changes", "leaves"},
      [&] {
        called = true;
        EXPECT_TRUE(absl::IsNotFound(poller.SyncNow("changes", false, nullptr).status()));
        return absl::OkStatus();
      },
      std::move(sources_));
  EXPECT_TRUE(status.ok() && called);
  EXPECT_TRUE(absl::IsUnavailable(observers[2]->Wait().status()));
  // The new ones are due at once; who waited for the old one waits for the new.
  ASSERT_TRUE(changed->WaitStarted(1));
  ASSERT_TRUE(added->WaitStarted(1));
  EXPECT_FALSE(observers[1]->ended());
  changed->Allow();
  EXPECT_TRUE(observers[1]->Wait().ok());
  EXPECT_FALSE(observers[0]->ended());
  stays->Allow();
  EXPECT_TRUE(observers[0]->Wait().ok()) << "its pass went on";
  EXPECT_EQ(stays->started(), 1);
  EXPECT_TRUE(absl::IsNotFound(poller.SyncNow("leaves", false, nullptr).status()));
}

TEST_F(PollerTest, WhatCannotBeReplacedComesBack) {
  GatedSource* const source = AddSource("a");
  Poller& poller = Start();
  ASSERT_TRUE(source->WaitStarted(1));
  const auto observer = std::make_shared<NotingObserver>();
  const auto subscription = poller.SyncNow("a", false, observer);
  AddSource("a");
  const absl::Status status = poller.Replace(
      {"a"}, [] { return absl::UnavailableError("no"); }, std::move(sources_));
  EXPECT_TRUE(absl::IsUnavailable(status));
  ASSERT_TRUE(source->WaitStarted(2));
  source->Allow(2);
  EXPECT_TRUE(observer->Wait().ok());
}

TEST_F(PollerTest, APollerWithoutSourcesCanBeGivenSome) {
  Poller& poller = Start();
  GatedSource* const source = AddSource("a");
  EXPECT_TRUE(poller
                  .Replace(
                      {}, [] { return absl::OkStatus(); }, std::move(sources_))
                  .ok());
  source->Allow();
  EXPECT_TRUE(source->WaitStarted(1));
}

// A subscription may outlive the source that it was for.
TEST_F(PollerTest, SubscriptionsEndAfterTheirSourceIsReplaced) {
  GatedSource* const source = AddSource("a");
  Poller& poller = Start();
  ASSERT_TRUE(source->WaitStarted(1));
  const auto observer = std::make_shared<NotingObserver>();
  auto subscription = poller.SyncNow("a", true, observer);
  ASSERT_TRUE(subscription.ok());
  GatedSource* const next = AddSource("a");
  EXPECT_TRUE(poller
                  .Replace(
                      {"a"}, [] { return absl::OkStatus(); }, std::move(sources_))
                  .ok());
  ASSERT_TRUE(next->WaitStarted(1));
  subscription->Cancel();
  next->Allow();
  next->WaitPlanned(1);
  EXPECT_FALSE(observer->ended());
}

}  // namespace
}  // namespace tokeninventory
