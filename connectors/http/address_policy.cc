#include "connectors/http/address_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tokeninventory {
namespace {

IpAddress OfV4(const unsigned char* bytes) {
  IpAddress address;
  address.is_v4 = true;
  std::copy_n(bytes, 4, address.bytes.begin());
  return address;
}

// Unwraps the addresses that hold an IPv4 address in their last 32 bits.
IpAddress OfV6(const unsigned char* bytes) {
  constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  constexpr unsigned char kTranslated[12] = {0, 0x64, 0xFF, 0x9B};
  if (std::memcmp(bytes, kMapped, 12) == 0 || std::memcmp(bytes, kTranslated, 12) == 0) {
    return OfV4(bytes + 12);
  }
  IpAddress address;
  std::copy_n(bytes, 16, address.bytes.begin());
  return address;
}

struct Refused {
  AddressRange range;
  const char* kind;
};

constexpr char kLoopback[] = "loopback";

// The first that fits counts.
const std::vector<Refused>& RefusedRanges() {
  static const auto* const ranges = [] {
    auto* const made = new std::vector<Refused>();
    const auto add = [made](const char* range, const char* kind) {
      made->push_back({AddressRange::Parse(range).value(), kind});
    };
    for (const char* metadata :
         {"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"}) {
      add(metadata, "of a cloud's metadata service");
    }
    add("169.254.0.0/16", "link-local");
    add("fe80::/10", "link-local");
    add("127.0.0.0/8", kLoopback);
    add("::1", kLoopback);
    // Linux connects to itself when asked for these.
    add("0.0.0.0/8", "unspecified");
    add("::", "unspecified");
    add("224.0.0.0/4", "multicast");
    add("ff00::/8", "multicast");
    add("255.255.255.255", "broadcast");
    return made;
  }();
  return *ranges;
}

}  // namespace

std::optional<IpAddress> IpAddress::Of(const sockaddr* address, socklen_t size) {
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    unsigned char bytes[4];
    std::memcpy(bytes, &v4.sin_addr, sizeof bytes);
    return OfV4(bytes);
  }
  if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof v6);
    return OfV6(v6.sin6_addr.s6_addr);
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::Parse(absl::string_view text) {
  if (absl::ConsumePrefix(&text, "[") && !absl::ConsumeSuffix(&text, "]")) return std::nullopt;
  unsigned char bytes[16];
  const std::string copy(text);
  if (inet_pton(AF_INET, copy.c_str(), bytes) == 1) return OfV4(bytes);
  if (inet_pton(AF_INET6, copy.c_str(), bytes) == 1) return OfV6(bytes);
  return std::nullopt;
}

absl::StatusOr<AddressRange> AddressRange::Parse(absl::string_view text) {
  const absl::Status bad = absl::InvalidArgumentError("must be ADDRESS or ADDRESS/BITS");
  const std::size_t slash = text.find('/');
  const std::optional<IpAddress> first = IpAddress::Parse(text.substr(0, slash));
  if (!first.has_value()) return bad;
  const int most = first->is_v4 ? 32 : 128;
  AddressRange range;
  range.first_ = *first;
  range.bits_ = most;
  if (slash != absl::string_view::npos) {
    const absl::string_view bits = text.substr(slash + 1);
    if (bits.empty() || bits.find_first_not_of("0123456789") != absl::string_view::npos ||
        !absl::SimpleAtoi(bits, &range.bits_) || range.bits_ > most) {
      return bad;
    }
  }
  IpAddress cut = range.first_;
  for (int bit = range.bits_; bit < most; ++bit) {
    auto& byte = cut.bytes[static_cast<std::size_t>(bit / 8)];
    byte = static_cast<unsigned char>(byte & ~(0x80 >> (bit % 8)));
  }
  if (cut.bytes != range.first_.bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("has bits set behind the first ", range.bits_, " of the address"));
  }
  return range;
}

bool AddressRange::Has(const IpAddress& address) const {
  if (address.is_v4 != first_.is_v4) return false;
  for (int bit = 0; bit < bits_; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    if (((address.bytes[byte] ^ first_.bytes[byte]) & (0x80 >> (bit % 8))) != 0) return false;
  }
  return true;
}

absl::string_view AddressPolicy::Refusal(const IpAddress& address, bool host_is_loopback) const {
  for (const Refused& refused : RefusedRanges()) {
    if (!refused.range.Has(address)) continue;
    if (host_is_loopback && refused.kind == absl::string_view(kLoopback)) return {};
    const bool allowed = std::any_of(allowed_.begin(), allowed_.end(),
                                     [&](const AddressRange& range) { return range.Has(address); });
    return allowed ? absl::string_view() : absl::string_view(refused.kind);
  }
  return {};
}

}  // namespace tokeninventory
