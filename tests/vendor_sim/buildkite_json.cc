#include "tests/vendor_sim/buildkite_json.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "tests/vendor_sim/encoding.h"

namespace tokeninventory::vendor_sim {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kApi[] = "://api.buildkite.com/v2/";
constexpr char kWeb[] = "://buildkite.com/organizations/";

std::string GraphqlId(const char* type, const std::string& id) {
  return Base64Encode(std::string(type) + "---" + id);
}

Json UserJson(const std::shared_ptr<const BuildkiteUser>& user) {
  if (user == nullptr) return nullptr;
  const std::string id = user->id.ToString();
  return {{"id", id},
          {"graphql_id", GraphqlId("User", id)},
          {"name", user->name},
          {"email", user->email},
          {"avatar_url", user->avatar_url ? Json(*user->avatar_url) : Json(nullptr)},
          {"created_at", FormatTime(user->created_at, TimeStyle::kMillis)}};
}

Json ToJson(const Organization& organization) {
  const std::string id = organization.id.ToString();
  const std::string url = std::string("https") + kApi + "organizations/" + organization.slug;
  return {{"id", id},
          {"graphql_id", GraphqlId("Organization", id)},
          {"url", url},
          {"web_url", "https://buildkite.com/" + organization.slug},
          {"name", organization.name},
          {"slug", organization.slug},
          {"pipelines_url", url + "/pipelines"},
          {"agents_url", url + "/agents"},
          {"emojis_url", url + "/emojis"},
          {"created_at", FormatTime(organization.created_at, TimeStyle::kMillis)}};
}

std::string RegistryPath(const Organization& organization, const Registry& registry) {
  return "packages/organizations/" + organization.slug + "/registries/" + registry.slug;
}

Json ToJson(const Organization& organization, const Registry& registry) {
  const std::string id = registry.id.ToString();
  return {{"id", id},
          {"graphql_id", GraphqlId("Registry", id)},
          {"slug", registry.slug},
          {"url", std::string("https") + kApi + RegistryPath(organization, registry)},
          {"web_url", std::string("https") + kWeb + organization.slug + "/packages/registries/" +
                          registry.slug},
          {"name", registry.name},
          {"ecosystem", registry.ecosystem},
          {"description", nullptr},
          {"emoji", nullptr},
          {"color", nullptr},
          {"public", false},
          {"oidc_policy", nullptr}};
}

Json ToJson(const Organization& organization, const Registry& registry,
            const RegistryToken& token) {
  const std::string id = token.id.ToString();
  const std::string registry_id = registry.id.ToString();
  const std::string registry_url =
      std::string("http") + kApi + RegistryPath(organization, registry);
  return {{"id", id},
          {"graphql_id", GraphqlId("RegistryToken", id)},
          {"description", token.description},
          {"url", registry_url + "/tokens/" + id},
          {"created_at", FormatTime(token.created_at, TimeStyle::kMillis)},
          {"created_by", UserJson(token.created_by)},
          {"organization",
           {{"id", organization.id.ToString()},
            {"slug", organization.slug},
            {"url", std::string("https") + kApi + "analytics/organizations/" + organization.slug},
            {"web_url", std::string("https") + kWeb + organization.slug}}},
          // The odd web_url is the vendor's.
          {"registry",
           {{"id", registry_id},
            {"graphql_id", GraphqlId("Registry", registry_id)},
            {"slug", registry.slug},
            {"url", registry_url},
            {"web_url", std::string("http") + kWeb + "buildkite/" + organization.slug +
                            "/registries/" + registry.slug}}}};
}

std::string ClusterUrl(const Organization& organization, const Uuid& cluster_id) {
  return std::string("http") + kApi + "organizations/" + organization.slug + "/clusters/" +
         cluster_id.ToString();
}

Json ToJson(const Organization& organization, const Cluster& cluster) {
  const std::string id = cluster.id.ToString();
  const std::string url = ClusterUrl(organization, cluster.id);
  const std::string queue_id = cluster.default_queue_id.ToString();
  return {{"id", id},
          {"graphql_id", GraphqlId("Cluster", id)},
          {"default_queue_id", queue_id},
          {"name", cluster.name},
          {"description", cluster.description.empty() ? Json(nullptr) : Json(cluster.description)},
          {"emoji", nullptr},
          {"color", nullptr},
          {"url", url},
          {"web_url", std::string("http") + kWeb + organization.slug + "/clusters/" + id},
          {"default_queue_url", url + "/queues/" + queue_id},
          {"queues_url",
           std::string("http") + kWeb + organization.slug + "/clusters/" + id + "/queues"},
          {"created_at", FormatTime(cluster.created_at, TimeStyle::kMillis)},
          {"created_by", UserJson(cluster.created_by)}};
}

Json ToJson(const Organization& organization, const AgentToken& token) {
  const std::string id = token.id.ToString();
  Json json = {{"id", id},
               {"graphql_id", GraphqlId("ClusterToken", id)},
               {"description", token.description}};
  if (token.allowed_ip_addresses) json["allowed_ip_addresses"] = *token.allowed_ip_addresses;
  if (token.expires_at.form != VendorTime::Form::kAbsent) {
    json["expires_at"] = token.expires_at.has_value()
                             ? Json(FormatTime(token.expires_at.value, token.time_style))
                             : Json(nullptr);
  }
  const std::string cluster_url = ClusterUrl(organization, token.cluster_id);
  json["url"] = cluster_url + "/tokens/" + id;
  json["cluster_url"] = cluster_url;
  json["created_at"] = FormatTime(token.created_at, TimeStyle::kMillis);
  json["created_by"] = UserJson(token.created_by);
  return json;
}

// A JSON array of ToJson(prefix…, record).
template <typename Record, typename... Prefix>
std::string ArrayOf(const std::vector<Record>& records, const Prefix&... prefix) {
  Json array = Json::array();
  for (const Record& record : records) array.push_back(ToJson(prefix..., record));
  return array.dump();
}

}  // namespace

