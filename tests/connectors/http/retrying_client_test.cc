#include "connectors/http/retrying_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>

#include "absl/strings/str_cat.h"
#include "connectors/http/rate_limit_headers.h"
#include "tests/testing/fake_clock.h"

namespace tokeninventory {
namespace {

using ::testing::ElementsAre;
using testing::FakeClock;

using Reply = absl::StatusOr<HttpResponse>;

Reply Status(int status, std::vector<std::pair<std::string, std::string>> headers = {}) {
  HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  return response;
}

// Answers in turn, at once, and notes when it was asked.
class ScriptedClient final : public HttpClient {
 public:
  ScriptedClient(Clock* clock, std::deque<Reply> replies)
      : clock_(clock), replies_(std::move(replies)) {}

  Reply Send(const HttpRequest&, std::stop_token) override {
    asked.push_back(clock_->Now());
    Reply reply = replies_.front();
    if (replies_.size() > 1) replies_.pop_front();
    return reply;
  }

  std::vector<absl::Time> asked;

 private:
  Clock* const clock_;
  std::deque<Reply> replies_;
};

// A clock on which waiting takes no time: it jumps to where it is waited for.
class JumpingClock final : public Clock {
 public:
  absl::Time Now() override { return now; }
  void WaitUntil(Mutex&, CondVar&, absl::Time deadline) override { now = deadline; }

  absl::Time now = absl::FromUnixSeconds(1'600'000'000);
};

HttpVerdict Judge(const HttpResponse& response) {
  if (response.status == 429) return HttpVerdict::kRateLimited;
  return response.status >= 500 ? HttpVerdict::kRetry : HttpVerdict::kFinal;
}

class RetryingClientTest : public ::testing::Test {
 protected:
  HttpOutcome Send(std::deque<Reply> replies) {
    scripted_ = std::make_unique<ScriptedClient>(&clock_, std::move(replies));
    client_ = std::make_unique<RetryingClient>(scripted_.get(), &clock_, budget_, options_);
    return client_->Send({}, &Judge, {});
  }
  // Seconds after the start at which the vendor was asked.
  std::vector<double> Asked() const {
    std::vector<double> seconds;
    for (const absl::Time time : scripted_->asked) {
      seconds.push_back(absl::ToDoubleSeconds(time - start_));
    }
    return seconds;
  }
  void SetUp() override {
    options_.random = [] { return 0.5; };
  }

