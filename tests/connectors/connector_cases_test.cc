// Connector behaviour as data from outside (testdata/connector_http.json): back-off,
// classes of errors, Retry-After, paging, times. A case that is neither run nor set
// aside with a reason fails the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/proto_time.h"
#include "connectors/http/rate_limit_headers.h"
#include "connectors/vendor_client.h"
#include "tests/connectors/manifest_fixture.h"
#include "tests/testing/crowd_clock.h"

namespace tokeninventory {
namespace {

using Json = nlohmann::json;
using testing::CrowdClock;
using testing::ManifestFixture;

// A case, or a case of one of the tables.
struct Case {
  std::string id;
  Json json;
  bool set_aside = false;
};

Json ReadCases() {
  return Json::parse(std::ifstream(std::string(TI_TESTDATA) + "/connector_http.json"));
}

std::vector<Case> AllCases() {
  const Json file = ReadCases();
  std::vector<Case> cases;
  const auto add = [&](const std::string& group, const Json& table) {
    int number = 0;
    for (const Json& json : table.at("cases")) {
      const bool set_aside = table.contains("not_applicable") || json.contains("not_applicable") ||
                             json.contains("covered_by");
      cases.push_back({absl::StrCat(group, " ", ++number), json, set_aside});
    }
  };
  for (const Json& table : file.at("airbyte_tables").at("items")) {
    add(table.at("test").get<std::string>(), table);
  }
  for (const char* group : {"default_error_mapping", "retry_after", "timestamps",
                            "pagination_properties", "tap_tests"}) {
    add(group, file.at(group));
  }
  return cases;
}

// Gives one answer for ever and notes when it was asked for.
class OneAnswer final : public HttpClient {
 public:
  OneAnswer(Clock* clock, absl::StatusOr<HttpResponse> answer)
      : clock_(clock), answer_(std::move(answer)) {}

  absl::StatusOr<HttpResponse> Send(const HttpRequest&, std::stop_token) override {
    asked.push_back(clock_->Now());
    return answer_;
  }
  // Seconds between the asking number `n` and the one after it.
  double Wait(std::size_t n) const {
    return asked.size() > n ? absl::ToDoubleSeconds(asked[n] - asked[n - 1]) : -1;
  }

  std::vector<absl::Time> asked;

 private:
  Clock* const clock_;
  const absl::StatusOr<HttpResponse> answer_;
};

HttpResponse ResponseOf(const Json& ours, int status) {
  HttpResponse response;
  response.status = ours.value("status", status);
  response.body = ours.contains("body") ? ours.at("body").dump() : "{}";
  const Json headers = ours.value("headers", Json::object());
  for (const auto& [name, value] : headers.items()) {
    response.headers.emplace_back(name, value.get<std::string>());
  }
  return response;
}

v1::RateLimitBucket::Unit UnitOf(const Json& ours) {
  v1::RateLimitBucket::Unit unit = v1::RateLimitBucket::SECONDS;
  EXPECT_TRUE(v1::RateLimitBucket::Unit_Parse(ours.value("unit", "SECONDS"), &unit));
  return unit;
}

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}}), "'");
}

// A manifest of one stream, with what the case says of it.
std::string ManifestOf(const Json& ours) {
  const Json given = ours.value("params", Json::object());
  std::string params = "params: {";
  for (const auto& [name, value] : given.items()) {
    absl::StrAppend(&params, name, ": {default: ", Quoted(value.get<std::string>()), "}, ");
  }
  std::string text = absl::StrCat(
      "vendor: acme\ntitle: Acme\nbase: ", ours.value("base", "https://vendor.example"), "\n",
      params, "}\n");
  if (ours.contains("error")) {
    absl::StrAppend(&text, "error: ", Quoted(ours.at("error").get<std::string>()), "\n");
  }
  absl::StrAppend(&text, "streams:\n  records:\n    ", ours.contains("post") ? "post" : "get",
                  ": /records\n");
  if (ours.contains("post")) absl::StrAppend(&text, "    json: ", ours.at("post").dump(), "\n");
  absl::StrAppend(&text, "    query: ", ours.value("query", Json::object()).dump(), "\n");
  if (ours.contains("next")) {
    absl::StrAppend(
        &text, "    records: '[]'\n    next: ", Quoted(ours.at("next").get<std::string>()), "\n");
  } else {
    text += "    records: .body\n";
  }
  absl::StrAppend(&text, "    token: '{providerTokenId: \"t\"",
                  ours.contains("form") ? absl::StrCat(", expireTime: (.value | ",
                                                       ours.at("form").get<std::string>(), ")")
                                        : std::string(),
                  "}'\n");
  return text;
}

