#include "connectors/page_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/link_header.h"
#include "tests/connectors/manifest_fixture.h"

namespace tokeninventory {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ManifestFixture;
using ::testing::Pair;
using testing::Texts;

constexpr char kManifest[] = R"(vendor: acme
title: Acme
base: https://api.acme.test/v1/
headers: {X-Version: "1", X-Both: a}
params: {org: {optional: true}}
streams:
  parents: {get: /parents, records: .body, item: "{id, name}"}
  tokens:
    for_each: parents
    get: /p/${parent.id}/x-${parent.name}/tokens
    query: {page: 1, org: "o ${parent.name}&"}
    headers: {X-Both: b}
    records: .body
    token: "{providerTokenId: .id}"
    fetch: {get: "/one/${id}", query: {known: "${known_id}"}, records: .body}
  calls:
    for_each: parents
    post: /graphql
    json: {variables: {org: "${parent.id}", after: null, list: ["${parent.name}", 1, true]}}
    records: .body
    token: "{providerTokenId: .id}"
)";

class PageRequestTest : public ::testing::Test {
 protected:
  absl::StatusOr<PageRequest> First(const std::string& stream, const JsonValue& parent) {
    TemplateValues values;
    values.param = fixture_.param();
    values.parent = parent;
    return FirstRequest(fixture_.manifest(), fixture_.stream(stream), values);
  }

  ManifestFixture fixture_{kManifest};
};

TEST_F(PageRequestTest, ValuesAreOnePathSegmentAndOneParameter) {
  const absl::StatusOr<PageRequest> request =
      First("tokens", Texts({{"id", "a/b?c#d%e"}, {"name", "ü&="}}));
  ASSERT_TRUE(request.ok()) << request.status();
  const absl::StatusOr<HttpRequest> http = request->ToHttp();
  ASSERT_TRUE(http.ok()) << http.status();
  EXPECT_EQ(http->url.Text(),
            "https://api.acme.test/v1/p/a%2Fb%3Fc%23d%25e/x-%C3%BC%26%3D/tokens"
            "?org=o%20%C3%BC%26%3D%26&page=1");
  EXPECT_THAT(http->headers,
              ::testing::UnorderedElementsAre(Pair("Accept", "application/json"),
                                              Pair("X-Version", "1"), Pair("X-Both", "b")));
}

TEST_F(PageRequestTest, SegmentsThatNameOtherPathsAreRefused) {
  for (const char* id : {"", ".", ".."}) {
    const absl::StatusOr<PageRequest> request = First("tokens", Texts({{"id", id}, {"name", "n"}}));
    ASSERT_FALSE(request.ok());
    EXPECT_THAT(std::string(request.status().message()), HasSubstr("${parent.id}"));
  }
  EXPECT_FALSE(First("tokens", Texts({{"name", "n"}})).ok());
}

TEST_F(PageRequestTest, BodiesKeepTheirTypes) {
  const absl::StatusOr<PageRequest> request =
      First("calls", Texts({{"id", "a\"b"}, {"name", "n"}}));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->ToHttp()->body,
            R"({"variables":{"after":null,"list":["n",1,true],"org":"a\"b"}})");
  EXPECT_TRUE(request->ToHttp()->is_post);
}

TEST_F(PageRequestTest, FetchSeesTheIds) {
  TemplateValues values;
  values.param = fixture_.param();
  values.id = "a/b";
  values.known_id = "k";
  const absl::StatusOr<PageRequest> request =
      FetchRequest(fixture_.manifest(), fixture_.stream("tokens"), values);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->ToHttp()->url.Text(), "https://api.acme.test/v1/one/a%2Fb?known=k");
}

