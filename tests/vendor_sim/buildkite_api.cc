#include "tests/vendor_sim/buildkite_api.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "tests/vendor_sim/buildkite_graphql.h"
#include "tests/vendor_sim/buildkite_json.h"
#include "tests/vendor_sim/credentials.h"

namespace tokeninventory::vendor_sim {
namespace {

constexpr std::chrono::seconds kWindow(60);
constexpr int kOrganizationLimit = 200;
constexpr int kUserLimit = 50;
constexpr std::size_t kDefaultPerPage = 30;
constexpr std::size_t kMaxPerPage = 100;

Response Ok(std::string body) { return {.status = 200, .body = std::move(body)}; }

Response Error(int status, const std::string& message) {
  return {.status = status, .body = BuildkiteErrorJson(message)};
}

// Whole numbers from 1; anything else gives `fallback`.
std::size_t ReadNumber(const Request& request, const char* name, std::size_t fallback) {
  const std::optional<std::string> text = request.Query(name);
  if (!text) return fallback;
  std::size_t value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  return error == std::errc() && stop == end && value > 0 ? value : fallback;
}

// The window of a list of `total` that a request asks for, and the Link header to its neighbours.
class Page {
 public:
  Page(const Request& request, std::size_t total)
      : total_(total),
        per_page_(std::min(ReadNumber(request, "per_page", kDefaultPerPage), kMaxPerPage)),
        page_(ReadNumber(request, "page", 1)),
        last_page_(total == 0 ? 1 : (total + per_page_ - 1) / per_page_) {}

  std::size_t begin() const {
    return page_ > last_page_ ? total_ : std::min((page_ - 1) * per_page_, total_);
  }
  std::size_t end() const { return std::min(begin() + per_page_, total_); }

  // None when all is on one page.
  void AddLinks(const Request& request, Response* response) const {
    std::string links;
    const auto add = [&](const char* relation, std::size_t page) {
      if (!links.empty()) links += ", ";
      links += "<http://" + request.host + request.target.substr(0, request.target.find('?')) +
               "?page=" + std::to_string(page) + "&per_page=" + std::to_string(per_page_) +
               ">; rel=\"" + relation + "\"";
    };
    if (page_ > 1) {
      add("first", 1);
      add("prev", std::min(page_ - 1, last_page_));
    }
    if (page_ < last_page_) {
      add("next", page_ + 1);
      add("last", last_page_);
    }
    if (!links.empty()) response->headers.emplace_back("Link", links);
  }

 private:
  const std::size_t total_;
  const std::size_t per_page_;
  const std::size_t page_;
  const std::size_t last_page_;
};

template <typename Token>
std::vector<Token> Slice(const CreationOrder<Token>& order, const Page& page) {
  std::vector<Token> tokens;
  for (std::size_t i = page.begin(); i < page.end(); ++i) tokens.push_back(order[i]);
  return tokens;
}

// The token `id` among these; nothing when it is not there.
template <typename Token>
std::optional<Token> Pick(const CreationOrder<Token>& order, const std::string& id) {
  const std::optional<Uuid> wanted = Uuid::Parse(id);
  if (!wanted) return std::nullopt;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order[i].id == *wanted) return order[i];
  }
  return std::nullopt;
}

void AddLimitHeaders(const std::string& prefix, const char* scope,
                     const RateLimit::Verdict& verdict, Response* response) {
  response->headers.emplace_back(prefix + "Scope", scope);
  response->headers.emplace_back(prefix + "Limit", std::to_string(verdict.limit));
  response->headers.emplace_back(prefix + "Remaining", std::to_string(verdict.remaining()));
  response->headers.emplace_back(prefix + "Reset", std::to_string(verdict.reset_seconds));
  if (verdict.remaining() == 0) {
    response->headers.emplace_back(prefix + "Warning", "Rate limit exhausted");
  }
}

Response TooMany(const char* scope, const RateLimit::Verdict& verdict) {
  return {.status = 429,
          .body = RateLimitErrorJson(scope, verdict.limit, verdict.current, verdict.reset_seconds)};
}

}  // namespace

BuildkiteApi::BuildkiteApi(const SharedWorld* world, bool rate_limits,
                           std::function<TimePoint()> clock)
    : world_(world),
      rate_limits_(rate_limits),
      clock_(std::move(clock)),
      organization_limit_(kOrganizationLimit, kWindow),
      user_limit_(kUserLimit, kWindow),
      other_user_limit_(kUserLimit, kWindow) {}

Response BuildkiteApi::Handle(const Request& request) {
  const std::optional<std::string> token = BearerToken(request);
  if (token != kBuildkiteToken && token != kBuildkiteNoClustersToken) {
    return Error(401,
                 "Authentication required. Please supply a valid API Access Token: "
                 "https://buildkite.com/docs/apis/rest-api#authentication");
  }
  const bool may_read_clusters = token == kBuildkiteToken;
  if (!rate_limits_) return Route(request, may_read_clusters);

  const TimePoint now = clock_();
  const RateLimit::Verdict organization = organization_limit_.Count(now);
  const RateLimit::Verdict user = (may_read_clusters ? user_limit_ : other_user_limit_).Count(now);
  Response response = user.exceeded()           ? TooMany("rest_user", user)
                      : organization.exceeded() ? TooMany("rest", organization)
                                                : Route(request, may_read_clusters);
  AddLimitHeaders("RateLimit-", "rest", organization, &response);
  AddLimitHeaders("RateLimit-User-", "rest_user", user, &response);
  return response;
}

