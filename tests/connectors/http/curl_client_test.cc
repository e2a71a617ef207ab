#include "connectors/http/curl_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/connectors/fake_vendor.h"

namespace tokeninventory {
namespace {

using testing::FakeVendor;
using ::testing::HasSubstr;
using testing::VendorReply;
using testing::VendorRequest;

HttpRequest Get(const std::string& url) {
  HttpRequest request;
  request.url = *ParseUrl(url);
  return request;
}

// A port that nobody listens on.
int ClosedPort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // NOLINTNEXTLINE: the socket API's own idiom
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(fd, raw, size), 0);
  EXPECT_EQ(::getsockname(fd, raw, &size), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

TEST(CurlClientTest, SendsAndReceives) {
  FakeVendor vendor([](const VendorRequest&) {
    return VendorReply{201, "hello", "text/plain", {{"X-One", "1"}, {"Link", "a"}}, false, false};
  });
  CurlClient client({});
  HttpRequest request = Get(vendor.url() + "/a%2Fb?c=d%20e");
  request.headers = {{"Accept", "application/json"}, {"X-Empty", ""}};
  request.secret_headers.emplace_back("Authorization", SecretString("Bearer hunter2"));
  const absl::StatusOr<HttpResponse> response = client.Send(request, {});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, "hello");
  ASSERT_NE(response->Header("x-one"), nullptr);
  EXPECT_EQ(*response->Header("x-one"), "1");
  EXPECT_EQ(response->Header("nope"), nullptr);
  const std::vector<VendorRequest> seen = vendor.requests();
  ASSERT_EQ(seen.size(), 1);
  EXPECT_EQ(seen[0].path, "/a%2Fb");
  EXPECT_EQ(seen[0].query.at("c"), "d e");
  EXPECT_EQ(seen[0].headers.at("authorization"), "Bearer hunter2");
  EXPECT_EQ(seen[0].headers.count("cookie"), 0);
}

TEST(CurlClientTest, PostsJson) {
  FakeVendor vendor([](const VendorRequest&) { return VendorReply{}; });
  CurlClient client({});
  HttpRequest request = Get(vendor.url() + "/graphql");
  request.is_post = true;
  request.body = R"({"a":1})";
  ASSERT_TRUE(client.Send(request, {}).ok());
  const VendorRequest seen = vendor.requests().at(0);
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.body, R"({"a":1})");
  EXPECT_EQ(seen.headers.at("content-type"), "application/json");
}

TEST(CurlClientTest, DoesNotFollowRedirects) {
  FakeVendor vendor([](const VendorRequest&) {
    return VendorReply{302, "", "text/plain", {{"Location", "/elsewhere"}}, false, false};
  });
  CurlClient client({});
  const absl::StatusOr<HttpResponse> response = client.Send(Get(vendor.url()), {});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(vendor.request_count(), 1);
}

TEST(CurlClientTest, UsesNoProxyOfTheEnvironment) {
  FakeVendor vendor([](const VendorRequest&) { return VendorReply{}; });
  const std::string proxy = "http://127.0.0.1:" + std::to_string(ClosedPort());
  ASSERT_EQ(setenv("http_proxy", proxy.c_str(), 1), 0);
  CurlClient client({});
  EXPECT_TRUE(client.Send(Get(vendor.url()), {}).ok());
  unsetenv("http_proxy");
}

