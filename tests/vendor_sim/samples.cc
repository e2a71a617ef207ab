#include "tests/vendor_sim/samples.h"

#include <utility>

namespace tokeninventory::vendor_sim {
namespace {

constexpr char kRegistryTokenId[] = "0191b6a2-aa51-70d0-8a5f-aabce115b0fd";
constexpr char kAgentTokenId[] = "b6001416-0e1e-41c6-9dbe-3d96766f451a";
constexpr char kOpalTokenId[] = "f454d283-ca87-4a8a-bdbb-df212eca5353";

std::shared_ptr<const BuildkiteUser> SamKim() {
  BuildkiteUser user;
  user.id = Uuid::FromLiteral("3d3c3bf0-7d58-4afe-8fe7-b3017d5504de");
  user.created_at = MakeUtc(2013, 8, 29, 10, 10, 3);
  user.name = "Sam Kim";
  user.email = "sam@example.com";
  user.avatar_url = "https://www.gravatar.com/avatar/example";
  return std::make_shared<const BuildkiteUser>(std::move(user));
}

}  // namespace

Organization SampleOrganization() {
  Organization organization;
  organization.id = Uuid::FromLiteral("018a456f-e581-44b6-c5a4-1d8a5f7094ee");
  organization.created_at = MakeUtc(2015, 5, 9, 21, 5, 59, 874);
  organization.slug = "my_great_org";
  organization.name = "My Great Org";
  return organization;
}

Registry SampleRegistry() {
  Registry registry;
  registry.id = Uuid::FromLiteral("018f56ef-9ef4-70f0-aba2-0f4578e3d69d");
  registry.slug = "my-registry";
  registry.name = "my registry";
  registry.ecosystem = "ruby";
  return registry;
}

Cluster SampleCluster() {
  Cluster cluster;
  cluster.id = Uuid::FromLiteral("e4f44564-d3ea-45eb-87c2-6506643b852a");
  cluster.default_queue_id = Uuid::FromLiteral("01885682-55a7-44f5-84f3-0402fb452e66");
  cluster.created_at = MakeUtc(2023, 5, 3, 4, 17, 55, 867);
  cluster.name = "Open Source";
  cluster.description = "A place for safely running our open source builds";
  cluster.created_by = SamKim();
  return cluster;
}

RegistryToken SampleRegistryToken() {
  BuildkiteUser user;
  user.id = Uuid::FromLiteral("0191b13b-0eb6-470d-a4c0-2085974f3580");
  user.created_at = MakeUtc(2024, 9, 2, 5, 35, 23, 318);
  user.name = "Eminem";
  user.email = "eminem@buildkite.com";
  RegistryToken token;
  token.id = Uuid::FromLiteral(kRegistryTokenId);
  token.created_at = MakeUtc(2024, 9, 3, 6, 46, 39, 441);
  token.description = "Usher";
  token.created_by = std::make_shared<const BuildkiteUser>(std::move(user));
  token.registry_slug = SampleRegistry().slug;
  return token;
}

AgentToken SampleAgentToken() {
  AgentToken token;
  token.id = Uuid::FromLiteral(kAgentTokenId);
  token.created_at = MakeUtc(2023, 5, 26, 4, 21, 41, 350);
  token.description = "Windows agents";
  token.allowed_ip_addresses = "202.144.0.0/24";
  token.expires_at = VendorTime::At(MakeUtc(2026, 1, 1, 0, 0, 0));
  token.time_style = TimeStyle::kSeconds;
  token.created_by = SamKim();
  token.cluster_id = SampleCluster().id;
  return token;
}

OpalToken SampleOpalToken() {
  OpalToken token;
  token.id = Uuid::FromLiteral(kOpalTokenId);
  token.created_at = MakeUtc(2022, 1, 23, 4, 56, 7);
  token.label = "My API Token";
  token.preview = "ab123";
  token.creator_user_id = Uuid::FromLiteral("d4a7d928-783e-4599-8ec6-088d635a5bcc");
  token.user_id = token.creator_user_id;
  return token;
}

bool IsSample(const Uuid& id) {
  static const Uuid kSamples[] = {Uuid::FromLiteral(kRegistryTokenId),
                                  Uuid::FromLiteral(kAgentTokenId),
                                  Uuid::FromLiteral(kOpalTokenId)};
  for (const Uuid& sample : kSamples) {
    if (id == sample) return true;
  }
  return false;
}

}  // namespace tokeninventory::vendor_sim