Response BuildkiteApi::HandleGraphql(const Request& request, int max_page_size) const {
  if (BearerToken(request) != kBuildkiteToken) return Error(401, "Authentication required");
  if (request.method != "POST") return Error(405, "Method Not Allowed");
  return world_->Read([&](const World& world) {
    return Ok(AnswerGraphql(request.body, world.buildkite.organization(),
                            world.buildkite.ApiAccessTokens(), max_page_size));
  });
}

Response BuildkiteApi::Route(const Request& request, bool may_read_clusters) const {
  if (request.method != "GET" && request.method != "HEAD") return Error(405, "Method Not Allowed");
  const std::vector<std::string>& path = request.path;  // v2, …
  const auto organization =
      world_->Read([](const World& world) { return world.buildkite.organization(); });
  if (path.size() == 2 && path[1] == "access-token") return AccessToken(may_read_clusters);
  if (path.size() == 2 && path[1] == "organizations") {
    const Page page(request, 1);
    return Ok(page.begin() == 0 ? OrganizationsJson(organization) : "[]");
  }
  const bool packages = path.size() >= 5 && path[1] == "packages" && path[2] == "organizations";
  const bool plain = path.size() >= 3 && path[1] == "organizations";
  if (!packages && !plain) return Error(404, "Not Found");
  if (path[packages ? 3 : 2] != organization.slug) return Error(404, "No organization found");
  if (packages && path[4] == "registries") return Registries(request);
  if (plain && path.size() == 3) return Ok(OrganizationJson(organization));
  if (plain && path[3] == "clusters") {
    if (!may_read_clusters) {
      return Error(403, "Your access token doesn't have the read_clusters scope");
    }
    return Clusters(request);
  }
  return Error(404, "Not Found");
}

// v2 packages organizations {org} registries [{slug} [tokens [{id}]]], none of them paginated.
Response BuildkiteApi::Registries(const Request& request) const {
  const std::vector<std::string>& path = request.path;
  if (path.size() > 8 || (path.size() >= 7 && path[6] != "tokens")) return Error(404, "Not Found");
  Organization organization;
  std::vector<Registry> registries;
  std::vector<RegistryToken> tokens;
  std::optional<RegistryToken> token;
  world_->Read([&](const World& world) {
    const BuildkiteStore& store = world.buildkite;
    organization = store.organization();
    if (path.size() == 5) {
      registries = store.Registries();
      return;
    }
    const Registry* registry = store.FindRegistry(path[5]);
    if (registry == nullptr) return;
    registries = {*registry};
    if (path.size() == 7) tokens = store.TokensOfRegistry(path[5])->Copy();
    if (path.size() == 8) token = Pick(*store.TokensOfRegistry(path[5]), path[7]);
  });
  if (path.size() == 5) return Ok(RegistriesJson(organization, registries));
  if (registries.empty()) return Error(404, "No registry found");
  if (path.size() == 6) return Ok(RegistryJson(organization, registries.front()));
  if (path.size() == 7) return Ok(RegistryTokensJson(organization, registries.front(), tokens));
  if (!token) return Error(404, "No registry token found");
  return Ok(RegistryTokenJson(organization, registries.front(), *token));
}

// v2 organizations {org} clusters [{id} [tokens [{id}]]], the lists paginated.
Response BuildkiteApi::Clusters(const Request& request) const {
  const std::vector<std::string>& path = request.path;
  if (path.size() > 7 || (path.size() >= 6 && path[5] != "tokens")) return Error(404, "Not Found");
  Organization organization;
  std::vector<Cluster> clusters;
  std::vector<AgentToken> tokens;
  std::optional<AgentToken> token;
  std::optional<Page> page;
  world_->Read([&](const World& world) {
    const BuildkiteStore& store = world.buildkite;
    organization = store.organization();
    if (path.size() == 4) {
      clusters = store.Clusters();
      return;
    }
    const std::optional<Uuid> id = Uuid::Parse(path[4]);
    const Cluster* cluster = id ? store.FindCluster(*id) : nullptr;
    if (cluster == nullptr) return;
    clusters = {*cluster};
    const CreationOrder<AgentToken>& order = *store.TokensOfCluster(*id);
    if (path.size() == 6) tokens = Slice(order, page.emplace(request, order.size()));
    if (path.size() == 7) token = Pick(order, path[6]);
  });
  if (path.size() == 4) {
    page.emplace(request, clusters.size());
    clusters = {clusters.begin() + static_cast<std::ptrdiff_t>(page->begin()),
                clusters.begin() + static_cast<std::ptrdiff_t>(page->end())};
    Response response = Ok(ClustersJson(organization, clusters));
    page->AddLinks(request, &response);
    return response;
  }
  if (clusters.empty()) return Error(404, "No cluster found");
  if (path.size() == 5) return Ok(ClusterJson(organization, clusters.front()));
  if (path.size() == 6) {
    Response response = Ok(AgentTokensJson(organization, tokens));
    page->AddLinks(request, &response);
    return response;
  }
  if (!token) return Error(404, "No agent token found");
  return Ok(AgentTokenJson(organization, *token));
}

Response BuildkiteApi::AccessToken(bool may_read_clusters) const {
  std::vector<std::string> scopes = {"read_organizations", "read_registries"};
  if (may_read_clusters) scopes.emplace_back("read_clusters");
  const TimePoint now = clock_();
  return Ok(AccessTokenJson(scopes, now - std::chrono::days(30), now + std::chrono::days(60)));
}

}  // namespace tokeninventory::vendor_sim