std::string OrganizationsJson(const Organization& organization) {
  return ArrayOf(std::vector<Organization>{organization});
}

std::string OrganizationJson(const Organization& organization) {
  return ToJson(organization).dump();
}

std::string RegistriesJson(const Organization& organization,
                           const std::vector<Registry>& registries) {
  return ArrayOf(registries, organization);
}

std::string RegistryJson(const Organization& organization, const Registry& registry) {
  return ToJson(organization, registry).dump();
}

std::string RegistryTokensJson(const Organization& organization, const Registry& registry,
                               const std::vector<RegistryToken>& tokens) {
  return ArrayOf(tokens, organization, registry);
}

std::string RegistryTokenJson(const Organization& organization, const Registry& registry,
                              const RegistryToken& token) {
  return ToJson(organization, registry, token).dump();
}

std::string ClustersJson(const Organization& organization, const std::vector<Cluster>& clusters) {
  return ArrayOf(clusters, organization);
}

std::string ClusterJson(const Organization& organization, const Cluster& cluster) {
  return ToJson(organization, cluster).dump();
}

std::string AgentTokensJson(const Organization& organization,
                            const std::vector<AgentToken>& tokens) {
  return ArrayOf(tokens, organization);
}

std::string AgentTokenJson(const Organization& organization, const AgentToken& token) {
  return ToJson(organization, token).dump();
}

std::string AccessTokenJson(const std::vector<std::string>& scopes, TimePoint created_at,
                            TimePoint expires_at) {
  const Json json = {
      {"uuid", "b63254c0-3271-4a98-8270-7cfbd6c2f14e"},
      {"scopes", scopes},
      {"description", "Development Token"},
      {"created_at", FormatSpacedUtc(created_at)},
      {"expires_at", FormatSpacedUtc(expires_at)},
      {"user", {{"email", "algernon.m@buildkite.com"}, {"name", "Algernon Moncrieff"}}}};
  return json.dump();
}

std::string BuildkiteErrorJson(const std::string& message) {
  return Json{{"message", message}}.dump();
}

std::string RateLimitErrorJson(const std::string& scope, int limit, int current, int reset) {
  const Json json = {
      {"message", "You have exceeded your API rate limit. Please wait " + std::to_string(reset) +
                      " seconds before making more requests."},
      {"scope", scope},
      {"limit", limit},
      {"current", current},
      {"reset", reset}};
  return json.dump();
}

}  // namespace tokeninventory::vendor_sim
