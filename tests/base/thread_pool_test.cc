#include "base/thread_pool.h"

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/gate.h"

namespace tokeninventory::testing {
namespace {

TEST(ThreadPoolTest, RunsWorkOnAnotherThread) {
  Gate done;
  std::thread::id worker;
  ThreadPool pool(1, 1);
  ASSERT_TRUE(pool.TryRun([&] {
    worker = std::this_thread::get_id();
    done.Open();
  }));
  ASSERT_TRUE(done.Await());
  EXPECT_NE(worker, std::this_thread::get_id());
}

TEST(ThreadPoolTest, RunsAsManyAtOnceAsItHasThreads) {
  constexpr std::size_t kThreads = 3;
  std::atomic<std::size_t> running{0};
  Gate all;
  std::atomic<int> in_time{0};
  {
    ThreadPool pool(kThreads, kThreads);
    for (std::size_t i = 0; i < kThreads; ++i) {
      ASSERT_TRUE(pool.TryRun([&] {
        if (++running == kThreads) all.Open();
        if (all.Await()) ++in_time;
      }));
    }
  }
  EXPECT_EQ(in_time, 3);
}

TEST(ThreadPoolTest, RefusesWorkWhenTheQueueIsFull) {
  Gate started;
  Gate release;
  std::atomic<int> ran{0};
  {
    ThreadPool pool(1, 2);
    ASSERT_TRUE(pool.TryRun([&] {
      started.Open();
      if (release.Await()) ++ran;
    }));
    ASSERT_TRUE(started.Await());  // it no longer takes room in the queue
    EXPECT_TRUE(pool.TryRun([&] { ++ran; }));
    EXPECT_TRUE(pool.TryRun([&] { ++ran; }));
    EXPECT_FALSE(pool.TryRun([&] { ran += 100; }));
    release.Open();
  }
  EXPECT_EQ(ran, 3);
}

TEST(ThreadPoolTest, RunsWhatIsQueuedBeforeItEnds) {
  std::atomic<int> ran{0};
  {
    ThreadPool pool(2, 1000);
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(pool.TryRun([&] { ++ran; }));
  }
  EXPECT_EQ(ran, 1000);
}

TEST(ThreadPoolTest, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  {
    ThreadPool pool(1, 100);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(pool.TryRun([&order, i] { order.push_back(i); }));
  }
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(order.size(), 100u);
}

TEST(ThreadPoolTest, TakesWorkFromManyThreads) {
  std::atomic<int> ran{0};
  std::atomic<int> accepted{0};
  {
    ThreadPool pool(2, 8);
    std::vector<std::thread> callers;
    for (int t = 0; t < 4; ++t) {
      callers.emplace_back([&] {
        for (int i = 0; i < 500; ++i) accepted += pool.TryRun([&] { ++ran; }) ? 1 : 0;
      });
    }
    for (std::thread& caller : callers) caller.join();
  }
  EXPECT_EQ(ran, accepted);
  EXPECT_GT(ran, 0);
}

}  // namespace
}  // namespace tokeninventory::testing
