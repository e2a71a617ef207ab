// How often a commit is encoded, and for whom.
#include "inventory/watch_group.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "inventory/token_bytes.h"
#include "tests/inventory/snapshot_maker.h"
#include "tests/inventory/watch_harness.h"

namespace tokeninventory::testing {
namespace {

// A view that shows only revisions of even number, and counts what it encodes.
class EvenView final : public WatchView {
 public:
  explicit EvenView(const std::string& source = "", const std::string& name = "even")
      : WatchView(source, SourceSet(), name) {}

  bool is_filtered() const override { return false; }

  EncodedChanges EncodeChanges(const std::vector<std::shared_ptr<const FeedRevision>>& revisions,
                               LogPosition from, absl::string_view,
                               bool /*ends_revision*/) const override {
    ++encodings;
    EncodedChanges changes{nullptr, from};
    for (const auto& revision : revisions) {
      changes.next = {revision->revision + 1, 0};
      if (revision->revision % 2 != 0) continue;
      changes.message = std::make_shared<const std::string>(absl::StrCat(revision->revision));
      break;
    }
    return changes;
  }
  EncodedInitial EncodeInitial(const Snapshot&, std::int64_t, absl::string_view,
                               const v1::Progress&) const override {
    return {std::make_shared<const std::string>(), 0, true};
  }
  EncodedRows EncodeRows(const Snapshot&, std::int64_t, const SourceDifference&) const override {
    return {{}, 0, true};
  }
  EncodedRows EncodeGone(const Snapshot&, std::int64_t, const LeavingRows&) const override {
    return {{}, 0, true};
  }
  std::shared_ptr<const WatchView> WithSources(SourceSet, SourceSet) const override {
    return nullptr;
  }

  mutable std::atomic<int> encodings{0};
};

class WatchGroupTest : public ::testing::Test {
 protected:
  void Publish(int count = 1) {
    for (int i = 0; i < count; ++i) {
      auto revision = std::make_shared<FeedRevision>();
      revision->revision = ++head_;
      revision->bytes = 1;
      feed_.Publish(revision);
    }
  }
  LogPosition Skip(std::int64_t revision) { return group_.Skip({revision, 0}); }