TEST_F(PageRequestTest, TheNextRequestStaysAtItsOrigin) {
  PageRequest current;
  current.url = *ParseUrl("https://api.acme.test/v1/tokens?page=1");
  current.query = JsonValue::Object();
  const auto next = [&](const std::string& url) {
    JsonValue request = current.ToJson();
    request.Set("url", JsonValue::String(url));
    return NextRequest(current, request);
  };
  EXPECT_EQ(next("https://api.acme.test/v1/tokens?page=2")->url.Text(),
            "https://api.acme.test/v1/tokens?page=2");
  EXPECT_EQ(next("https://API.acme.test:443/x")->url.Text(), "https://api.acme.test/x");
  EXPECT_EQ(next("?page=3")->url.Text(), "https://api.acme.test/v1/tokens?page=3");
  EXPECT_EQ(next("/other?page=3")->url.Text(), "https://api.acme.test/other?page=3");
  EXPECT_EQ(next("other")->url.Text(), "https://api.acme.test/v1/other");
  for (const char* url :
       {"https://evil.test/v1", "http://api.acme.test/v1", "https://api.acme.test:8443/v1",
        "https://api.acme.test@evil.test/", "//evil.test/", "https://api.acme.test.evil.test/",
        "https:///x", "ftp://api.acme.test/", "javascript:alert(1)",
        "https://api.acme.test\\@evil/", "https://api.acme.test/../x",
        "https://api.acme.test/%2e%2E/x", "file:///etc/passwd"}) {
    EXPECT_FALSE(next(url).ok()) << url;
  }
}

TEST_F(PageRequestTest, TheNextRequestChangesNothingElse) {
  PageRequest current;
  current.url = *ParseUrl("https://api.acme.test/v1");
  current.query = JsonValue::Object();
  for (const char* change : {R"({"method":"DELETE"})", R"({"json":{}})", R"({"query":3})",
                             R"({"url":3})", R"({"url":null})"}) {
    JsonValue request = current.ToJson();
    JsonValue::Parse(change)->ForEachMember([&](absl::string_view key, const JsonValue& value) {
      request.Set(key, value);
      return true;
    });
    EXPECT_FALSE(NextRequest(current, request).ok()) << change;
  }
  JsonValue request = current.ToJson();
  request.Set("query", *JsonValue::Parse(R"({"n": 2, "b": true, "s": "x", "gone": null})"));
  EXPECT_EQ(NextRequest(current, request)->ToHttp()->url.Text(),
            "https://api.acme.test/v1?b=true&n=2&s=x");
  request.Set("query", *JsonValue::Parse(R"({"n": 2.5})"));
  EXPECT_FALSE(NextRequest(current, request)->ToHttp().ok());
}

TEST_F(PageRequestTest, ScopeKeysAreDistinct) {
  const CompiledStream& stream = fixture_.stream("tokens");
  EXPECT_EQ(*ScopeKey(stream, Texts({{"id", "a"}, {"name", "production eu"}})),
            "id=a,name=production eu");
  EXPECT_EQ(*ScopeKey(stream, Texts({{"id", "a,name=b"}, {"name", "c\n"}})),
            "id=a%2Cname%3Db,name=c%0A");
  EXPECT_EQ(*ScopeKey(fixture_.stream("parents"), JsonValue()), "");
  EXPECT_FALSE(ScopeKey(stream, Texts({{"id", "a"}})).ok());
}

TEST(LinkHeaderTest, ReadsWhatVendorsSend) {
  EXPECT_THAT(ParseLinkHeader("<https://a/?p=2>; rel=\"next\", <https://a/?p=9>; rel=\"last\""),
              ElementsAre(Pair("next", "https://a/?p=2"), Pair("last", "https://a/?p=9")));
  EXPECT_THAT(ParseLinkHeader("</x,y;z>;title=\"a, b; rel=evil\" ; REL=Next"),
              ElementsAre(Pair("next", "/x,y;z")));
  EXPECT_THAT(ParseLinkHeader("<a>; rel=\"first prev\", <b>; rel=prev"),
              ElementsAre(Pair("first", "a"), Pair("prev", "a")));
  for (const char* bad : {"", "garbage", "<open", "<a>", "<a>; rel", "<a>; rel=\"", ","}) {
    ParseLinkHeader(bad);
  }
  EXPECT_THAT(ParseLinkHeader("<a>"), IsEmpty());
}

}  // namespace
}  // namespace tokeninventory