absl::StatusOr<PageRequest> First(const ManifestFixture& manifest) {
  TemplateValues values;
  values.param = manifest.param();
  return FirstRequest(manifest.manifest(), manifest.stream("records"), values);
}

// How long is waited after a try.
void RunBackoff(const Json& ours) {
  CrowdClock clock;
  const CrowdClock::Member member(clock);
  OneAnswer vendor(&clock, ResponseOf(ours, 500));
  const auto after = ours.at("after_try").get<std::size_t>();
  RetryingClient::Options options;
  options.random = [] { return 1.0; };
  options.max_attempts = static_cast<int>(after) + 1;
  options.first_backoff = absl::Seconds(ours.at("first_s").get<double>());
  options.max_backoff = absl::Seconds(ours.at("max_s").get<double>());
  RetryingClient client(&vendor, &clock, nullptr, options);
  client.Send({}, [](const HttpResponse&) { return HttpVerdict::kRetry; }, {});
  EXPECT_DOUBLE_EQ(vendor.Wait(after), ours.at("expect").get<double>());
}

void RunTries(const Json& ours) {
  CrowdClock clock;
  const CrowdClock::Member member(clock);
  OneAnswer vendor(&clock, ResponseOf(ours, 500));
  RetryingClient::Options options;
  options.max_attempts = ours.at("max_attempts").get<int>();
  RetryingClient client(&vendor, &clock, nullptr, options);
  const HttpOutcome outcome =
      client.Send({}, [](const HttpResponse&) { return HttpVerdict::kRetry; }, {});
  EXPECT_EQ(outcome.tries, ours.at("expect").get<int>());
  EXPECT_EQ(outcome.verdict, HttpVerdict::kRetry);
}

