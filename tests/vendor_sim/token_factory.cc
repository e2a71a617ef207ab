#include "tests/vendor_sim/token_factory.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <tuple>
#include <utility>

namespace tokeninventory::vendor_sim {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

using Words = std::vector<std::string>;

const Words& Subjects() {
  static const Words words = {"nightly", "billing", "search",  "terraform", "mobile", "grafana",
                              "release", "staging", "airflow", "Zürich",    "backup", "checkout",
                              "data",    "support", "Anna's",  "load-test", "docs",   "partner"};
  return words;
}

const Words& Purposes() {
  static const Words words = {"deploy", "pipeline", "exporter", "bot",    "sync",  "notebook",
                              "ci",     "importer", "audit",    "worker", "agent", "webhook"};
  return words;
}

const Words& GivenNames() {
  static const Words words = {"Ada",  "Grace", "Linus", "Márta", "Noor", "Sam", "Søren",
                              "Yuki", "Zoë",   "Ken",   "Priya", "Olga", "Tim", "Ines"};
  return words;
}

const Words& FamilyNames() {
  static const Words words = {"Lovelace", "Hopper",   "Kim",   "Nagy",  "O'Neill", "Larsen",
                              "Tanaka",   "Müller",   "Rao",   "Silva", "Okafor",  "de la Cruz",
                              "Petrova",  "Thompson", "Weiss", "Li"};
  return words;
}

const std::vector<std::pair<std::string, std::string>>& Providers() {
  static const std::vector<std::pair<std::string, std::string>> providers = {
      {"huggingface", "huggingface.co"},
      {"openai", "api.openai.com"},
      {"aws-bedrock", "us-east-1"},
      {"azure-openai", "example.openai.azure.com"},
      {"cohere", "api.cohere.ai"},
      {"aws-bedrock-api-key", "eu-central-1"},
      {"anthropic", "api.anthropic.com"},
      {"snowflake", ""},
      {"mongodb", "cluster0.example.mongodb.net"},
      {"deepl", "api.deepl.com"},
      {"voyage-ai", "api.voyageai.com"},
      {"wandb-ai", "wandb.ai"}};
  return providers;
}

}  // namespace

std::string TokenFactory::Name() {
  const std::string& subject = random_->Pick(Subjects());
  const std::string& purpose = random_->Pick(Purposes());
  return subject + "-" + purpose + "-" + std::to_string(random_->Below(10000));
}

std::optional<TimePoint> TokenFactory::Expiry(TimePoint created_at, TimePoint now) {
  const std::uint64_t share = random_->Below(100);
  if (share < 15) return std::nullopt;
  std::chrono::microseconds from_now;
  if (share < 27) {
    from_now = -seconds(random_->Between(3600, 200 * 86400));
  } else if (share < 33) {
    from_now = seconds(random_->Between(60, 2 * 3600));
  } else if (share < 43) {
    from_now = seconds(random_->Between(2 * 3600, 24 * 3600));
  } else if (share < 63) {
    from_now = seconds(random_->Between(86400, 30 * 86400));
  } else {
    from_now = seconds(random_->Between(30 * 86400, 365 * 86400));
  }
  from_now += std::chrono::microseconds(random_->Below(1000000));
  // No token ends before it begins.
  return std::max(now + from_now, created_at + hours(1));
}

DeepsetToken TokenFactory::Deepset(TimePoint created_at, TimePoint now,
                                   std::vector<std::string> workspaces, bool all_workspaces) {
  static const Words kRoles = {"ADMIN", "MEMBER", "EXTERNAL"};
  static const Words kOldRoles = {"Admin", "Editor", "Search User"};
  static constexpr TimeStyle kStyles[] = {TimeStyle::kMillis, TimeStyle::kMillis,
                                          TimeStyle::kMicros, TimeStyle::kSeconds,
                                          TimeStyle::kOffset};
  DeepsetToken token;
  token.id = random_->RandomId();
  token.created_at = created_at;
  // Whoever typed no name gets the id as name.
  token.name = random_->Percent(4) ? token.id.ToString() : Name();
  token.masked_token = "api_" + std::string(24, '*') + random_->Alphanumeric(4);
  token.personal = random_->Percent(40);
  token.time_style = kStyles[random_->Below(std::size(kStyles))];
  token.expires_at = Expiry(created_at, now);
  if (token.expires_at) token.expires_at = Truncate(*token.expires_at, token.time_style);
  token.given_name = random_->Pick(GivenNames());
  token.family_name = random_->Pick(FamilyNames());
  const auto role = random_->Below(kRoles.size());
  token.organization_role = kRoles[role];
  token.role = random_->Percent(10) ? kOldRoles[role] : kRoles[role];
  token.all_workspaces = all_workspaces;
  token.shows_all_workspaces = all_workspaces || random_->Percent(70);
  token.workspaces = std::move(workspaces);
  return token;
}

ModelRegistryToken TokenFactory::ModelRegistry(TimePoint created_at) {
  ModelRegistryToken token;
  token.id = random_->RandomId();
  token.created_at = created_at;
  std::tie(token.provider, token.provider_domain) = random_->Pick(Providers());
  token.invalid = random_->Percent(15);
  return token;
}