TEST(CurlClientTest, FailuresHaveTheirCodesAndNoValues) {
  FakeVendor vendor([](const VendorRequest& request) {
    VendorReply reply;
    if (request.path == "/cut") {
      reply.cut = true;
      reply.body = "hunter2";
    } else if (request.path == "/large") {
      reply.body = std::string(5000, 'x');
    } else if (request.path == "/hang") {
      reply.hang = true;
    }
    return reply;
  });
  CurlClient::Options options;
  options.max_body_bytes = 1000;
  CurlClient patient(options);
  options.request_timeout = absl::Milliseconds(200);
  CurlClient hasty(options);
  const auto code = [&](const std::string& url, HttpClient& client) {
    const absl::Status status = client.Send(Get(url), {}).status();
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hunter2")));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("127.0.0.1")));
    return status.code();
  };
  EXPECT_EQ(code(vendor.url() + "/cut", patient), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code(vendor.url() + "/large", patient), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(vendor.url() + "/hang", hasty), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(code("http://127.0.0.1:" + std::to_string(ClosedPort()), patient),
            absl::StatusCode::kUnavailable);
  // A machine without a resolver may take its time to say so.
  EXPECT_THAT(
      code("http://no-such-host.invalid/", patient),
      ::testing::AnyOf(absl::StatusCode::kUnavailable, absl::StatusCode::kDeadlineExceeded));
  // A server that speaks no TLS.
  EXPECT_EQ(code("https" + vendor.url().substr(4), patient), absl::StatusCode::kUnavailable);
}

// The request's own deadline is far away: what ends these is that nothing comes.
TEST(CurlClientTest, AVendorThatStandsStillIsNotWaitedFor) {
  FakeVendor vendor([](const VendorRequest& request) {
    VendorReply reply;
    reply.hang = request.path == "/hang";
    reply.drip = request.path == "/drip";
    return reply;
  });
  CurlClient::Options options;
  options.stall_timeout = absl::Seconds(1);
  options.request_timeout = absl::Hours(1);
  CurlClient client(options);
  std::vector<std::thread> threads;
  for (const char* path : {"/hang", "/drip"}) {
    threads.emplace_back([&client, url = vendor.url() + path] {
      EXPECT_EQ(client.Send(Get(url), {}).status().code(), absl::StatusCode::kDeadlineExceeded)
          << url;
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(CurlClientTest, HeadersHaveBounds) {
  struct Case {
    int lines;
    std::size_t bytes;  // of each
    bool good;
  };
  for (const Case& c : {Case{400, 10, true}, Case{600, 10, false}, Case{100, 4000, false}}) {
    FakeVendor vendor([&](const VendorRequest&) {
      VendorReply reply;
      for (int i = 0; i < c.lines; ++i) {
        reply.headers.emplace_back("X-" + std::to_string(i), std::string(c.bytes, 'h'));
      }
      return reply;
    });
    CurlClient client({});
    const absl::StatusOr<HttpResponse> response = client.Send(Get(vendor.url()), {});
    EXPECT_EQ(response.ok(), c.good) << c.lines << " of " << c.bytes;
    if (!c.good) {
      EXPECT_EQ(response.status().code(), absl::StatusCode::kResourceExhausted);
    }
  }
}

// A kilobyte on the wire, a megabyte when it is unpacked.
TEST(CurlClientTest, ABodyIsBoundedAsItIsUnpacked) {
  FakeVendor vendor([](const VendorRequest& request) {
    std::ifstream in(std::string(TI_TESTDATA) + "/http" + request.path, std::ios::binary);
    VendorReply reply;
    reply.body.assign(std::istreambuf_iterator<char>(in), {});
    reply.content_type = "application/octet-stream";
    reply.headers = {{"Content-Encoding", "gzip"}};
    return reply;
  });
  CurlClient::Options options;
  options.max_body_bytes = 100'000;
  CurlClient client(options);
  const absl::StatusOr<HttpResponse> page = client.Send(Get(vendor.url() + "/page.json.gz"), {});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->body, R"([{"id": "zipped"}])");
  const absl::Status bomb = client.Send(Get(vendor.url() + "/bomb.json.gz"), {}).status();
  EXPECT_EQ(bomb.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(bomb.message(), "the answer is larger than 100000 bytes");
}

TEST(CurlClientTest, CertificatesAreVerified) {
  const std::string cert = std::string(TI_TESTDATA) + "/tls/cert.pem";
  FakeVendor vendor([](const VendorRequest&) { return VendorReply{}; }, cert,
                    std::string(TI_TESTDATA) + "/tls/key.pem");
  const absl::Status status = CurlClient({}).Send(Get(vendor.url()), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "the certificate is not trusted");
  CurlClient::Options options;
  options.ca_file = cert;
  CurlClient client(options);
  EXPECT_TRUE(client.Send(Get(vendor.url()), {}).ok());
  // Good for 127.0.0.1 only.
  std::string other = vendor.url();
  other.replace(other.find("127.0.0.1"), 9, "localhost");
  EXPECT_FALSE(client.Send(Get(other), {}).ok());
  EXPECT_EQ(vendor.request_count(), 1);
}

TEST(CurlClientTest, HeadersCannotBeSplit) {
  CurlClient client({});
  HttpRequest request = Get("http://127.0.0.1:1/");
  request.secret_headers.emplace_back("Authorization", SecretString("a\r\nEvil: hunter2"));
  const absl::Status status = client.Send(request, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hunter2")));
}

TEST(CurlClientTest, AStopEndsARequest) {
  FakeVendor vendor([](const VendorRequest&) {
    VendorReply reply;
    reply.hang = true;
    return reply;
  });
  CurlClient client({});
  std::stop_source stop;
  std::thread stopper([&] {
    while (vendor.request_count() == 0) std::this_thread::yield();
    stop.request_stop();
  });
  EXPECT_EQ(client.Send(Get(vendor.url()), stop.get_token()).status().code(),
            absl::StatusCode::kCancelled);
  stopper.join();
  // And one that was stopped before it began.
  EXPECT_EQ(client.Send(Get(vendor.url()), stop.get_token()).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(CurlClientTest, ManyThreadsShareIt) {
  FakeVendor vendor([](const VendorRequest& request) {
    VendorReply reply;
    reply.body = request.path;
    return reply;
  });
  CurlClient client({});
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string path = "/" + std::to_string(t) + "/" + std::to_string(i);
        const absl::StatusOr<HttpResponse> response = client.Send(Get(vendor.url() + path), {});
        ASSERT_TRUE(response.ok()) << response.status();
        EXPECT_EQ(response->body, path);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tokeninventory
