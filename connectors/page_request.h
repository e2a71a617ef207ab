// The requests of a listing.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "connectors/http/http_client.h"
#include "connectors/json_value.h"
#include "connectors/manifest.h"

namespace tokeninventory {

// A request as programs see and change it: without headers, so that no credential
// ever enters jq.
struct PageRequest {
  bool is_post = false;
  Url url;          // may have a query of its own
  JsonValue query;  // object, added to the URL's
  JsonValue json;   // body of a POST, else null
  std::vector<std::pair<std::string, std::string>> headers;

  // `{method, url, query, json}`.
  JsonValue ToJson() const;
  // INVALID_ARGUMENT when a query parameter is no text, number or boolean.
  absl::StatusOr<HttpRequest> ToHttp() const;
};

// What templates are filled with.
struct TemplateValues {
  JsonValue param;   // object
  JsonValue parent;  // object, or null
  std::string id;
  std::string known_id;
};

// The value of a placeholder other than a secret. INVALID_ARGUMENT when it is unset.
absl::StatusOr<std::string> ValueOf(const Placeholder& placeholder, const TemplateValues& values);

// The first request of a listing, or the look-up of one token. INVALID_ARGUMENT,
// naming the placeholder and not its value, when a value is missing or cannot
// stand in a path.
absl::StatusOr<PageRequest> FirstRequest(const CompiledManifest& manifest,
                                         const CompiledStream& stream,
                                         const TemplateValues& values);
absl::StatusOr<PageRequest> FetchRequest(const CompiledManifest& manifest,
                                         const CompiledStream& stream,
                                         const TemplateValues& values);

// The request that a `next` program made of `current`: another path, query or
// JSON body at the same origin. INVALID_ARGUMENT for anything else: a vendor must
// not choose who gets the credential.
absl::StatusOr<PageRequest> NextRequest(const PageRequest& current, const JsonValue& next);

// The text of a listing's identity among its stream's: `name=production`, members
// in the order in which the request uses them. Empty when there is no parent.
absl::StatusOr<std::string> ScopeKey(const CompiledStream& stream, const JsonValue& parent);

}  // namespace tokeninventory
