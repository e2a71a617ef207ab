// Nothing that a vendor sends but what tokens and listings are named by, no query, no
// cursor and no credential gets into a log line, a reason, a status or an answer,
// whatever goes wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/log.h"
#include "connectors/connector.h"
#include "connectors/http/stoppable_wait.h"
#include "connectors/source_factory.h"
#include "tests/connectors/fake_pass_recorder.h"
#include "tests/connectors/fake_vendor.h"
#include "tests/testing/crowd_clock.h"

namespace tokeninventory {
namespace {

using testing::CrowdClock;
using testing::FakePassRecorder;
using testing::FakeVendor;
using ::testing::HasSubstr;
using testing::VendorReply;
using testing::VendorRequest;

// Stands in every place that a vendor can fill.
constexpr char kMark[] = "m4rk3d";

// One way for an answer to go wrong.
struct Spoiled {
  const char* what;
  std::function<VendorReply(const VendorRequest&)> answer;
};

// Headers that engines read, filled with the mark.
void MarkHeaders(VendorReply& reply) {
  reply.headers = {
      {"Location", absl::StrCat("https://evil.example/?", kMark)},
      {"Link", absl::StrCat("<https://evil.example/?cursor=", kMark, ">; rel=\"next\"")},
      {"Retry-After", "0"},
      {"RateLimit-Remaining", kMark},
      {"RateLimit-Reset", kMark},
      {"Set-Cookie", kMark},
      {"WWW-Authenticate", absl::StrCat("Bearer error=\"", kMark, "\"")},
      {absl::StrCat("X-", kMark), kMark}};
}

Spoiled StatusOnly(int status) {
  return {"a status", [status](const VendorRequest&) {
            VendorReply reply;
            reply.status = status;
            reply.body =
                absl::StrCat(R"({"message": ")", kMark, R"(", "errors": [")", kMark, R"("]})");
            MarkHeaders(reply);
            return reply;
          }};
}

Spoiled Body(const char* what, const std::string& body) {
  return {what, [body](const VendorRequest&) {
            VendorReply reply;
            reply.body = absl::StrReplaceAll(body, {{"MARK", kMark}});
            MarkHeaders(reply);
            return reply;
          }};
}

std::vector<Spoiled> AllSpoiled() {
  std::vector<Spoiled> all;
  for (const int status : {204, 301, 400, 401, 403, 404, 409, 410, 418, 422, 429, 500, 503, 591}) {
    all.push_back(StatusOnly(status));
  }
  all.push_back(Body("no JSON", "<html>MARK</html>"));
  all.push_back(Body("JSON that breaks off", R"({"results": [{"token_id": "MARK)"));
  all.push_back(Body("two values", R"({"MARK": 1} {"MARK": 2})"));
  all.push_back(Body("text", R"("MARK")"));
  all.push_back(Body("another object", R"({"MARK": "MARK"})"));
  all.push_back(Body("objects for lists",
                     R"({"results": {"MARK": 1}, "data": {"MARK": 1}, "has_more": "MARK"})"));
  // What each vendor's records have, with values of wrong types.
  for (const char* record : {
           R"({"MARK": "MARK"})",
           R"({"token_id": {"MARK": "MARK"}, "api_token_id": ["MARK"], "id": {"MARK": 1}})",
           R"({"token_id": "t", "api_token_id": "t", "id": "t", "created_at": "MARK",
               "expires_at": "MARK", "expires": "MARK", "slug": ["MARK"], "name": ["MARK"]})",
           R"({"token_id": "t", "api_token_id": "t", "id": "t", "created_by": "MARK",
               "user": "MARK", "expires": true, "expires_at": {"MARK": "MARK"}, "personal": "MARK",
               "description": {"MARK": "MARK"}, "token_label": {"MARK": 1}, "slug": {"MARK": 1}})",
       }) {
    all.push_back(Body("a page of records", absl::StrCat("[", record, "]")));
    all.push_back(
        Body("records in an object",
             absl::StrCat(R"({"results": [)", record, R"(], "data": [)", record,
                          R"(], "has_more": false, "total": "MARK", "next": {"MARK": 1}})")));
  }
  // Good pages whose next one fails.
  all.push_back({"a next page that fails", [](const VendorRequest& request) {
                   VendorReply reply;
                   if (request.query.contains("cursor") || request.query.contains("page")) {
                     reply.status = 400;
                     return reply;
                   }
                   reply.body = absl::StrCat(R"({"results": [], "next": ")", kMark, R"("})");
                   return reply;
                 }});
  all.push_back({"an answer that is cut off", [](const VendorRequest&) {
                   VendorReply reply;
                   reply.body = kMark;
                   reply.cut = true;
                   return reply;
                 }});
  return all;
}