  std::int64_t head_ = 0;
  ChangeFeed feed_{/*memory_bytes=*/10};
  RecentMessages recent_;
  std::shared_ptr<EvenView> view_ = std::make_shared<EvenView>();
  WatchGroup group_{view_, "epoch", feed_, recent_};
};

TEST_F(WatchGroupTest, WhatHasNothingForTheViewIsSkipped) {
  Publish();
  EXPECT_FALSE(group_.Look(1, true).has_value());
  EXPECT_EQ(Skip(1), (LogPosition{2, 0}));
  EXPECT_EQ(Skip(2), (LogPosition{2, 0})) << "not yet looked at";
  Publish();
  const auto two = group_.Look(2, true);
  ASSERT_TRUE(two.has_value());
  EXPECT_EQ(*two->message, "2");
  EXPECT_EQ(Skip(1), (LogPosition{2, 0})) << "and read from there";
  EXPECT_EQ(Skip(2), (LogPosition{2, 0}));
  Publish();
  EXPECT_FALSE(group_.Look(3, true).has_value());
  EXPECT_EQ(Skip(3), (LogPosition{4, 0}));
  EXPECT_EQ(Skip(2), (LogPosition{2, 0}));
  EXPECT_EQ(group_.Skip({3, 1}), (LogPosition{3, 1})) << "told in part";
}

TEST_F(WatchGroupTest, WhatIsOfOtherSourcesIsNotEncoded) {
  for (int i = 1; i <= 6; ++i) {
    Publish();
    EXPECT_FALSE(group_.Look(i, false).has_value());
  }
  EXPECT_EQ(view_->encodings, 0);
  EXPECT_EQ(Skip(1), (LogPosition{7, 0}));
  EXPECT_EQ(Skip(6), (LogPosition{7, 0}));
}

TEST_F(WatchGroupTest, WhatWasLookedAtIsReadWithoutEncodingAgain) {
  Publish(2);
  const auto news = group_.Look(2, true);
  ASSERT_TRUE(news.has_value());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(group_.Read({1, 0}).message, news->message);
  EXPECT_EQ(view_->encodings, 1);
  EXPECT_FALSE(group_.Look(2, true).has_value()) << "looked at before";
  Publish();
  EXPECT_NE(group_.Read({1, 0}).message, nullptr) << "there may be more now";
  EXPECT_EQ(view_->encodings, 2);
}

TEST_F(WatchGroupTest, WhatLeftTheMemoryUnseenMayBeForTheView) {
  Publish(20);
  ASSERT_EQ(feed_.bounds().memory_oldest, 10);
  const auto news = group_.Look(20, true);
  ASSERT_TRUE(news.has_value());
  EXPECT_EQ(news->message, nullptr);
  EXPECT_EQ(Skip(1), (LogPosition{1, 0}));
}

TEST_F(WatchGroupTest, BeginsAtTheHead) {
  Publish(5);
  WatchGroup later(view_, "epoch", feed_, recent_);
  EXPECT_FALSE(later.Look(5, true).has_value());
  EXPECT_EQ(later.Skip({3, 0}), (LogPosition{3, 0})) << "unknown";
  Publish();
  ASSERT_TRUE(later.Look(6, true).has_value());
}

// Sinks that count.
class CountingSink final : public WatchSink {
 public:
  void Write(const WatchMessage&) override { ++writes; }
  void Finish(const absl::Status&) override { ++ends; }
  void Abort() override {}
  std::atomic<int> writes{0};
  std::atomic<int> ends{0};
};

TEST(WatchHubScaleTest, ACommitIsEncodedOnceForAViewAndNotForOtherSources) {
  LedgerSetup setup;
  setup.sources.push_back(MakeSourceInfo("beta"));
  WatchHarness watch(setup);
  LedgerHarness& house = watch.house();
  const auto view = std::make_shared<EvenView>();
  const auto of_acme = std::make_shared<EvenView>("acme", "acme");
  const auto of_beta = std::make_shared<EvenView>("beta", "beta");
  constexpr int kSessions = 10'000;
  const auto is_of_beta = [](int i) { return i % 100 == 0; };
  std::vector<CountingSink> sinks(kSessions);
  std::vector<std::shared_ptr<WatchSession>> sessions;
  for (int i = 0; i < kSessions; ++i) {
    WatchSession::Options options;
    options.view = is_of_beta(i) ? of_beta : i % 100 == 1 ? of_acme : view;
    options.start = WatchSession::Start::kAfterRevision;
    options.after_revision = 0;
    options.progress_interval = absl::Hours(1);
    sessions.push_back(*watch.hub().Open(sinks[static_cast<std::size_t>(i)], options));
  }
  const auto await_writes = [&](int each) {
    for (int i = 0; i < kSessions; ++i) {
      if (is_of_beta(i)) continue;
      while (sinks[static_cast<std::size_t>(i)].writes < each) std::this_thread::yield();
    }
  };
  // The first has nothing for anyone, the second is for all but beta's.
  for (int pass = 1; pass <= 6; ++pass) {
    house.Pass({Lists(ObservedRange("t", 1, pass))});
    if (pass % 2 != 0) continue;
    await_writes(pass / 2);
    for (int i = 0; i < kSessions; ++i) {
      if (!is_of_beta(i)) sessions[static_cast<std::size_t>(i)]->OnWriteDone(true);
    }
  }
  for (int i = 0; i < kSessions; ++i) {
    EXPECT_EQ(sinks[static_cast<std::size_t>(i)].writes, is_of_beta(i) ? 0 : 3);
  }
  // Each revision once; twice where one was read with the head behind it.
  EXPECT_LE(view->encodings, 12);
  EXPECT_LE(of_acme->encodings, 12);
  EXPECT_EQ(of_beta->encodings, 0);
  for (const auto& session : sessions) session->OnCancel();
  for (const CountingSink& sink : sinks) EXPECT_EQ(sink.ends, 1);
  EXPECT_EQ(watch.hub().stream_count(), 0);
}

}  // namespace
}  // namespace tokeninventory::testing
