#include "connectors/http/url.h"

#include <gtest/gtest.h>

namespace tokeninventory {
namespace {

TEST(UrlTest, ReadsAndWritesBack) {
  struct Case {
    const char* text;
    const char* want;
    const char* origin;
  };
  const Case cases[] = {
      {"https://a.test", "https://a.test/", "https://a.test"},
      {"HTTPS://A.Test:443/x?y=1#z", "https://a.test/x?y=1", "https://a.test"},
      {"http://a.test:8080?q", "http://a.test:8080/?q", "http://a.test:8080"},
      {"http://[::1]:80/x", "http://[::1]/x", "http://[::1]"},
      {"http://[0:0::00AB]", "http://[::ab]/", "http://[::ab]"},
      {"http://10.0.0.1", "http://10.0.0.1/", "http://10.0.0.1"},
      {"http://a.0xyz", "http://a.0xyz/", "http://a.0xyz"},
      {"http://a/ä b|c?[d]=\"e\"", "http://a/%C3%A4%20b%7Cc?%5Bd%5D=%22e%22", "http://a"},
      {"http://a/%2F%20", "http://a/%2F%20", "http://a"},
      {"http://a/x\\y", "http://a/x%5Cy", "http://a"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const absl::StatusOr<Url> url = ParseUrl(c.text);
    ASSERT_TRUE(url.ok()) << url.status();
    EXPECT_EQ(url->Text(), c.want);
    EXPECT_EQ(url->Origin(), c.origin);
    EXPECT_EQ(ParseUrl(url->Text())->Text(), c.want);
  }
}

TEST(UrlTest, RefusesTheRest) {
  for (const char* text : {"",
                           "a.test",
                           "//a.test",
                           "ftp://a",
                           "file:///etc/passwd",
                           "http://",
                           "http:///x",
                           "http://user@a",
                           "http://user:pw@a/",
                           "http://a:0",
                           "http://a:65536",
                           "http://a:x",
                           "http://a:",
                           "http://a b",
                           "http://a\\b",
                           "http://[::1",
                           "http://[]",
                           "http://[::1]x",
                           "http://[zz]",
                           "http://[::1%25eth0]",
                           "http://[1.2.3.4]",
                           "http://127.1",
                           "http://127.0.0.1.",
                           "http://127.0.0.1.5",
                           "http://127.0.0.256",
                           "http://010.0.0.1",
                           "http://0x7f.0.0.1",
                           "http://a.0X7F",
                           "http://2130706433",
                           "http://a/%zz",
                           "http://a/%2",
                           "http://a/\n",
                           "http://a/x/../y",
                           "http://a/..",
                           "http://a/.",
                           "http://a/%2e%2E/x",
                           "http://a/.%2e",
                           "http://ä.test",
                           "http://a%2eb/"}) {
    EXPECT_FALSE(ParseUrl(text).ok()) << text;
  }
  EXPECT_FALSE(ParseUrl("http://a/" + std::string(20'000, 'x')).ok());
}

TEST(UrlTest, HidesTheQuery) {
  EXPECT_EQ(ParseUrl("https://a/x?api_key=secret")->WithoutQuery(), "https://a/x");
}

TEST(UrlTest, Loopback) {
  for (const char* host : {"localhost", "127.0.0.1", "127.9.9.9", "[::1]"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
  for (const char* host : {"127.evil.test", "localhost.evil.test", "10.0.0.1", "[::2]", ""}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
}

TEST(UrlTest, PathSegments) {
  EXPECT_EQ(*EncodePathSegment("a/b c"), "a%2Fb%20c");
  EXPECT_EQ(*EncodePathSegment("..."), "...");
  EXPECT_EQ(*EncodePathSegment("!*'()"), "%21%2A%27%28%29");
  for (const char* text : {"", ".", ".."}) EXPECT_FALSE(EncodePathSegment(text).ok());
  EXPECT_EQ(EncodeQuery({{"a b", "c+d"}, {"e", ""}}), "a%20b=c%2Bd&e=");
}

}  // namespace
}  // namespace tokeninventory