// What a header that says when to try again is read as.
void RunHeader(const Json& ours) {
  absl::Time now = absl::FromUnixSeconds(1'600'000'000);
  if (ours.contains("now")) {
    std::string error;
    ASSERT_TRUE(
        absl::ParseTime(absl::RFC3339_full, ours.at("now").get<std::string>(), &now, &error))
        << error;
  }
  v1::ManifestLimits limits;
  if (ours.contains("header")) {
    limits.mutable_retry_after()->set_header(ours.at("header").get<std::string>());
    limits.mutable_retry_after()->set_unit(UnitOf(ours));
  }
  const std::optional<absl::Time> time = ReadRetryAfter(limits, ResponseOf(ours, 429), now);
  ASSERT_EQ(time.has_value(), !ours.at("expect").is_null());
  if (time) {
    EXPECT_NEAR(absl::ToDoubleSeconds(*time - now), ours.at("expect").get<double>(), 1e-6);
  }
}

// Whether a wait that the vendor asks for fits into what is left of the deadline.
void RunCapped(const Json& ours) {
  CrowdClock clock(absl::FromUnixSeconds(1'600'000'000));
  const CrowdClock::Member member(clock);
  HttpResponse response;
  response.status = 429;
  response.headers = {{"retry-after", ours.at("value").get<std::string>()}};
  OneAnswer vendor(&clock, response);
  RetryingClient::Options options;
  options.max_attempts = 2;
  options.random = [] { return 0.5; };
  options.total_deadline = absl::Seconds(ours.at("cap_s").get<double>());
  options.limits.mutable_retry_after()->set_header("Retry-After");
  options.limits.mutable_retry_after()->set_unit(UnitOf(ours));
  RetryingClient client(&vendor, &clock, nullptr, options);
  const absl::Time start = clock.Now();
  const HttpOutcome outcome =
      client.Send({}, [](const HttpResponse&) { return HttpVerdict::kRateLimited; }, {});
  EXPECT_EQ(outcome.verdict, HttpVerdict::kRateLimited);
  if (ours.at("expect") == "gives up") {
    EXPECT_EQ(outcome.tries, 1);
    if (ours.contains("not_before_s")) {
      EXPECT_EQ(outcome.not_before, start + absl::Seconds(ours.at("not_before_s").get<double>()));
    }
  } else {
    ASSERT_EQ(outcome.tries, 2);
    // With the jitter that keeps clients apart.
    EXPECT_GE(vendor.Wait(1), ours.at("expect").get<double>());
    EXPECT_LE(vendor.Wait(1), ours.at("expect").get<double>() + 1);
  }
}

// What an answer, or none, means.
void RunAnswer(const Json& ours) {
  CrowdClock clock;
  const CrowdClock::Member member(clock);
  absl::StatusOr<HttpResponse> answer = ResponseOf(ours, 200);
  if (ours.at("run") == "transport") {
    answer = ours.at("code") == "UNAVAILABLE" ? absl::UnavailableError("no connection")
                                              : absl::InvalidArgumentError("cannot be asked");
  }
  OneAnswer vendor(&clock, answer);
  VendorClientOptions options;
  options.retry.max_attempts = 3;
  VendorClient client(&vendor, &clock, nullptr, nullptr, options);
  ManifestFixture manifest(ManifestOf(ours));
  const absl::StatusOr<PageRequest> request = First(manifest);
  ASSERT_TRUE(request.ok()) << request.status();
  const VendorAnswer got =
      client.Ask(*request, manifest.pages(), JqContext{manifest.param(), JsonValue()}, {});
  std::string action = "FAIL";
  if (got.failure == VendorFailure::kNone) {
    action = "SUCCESS";
  } else if (got.failure == VendorFailure::kRateLimited) {
    action = "RATE_LIMITED";
  } else if (got.failure == VendorFailure::kServerError ||
             got.failure == VendorFailure::kNoAnswer) {
    action = "RETRY";
  }
  EXPECT_EQ(action, ours.at("expect").get<std::string>()) << got.reason;
  EXPECT_EQ(vendor.asked.size(), action == "SUCCESS" || action == "FAIL" ? 1u : 3u);
}

void ExpectRequest(const PageRequest& request, const Json& expect) {
  if (expect.contains("url")) {
    EXPECT_EQ(request.url.Text(), expect.at("url").get<std::string>());
  }
  EXPECT_EQ(Json::parse(request.query.Dump()), expect.value("query", Json::object()));
  if (expect.contains("json")) {
    EXPECT_EQ(Json::parse(request.json.Dump()), expect.at("json"));
  }
}

// What is asked for after a page.
void RunNext(const Json& ours) {
  ManifestFixture manifest(ManifestOf(ours));
  absl::StatusOr<PageRequest> request = First(manifest);
  ASSERT_TRUE(request.ok()) << request.status();
  for (const char* step : {"expect", "then"}) {
    if (!ours.contains(step)) continue;
    HttpResponse response = ResponseOf(ours, 200);
    response.body = ours.at("body").dump();
    ASSERT_TRUE(manifest.pages()
                    .Take(response, request->ToJson(), JqContext{manifest.param(), JsonValue()})
                    .ok());
    MappingNotes notes;
    const absl::StatusOr<PageContent> content =
        manifest.pages().ReadPage(manifest.stream("records"), 0, notes);
    if (ours.at(step) == "error") {
      EXPECT_FALSE(content.ok());
      return;
    }
    ASSERT_TRUE(content.ok()) << content.status();
    if (ours.at(step) == "end") {
      EXPECT_TRUE(content->next.is_null()) << content->next.Dump();
      return;
    }
    ASSERT_FALSE(content->next.is_null());
    request = NextRequest(*request, content->next);
    ASSERT_TRUE(request.ok()) << request.status();
    ExpectRequest(*request, ours.at(step));
  }
}

// The first request of a listing.
void RunFirst(const Json& ours) {
  const ManifestFixture manifest(ManifestOf(ours));
  const absl::StatusOr<PageRequest> request = First(manifest);
  ASSERT_TRUE(request.ok()) << request.status();
  ExpectRequest(*request, Json{{"query", ours.at("expect")}});
}

// What a vendor's time is read as.
void RunTime(const Json& ours) {
  ManifestFixture manifest(ManifestOf(ours));
  const Json body = Json::array({Json{{"value", ours.at("value")}}});
  const absl::StatusOr<PageContent> content = manifest.Read("records", body.dump());
  ASSERT_TRUE(content.ok()) << content.status();
  if (ours.at("expect") == "unread") {
    EXPECT_EQ(content->bad_rows, 1);
    return;
  }
  ASSERT_EQ(content->bad_rows, 0) << content->first_bad_row;
  const v1::Token& token = content->rows.at(0).tokens.at(0).token;
  EXPECT_EQ(
      absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", FromProto(token.expire_time()), absl::UTCTimeZone()),
      ours.at("expect").get<std::string>());
  EXPECT_EQ(v1::Token::TimePrecision_Name(token.expire_time_precision()),
            ours.value("precision", "INSTANT"));
}

TEST(ConnectorCasesTest, EachIsRunAsItSays) {
  const std::map<std::string, void (*)(const Json&)> runners = {
      {"backoff", &RunBackoff}, {"tries", &RunTries},   {"header", &RunHeader},
      {"capped", &RunCapped},   {"answer", &RunAnswer}, {"transport", &RunAnswer},
      {"next", &RunNext},       {"first", &RunFirst},   {"time", &RunTime},
  };
  for (const Case& c : AllCases()) {
    if (c.set_aside) continue;
    SCOPED_TRACE(c.id);
    ASSERT_TRUE(c.json.contains("ours")) << "neither run nor set aside";
    const auto runner = runners.find(c.json.at("ours").at("run").get<std::string>());
    ASSERT_NE(runner, runners.end());
    runner->second(c.json.at("ours"));
  }
}

TEST(ConnectorCasesTest, NoneIsForgotten) {
  const Json file = ReadCases();
  EXPECT_EQ(file.at("airbyte_tables").at("items").size(), 34);
  std::size_t rows = 0;
  for (const Json& table : file.at("airbyte_tables").at("items")) {
    EXPECT_EQ(table.at("cases").size(), table.at("count").get<std::size_t>()) << table.at("test");
    rows += table.at("cases").size();
  }
  EXPECT_EQ(rows, 178);
  EXPECT_EQ(file.at("default_error_mapping").at("cases").size(), 15);
  EXPECT_EQ(file.at("retry_after").at("cases").size(), 8);
  EXPECT_EQ(file.at("timestamps").at("cases").size(), 11);
  EXPECT_EQ(file.at("pagination_properties").at("cases").size(), 12);
  EXPECT_EQ(file.at("tap_tests").at("cases").size(), 12);
  int run = 0;
  int set_aside = 0;
  for (const Case& c : AllCases()) {
    ++(c.set_aside ? set_aside : run);
    EXPECT_NE(c.set_aside, c.json.contains("ours")) << c.id;
  }
  std::printf("%d cases run, %d set aside with a reason or the test that runs them\n", run,
              set_aside);
}

// A test that is named is there.
TEST(ConnectorCasesTest, WhatCoversACaseExists) {
  for (const Case& c : AllCases()) {
    if (!c.json.contains("covered_by")) continue;
    SCOPED_TRACE(c.id);
    const std::vector<std::string> place =
        absl::StrSplit(c.json.at("covered_by").get<std::string>(), ' ');
    ASSERT_EQ(place.size(), 2);
    const std::string name = absl::StrReplaceAll(place[1], {{".", ", "}});
    std::ifstream in(absl::StrCat(TI_TESTDATA, "/../../../", place[0]));
    const std::string text(std::istreambuf_iterator<char>(in), {});
    EXPECT_NE(text.find(absl::StrCat("(", name, ")")), std::string::npos) << place[1];
  }
}

}  // namespace
}  // namespace tokeninventory