  JumpingClock clock_;
  const absl::Time start_ = clock_.now;
  RetryingClient::Options options_;
  std::shared_ptr<RequestBudget> budget_;
  std::unique_ptr<ScriptedClient> scripted_;
  std::unique_ptr<RetryingClient> client_;
};

TEST_F(RetryingClientTest, AGoodAnswerIsFinal) {
  const HttpOutcome outcome = Send({Status(200)});
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_EQ(outcome.response.status, 200);
  EXPECT_EQ(outcome.tries, 1);
}

TEST_F(RetryingClientTest, SoIsABadOneThatWouldNotChange) {
  const HttpOutcome outcome = Send({Status(404)});
  EXPECT_EQ(outcome.response.status, 404);
  EXPECT_EQ(outcome.tries, 1);
}

TEST_F(RetryingClientTest, BacksOffWithJitterUntilAttemptsAreUsedUp) {
  const HttpOutcome outcome = Send({Status(500)});
  EXPECT_EQ(outcome.verdict, HttpVerdict::kRetry);
  EXPECT_EQ(outcome.answers, 4);
  // Half of 1 s, 2 s and 4 s.
  EXPECT_THAT(Asked(), ElementsAre(0, 0.5, 1.5, 3.5));
}

TEST_F(RetryingClientTest, ConnectionsThatFailAreTriedAgain) {
  const HttpOutcome outcome =
      Send({absl::UnavailableError("x"), absl::DeadlineExceededError("y"), Status(200)});
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_EQ(outcome.tries, 3);
  EXPECT_EQ(outcome.answers, 1);
}

TEST_F(RetryingClientTest, WhatWillNotPassIsNot) {
  const HttpOutcome outcome = Send({absl::ResourceExhaustedError("too large")});
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(outcome.verdict, HttpVerdict::kFinal);
  EXPECT_EQ(outcome.tries, 1);
}

TEST_F(RetryingClientTest, WaitsAsRetryAfterSays) {
  const HttpOutcome outcome = Send({Status(429, {{"retry-after", "120"}}), Status(200)});
  EXPECT_EQ(outcome.response.status, 200);
  // And half a second so that not everybody comes back at once.
  EXPECT_THAT(Asked(), ElementsAre(0, 120.5));
}

TEST_F(RetryingClientTest, ALongRetryAfterEndsIt) {
  const HttpOutcome outcome = Send({Status(429, {{"retry-after", "3600"}}), Status(200)});
  EXPECT_EQ(outcome.verdict, HttpVerdict::kRateLimited);
  EXPECT_EQ(outcome.response.status, 429);
  EXPECT_EQ(outcome.not_before, start_ + absl::Hours(1));
  EXPECT_EQ(outcome.tries, 1);
}

TEST_F(RetryingClientTest, WaitsForTheBucketThatIsUsedUp) {
  auto* org = options_.limits.add_buckets();
  org->set_remaining("RateLimit-Remaining");
  org->set_reset("RateLimit-Reset");
  org->set_unit(v1::RateLimitBucket::SECONDS);
  auto* user = options_.limits.add_buckets();
  user->set_remaining("RateLimit-User-Remaining");
  user->set_reset("RateLimit-User-Reset");
  user->set_unit(v1::RateLimitBucket::SECONDS);
  Send({Status(200, {{"ratelimit-remaining", "12"},
                     {"ratelimit-reset", "59"},
                     {"ratelimit-user-remaining", "0"},
                     {"ratelimit-user-reset", "42"}})});
  EXPECT_TRUE(client_->Send({}, &Judge, {}).status.ok());
  EXPECT_THAT(Asked(), ElementsAre(0, 42));
}

TEST_F(RetryingClientTest, A429WithoutRetryAfterWaitsForItsBucket) {
  auto* bucket = options_.limits.add_buckets();
  bucket->set_remaining("R");
  bucket->set_reset("S");
  bucket->set_unit(v1::RateLimitBucket::EPOCH_SECONDS);
  Send({Status(429, {{"r", "0"}, {"s", "1600000030"}}), Status(200)});
  EXPECT_THAT(Asked(), ElementsAre(0, 30.5));
}

TEST_F(RetryingClientTest, ALimitThatIsTooFarAwayIsToldWithoutAsking) {
  auto* bucket = options_.limits.add_buckets();
  bucket->set_remaining("R");
  bucket->set_reset("S");
  bucket->set_unit(v1::RateLimitBucket::SECONDS);
  Send({Status(200, {{"r", "0"}, {"s", "3000"}})});
  const HttpOutcome outcome = client_->Send({}, &Judge, {});
  EXPECT_EQ(outcome.verdict, HttpVerdict::kRateLimited);
  EXPECT_FALSE(outcome.status.ok());
  EXPECT_EQ(outcome.not_before, start_ + absl::Seconds(3000));
  EXPECT_EQ(scripted_->asked.size(), 1);
}

TEST_F(RetryingClientTest, KeepsToItsBudget) {
  budget_ = std::make_shared<RequestBudget>(RequestPace{absl::Seconds(1), 2});
  Send({Status(200)});
  for (int i = 0; i < 4; ++i) client_->Send({}, &Judge, {});
  EXPECT_THAT(Asked(), ElementsAre(0, 0, 1, 2, 3));
}

TEST_F(RetryingClientTest, TheVendorsHeadersReplaceTheGuess) {
  budget_ = std::make_shared<RequestBudget>(RequestPace{absl::Minutes(1), 1});
  auto* bucket = options_.limits.add_buckets();
  bucket->set_remaining("R");
  bucket->set_reset("S");
  bucket->set_unit(v1::RateLimitBucket::SECONDS);
  Send({Status(200, {{"r", "9"}, {"s", "60"}})});
  client_->Send({}, &Judge, {});
  EXPECT_THAT(Asked(), ElementsAre(0, 0));
}

TEST_F(RetryingClientTest, ButNotThePaceThatTheOperatorSet) {
  budget_ = std::make_shared<RequestBudget>(RequestPace{absl::Minutes(1), 1});
  options_.always_book = true;
  auto* bucket = options_.limits.add_buckets();
  bucket->set_remaining("R");
  bucket->set_reset("S");
  bucket->set_unit(v1::RateLimitBucket::SECONDS);
  Send({Status(200, {{"r", "9"}, {"s", "60"}})});
  client_->Send({}, &Judge, {});
  EXPECT_THAT(Asked(), ElementsAre(0, 60));
}

TEST(RetryingClientStopTest, AStopEndsAWait) {
  FakeClock clock;
  ScriptedClient scripted(&clock, {Status(500)});
  RetryingClient::Options options;
  options.random = [] { return 1.0; };
  RetryingClient client(&scripted, &clock, nullptr, options);
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  // The clock stands still: only the stop can end it.
  EXPECT_EQ(client.Send({}, &Judge, stop.get_token()).status.code(), absl::StatusCode::kCancelled);
  stopper.join();
}

TEST(RequestBudgetTest, SourcesAtOneHostShareTheSlowestPace) {
  HostBudgets budgets;
  const auto a = budgets.For("https://a", {absl::Milliseconds(100), 10});
  const auto b = budgets.For("https://a", {absl::Seconds(1), 1});
  const auto other = budgets.For("https://b", {absl::Seconds(1), 1});
  EXPECT_EQ(a, b);
  EXPECT_NE(a, other);
  const absl::Time now = absl::FromUnixSeconds(100);
  EXPECT_EQ(a->Book(now), now);
  EXPECT_EQ(b->Book(now), now + absl::Seconds(1));
  EXPECT_EQ(a->Book(now + absl::Seconds(10)), now + absl::Seconds(10));
}

TEST(RetryAfterTest, ReadsSecondsAndDates) {
  struct Case {
    const char* header;
    const char* now;
    double wait;  // -1: cannot be read
  };
  // RFC 9110, section 10.2.3, and Airbyte's WaitTimeFromHeader.
  const Case cases[] = {
      {"120", "1999-12-31T23:59:00+00:00", 120},
      {"0", "1999-12-31T23:59:00+00:00", 0},
      {"Fri, 31 Dec 1999 23:59:59 GMT", "1999-12-31T23:59:00+00:00", 59},
      {"Fri, 31 Dec 1999 23:59:59 GMT", "2000-01-01T00:00:30+00:00", 0},
      // The two obsolete forms, which a recipient must read (section 5.6.7).
      {"Friday, 31-Dec-99 23:59:59 GMT", "1999-12-31T23:59:00+00:00", 59},
      {"Fri Dec 31 23:59:59 1999", "1999-12-31T23:59:00+00:00", 59},
      {"Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:00+00:00", 37},
      {"Friday, 31-Dec-99 23:59:59", "1999-12-31T23:59:00+00:00", -1},
      {"infinite-future", "1999-12-31T23:59:00+00:00", -1},
      {"1.5", "1999-12-31T23:59:00+00:00", 1.5},
      {"1e3", "1999-12-31T23:59:00+00:00", -1},
      {"inf", "1999-12-31T23:59:00+00:00", -1},
      {"61,60", "1999-12-31T23:59:00+00:00", -1},
      {"", "1999-12-31T23:59:00+00:00", -1},
      {"-5", "1999-12-31T23:59:00+00:00", -1},
      {"soon", "1999-12-31T23:59:00+00:00", -1},
      {"99999999999", "1999-12-31T23:59:00+00:00", 86400},
      {"999999999999999999999999", "1999-12-31T23:59:00+00:00", 86400},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(absl::StrCat(c.header, " at ", c.now));
    absl::Time now;
    std::string error;
    ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, c.now, &now, &error)) << error;
    const std::optional<absl::Time> time =
        ReadRetryAfter({}, *Status(429, {{"retry-after", c.header}}), now);
    EXPECT_EQ(time ? absl::ToDoubleSeconds(*time - now) : -1, c.wait);
  }
}

TEST(RetryAfterTest, UsesTheManifestsHeaderAndUnit) {
  v1::ManifestLimits limits;
  limits.mutable_retry_after()->set_header("X-Retry-After");
  limits.mutable_retry_after()->set_unit(v1::RateLimitBucket::EPOCH_MILLIS);
  const absl::Time now = absl::FromUnixSeconds(1'600'000'000);
  EXPECT_EQ(ReadRetryAfter(limits, *Status(429, {{"x-retry-after", "1600000007000"}}), now),
            now + absl::Seconds(7));
  EXPECT_EQ(ReadRetryAfter(limits, *Status(429, {{"retry-after", "3"}}), now), std::nullopt);
}

}  // namespace
}  // namespace tokeninventory
