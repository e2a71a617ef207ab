#include "connectors/connector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/connectors/connector_fixture.h"

namespace tokeninventory {
namespace {

using testing::BuiltInText;
using testing::ConnectorFixture;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kTestSecret;
using ::testing::UnorderedElementsAre;
using testing::VendorReply;
using testing::VendorRequest;

// Groups, each with a paged list of tokens; and a list of its own.
constexpr char kManifest[] = R"(vendor: acme
title: Acme
base: ${param.base_url}
params: {base_url: {default: "http://x"}}
secrets: {key: {}}
auth: [{headers: {Authorization: "Bearer ${secret.key}"}}]
streams:
  groups:
    get: /groups
    records: .body
    item: "{id: (.id | text), name}"
  group_tokens:
    for_each: groups
    needs: read_tokens
    get: /groups/${parent.id}/tokens
    query: {page: 1}
    records: .body.rows
    next: if .body.more | bool then next_page("page") else null end
    total: .body.total
    token: "{providerTokenId: .id, displayName: .name, role: $parent.name}"
    fetch: {get: "/tokens/${id}"}
  extra_tokens:
    get: /extra
    records: .body
    id_prefix: x-
    token: "if .kind == \"no\" then null else {providerTokenId: .id} end"
)";

std::string Row(const std::string& id) {
  return absl::StrCat(R"({"id": ")", id, R"(", "name": "n"})");
}
std::string Page(const std::string& rows, bool more = false, const std::string& total = "null") {
  return absl::StrCat(R"({"rows": [)", rows, R"(], "more": )", more ? "true" : "false",
                      R"(, "total": )", total, "}");
}

using ConnectorTest = ConnectorFixture;

TEST_F(ConnectorTest, ReadsParentsPagesAndSeveralStreams) {
  Make(kManifest);
  Serve({{"/groups", R"([{"id": "a/b", "name": "A"}, {"id": "c", "name": "C"}])"},
         {"/groups/a%2Fb/tokens?page=1", Page(Row("t1"), true, "2")},
         {"/groups/a%2Fb/tokens?page=2", Page(Row("t2"), false, "2")},
         {"/groups/c/tokens", Page("")},
         {"/extra", R"([{"id": "t1"}, {"id": "t9", "kind": "no"}])"}});
  const v1::SyncResult result = Run();
  EXPECT_EQ(result.state(), v1::Source::OK) << result.error();
  EXPECT_EQ(result.error(), "");
  EXPECT_THAT(recorder.AllIds(), UnorderedElementsAre("t1", "t2", "x-t1"));
  EXPECT_EQ(recorder.Reason("group_tokens", "id=a/b"), "complete");
  EXPECT_EQ(recorder.Reason("group_tokens", "id=c"), "complete");
  EXPECT_EQ(recorder.Reason("extra_tokens"), "complete");
  EXPECT_EQ((recorder.items[{"group_tokens", "id=a/b"}]), R"({"id":"a/b","name":"A"})");
  EXPECT_EQ((recorder.items[{"extra_tokens", ""}]), "");
  EXPECT_TRUE(recorder.parents_complete.at("group_tokens"));
  EXPECT_TRUE(recorder.parents_complete.at("extra_tokens"));
  EXPECT_EQ(result.stats().requests(), 5);
  EXPECT_EQ(result.stats().pages(), 5);
  EXPECT_EQ(result.stats().records(), 6);
  EXPECT_EQ(result.revision(), 1);
  EXPECT_TRUE(result.has_start_time());
  ASSERT_FALSE(progress.empty());
  EXPECT_EQ(progress.back().stream(), "extra_tokens");
  for (const VendorRequest& request : vendor.requests()) {
    EXPECT_EQ(request.headers.at("authorization"), absl::StrCat("Bearer ", kTestSecret));
  }
}

TEST_F(ConnectorTest, OneListingFailsAlone) {
  Make(kManifest);
  vendor.SetHandler([](const VendorRequest& request) {
    VendorReply reply;
    if (request.path == "/groups") {
      reply.body = R"([{"id": "a"}, {"id": "b"}, {"id": "c"}])";
    } else if (request.path == "/groups/b/tokens") {
      reply.status = 403;
      reply.body = R"({"message": "hunter2"})";
    } else if (request.path == "/extra") {
      reply.body = "[]";
    } else {
      reply.body = Page(Row("t" + request.path.substr(8, 1)));
    }
    return reply;
  });
  const v1::SyncResult result = Run();
  EXPECT_EQ(result.state(), v1::Source::DEGRADED);
  EXPECT_EQ(result.error(),
            "1 of 5 listings incomplete; group_tokens id=b: the credential may not read this (HTTP "
            "403); it needs read_tokens");
  ASSERT_EQ(result.incomplete_scopes_size(), 1);
  EXPECT_EQ(result.incomplete_scopes(0).stream(), "group_tokens");
  EXPECT_EQ(result.incomplete_scopes(0).scope(), "id=b");
  EXPECT_THAT(recorder.AllIds(), UnorderedElementsAre("ta", "tc"));
  EXPECT_TRUE(recorder.parents_complete.at("group_tokens"));
}

TEST_F(ConnectorTest, SecretsInRecordsGoNoFurther) {
  Make(kManifest);
  const std::string secret = absl::StrCat("gh", "p_a8Kd03jfLq92MzXv7Tb5Rn1Wc6Yh4Gs0PeUi");
  Serve({{"/groups", absl::StrCat(R"([{"id": "a", "name": ")", secret, R"("}])")},
         {"/groups/a/tokens",
          Page(absl::StrCat(R"({"id": "t1", "name": "n"}, {"id": "t2", "name": "key )", secret,
                            R"("}, {"id": "t3", "name": "n"})"))},
         {"/extra", "[]"}});
  const v1::SyncResult result = Run();
  EXPECT_EQ(result.state(), v1::Source::OK) << result.error();
  EXPECT_EQ(result.stats().secrets_dropped(), 2);
  EXPECT_THAT(recorder.AllIds(), UnorderedElementsAre("t1", "t2", "t3"));
  EXPECT_EQ(recorder.AllText().find(secret), std::string::npos);
  EXPECT_EQ((recorder.items[{"group_tokens", "id=a"}]), R"({"id":"a"})");

  // What a scope or a token is told apart by cannot be left out.
  Serve({{"/groups", absl::StrCat(R"([{"id": "a"}, {"id": ")", secret, R"("}])")},
         {"/groups/a/tokens", Page(absl::StrCat(R"({"id": ")", secret, R"("})"))},
         {"/extra", "[]"}});
  EXPECT_EQ(Run().state(), v1::Source::DEGRADED);
  EXPECT_EQ(recorder.Reason("group_tokens", "id=a"),
            "1 of 1 records cannot be read; the first: streams.group_tokens.token: record 1 of the "
            "page: providerTokenId: looks like a secret");
  EXPECT_FALSE(recorder.parents_complete.at("group_tokens"));
  EXPECT_THAT(recorder.end.incomplete_scopes.at(0).reason(),
              HasSubstr("member id: looks like a secret"));
  EXPECT_EQ(recorder.AllText().find(secret), std::string::npos);
}

TEST_F(ConnectorTest, AnIncompleteParentDoesNotProveAChildGone) {
  Make(kManifest);
  Serve({{"/groups", R"([{"id": "a"}, {"name": "no id"}])"},
         {"/groups/a/tokens", Page(Row("t"))},
         {"/extra", "[]"}});
  EXPECT_EQ(Run().state(), v1::Source::DEGRADED);
  EXPECT_EQ(recorder.Reason("group_tokens", "id=a"), "complete");
  EXPECT_FALSE(recorder.parents_complete.at("group_tokens"));
  EXPECT_THAT(recorder.end.incomplete_scopes.at(0).reason(),
              HasSubstr("1 of 2 records cannot be read; the first: streams.groups.item: record 2"));
}

struct HostileCase {
  const char* name;
  int status;
  std::string body;
  const char* reason;
};

class HostilePageTest : public ConnectorFixture,
                        public ::testing::WithParamInterface<HostileCase> {};

// The listing fails with a reason, keeps no value in it, and the others go on.
TEST_P(HostilePageTest, FailsItsListingOnly) {
  const HostileCase& param = GetParam();
  Make(kManifest);
  vendor.SetHandler([&param](const VendorRequest& request) {
    VendorReply reply;
    if (request.path == "/groups") {
      reply.body = R"([{"id": "a"}])";
    } else if (request.path == "/extra") {
      reply.body = R"([{"id": "still"}])";
    } else {
      reply.status = param.status;
      reply.body = param.body;
      reply.headers = {{"Location", "http://evil.test/hunter2"}};
    }
    return reply;
  });
  const v1::SyncResult result = Run();
  EXPECT_EQ(result.state(), v1::Source::DEGRADED);
  EXPECT_THAT(recorder.Reason("group_tokens", "id=a"), HasSubstr(param.reason));
  EXPECT_THAT(recorder.AllText(), Not(HasSubstr("hunter2")));
  EXPECT_EQ(recorder.Reason("extra_tokens"), "complete");
  EXPECT_EQ(recorder.AllIds().count("x-still"), 1);
}

INSTANTIATE_TEST_SUITE_P(
    All, HostilePageTest,
    ::testing::Values(
        HostileCase{"empty_200", 200, "", "HTTP 200, but the body is empty"},
        HostileCase{"html_200", 200, "<html>hunter2</html>",
                    "HTTP 200, but the body is not a JSON"},
        HostileCase{"cut_json", 200, R"({"rows": [{"id": "hunter2")", "not a JSON text"},
        HostileCase{"two_values", 200, Page("") + Page(""), "more than one JSON value"},
        HostileCase{"error_object", 200, R"({"message": "hunter2"})",
                    "streams.group_tokens.records: expected an array, got null"},
        HostileCase{"array_for_object", 200, "[]",
                    "streams.group_tokens.records: Cannot index array"},
        HostileCase{"null_body", 200, "null", "expected an array, got null"},
        HostileCase{"no_end_marker", 200, R"({"rows": [{"id": "t"}], "total": null})",
                    "streams.group_tokens.next: expected a boolean, got null"},
        HostileCase{"end_marker_text", 200, R"({"rows": [], "more": "hunter2", "total": null})",
                    "streams.group_tokens.next: expected a boolean, got string"},
        HostileCase{"total_text", 200, Page("", false, "\"hunter2\""),
                    "streams.group_tokens.total: expected a number or null, got string"},
        HostileCase{"total_too_high", 200, Page(Row("t"), false, "7"),
                    "the vendor counts 7 records, its pages show 1"},
        HostileCase{"rows_of_wrong_type", 200, Page("3, \"hunter2\", null, []"),
                    "4 of 4 records cannot be read"},
        HostileCase{"id_of_wrong_type", 200, Page(R"({"id": ["hunter2"]})"),
                    "providerTokenId: expected a string, got array"},
        HostileCase{"id_null", 200, Page(R"({"id": null, "name": "hunter2"})"),
                    "providerTokenId: missing"},
        HostileCase{"id_number", 200, Page(R"({"id": 12345678901234567890})"),
                    "providerTokenId: expected a string, got number"},
        HostileCase{"name_of_wrong_type", 200, Page(R"({"id": "t", "name": {"hunter2": 1}})"),
                    "displayName: expected a string, got object"},
        HostileCase{"broken_utf8_id", 200, Page("{\"id\": \"hunter2\xff\"}"),
                    "providerTokenId: has a broken character"},
        HostileCase{"deep", 200, std::string(100'000, '['), "not a JSON text"},
        HostileCase{"oversized", 200, Page(Row(std::string(300'000, 'x'))),
                    "the answer is larger than 200000 bytes"},
        HostileCase{"huge_id", 200, Page(Row(std::string(5'000, 'x'))), "longer than 512 bytes"},
        HostileCase{"created", 201, "[]", "Cannot index array"},
        HostileCase{"no_content", 204, "", "the body is empty"},
        HostileCase{"redirect", 302, "", "HTTP 302: redirects are not followed"},
        HostileCase{"not_modified", 304, "", "HTTP 304"},
        HostileCase{"bad_request", 400, "hunter2", "HTTP 400"},
        HostileCase{"forbidden", 403, "hunter2", "the credential may not read this (HTTP 403)"},
        HostileCase{"not_found", 404, "hunter2", "HTTP 404"},
        HostileCase{"teapot", 418, "", "HTTP 418"},
        HostileCase{"server_error", 500, "hunter2", "HTTP 500 after 4 tries"},
        HostileCase{"standby", 591, "hunter2", "HTTP 591 after 4 tries"}),
    [](const auto& of) { return of.param.name; });

TEST_F(ConnectorTest, ACutAnswerFailsItsListing) {
  Make(kManifest);
  vendor.SetHandler([](const VendorRequest& request) {
    VendorReply reply;
    reply.body = request.path == "/groups" ? R"([{"id": "a"}])" : "[]";
    if (request.path == "/groups/a/tokens") {
      reply.cut = true;
      reply.body = Page(Row("t"));
    }
    return reply;
  });
  EXPECT_EQ(Run().state(), v1::Source::DEGRADED);
  EXPECT_EQ(recorder.Reason("group_tokens", "id=a"), "the answer was cut off after 4 tries");
  EXPECT_THAT(recorder.AllIds(), IsEmpty());
}

TEST_F(ConnectorTest, GoodRowsOfABadPageAreKept) {
  Make(kManifest);
  Serve({{"/groups", R"([{"id": "a"}])"},
         {"/groups/a/tokens", Page(absl::StrCat(Row("t1"), ", {\"id\": 3}, ", Row("t2")))},
         {"/extra", "[]"}});
  Run();
  EXPECT_THAT(recorder.AllIds(), UnorderedElementsAre("t1", "t2"));
  EXPECT_EQ(recorder.Reason("group_tokens", "id=a"),
            "1 of 3 records cannot be read; the first: streams.group_tokens.token: record 2 of the "
            "page: providerTokenId: expected a string, got number");
}

TEST_F(ConnectorTest, APageThatFailsKeepsThoseBeforeIt) {
  Make(kManifest);
  Serve({{"/groups", R"([{"id": "a"}])"},
         {"/groups/a/tokens?page=1", Page(Row("t1"), true)},
         {"/groups/a/tokens?page=2", "{"},
         {"/extra", "[]"}});
  Run();
  EXPECT_THAT(recorder.AllIds(), UnorderedElementsAre("t1"));
  EXPECT_THAT(recorder.Reason("group_tokens", "id=a"), HasSubstr("not a JSON text"));
}

// The page is read whole: what its manifest leaves out is no end of the list.
TEST_F(ConnectorTest, APageOfWhichNothingIsTakenGoesOn) {
  Make(R"(vendor: acme
title: Acme
base: ${param.base_url}
params: {base_url: {default: "http://x"}}
streams:
  tokens:
    get: /tokens
    query: {page: 1}
    records: .body
    next: if (.body | length) < 2 then null else next_page("page") end
    token: "if .kind == \"no\" then null else {providerTokenId: .id} end"
)");
  Serve({{"/tokens?page=1", R"([{"id": "a", "kind": "no"}, {"id": "b", "kind": "no"}])"},
         {"/tokens?page=2", R"([{"id": "c"}])"}});
  EXPECT_EQ(Run().state(), v1::Source::OK) << recorder.end.error;
  EXPECT_THAT(recorder.AllIds(), ElementsAre("c"));
}

TEST_F(ConnectorTest, BodiesMayBePackedChunkedAndMarked) {
  Make(kManifest);
  vendor.SetHandler([](const VendorRequest& request) {
    VendorReply reply;
    if (request.path == "/groups") {
      reply.body = "\xEF\xBB\xBF[]";
      reply.chunked = true;
    } else {
      reply.body = testing::ReadTestData("http/page.json.gz");
      reply.content_type = "application/octet-stream";
      reply.headers = {{"Content-Encoding", "gzip"}};
    }
    return reply;
  });
  EXPECT_EQ(Run().state(), v1::Source::OK) << recorder.end.error;
  EXPECT_THAT(recorder.AllIds(), ElementsAre("x-zipped"));
}

TEST_F(ConnectorTest, RowsThatShiftBetweenPagesCountOnce) {
  Make(kManifest);
  Serve({{"/groups", R"([{"id": "a"}, {"id": "a"}])"},
         {"/groups/a/tokens?page=1", Page(Row("t1") + "," + Row("t2"), true, "3")},
         {"/groups/a/tokens?page=2", Page(Row("t2") + "," + Row("t3"), false, "3")},
         {"/extra", "[]"}});
  EXPECT_EQ(Run().state(), v1::Source::OK);
  EXPECT_EQ(recorder.AllIds().size(), 3);
  EXPECT_EQ(vendor.request_count(), 4);  // and a parent that came twice is read once
}

TEST_F(ConnectorTest, ATotalThatIsTooLowIsNoProblem) {
  Make(kManifest);
  Serve({{"/groups", R"([{"id": "a"}])"},
         {"/groups/a/tokens", Page(Row("t1") + "," + Row("t2"), false, "1")},
         {"/extra", "[]"}});
  EXPECT_EQ(Run().state(), v1::Source::OK);
}

TEST_F(ConnectorTest, AServerThatIgnoresThePageIsNoLoop) {
  Make(kManifest);
  Serve({{"/groups", R"([{"id": "a"}])"},
         {"/groups/a/tokens", Page(Row("t1"), true)},
         {"/extra", "[]"}});
  Run();
  EXPECT_THAT(recorder.Reason("group_tokens", "id=a"), HasSubstr("only records that were read"));
  EXPECT_EQ(vendor.request_count(), 4);
}

TEST_F(ConnectorTest, ANextThatLeadsBackIsNoLoop) {
  Make(R"(vendor: acme
title: t
base: ${param.base_url}
params: {base_url: {default: x}}
streams:
  s: {get: /a, records: .body.rows, next: follow(.body.next), token: "{providerTokenId: .id}"}
)");
  std::atomic<int> count{0};
  vendor.SetHandler([&](const VendorRequest& request) {
    VendorReply reply;
    // New rows each time, so that only the address tells.
    reply.body = absl::StrCat(R"({"rows": [{"id": "t)", ++count, R"("}], "next": ")",
                              request.path == "/a" ? "/b" : "/a?", "\"}");
    return reply;
  });
  EXPECT_EQ(Run().state(), v1::Source::FAILED);
  EXPECT_EQ(recorder.Reason("s"), "the next page is one that was read before");
  EXPECT_LE(count, 4);
}

TEST_F(ConnectorTest, PagesAreBounded) {
  spec.max_pages = 5;
  Make(kManifest);
  std::atomic<int> count{0};
  vendor.SetHandler([&](const VendorRequest& request) {
    VendorReply reply;
    reply.body = request.path == "/groups"  ? R"([{"id": "a"}])"
                 : request.path == "/extra" ? "[]"
                                            : Page(Row(absl::StrCat("t", ++count)), true);
    return reply;
  });
  Run();
  EXPECT_EQ(recorder.Reason("group_tokens", "id=a"), "more than 5 pages");
}

TEST_F(ConnectorTest, TheCredentialGoesToNoOtherOrigin) {
  testing::FakeVendor evil([](const VendorRequest&) { return VendorReply{}; });
  Make(R"(vendor: acme
title: t
base: ${param.base_url}
params: {base_url: {default: x}}
secrets: {key: {}}
auth: [{headers: {X-Key: "${secret.key}"}}]
streams:
  s: {get: /a, records: .body, next: follow(.links.next), token: "{providerTokenId: .id}"}
)");
  vendor.SetHandler([&](const VendorRequest&) {
    VendorReply reply;
    reply.body = R"([{"id": "t"}])";
    reply.headers = {{"Link", absl::StrCat("<", evil.url(), "/next>; rel=next")}};
    return reply;
  });
  Run();
  EXPECT_EQ(recorder.Reason("s"), "the next page is at another host, scheme or port");
  EXPECT_EQ(evil.request_count(), 0);
  EXPECT_THAT(recorder.AllIds(), ElementsAre("t"));
}

TEST_F(ConnectorTest, TheCredentialDoesNotTravelOverPlainHttp) {
  spec.params["base_url"] = "http://vendor.invalid";
  Make(kManifest);
  EXPECT_EQ(Run().state(), v1::Source::FAILED);
  EXPECT_THAT(recorder.end.error, HasSubstr("not sent over plain http"));
}

TEST_F(ConnectorTest, ARefusedCredentialStopsThePassAtOnce) {
  Make(kManifest);
  vendor.SetHandler([](const VendorRequest& request) {
    VendorReply reply;
    reply.body = R"([{"id": "a"}, {"id": "b"}, {"id": "c"}])";
    if (request.path != "/groups") reply.status = 401;
    return reply;
  });
  const v1::SyncResult result = Run();
  EXPECT_EQ(result.state(), v1::Source::AUTH_FAILED);
  EXPECT_EQ(result.error(),
            "the vendor refuses the credential (HTTP 401); set TI_TEST_CONNECTOR_SECRET to a valid "
            "one and restart");
  EXPECT_EQ(vendor.request_count(), 2);
  // What was not asked is not gone.
  EXPECT_FALSE(recorder.parents_complete.at("group_tokens"));
  EXPECT_FALSE(recorder.parents_complete.at("extra_tokens"));
  EXPECT_EQ(recorder.Reason("extra_tokens"), "not read");
  EXPECT_EQ(recorder.suspect_limit, 0);
}

TEST_F(ConnectorTest, APassThatTakesTooLongEndsAndProvesNothing) {
  spec.max_pass_time = -absl::Seconds(1);  // over before it begins
  Make(kManifest);
  Serve({{"/groups", "[]"}, {"/extra", "[]"}});
  EXPECT_EQ(Run().state(), v1::Source::DEGRADED);
  EXPECT_EQ(recorder.end.error, "the pass takes longer than -1s");
  EXPECT_EQ(vendor.request_count(), 0);
  EXPECT_FALSE(recorder.parents_complete.at("group_tokens"));
  EXPECT_FALSE(recorder.parents_complete.at("extra_tokens"));
}

TEST_F(ConnectorTest, ForbiddenEverywhereIsAnAuthFailure) {
  Make(kManifest);
  vendor.SetHandler([](const VendorRequest&) {
    VendorReply reply;
    reply.status = 403;
    return reply;
  });
  EXPECT_EQ(Run().state(), v1::Source::AUTH_FAILED);
}

TEST_F(ConnectorTest, ALongWaitEndsThePassAndIsPassedOn) {
  Make(kManifest);
  vendor.SetHandler([](const VendorRequest& request) {
    VendorReply reply;
    reply.body = R"([{"id": "a"}])";
    if (request.path != "/groups") {
      reply.status = 429;
      reply.headers = {{"Retry-After", "3600"}};
    }
    return reply;
  });
  PassContext context;
  context.recorder = &recorder;
  absl::Time told;
  context.next_sync_time = [&](v1::Source::State state, absl::Time not_before) {
    EXPECT_EQ(state, v1::Source::RATE_LIMITED);
    told = not_before;
    return not_before;
  };
  const absl::StatusOr<v1::SyncResult> result = connector->RunPass(context);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->state(), v1::Source::RATE_LIMITED);
  EXPECT_EQ(vendor.request_count(), 2);
  EXPECT_GT(told, absl::Now() + absl::Minutes(50));
  EXPECT_EQ(recorder.end.next_sync_time, told);
}

TEST_F(ConnectorTest, AVendorThatDoesNotAnswerIsAskedAFewTimesOnly) {
  spec.params["base_url"] = "http://127.0.0.1:1";
  Make(kManifest);
  EXPECT_EQ(Run().state(), v1::Source::UNREACHABLE);
  EXPECT_THAT(recorder.end.error, HasSubstr("no connection after 4 tries"));
}

TEST_F(ConnectorTest, AFileThatIsGoneIsAnAuthFailure) {
  v1::SecretRef ref;
  ref.set_file("/nonexistent/token");
  spec.secrets.emplace("key", SecretSource(ref, ""));
  Make(kManifest);
  const v1::SyncResult result = Run();
  EXPECT_EQ(result.state(), v1::Source::AUTH_FAILED);
  EXPECT_EQ(result.error(), "file /nonexistent/token cannot be read");
  EXPECT_EQ(vendor.request_count(), 0);
  EXPECT_FALSE(recorder.parents_complete.at("extra_tokens"));
}

TEST_F(ConnectorTest, APageThatTheLedgerRefusesFailsItsListing) {
  Make(kManifest);
  Serve({{"/groups", R"([{"id": "a"}])"}, {"/groups/a/tokens", Page(Row("t"))}, {"/extra", "[]"}});
  recorder.observe_status = absl::InvalidArgumentError("a token of 99 bytes");
  EXPECT_EQ(Run().state(), v1::Source::DEGRADED);
  EXPECT_EQ(recorder.Reason("group_tokens", "id=a"), "a token of 99 bytes");
}

TEST_F(ConnectorTest, WithoutAStoreThereIsNoPass) {
  Make(kManifest);
  Serve({{"/groups", R"([{"id": "a"}])"}, {"/groups/a/tokens", Page(Row("t"))}, {"/extra", "[]"}});
  PassContext context;
  context.recorder = &recorder;
  recorder.observe_status = absl::UnavailableError("disk full");
  EXPECT_EQ(connector->RunPass(context).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(recorder.abandoned, 1);
  EXPECT_EQ(recorder.ended, 0);
  recorder.begin_status = absl::UnavailableError("stopping");
  EXPECT_EQ(connector->RunPass(context).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(recorder.abandoned, 1);
}

TEST_F(ConnectorTest, AStopEndsThePassInTheMiddle) {
  Make(kManifest);
  std::stop_source stop;
  vendor.SetHandler([&](const VendorRequest& request) {
    VendorReply reply;
    reply.body = R"([{"id": "a"}])";
    if (request.path != "/groups") {
      reply.hang = true;
      stop.request_stop();
    }
    return reply;
  });
  PassContext context;
  context.recorder = &recorder;
  context.stop = stop.get_token();
  EXPECT_EQ(connector->RunPass(context).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(recorder.abandoned, 1);
}

TEST_F(ConnectorTest, ANewCredentialCountsFromTheNextPassOn) {
  Make(kManifest);
  Serve({{"/groups", "[]"}, {"/extra", "[]"}});
  Run();
  setenv("TI_TEST_CONNECTOR_SECRET", "rotated", 1);
  Run();
  EXPECT_EQ(vendor.requests().front().headers.at("authorization"),
            absl::StrCat("Bearer ", kTestSecret));
  EXPECT_EQ(vendor.requests().back().headers.at("authorization"), "Bearer rotated");
}

TEST_F(ConnectorTest, BasicAuthIsSent) {
  Make(R"(vendor: acme
title: t
base: ${param.base_url}
params: {base_url: {default: x}}
secrets: {key: {}}
auth: [{basic: {user: "${secret.key}", password: ""}}]
streams: {s: {get: /a, records: .body, token: "{providerTokenId: .id}"}}
)");
  Serve({{"/a", "[]"}});
  EXPECT_EQ(Run().state(), v1::Source::OK);
  EXPECT_EQ(vendor.requests().at(0).headers.at("authorization"),
            "Basic aHVudGVyMi10aGUtY3JlZGVudGlhbDo=");
}

TEST_F(ConnectorTest, AChildOfAChildIsRead) {
  Make(BuiltInText("buildkite"));
  Serve({{"/v2/organizations", R"([{"slug": "o"}])"},
         {"/v2/packages/organizations/o/registries", R"([{"slug": "r1"}, {"slug": "r2"}])"},
         {"/v2/packages/organizations/o/registries/r1/tokens",
          R"([{"id": "t1", "created_at": "2024-09-03T06:46:39.441Z"}])"},
         {"/v2/packages/organizations/o/registries/r2/tokens", "[]"},
         {"/v2/organizations/o/clusters", R"([{"id": "k", "name": "K"}])"},
         {"/v2/organizations/o/clusters/k/tokens", R"([{"id": "t2"}])"}});
  EXPECT_EQ(Run().state(), v1::Source::OK) << recorder.AllText();
  EXPECT_EQ(recorder.Reason("registry_tokens", "org=o,slug=r1"), "complete");
  EXPECT_EQ(recorder.Reason("agent_tokens", "org=o,id=k"), "complete");
  EXPECT_EQ((recorder.items[{"agent_tokens", "org=o,id=k"}]), R"({"id":"k","name":"K","org":"o"})");
  EXPECT_THAT(recorder.AllIds(), UnorderedElementsAre("t1", "t2"));
}

TEST_F(ConnectorTest, DeepsetsWordsForErrorsCount) {
  Make(BuiltInText("deepset"));
  vendor.SetHandler([](const VendorRequest& request) {
    VendorReply reply;
    reply.status = request.path == "/api/v1/workspaces" ? 200 : 403;
    reply.body = R"([{"name": "a"}])";
    return reply;
  });
  // A 403 is a bad key there.
  EXPECT_EQ(Run().state(), v1::Source::AUTH_FAILED);
}

TEST_F(ConnectorTest, AnEndpointThatIsNotThereIsSaidToBe) {
  Make(BuiltInText("opal"), "/v1");
  EXPECT_EQ(Run().state(), v1::Source::FAILED);
  EXPECT_EQ(recorder.end.error, "tokens: HTTP 404: the vendor does not offer this here");
}

Suspect MakeSuspect(std::int64_t row, const std::string& id, bool answered,
                    const std::string& known = "") {
  Suspect suspect;
  suspect.row = row;
  suspect.provider_token_id = id;
  suspect.scope = {"group_tokens", "id=a", R"({"id":"a","name":"A"})"};
  suspect.scope_answered = answered;
  suspect.known_provider_token_id = known;
  return suspect;
}

TEST_F(ConnectorTest, SuspectsAreLookedUp) {
  Make(kManifest);
  Serve({{"/groups", R"([{"id": "a"}])"},
         {"/groups/a/tokens", Page("")},
         {"/extra", "[]"},
         {"/tokens/back", Row("back")},
         {"/tokens/another", Row("someone-else")},
         {"/tokens/broken", "{"}});
  recorder.suspects = {MakeSuspect(1, "gone", true), MakeSuspect(2, "back", true),
                       MakeSuspect(3, "another", true), MakeSuspect(4, "broken", true),
                       MakeSuspect(5, "a/b", true)};
  // Of a stream that has no look-up: nothing is asked.
  recorder.suspects.push_back(MakeSuspect(6, "x-1", true));
  recorder.suspects.back().scope = {"extra_tokens", "", ""};
  // Of a stream that the manifest no longer has.
  recorder.suspects.push_back(MakeSuspect(7, "y", true));
  recorder.suspects.back().scope = {"old_stream", "", ""};
  EXPECT_EQ(Run().state(), v1::Source::OK);
  EXPECT_EQ(recorder.suspect_limit, 50);
  EXPECT_THAT(recorder.gone, ElementsAre(1, 5));
  EXPECT_THAT(recorder.AllIds(), ElementsAre("back"));
  EXPECT_EQ((recorder.tokens[{"group_tokens", "id=a"}].at("back").role()), "A");
  EXPECT_EQ(vendor.requests().back().path, "/tokens/a%2Fb");
}

TEST_F(ConnectorTest, A404ProvesNothingWhenTheParentIsGoneToo) {
  Make(kManifest);
  Serve({{"/groups", "[]"}, {"/extra", "[]"}});
  recorder.suspects = {MakeSuspect(1, "t1", false), MakeSuspect(2, "t2", false)};
  Run();
  EXPECT_THAT(recorder.gone, IsEmpty());
  // Two look-ups, but the parent is asked once.
  EXPECT_EQ(vendor.request_count(), 5);
}

TEST_F(ConnectorTest, A404ProvesItWhenTheParentStillAnswers) {
  Make(kManifest);
  Serve({{"/groups", "[]"}, {"/extra", "[]"}, {"/groups/a/tokens", Page("")}});
  recorder.suspects = {MakeSuspect(1, "t1", false)};
  Run();
  EXPECT_THAT(recorder.gone, ElementsAre(1));
}

TEST_F(ConnectorTest, ARefusedLookUpEndsTheLookUpsOnly) {
  Make(kManifest);
  vendor.SetHandler([](const VendorRequest& request) {
    VendorReply reply;
    reply.body = "[]";
    if (absl::StartsWith(request.path, "/tokens/")) reply.status = 401;
    return reply;
  });
  recorder.suspects = {MakeSuspect(1, "t1", true), MakeSuspect(2, "t2", true)};
  EXPECT_EQ(Run().state(), v1::Source::OK);
  EXPECT_THAT(recorder.gone, IsEmpty());
  EXPECT_EQ(vendor.request_count(), 3);
}

TEST_F(ConnectorTest, OpalsAnswerMustShowTheKnownToken) {
  Make(BuiltInText("opal"), "/v1");
  const auto row = [](const std::string& id) {
    return absl::StrCat(R"({"token_id": ")", id, R"(", "created_at": "2022-01-23T04:56:07.000Z",
        "token_label": "l", "creator_user_id": "u", "user_id": "u", "access_level": "READ_ONLY"})");
  };
  vendor.SetHandler([&](const VendorRequest& request) {
    VendorReply reply;
    const auto ids = request.query.find("token_ids");
    if (ids == request.query.end()) {
      reply.body = absl::StrCat(R"({"results": [)", row("known"), "]}");
    } else if (ids->second == "gone,known") {
      reply.body = absl::StrCat(R"({"results": [)", row("known"), "]}");
    } else if (ids->second == "back,known") {
      reply.body = absl::StrCat(R"({"results": [)", row("known"), ",", row("back"), "]}");
    } else {
      reply.body = R"({"results": []})";  // shows neither: proves nothing
    }
    return reply;
  });
  const auto suspect = [](std::int64_t row_id, const std::string& id, const std::string& known) {
    Suspect made = MakeSuspect(row_id, id, true, known);
    made.scope = {"tokens", "", ""};
    return made;
  };
  recorder.suspects = {suspect(1, "gone", "known"), suspect(2, "back", "known"),
                       suspect(3, "unclear", "known"), suspect(4, "nobody", "")};
  EXPECT_EQ(Run().state(), v1::Source::OK) << recorder.AllText();
  EXPECT_THAT(recorder.gone, ElementsAre(1));
  EXPECT_THAT(recorder.AllIds(), UnorderedElementsAre("known", "back"));
  EXPECT_EQ(vendor.request_count(), 4);
}

TEST_F(ConnectorTest, FetchOneAsksForOneToken) {
  Make(kManifest);
  Serve({{"/tokens/here", Row("here")}, {"/groups/a/tokens", Page("")}});
  const ScopeRef scope{"group_tokens", "id=a", R"({"id":"a","name":"A"})"};
  absl::StatusOr<FetchedToken> fetched = connector->FetchOne(scope, "here", "", false, {});
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->outcome, FetchedToken::Outcome::kFound);
  EXPECT_EQ(fetched->token.id, "here");
  fetched = connector->FetchOne(scope, "gone", "", false, {});
  EXPECT_EQ(fetched->outcome, FetchedToken::Outcome::kGone);
  // Its group is gone: nothing can be said of the token.
  const ScopeRef no_scope{"group_tokens", "id=b", R"({"id":"b","name":"B"})"};
  fetched = connector->FetchOne(no_scope, "gone", "", false, {});
  EXPECT_EQ(fetched->outcome, FetchedToken::Outcome::kNotProven);
  EXPECT_EQ(connector->FetchOne({"extra_tokens", "", ""}, "x", "", true, {}).status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST_F(ConnectorTest, StreamsThatAreOffAreNotAsked) {
  spec.enabled = {true, true, false};
  Make(kManifest);
  Serve({{"/groups", "[]"}});
  EXPECT_EQ(Run().state(), v1::Source::OK);
  EXPECT_EQ(vendor.request_count(), 1);
  EXPECT_EQ(recorder.parents_complete.count("extra_tokens"), 0);
}

}  // namespace
}  // namespace tokeninventory
