// Where requests really go: addresses that names resolve to, and proxies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "connectors/http/curl_client.h"
#include "tests/connectors/fake_vendor.h"

namespace tokeninventory {
namespace {

using testing::FakeVendor;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing::VendorReply;
using testing::VendorRequest;

// A proxy that notes what it is asked. What comes for a host by http it answers
// itself; a CONNECT gets a tunnel to `to_port` of this machine, or HTTP 403.
class TinyProxy {
 public:
  explicit TinyProxy(int to_port = 0) : to_port_(to_port) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, Raw(address), size), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    EXPECT_EQ(getsockname(listener_, Raw(address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~TinyProxy() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }
  std::vector<std::string> heads() {
    MutexLock lock(mutex_);
    return heads_;
  }

 private:
  static sockaddr_in Loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
  }
  // NOLINTNEXTLINE: the socket API's own idiom
  static sockaddr* Raw(sockaddr_in& address) { return reinterpret_cast<sockaddr*>(&address); }

  void Run() {
    for (int client = -1; (client = accept(listener_, nullptr, nullptr)) >= 0; close(client)) {
      std::string head;
      char byte = 0;
      while (!absl::EndsWith(head, "\r\n\r\n") && read(client, &byte, 1) == 1) head += byte;
      {
        MutexLock lock(mutex_);
        heads_.push_back(head);
      }
      if (!absl::StartsWith(head, "CONNECT ")) {
        Write(client, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nproxy");
      } else if (to_port_ == 0) {
        Write(client, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      } else {
        Write(client, "HTTP/1.1 200 OK\r\nX-Of-Proxy: 1\r\n\r\n");
        Tunnel(client);
      }
    }
  }

  static void Write(int fd, absl::string_view text) {
    EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  // Until one side ends.
  void Tunnel(int client) const {
    const int vendor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(to_port_);
    EXPECT_EQ(connect(vendor, Raw(address), sizeof address), 0);
    pollfd ends[] = {{client, POLLIN, 0}, {vendor, POLLIN, 0}};
    char buffer[4096];
    for (bool open = true; open && poll(ends, 2, -1) > 0;) {
      for (int i = 0; i < 2; ++i) {
        if (ends[i].revents == 0) continue;
        const ssize_t got = read(ends[i].fd, buffer, sizeof buffer);
        open = got > 0 &&
               send(ends[1 - i].fd, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL) == got;
        if (!open) break;
      }
    }
    close(vendor);
  }

  const int to_port_;
  int listener_ = -1;
  int port_ = 0;
  Mutex mutex_;
  std::vector<std::string> heads_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

HttpRequest Get(const std::string& url) {
  HttpRequest request;
  request.url = ParseUrl(url).value();
  request.secret_headers.emplace_back("Authorization", SecretString("Bearer hunter2"));
  return request;
}

int PortOf(const FakeVendor& vendor) { return ParseUrl(vendor.url())->port; }

// What a name that resolves to `address` comes to.
absl::Status SendTo(const std::string& address, int port, CurlClient::Options options = {}) {
  options.resolve = {absl::StrCat("vendor.example:", port, ":", address)};
  CurlClient client(options);
  return client.Send(Get(absl::StrCat("http://vendor.example:", port, "/")), {}).status();
}

TEST(OutboundTest, NamesThatLeadToRefusedAddressesAreNotAsked) {
  FakeVendor vendor([](const VendorRequest&) { return VendorReply(); });
  const struct {
    const char* address;
    const char* kind;
  } cases[] = {
      {"127.0.0.1", "loopback"},
      {"127.8.9.10", "loopback"},
      {"[::1]", "loopback"},
      {"[::ffff:127.0.0.1]", "loopback"},
      {"0.0.0.0", "unspecified"},
      {"169.254.169.254", "of a cloud's metadata service"},
      {"169.254.1.2", "link-local"},
      {"[fe80::1]", "link-local"},
      {"[fd00:ec2::254]", "of a cloud's metadata service"},
      {"224.0.0.1", "multicast"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.address);
    const absl::Status status = SendTo(c.address, PortOf(vendor));
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(status.message(), absl::StrCat("the address of the host is ", c.kind,
                                             "; http.allowed_addresses may allow it"));
  }
  EXPECT_EQ(vendor.request_count(), 0);
}

TEST(OutboundTest, AllowedAddressesAreAsked) {
  FakeVendor vendor([](const VendorRequest&) { return VendorReply(); });
  CurlClient::Options options;
  options.allowed_addresses = {AddressRange::Parse("127.0.0.0/31").value()};
  EXPECT_TRUE(SendTo("127.0.0.1", PortOf(vendor), options).ok());
  EXPECT_FALSE(SendTo("127.0.0.2", PortOf(vendor), options).ok());
  EXPECT_EQ(vendor.request_count(), 1);
}

// A second address that may be asked is.
TEST(OutboundTest, OneRefusedAddressOfSeveralIsPassedOver) {
  FakeVendor vendor([](const VendorRequest&) { return VendorReply(); });
  CurlClient::Options options;
  options.allowed_addresses = {AddressRange::Parse("127.0.0.1").value()};
  EXPECT_TRUE(SendTo("169.254.1.2,127.0.0.1", PortOf(vendor), options).ok());
  EXPECT_EQ(vendor.request_count(), 1);
}

TEST(OutboundTest, HostsThatAreWrittenAsRefusedAddressesAreNotAsked) {
  for (const std::string& proxy : {std::string(), std::string("http://127.0.0.1:9")}) {
    CurlClient::Options options;
    options.proxy = proxy;
    CurlClient client(options);
    for (const char* url : {"http://169.254.169.254/latest/meta-data", "http://[fe80::1]/",
                            "http://[::ffff:169.254.169.254]/", "http://0.0.0.0/",
                            "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::a9fe:a9fe]/"}) {
      const absl::Status status = client.Send(Get(url), {}).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << url << status;
      EXPECT_THAT(std::string(status.message()), StartsWith("the address of the host is "));
    }
  }
}

TEST(OutboundTest, LoopbackThatIsWrittenSoIsAsked) {
  FakeVendor vendor([](const VendorRequest&) { return VendorReply(); });
  CurlClient client({});
  EXPECT_TRUE(client.Send(Get(vendor.url()), {}).ok());
  EXPECT_TRUE(client.Send(Get(absl::StrCat("http://localhost:", PortOf(vendor))), {}).ok());
}

TEST(OutboundTest, TheEnvironmentsProxiesAreNotUsed) {
  TinyProxy proxy;
  const char* const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY",
                               "all_proxy",  "ALL_PROXY",   "HTTP_PROXY"};
  for (const char* name : names) setenv(name, proxy.url().c_str(), 1);
  FakeVendor vendor([](const VendorRequest&) { return VendorReply(); });
  {
    CurlClient client({});
    EXPECT_TRUE(client.Send(Get(vendor.url()), {}).ok());
    EXPECT_FALSE(client.Send(Get("https://127.0.0.1:9/"), {}).ok());
  }
  for (const char* name : names) unsetenv(name);
  EXPECT_THAT(proxy.heads(), IsEmpty());
  EXPECT_EQ(vendor.request_count(), 1);
}

TEST(OutboundTest, TheConfiguredProxyIsUsedForEveryHost) {
  TinyProxy proxy;
  setenv("no_proxy", "*", 1);
  setenv("NO_PROXY", "*", 1);
  CurlClient::Options options;
  options.proxy = proxy.url();
  {
    CurlClient client(options);
    // The name is the proxy's to resolve.
    const auto response = client.Send(Get("http://vendor.example:81/a?b=c"), {});
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->body, "proxy");
    EXPECT_TRUE(client.Send(Get("http://127.0.0.1:81/"), {}).ok());
  }
  unsetenv("no_proxy");
  unsetenv("NO_PROXY");
  const std::vector<std::string> heads = proxy.heads();
  ASSERT_EQ(heads.size(), 2);
  EXPECT_THAT(heads[0], StartsWith("GET http://vendor.example:81/a?b=c HTTP/1.1\r\n"));
  EXPECT_THAT(heads[1], StartsWith("GET http://127.0.0.1:81/ HTTP/1.1\r\n"));
}

TEST(OutboundTest, AProxyThatRefusesIsNamedAndLearnsNoCredential) {
  TinyProxy proxy;
  CurlClient::Options options;
  options.proxy = proxy.url();
  CurlClient client(options);
  const absl::Status status = client.Send(Get("https://vendor.example/secret"), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "the proxy answers with HTTP 403");
  ASSERT_EQ(proxy.heads().size(), 1);
  EXPECT_THAT(proxy.heads()[0], StartsWith("CONNECT vendor.example:443 HTTP/1.1\r\n"));
  EXPECT_THAT(proxy.heads()[0], Not(HasSubstr("hunter2")));
  EXPECT_THAT(proxy.heads()[0], Not(HasSubstr("secret")));
}

TEST(OutboundTest, TlsGoesThroughATunnel) {
  const std::string cert = std::string(TI_TESTDATA) + "/tls/cert.pem";
  FakeVendor vendor(
      [](const VendorRequest&) {
        VendorReply reply;
        reply.body = "of the vendor";
        return reply;
      },
      cert, std::string(TI_TESTDATA) + "/tls/key.pem");
  TinyProxy proxy(PortOf(vendor));
  CurlClient::Options options;
  options.proxy = proxy.url();
  options.ca_file = cert;
  CurlClient client(options);
  const auto response = client.Send(Get(vendor.url() + "/a"), {});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "of the vendor");
  EXPECT_EQ(response->Header("x-of-proxy"), nullptr);
  EXPECT_EQ(vendor.requests().at(0).headers.at("authorization"), "Bearer hunter2");
  for (const std::string& head : proxy.heads()) EXPECT_THAT(head, Not(HasSubstr("hunter2")));
}

// With a proxy it is the proxy that is connected to.
TEST(OutboundTest, TheProxysAddressIsJudged) {
  TinyProxy proxy;
  const int port = ParseUrl(proxy.url())->port;
  CurlClient::Options options;
  options.proxy = absl::StrCat("http://proxy.example:", port);
  options.resolve = {absl::StrCat("proxy.example:", port, ":127.0.0.1")};
  {
    CurlClient client(options);
    const absl::Status status = client.Send(Get("http://vendor.example/"), {}).status();
    EXPECT_EQ(status.message(),
              "the address of the proxy is loopback; http.allowed_addresses may allow it");
    // That the host is loopback does not make the proxy so.
    EXPECT_FALSE(client.Send(Get("http://127.0.0.1/"), {}).ok());
  }
  EXPECT_THAT(proxy.heads(), IsEmpty());
  options.allowed_addresses = {AddressRange::Parse("127.0.0.1").value()};
  CurlClient client(options);
  EXPECT_TRUE(client.Send(Get("http://vendor.example/"), {}).ok());
}

TEST(OutboundTest, KnowsWhatAProxyIs) {
  for (const char* good : {"http://proxy.example:3128", "http://proxy.example:3128/",
                           "http://10.0.0.1:8080", "http://[fd00::1]:8080", "http://proxy"}) {
    EXPECT_TRUE(CurlClient::CheckProxy(good).ok()) << good;
  }
  for (const char* bad :
       {"proxy.example:3128", "https://proxy.example:3128", "socks5://proxy:1",
        "http://proxy:1/path", "http://proxy:1?q", "http://proxy:1#f", "http://"}) {
    EXPECT_EQ(CurlClient::CheckProxy(bad).message(), "must be http://HOST:PORT") << bad;
  }
  const absl::Status user = CurlClient::CheckProxy("http://me:hunter2@proxy:1");
  EXPECT_THAT(std::string(user.message()), HasSubstr("user or password"));
  EXPECT_THAT(std::string(user.message()), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace tokeninventory
