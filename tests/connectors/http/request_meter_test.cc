#include "connectors/http/request_meter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "connectors/http/retrying_client.h"
#include "tests/testing/crowd_clock.h"

namespace tokeninventory {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(RequestMeterTest, CodesAreBounded) {
  RequestMeter meter;
  EXPECT_THAT(meter.Read().by_code, IsEmpty());
  for (int status = -1; status < 1000; ++status) meter.CountAnswer(status);
  meter.CountNoAnswer();
  EXPECT_THAT(
      meter.Read().by_code,
      UnorderedElementsAre(Pair("2xx", 100), Pair("3xx", 100), Pair("4xx", 94), Pair("5xx", 97),
                           Pair("400", 1), Pair("401", 1), Pair("403", 1), Pair("404", 1),
                           Pair("422", 1), Pair("429", 1), Pair("500", 1), Pair("502", 1),
                           Pair("503", 1), Pair("other", 601), Pair("none", 1)));
}

// Gives these answers, one after the other.
class ScriptedVendor final : public HttpClient {
 public:
  explicit ScriptedVendor(std::vector<absl::StatusOr<int>> answers)
      : answers_(std::move(answers)) {}
  absl::StatusOr<HttpResponse> Send(const HttpRequest&, std::stop_token) override {
    const absl::StatusOr<int> answer = answers_.at(next_++);
    if (!answer.ok()) return answer.status();
    HttpResponse response;
    response.status = *answer;
    return response;
  }

 private:
  const std::vector<absl::StatusOr<int>> answers_;
  std::size_t next_ = 0;
};

TEST(RequestMeterTest, EveryTryCountsAndTheLaterOnesAreRetries) {
  testing::CrowdClock clock;
  const testing::CrowdClock::Member member(clock);
  ScriptedVendor vendor(
      {503, absl::UnavailableError("reset"), 200, absl::CancelledError("stopped")});
  RetryingClient::Options options;
  options.first_backoff = absl::ZeroDuration();
  options.meter = std::make_shared<RequestMeter>();
  RetryingClient client(&vendor, &clock, nullptr, options);
  const auto judge = [](const HttpResponse& response) {
    return response.status == 200 ? HttpVerdict::kFinal : HttpVerdict::kRetry;
  };
  EXPECT_TRUE(client.Send(HttpRequest(), judge, std::stop_token()).status.ok());
  EXPECT_TRUE(absl::IsCancelled(client.Send(HttpRequest(), judge, std::stop_token()).status));
  const RequestMeter::Reading reading = options.meter->Read();
  EXPECT_THAT(reading.by_code,
              UnorderedElementsAre(Pair("503", 1), Pair("none", 1), Pair("2xx", 1)));
  EXPECT_EQ(reading.retries, 2);
}

}  // namespace
}  // namespace tokeninventory
