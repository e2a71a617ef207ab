// URLs as requests need them: read strictly, so that what is checked is what is
// asked.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tokeninventory {

// An absolute http or https URL without user, password and fragment.
struct Url {
  std::string scheme;  // `http` or `https`
  std::string host;    // lower case; an IPv6 address is in brackets
  int port = 0;        // always set
  std::string path;    // begins with `/`, percent-encoded
  std::string query;   // without `?`, percent-encoded; may be empty

  // Scheme, host and port: who gets the credential.
  std::string Origin() const;
  // For logs: a vendor's query may carry a secret.
  std::string WithoutQuery() const;
  std::string Text() const;
};

// INVALID_ARGUMENT, without the text, for everything that is not such a URL. In
// path and query, characters that a URL cannot have are percent-encoded; dot
// segments are refused.
absl::StatusOr<Url> ParseUrl(absl::string_view text);

// What `reference`, absolute or relative, means on the page `base`.
absl::StatusOr<Url> ResolveUrl(const Url& base, absl::string_view reference);

bool SameOrigin(const Url& a, const Url& b);

// `localhost`, 127.0.0.0/8 or ::1.
bool IsLoopbackHost(absl::string_view host);

// Percent-encodes everything but `[A-Za-z0-9._~-]`.
std::string PercentEncode(absl::string_view text);

// As PercentEncode, for one segment of a path. INVALID_ARGUMENT for "", "." and
// "..", which name other resources.
absl::StatusOr<std::string> EncodePathSegment(absl::string_view text);

// `a=1&b=x%20y`.
std::string EncodeQuery(const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace tokeninventory
