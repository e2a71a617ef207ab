#include "connectors/http/address_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/http/allowed_hosts.h"

namespace tokeninventory {
namespace {

using ::testing::HasSubstr;

TEST(AddressPolicyTest, JudgesAddresses) {
  const struct {
    const char* address;
    const char* refusal;  // empty: may be connected to
  } cases[] = {
      {"169.254.0.1", "link-local"},
      {"169.254.255.255", "link-local"},
      {"169.253.255.255", ""},
      {"169.255.0.0", ""},
      {"fe80::1", "link-local"},
      {"febf:ffff::1", "link-local"},
      {"fec0::1", ""},
      {"169.254.169.254", "of a cloud's metadata service"},
      {"fd00:ec2::254", "of a cloud's metadata service"},
      {"fd00:ec2::253", ""},
      {"100.100.100.200", "of a cloud's metadata service"},
      {"168.63.129.16", "of a cloud's metadata service"},
      {"0.0.0.0", "unspecified"},
      {"0.1.2.3", "unspecified"},
      {"1.0.0.0", ""},
      {"::", "unspecified"},
      {"224.0.0.1", "multicast"},
      {"239.255.255.255", "multicast"},
      {"ff02::1", "multicast"},
      {"255.255.255.255", "broadcast"},
      {"127.0.0.1", "loopback"},
      {"127.255.255.255", "loopback"},
      {"::1", "loopback"},
      // The same in other words.
      {"::ffff:127.0.0.1", "loopback"},
      {"::ffff:169.254.169.254", "of a cloud's metadata service"},
      {"::ffff:a9fe:a9fe", "of a cloud's metadata service"},
      {"::ffff:8.8.8.8", ""},
      {"64:ff9b::127.0.0.1", "loopback"},
      {"64:ff9b::169.254.1.1", "link-local"},
      {"64:ff9b::8.8.8.8", ""},
      // Vendors on premises.
      {"10.0.0.1", ""},
      {"172.16.0.1", ""},
      {"192.168.1.1", ""},
      {"100.64.0.1", ""},
      {"fd12:3456::1", ""},
      {"8.8.8.8", ""},
      {"2001:4860:4860::8888", ""},
  };
  const AddressPolicy policy;
  for (const auto& c : cases) {
    SCOPED_TRACE(c.address);
    const std::optional<IpAddress> address = IpAddress::Parse(c.address);
    ASSERT_TRUE(address.has_value());
    EXPECT_EQ(policy.Refusal(*address, false), c.refusal);
    // Whoever writes a host as loopback means loopback, and nothing else.
    const bool is_loopback = c.refusal == std::string("loopback");
    EXPECT_EQ(policy.Refusal(*address, true), is_loopback ? "" : c.refusal);
  }
}

TEST(AddressPolicyTest, AllowedAddressesAreNotRefused) {
  const AddressPolicy policy({AddressRange::Parse("169.254.10.0/24").value(),
                              AddressRange::Parse("fe80::/64").value(),
                              AddressRange::Parse("127.0.0.1").value()});
  const auto refusal = [&](const char* address) {
    return std::string(policy.Refusal(*IpAddress::Parse(address), false));
  };
  EXPECT_EQ(refusal("169.254.10.7"), "");
  EXPECT_EQ(refusal("::ffff:169.254.10.7"), "");
  EXPECT_EQ(refusal("169.254.11.7"), "link-local");
  EXPECT_EQ(refusal("fe80::1234"), "");
  EXPECT_EQ(refusal("fe80:0:0:1::1"), "link-local");
  EXPECT_EQ(refusal("127.0.0.1"), "");
  EXPECT_EQ(refusal("127.0.0.2"), "loopback");
}

TEST(AddressRangeTest, ReadsAddressesAndPrefixes) {
  for (const char* good : {"192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "::/0", "2001:db8::/32",
                           "[2001:db8::1]", "10.0.0.0/8", "10.1.2.3/32"}) {
    EXPECT_TRUE(AddressRange::Parse(good).ok()) << good;
  }
  for (const char* bad :
       {"", "example.com", "192.0.2", "192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1",
        "192.0.2.0/2 4", "192.0.2.1/24", "/8", "[::1", "1.2.3.4/x"}) {
    EXPECT_FALSE(AddressRange::Parse(bad).ok()) << bad;
  }
}

TEST(AllowedHostsTest, KnowsHostsAndPorts) {
  AllowedHosts hosts;
  for (const char* good : {"API.example.com", "vendor.example:8443", "[2001:DB8::1]", "[::2]:99"}) {
    EXPECT_TRUE(hosts.Add(good).ok()) << good;
  }
  for (const char* bad : {"", "https://a.example", "a.example/", "user@a.example", "a.example:",
                          "a.example:0", "a.example:99999", "*.example", "::1", "a b", "a?b"}) {
    const absl::Status status = hosts.Add(bad);
    EXPECT_EQ(status.message(), "must be HOST or HOST:PORT") << bad;
  }
  const auto has = [&](const char* url) { return hosts.Has(ParseUrl(url).value()); };
  EXPECT_TRUE(has("https://api.example.com/x"));
  EXPECT_TRUE(has("http://api.example.com:8080"));
  EXPECT_FALSE(has("https://api.example.com.evil.example"));
  EXPECT_FALSE(has("https://x.api.example.com"));
  EXPECT_TRUE(has("https://vendor.example:8443"));
  EXPECT_FALSE(has("https://vendor.example"));
  EXPECT_TRUE(has("https://[2001:db8:0::1]:1"));
  EXPECT_TRUE(has("https://[::2]:99"));
  EXPECT_FALSE(has("https://[::2]"));
}

// Counts what comes through.
class CountingClient final : public HttpClient {
 public:
  absl::StatusOr<HttpResponse> Send(const HttpRequest&, std::stop_token) override {
    ++sent;
    return HttpResponse();
  }
  int sent = 0;
};

TEST(FencedClientTest, SendsNothingElsewhere) {
  const auto inner = std::make_shared<CountingClient>();
  AllowedHosts hosts;
  hosts.Add(ParseUrl("https://vendor.example/v1").value());
  FencedClient client(inner, hosts);
  HttpRequest request;
  request.url = ParseUrl("https://vendor.example/other").value();
  EXPECT_TRUE(client.Send(request, {}).ok());
  for (const char* elsewhere :
       {"https://vendor.example:444/", "https://evil.example/", "http://vendor.example/"}) {
    request.url = ParseUrl(elsewhere).value();
    const absl::Status status = client.Send(request, {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("allowed_hosts"));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("example")));
  }
  EXPECT_EQ(inner->sent, 1);
}

}  // namespace
}  // namespace tokeninventory
