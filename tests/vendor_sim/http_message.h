// One HTTP request and its answer, free of any HTTP library.
//
// Thread-compatible: plain values.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tokeninventory::vendor_sim {

struct Request {
  std::string method;
  // As on the wire, with the query.
  std::string target;
  // Decoded one by one after splitting, so that a workspace named "a/b" is one segment.
  std::vector<std::string> path;
  std::vector<std::pair<std::string, std::string>> query;
  std::string authorization;
  std::string host;
  std::string body;

  // The first value of a query parameter; nothing when it is not there.
  std::optional<std::string> Query(std::string_view name) const;
};

// What happens to an answer on the wire instead of arriving.
enum class Delivery {
  kWhole,
  kStall,        // nothing comes; the connection stays open
  kStallInBody,  // nothing comes after `cut_after` bytes of the body
  kReset,        // the connection is reset (TCP RST) before the first byte
  kResetInBody,  // … after `cut_after` bytes of the body
};

struct Response {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
  // Announce the whole body, send only this many bytes of it, then close the connection.
  std::optional<std::size_t> cut_after = {};
  Delivery delivery = Delivery::kWhole;
  // Announce this many bytes more (or less) than are sent. Never below zero.
  std::ptrdiff_t announce_more = 0;
  // Spaces after the body. They are sent as they go, never held.
  std::size_t padding = 0;
};

Request ParseRequest(std::string method, std::string target);

// The token of "Authorization: Bearer <token>"; nothing for any other header.
std::optional<std::string> BearerToken(const Request& request);

}  // namespace tokeninventory::vendor_sim