OpalToken TokenFactory::Opal(TimePoint created_at, TimePoint now, const std::vector<Uuid>& users) {
  static constexpr TimeStyle kStyles[] = {TimeStyle::kMillis, TimeStyle::kMillis,
                                          TimeStyle::kSeconds, TimeStyle::kMicros};
  OpalToken token;
  token.id = random_->RandomId();
  token.created_at = Truncate(created_at, TimeStyle::kMillis);
  token.label = Name();
  if (random_->Percent(90)) token.preview = random_->Alphanumeric(5);
  token.user_id = random_->Pick(users);
  token.creator_user_id = random_->Percent(80) ? token.user_id : random_->Pick(users);
  token.full_access = random_->Percent(30);
  token.time_style = kStyles[random_->Below(std::size(kStyles))];
  const bool absent = random_->Percent(50);
  if (const std::optional<TimePoint> expiry = Expiry(created_at, now)) {
    token.expires_at = VendorTime::At(Truncate(*expiry, token.time_style));
  } else {
    token.expires_at = absent ? VendorTime::Absent() : VendorTime::Null();
  }
  const std::int64_t age = std::chrono::duration_cast<seconds>(now - created_at).count();
  if (age > 60 && random_->Percent(75)) {
    const TimePoint used =
        now - seconds(random_->Between(1, std::min<std::int64_t>(age, 90 * 86400)));
    token.last_used_at = VendorTime::At(Truncate(used, token.time_style));
  } else {
    token.last_used_at = absent ? VendorTime::Null() : VendorTime::Absent();
  }
  return token;
}

RegistryToken TokenFactory::BuildkiteRegistry(
    TimePoint created_at, std::string registry_slug,
    const std::vector<std::shared_ptr<const BuildkiteUser>>& users) {
  RegistryToken token;
  token.created_at = Truncate(created_at, TimeStyle::kMillis);
  token.id = random_->TimeOrderedId(token.created_at);
  token.description = Name();
  if (!random_->Percent(8)) token.created_by = random_->Pick(users);
  token.registry_slug = std::move(registry_slug);
  return token;
}

AgentToken TokenFactory::BuildkiteAgent(
    TimePoint created_at, TimePoint now, Uuid cluster_id,
    const std::vector<std::shared_ptr<const BuildkiteUser>>& users) {
  static const Words kAddresses = {"202.144.0.0/24", "192.0.2.0/24 198.51.100.0/24", "0.0.0.0/0"};
  AgentToken token;
  token.created_at = Truncate(created_at, TimeStyle::kMillis);
  token.id = random_->TimeOrderedId(token.created_at);
  token.description = Name();
  if (random_->Percent(60)) token.allowed_ip_addresses = random_->Pick(kAddresses);
  token.time_style = random_->Percent(60) ? TimeStyle::kSeconds : TimeStyle::kMillis;
  const bool absent = random_->Percent(40);
  if (const std::optional<TimePoint> expiry = Expiry(created_at, now)) {
    token.expires_at = VendorTime::At(Truncate(*expiry, token.time_style));
  } else {
    token.expires_at = absent ? VendorTime::Absent() : VendorTime::Null();
  }
  if (!random_->Percent(8)) token.created_by = random_->Pick(users);
  token.cluster_id = cluster_id;
  return token;
}

ApiAccessToken TokenFactory::ApiAccess(
    TimePoint created_at, TimePoint now,
    const std::vector<std::shared_ptr<const BuildkiteUser>>& users) {
  static const Words kScopes = {"READ_BUILDS", "WRITE_BUILDS", "READ_AGENTS", "GRAPHQL"};
  ApiAccessToken token;
  token.created_at = Truncate(created_at, TimeStyle::kMillis);
  token.id = random_->TimeOrderedId(token.created_at);
  token.description = Name();
  token.scopes = {"READ_ORGANIZATIONS", random_->Pick(kScopes)};
  token.expires_at = VendorTime::Null();
  if (const std::optional<TimePoint> expiry = Expiry(created_at, now)) {
    token.expires_at = VendorTime::At(Truncate(*expiry, TimeStyle::kSeconds));
  }
  token.last_accessed_at = VendorTime::Null();
  if (random_->Percent(80)) {
    token.last_accessed_at = VendorTime::At(
        Truncate(now - seconds(random_->Between(1, 30 * 86400)), TimeStyle::kSeconds));
    token.ip_address = "192.0.2." + std::to_string(random_->Below(255));
  }
  if (!users.empty()) token.owner = random_->Pick(users);
  return token;
}

std::shared_ptr<const BuildkiteUser> TokenFactory::User(TimePoint created_at) {
  BuildkiteUser user;
  user.created_at = Truncate(created_at, TimeStyle::kMillis);
  user.id = random_->TimeOrderedId(user.created_at);
  user.name = random_->Pick(GivenNames());
  user.name += " " + random_->Pick(FamilyNames());
  user.email = "user" + std::to_string(random_->Below(100000)) + "@example.com";
  if (random_->Percent(50)) {
    user.avatar_url = "https://www.gravatar.com/avatar/" + random_->Alphanumeric(12);
  }
  return std::make_shared<const BuildkiteUser>(std::move(user));
}

}  // namespace tokeninventory::vendor_sim
