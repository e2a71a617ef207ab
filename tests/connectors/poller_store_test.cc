// What the poller makes of passes that were given up because the store failed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "connectors/poller.h"
#include "tests/connectors/fake_pass_recorder.h"
#include "tests/testing/fake_clock.h"

namespace tokeninventory {
namespace {

using testing::FakeClock;
using testing::FakePassRecorder;

constexpr absl::Duration kInterval = absl::Hours(1);
constexpr absl::Duration kPatience = absl::Seconds(20);

// Its passes are stored unless the test says no.
class SmallSource final : public PolledSource {
 public:
  explicit SmallSource(std::string id) : id_(std::move(id)) {}

  const std::string& id() const override { return id_; }
  absl::Duration interval() const override { return kInterval; }

  absl::StatusOr<v1::SyncResult> RunPass(const PassContext& context) override {
    bool fails = false;
    {
      MutexLock lock(mutex_);
      fails = fails_;
    }
    v1::SyncResult result;
    result.set_state(v1::Source::OK);
    if (!fails) context.next_sync_time(result.state(), absl::InfinitePast());
    MutexLock lock(mutex_);
    ++ended_;
    if (fails) return absl::UnavailableError("the store cannot be written now");
    return result;
  }

  void Fail(bool fails) {
    MutexLock lock(mutex_);
    fails_ = fails;
  }
  int ended() {
    MutexLock lock(mutex_);
    return ended_;
  }

 private:
  const std::string id_;
  Mutex mutex_;
  bool fails_ ABSL_GUARDED_BY(mutex_) = false;
  int ended_ ABSL_GUARDED_BY(mutex_) = 0;
};

class PollerStoreTest : public ::testing::Test {
 protected:
  PollerStoreTest() {
    for (const char* id : {"a", "b"}) {
      auto source = std::make_unique<SmallSource>(id);
      all_.push_back(source.get());
      sources_.push_back(std::move(source));
    }
  }

  void Start() {
    Poller::Options options;
    options.jitter = 0;
    poller_ = std::make_unique<Poller>(&clock_, &recorder_, std::move(sources_), options);
    poller_->Start();
  }

  // Whether `source` comes to its `count`th end, and the poller knows.
  bool Ended(SmallSource* source, int count) {
    return Eventually([&] { return source->ended() >= count; });
  }
  bool Postponed(std::size_t count) {
    return Eventually([&] { return recorder_.PostponedTimes().size() >= count; });
  }
  template <typename Condition>
  bool Eventually(const Condition& condition) {
    const absl::Time patience = absl::Now() + kPatience;
    Mutex mutex;
    CondVar never;
    MutexLock lock(mutex);
    while (!condition() && absl::Now() < patience) {
      never.WaitFor(mutex, std::chrono::milliseconds(2));
    }
    return condition();
  }
  // Whether no pass of `a` ended while several of `b` did.
  bool StaysAt(int count) {
    for (int i = 0; i < 5; ++i) {
      const int ended = all_[1]->ended();
      if (!poller_->SyncNow("b", true, nullptr).ok() || !Ended(all_[1], ended + 1)) return false;
    }
    return all_[0]->ended() == count;
  }

  FakeClock clock_;
  FakePassRecorder recorder_;
  std::vector<std::unique_ptr<PolledSource>> sources_;
  std::vector<SmallSource*> all_;
  std::unique_ptr<Poller> poller_;
};

TEST_F(PollerStoreTest, APassThatWasGivenUpIsPostponedAndThenDueAtOnce) {
  SmallSource *a = all_[0], *b = all_[1];
  a->Fail(true);
  Start();
  ASSERT_TRUE(Ended(a, 1) && Ended(b, 1) && Postponed(1));
  EXPECT_EQ(recorder_.PostponedTimes().front(), clock_.Now() + absl::Seconds(30));
  a->Fail(false);
  // The worker may still be putting it away.
  EXPECT_TRUE(Eventually([&] {
    poller_->RetryGivenUp();
    return a->ended() == 2;
  }));
  EXPECT_EQ(b->ended(), 1) << "its last pass was stored";
  poller_->RetryGivenUp();
  EXPECT_TRUE(StaysAt(2)) << "stored by now";
}

TEST_F(PollerStoreTest, AStoreThatComesAndGoesDoesNotHaveVendorsAskedWithoutEnd) {
  SmallSource* a = all_[0];
  a->Fail(true);
  Start();
  ASSERT_TRUE(Ended(a, 1) && Postponed(1));
  ASSERT_TRUE(Eventually([&] {
    poller_->RetryGivenUp();
    return a->ended() == 2;
  }));
  ASSERT_TRUE(Postponed(2));
  for (int i = 0; i < 5; ++i) poller_->RetryGivenUp();
  EXPECT_TRUE(StaysAt(2)) << "once is enough until one is stored";
  // Its own time comes, and with it a pass that is stored.
  a->Fail(false);
  clock_.Advance(absl::Minutes(1));
  ASSERT_TRUE(Ended(a, 3));
  // The next trouble is another one.
  a->Fail(true);
  clock_.Advance(kInterval);
  ASSERT_TRUE(Ended(a, 4) && Postponed(3));
  EXPECT_TRUE(Eventually([&] {
    poller_->RetryGivenUp();
    return a->ended() == 5;
  }));
}

}  // namespace
}  // namespace tokeninventory
