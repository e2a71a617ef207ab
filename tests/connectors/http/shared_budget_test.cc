// What several that ask one host must keep to together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "connectors/http/request_budget.h"
#include "connectors/http/retrying_client.h"
#include "connectors/source_factory.h"
#include "tests/connectors/fake_pass_recorder.h"
#include "tests/testing/crowd_clock.h"

namespace tokeninventory {
namespace {

using testing::CrowdClock;

// Answers at once and notes when it was asked. Thread-safe.
class NotingVendor final : public HttpClient {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  explicit NotingVendor(Clock* clock, Handler handler = {})
      : clock_(clock), handler_(std::move(handler)) {}

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request, std::stop_token) override {
    MutexLock lock(mutex_);
    asked_.push_back(clock_->Now());
    HttpResponse response;
    response.status = 200;
    return handler_ ? handler_(request) : response;
  }

  std::vector<absl::Time> asked() {
    MutexLock lock(mutex_);
    std::sort(asked_.begin(), asked_.end());
    return asked_;
  }

 private:
  Clock* const clock_;
  const Handler handler_;
  Mutex mutex_;
  std::vector<absl::Time> asked_ ABSL_GUARDED_BY(mutex_);
};

// The most requests in any stretch of `window`, its end left out.
int MostIn(const std::vector<absl::Time>& asked, absl::Duration window) {
  std::size_t most = 0;
  std::size_t first = 0;
  for (std::size_t last = 0; last < asked.size(); ++last) {
    while (asked[last] - asked[first] >= window) ++first;
    most = std::max(most, last - first + 1);
  }
  return static_cast<int>(most);
}

HttpVerdict Judge(const HttpResponse& response) {
  return response.status == 429 ? HttpVerdict::kRateLimited : HttpVerdict::kFinal;
}

TEST(SharedBudgetTest, ManySourcesNeverExceedItInAnyWindow) {
  struct Case {
    const char* what;
    double requests;
    absl::Duration per;
    int sources;
    int each;
  };
  const Case cases[] = {
      {"Opal: 100 a second for the whole organisation", 100, absl::Seconds(1), 8, 150},
      {"deepset", 10, absl::Seconds(1), 4, 30},
      {"Buildkite before its headers are known", 50, absl::Minutes(1), 3, 60},
      {"one at a time", 1, absl::Seconds(1), 3, 10},
      {"a number that no quarter fits", 7, absl::Seconds(1), 5, 20},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    CrowdClock clock;
    NotingVendor vendor(&clock);
    HostBudgets budgets;
    std::vector<std::unique_ptr<CrowdClock::Member>> members;
    std::vector<std::thread> threads;
    for (int s = 0; s < c.sources; ++s) {
      members.push_back(std::make_unique<CrowdClock::Member>(clock));
    }
    for (int s = 0; s < c.sources; ++s) {
      threads.emplace_back([&, s] {
        RetryingClient::Options options;
        options.max_limit_wait = absl::Hours(1);
        RetryingClient client(&vendor, &clock,
                              budgets.For("https://vendor.example", PaceOf(c.requests, c.per)),
                              options);
        for (int i = 0; i < c.each; ++i) {
          EXPECT_TRUE(client.Send({}, &Judge, {}).status.ok());
        }
        members[static_cast<std::size_t>(s)] = nullptr;
      });
    }
    for (std::thread& thread : threads) thread.join();
    const std::vector<absl::Time> asked = vendor.asked();
    ASSERT_EQ(asked.size(), static_cast<std::size_t>(c.sources * c.each));
    EXPECT_LE(MostIn(asked, c.per), c.requests);
    // And it is used: not less than half of it when there is enough to ask.
    const double took = absl::FDivDuration(asked.back() - asked.front(), c.per);
    EXPECT_LE(took, 2 * static_cast<double>(asked.size()) / c.requests);
  }
}

// As the configuration makes them: sources of three credentials, and the look-ups of
// RefreshToken beside their passes.
TEST(SharedBudgetTest, PassesAndLookUpsOfOneHostKeepItTogether) {
  setenv("TI_TEST_BUDGET_SECRET", "hunter2", 1);
  setenv("TI_TEST_BUDGET_OTHER", "hunter3", 1);
  v1::ServerConfig config;
  const YamlReport report = ReadYaml("c.yaml", R"(sources:
  - {id: a, vendor: opal, secrets: {token: {env: TI_TEST_BUDGET_SECRET}}}
  - {id: b, vendor: opal, secrets: {token: {env: TI_TEST_BUDGET_SECRET}}}
  - {id: c, vendor: opal, secrets: {token: {env: TI_TEST_BUDGET_OTHER}}}
)",
                                     config);
  CrowdClock clock;
  const auto vendor = std::make_shared<NotingVendor>(&clock, [](const HttpRequest&) {
    HttpResponse response;
    response.status = 200;
    response.body = R"({"results": []})";
    return response;
  });
  BuiltSources built =
      BuildSources(config, "", report.locations, &clock, std::string(TI_PAGE_WORKER), vendor);
  ASSERT_TRUE(built.ok()) << built.problems.front();
  const auto in_its_thread = [&](const std::function<void()>& work) {
    return std::thread(
        [&clock, member = std::make_shared<CrowdClock::Member>(clock), work]() mutable {
          work();
          member = nullptr;
        });
  };
  std::vector<std::thread> threads;
  std::vector<testing::FakePassRecorder> recorders(3);
  {
    // Nobody's waits count before all are there.
    const CrowdClock::Member host(clock);
    for (std::size_t i = 0; i < 3; ++i) {
      threads.push_back(in_its_thread([&, i] {
        PassContext context;
        context.recorder = &recorders[i];
        for (int n = 0; n < 70; ++n) {
          EXPECT_EQ(built.sources[i]->RunPass(context)->state(), v1::Source::OK);
        }
      }));
      threads.push_back(in_its_thread([&, i] {
        ScopeRef scope;
        scope.stream = "tokens";
        for (int n = 0; n < 70; ++n) {
          EXPECT_TRUE(built.fetchers[i]->FetchOne(scope, "id", "known", true, {}).ok());
        }
      }));
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(vendor->asked().size(), 6 * 70);
  EXPECT_LE(MostIn(vendor->asked(), absl::Seconds(1)), 100);
}

TEST(SharedBudgetTest, WhatIsNotWaitedForIsNotBooked) {
  RequestBudget budget(PaceOf(1, absl::Minutes(10)));
  const absl::Time now = absl::FromUnixSeconds(1'000'000);
  EXPECT_EQ(budget.Book(now), now);
  for (int i = 0; i < 100; ++i) {
    EXPECT_GT(budget.Book(now, now + absl::Minutes(5)), now + absl::Minutes(5));
  }
  EXPECT_LE(budget.Book(now), now + absl::Minutes(10) + absl::Seconds(1));
}

TEST(SharedBudgetTest, AClockThatIsSetBackMakesNoWaitLonger) {
  RequestBudget budget(PaceOf(1, absl::Seconds(1)));
  SharedLimits limits;
  const absl::Time now = absl::FromUnixSeconds(1'000'000);
  budget.Book(now);
  limits.HoldUntil(now + absl::Minutes(1), now);
  const absl::Time before = now - absl::Hours(24);
  EXPECT_LE(budget.Book(before), before + absl::Seconds(2));
  EXPECT_EQ(limits.FreeAt(before), before + absl::Minutes(1));
}

// One client is a pass, another the look-up of single tokens or a source of the same
// credential; the third has a credential of its own.
TEST(SharedLimitsTest, WhatOneIsToldHoldsForAllOfItsCredential) {
  CrowdClock clock;
  const CrowdClock::Member member(clock);
  const absl::Time start = clock.Now();
  bool refuse = true;
  NotingVendor vendor(&clock, [&](const HttpRequest&) {
    HttpResponse response;
    response.status = refuse ? 429 : 200;
    if (refuse) response.headers = {{"retry-after", "3600"}};
    return response;
  });
  const auto limits = std::make_shared<SharedLimits>();
  RetryingClient pass(&vendor, &clock, nullptr, {}, limits);
  RetryingClient look_up(&vendor, &clock, nullptr, {}, limits);
  RetryingClient other(&vendor, &clock, nullptr, {});
  EXPECT_EQ(pass.Send({}, &Judge, {}).not_before, start + absl::Hours(1));
  refuse = false;

  const HttpOutcome held = look_up.Send({}, &Judge, {});
  EXPECT_EQ(held.verdict, HttpVerdict::kRateLimited);
  EXPECT_EQ(held.tries, 0);
  EXPECT_EQ(held.not_before, start + absl::Hours(1));
  EXPECT_EQ(vendor.asked().size(), 1);

  EXPECT_TRUE(other.Send({}, &Judge, {}).status.ok());
  EXPECT_EQ(vendor.asked().size(), 2);
}

TEST(SharedLimitsTest, AServerInTroubleHoldsNobodyElse) {
  CrowdClock clock;
  const CrowdClock::Member member(clock);
  int status = 503;
  NotingVendor vendor(&clock, [&](const HttpRequest&) {
    HttpResponse response;
    response.status = status;
    response.headers = {{"retry-after", "3600"}};
    return response;
  });
  const auto limits = std::make_shared<SharedLimits>();
  RetryingClient one(&vendor, &clock, nullptr, {}, limits);
  RetryingClient other(&vendor, &clock, nullptr, {}, limits);
  const auto judge = [](const HttpResponse& response) {
    return response.status == 503 ? HttpVerdict::kRetry : HttpVerdict::kFinal;
  };
  EXPECT_EQ(one.Send({}, judge, {}).verdict, HttpVerdict::kRetry);
  status = 200;
  EXPECT_TRUE(other.Send({}, judge, {}).status.ok());
}

TEST(SharedLimitsTest, TellsWhatTheLastAnswerSaid) {
  CrowdClock clock;
  const CrowdClock::Member member(clock);
  std::vector<std::pair<std::string, std::string>> headers = {{"left", "7"}, {"again", "30"}};
  NotingVendor vendor(&clock, [&](const HttpRequest&) {
    HttpResponse response;
    response.status = 200;
    response.headers = headers;
    return response;
  });
  RetryingClient::Options options;
  auto* const bucket = options.limits.add_buckets();
  bucket->set_remaining("Left");
  bucket->set_reset("Again");
  bucket->set_unit(v1::RateLimitBucket::SECONDS);
  RetryingClient client(&vendor, &clock, nullptr, options);
  EXPECT_THAT(client.last_told(), ::testing::IsEmpty());
  client.Send({}, &Judge, {});
  ASSERT_EQ(client.last_told().size(), 1);
  EXPECT_EQ(client.last_told()[0].name(), "Left");
  EXPECT_EQ(client.last_told()[0].remaining(), 7);
  EXPECT_EQ(client.last_told()[0].reset_time().seconds(), absl::ToUnixSeconds(clock.Now()) + 30);
  headers.clear();
  client.Send({}, &Judge, {});
  EXPECT_THAT(client.last_told(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace tokeninventory
