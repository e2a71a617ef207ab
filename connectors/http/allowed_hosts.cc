#include "connectors/http/allowed_hosts.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace tokeninventory {

absl::Status AllowedHosts::Add(absl::string_view text) {
  const absl::Status bad = absl::InvalidArgumentError("must be HOST or HOST:PORT");
  if (text.find_first_of("/?#@") != absl::string_view::npos) return bad;
  const absl::StatusOr<Url> url = ParseUrl(absl::StrCat("https://", text));
  if (!url.ok()) return bad;
  // What is behind the bracket of an IPv6 address, or of a name.
  const std::size_t bracket = text.rfind(']');
  const absl::string_view tail =
      bracket == absl::string_view::npos ? text : text.substr(bracket + 1);
  hosts_.emplace_back(url->host, absl::StrContains(tail, ":") ? url->port : 0);
  return absl::OkStatus();
}

void AllowedHosts::Add(const Url& url) { hosts_.emplace_back(url.host, url.port); }

bool AllowedHosts::Has(const Url& url) const {
  return std::any_of(hosts_.begin(), hosts_.end(), [&](const auto& host) {
    return host.first == url.host && (host.second == 0 || host.second == url.port);
  });
}

absl::StatusOr<HttpResponse> FencedClient::Send(const HttpRequest& request, std::stop_token stop) {
  if (!hosts_.Has(request.url)) {
    return absl::FailedPreconditionError(
        "the host is none that this source may ask; allowed_hosts may name it");
  }
  return inner_->Send(request, std::move(stop));
}

}  // namespace tokeninventory
