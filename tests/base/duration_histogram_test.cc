#include "base/duration_histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tokeninventory {
namespace {

using ::testing::ElementsAre;

TEST(DurationHistogramTest, ABoundBelongsToItsRange) {
  DurationHistogram histogram{absl::Milliseconds(1), absl::Seconds(1)};
  for (const absl::Duration duration :
       {absl::ZeroDuration(), absl::Milliseconds(1), absl::Milliseconds(1) + absl::Nanoseconds(1),
        absl::Seconds(1), absl::Hours(1), -absl::Hours(1)}) {
    histogram.Observe(duration);
  }
  const DurationHistogram::Reading reading = histogram.Read();
  EXPECT_THAT(reading.bounds, ElementsAre(absl::Milliseconds(1), absl::Seconds(1)));
  EXPECT_THAT(reading.counts, ElementsAre(3, 2, 1));
  EXPECT_EQ(reading.sum,
            absl::Milliseconds(2) + absl::Nanoseconds(1) + absl::Seconds(1) + absl::Hours(1));
}

TEST(DurationHistogramTest, ThreadsLoseNothing) {
  DurationHistogram histogram{absl::Milliseconds(1)};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10'000; ++n) histogram.Observe(absl::Microseconds(n % 2 == 0 ? 1 : 2000));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(histogram.Read().counts, ElementsAre(20'000, 20'000));
  EXPECT_EQ(histogram.Read().sum, 20'000 * absl::Microseconds(2001));
}

}  // namespace
}  // namespace tokeninventory