class RedactionTest : public ::testing::TestWithParam<const char*> {
 protected:
  ~RedactionTest() override { SetLogSeverity(LogSeverity::kInfo); }

  // A source of the vendor with its parents readable, so that every stream is asked.
  BuiltSources Build(Clock* clock, const FakeVendor& vendor) {
    setenv("TI_REDACTION_SECRET", absl::StrCat("secret-", kMark).c_str(), 1);
    const std::string name = GetParam();
    v1::ServerConfig config;
    const YamlReport report = ReadYaml(
        "c.yaml",
        absl::StrCat("sources: [{id: s, vendor: ", name, ", params: {base_url: '", vendor.url(),
                     "/base'}, secrets: {", name == "deepset" ? "api_key" : "token",
                     ": {env: TI_REDACTION_SECRET}}}]"),
        config);
    BuiltSources built =
        BuildSources(config, "", report.locations, clock, std::string(TI_PAGE_WORKER));
    for (const std::string& problem : built.problems) ADD_FAILURE() << problem;
    return built;
  }
};

// Parents as each vendor lists them; null for listings of tokens.
const char* ParentsAt(const std::string& path) {
  if (path.ends_with("/workspaces")) return R"([{"name": "w"}])";
  if (path.ends_with("/organizations")) return R"([{"slug": "o"}])";
  if (path.ends_with("/registries")) return R"([{"slug": "r"}])";
  if (path.ends_with("/clusters")) return R"([{"id": "c", "name": "c"}])";
  return nullptr;
}

TEST_P(RedactionTest, NothingOfAVendorsIsTold) {
  SetLogSeverity(LogSeverity::kDebug);
  FakeVendor vendor([](const VendorRequest&) { return VendorReply(); });
  CrowdClock clock;
  const CrowdClock::Member member(clock);
  BuiltSources built = Build(&clock, vendor);
  int failed = 0;
  // With good parents the listings of tokens are spoiled; without, the parents too.
  for (const bool good_parents : {true, false}) {
    for (const Spoiled& spoiled : AllSpoiled()) {
      SCOPED_TRACE(spoiled.what);
      vendor.SetHandler([&](const VendorRequest& request) {
        VendorReply reply;
        const char* const parents = good_parents ? ParentsAt(request.path) : nullptr;
        if (parents == nullptr) return spoiled.answer(request);
        reply.body = parents;
        return reply;
      });
      // What was refused or limited before is so no longer.
      ASSERT_TRUE(WaitUntilOrStop(clock, clock.Now() + absl::Hours(25), {}));
      FakePassRecorder recorder;
      std::string told;

      ::testing::internal::CaptureStderr();
      PassContext context;
      context.recorder = &recorder;
      context.on_progress = [&](const v1::SyncProgress& progress) {
        told += progress.ShortDebugString();
      };
      const absl::StatusOr<v1::SyncResult> result = built.sources.at(0)->RunPass(context);
      ScopeRef scope;
      for (const char* stream : {"tokens", "workspace_tokens", "registry_tokens"}) {
        scope.stream = stream;
        scope.item_json = R"({"name": "w", "org": "o", "slug": "r"})";
        const absl::StatusOr<FetchedToken> fetched =
            built.fetchers.at(0)->FetchOne(scope, "id", "known", false, {});
        absl::StrAppend(&told, fetched.status().ToString(), fetched.ok() ? fetched->reason : "");
      }
      told += ::testing::internal::GetCapturedStderr();

      ASSERT_TRUE(result.ok()) << result.status();
      failed += result->state() != v1::Source::OK ? 1 : 0;
      told += result->ShortDebugString();
      told += recorder.end.error;
      for (const v1::IncompleteScope& incomplete : recorder.end.incomplete_scopes) {
        told += incomplete.ShortDebugString();
      }
      for (const v1::RateLimit& limit : recorder.end.rate_limits) told += limit.ShortDebugString();
      for (const auto& [of, proof] : recorder.proofs) told += proof.reason;
      for (const char* never :
           {kMark, "secret-", "Bearer", "page_size=", "cursor=", "limit=", "page_number=",
            "per_page=", "token_ids=", "evil.example", "/base"}) {
        EXPECT_THAT(told, Not(HasSubstr(never)));
      }
    }
  }
  EXPECT_GT(failed, 30) << "most of them go wrong";
}

INSTANTIATE_TEST_SUITE_P(Vendors, RedactionTest, ::testing::Values("deepset", "opal", "buildkite"),
                         [](const auto& vendor) { return std::string(vendor.param); });

}  // namespace
}  // namespace tokeninventory
