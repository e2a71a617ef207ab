// Asking a vendor: a request goes in, an answer or a reason comes out.
#pragma once

#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/secret_string.h"
#include "connectors/http/url.h"

namespace tokeninventory {

struct HttpRequest {
  bool is_post = false;
  Url url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::pair<std::string, SecretString>> secret_headers;
  std::string body;  // of a POST, JSON
};

struct HttpResponse {
  int status = 0;
  // Names in lower case; one that came several times is joined by ", ".
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // Null when there is none. `name` in lower case.
  const std::string* Header(absl::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return &value;
    }
    return nullptr;
  }
};

// Thread-safe.
class HttpClient {
 public:
  virtual ~HttpClient() = default;

  // Blocks until the whole answer is there; every status is an answer, and
  // redirects are not followed. Errors: UNAVAILABLE (no connection, cut off),
  // DEADLINE_EXCEEDED (a timeout), RESOURCE_EXHAUSTED (the answer is too large),
  // INVALID_ARGUMENT (cannot be asked), FAILED_PRECONDITION (must not be asked),
  // CANCELLED (stopped). No error text holds the URL, a header or a piece of a body.
  virtual absl::StatusOr<HttpResponse> Send(const HttpRequest& request, std::stop_token stop) = 0;
};

}  // namespace tokeninventory
