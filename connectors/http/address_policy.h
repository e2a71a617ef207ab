// Which addresses requests may be sent to, whatever a name resolves to: a vendor's
// name must not lead to what only this machine can reach.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tokeninventory {

// An IP address. IPv4 addresses, and those that IPv6 holds in ::ffff:0:0/96 and
// 64:ff9b::/96, are one and the same here: translated, they lead to one place.
struct IpAddress {
  bool is_v4 = false;
  // The first 4 of an IPv4 address, the rest zero.
  std::array<unsigned char, 16> bytes{};

  // Nothing for what is neither IPv4 nor IPv6.
  static std::optional<IpAddress> Of(const sockaddr* address, socklen_t size);
  // `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`. Nothing for names.
  static std::optional<IpAddress> Parse(absl::string_view text);
};

// Addresses that begin with the same bits.
class AddressRange {
 public:
  // `ADDRESS` or `ADDRESS/BITS`. INVALID_ARGUMENT when it is neither, or has bits
  // set behind the first BITS, which is often a slip.
  static absl::StatusOr<AddressRange> Parse(absl::string_view text);

  bool Has(const IpAddress& address) const;

 private:
  IpAddress first_;
  int bits_ = 0;
};

// Thread-compatible: does not change.
class AddressPolicy {
 public:
  // `allowed` may be connected to although they would be refused.
  explicit AddressPolicy(std::vector<AddressRange> allowed = {}) : allowed_(std::move(allowed)) {}

  // What kind of address it is when it may not be connected to, in a few words that
  // follow "is" (`link-local`); empty when it may. Refused are link-local addresses,
  // those of clouds' metadata services, unspecified ones, multicast, broadcast,
  // and loopback unless the configuration wrote the host so (`host_is_loopback`).
  // Private ranges are not: vendors are run on premises, too.
  absl::string_view Refusal(const IpAddress& address, bool host_is_loopback) const;

 private:
  std::vector<AddressRange> allowed_;
};

}  // namespace tokeninventory
