// What the simulated vendors know: one plain struct per kind of record, and all of it together as
// the truth that a test compares with.
//
// Thread-compatible: plain values.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/vendor_sim/sim_time.h"
#include "tests/vendor_sim/uuid.h"

namespace tokeninventory::vendor_sim {

// The kinds of tokens, one per list that a connector reads by default.
enum class TokenKind { kDeepset, kModelRegistry, kOpal, kBuildkiteRegistry, kBuildkiteAgent };

// Some vendors leave a time out, some write null; a client must read both.
struct VendorTime {
  enum class Form { kAbsent, kNull, kValue };
  Form form = Form::kAbsent;
  TimePoint value;

  static VendorTime Absent() { return {}; }
  static VendorTime Null() { return {Form::kNull, {}}; }
  static VendorTime At(TimePoint time) { return {Form::kValue, time}; }
  bool has_value() const { return form == Form::kValue; }
};

struct Workspace {
  Uuid id;
  std::string name;
};

struct DeepsetToken {
  Uuid id;
  // Orders the lists; deepset sorts by it but never shows it.
  TimePoint created_at;
  std::string name;
  std::string masked_token;
  bool personal = false;
  std::optional<TimePoint> expires_at;
  TimeStyle time_style = TimeStyle::kMillis;
  std::string given_name;
  std::string family_name;
  // The deprecated free text.
  std::string role;
  // ADMIN, MEMBER or EXTERNAL.
  std::string organization_role;
  bool all_workspaces = false;
  // The key is optional in deepset's schema; left out it means false.
  bool shows_all_workspaces = true;
  std::vector<std::string> workspaces;

  // Only such a token is in a workspace's list; the others only in the organisation's.
  bool IsExclusive() const { return !all_workspaces && workspaces.size() == 1; }
};

struct ModelRegistryToken {
  Uuid id;
  // Orders the list; never shown.
  TimePoint created_at;
  std::string provider;
  std::string provider_domain;
  bool invalid = false;
};

struct OpalToken {
  Uuid id;
  // Unique among Opal's tokens: it is what the cursor means.
  TimePoint created_at;
  std::string label;
  std::optional<std::string> preview;
  Uuid creator_user_id;
  Uuid user_id;
  bool full_access = false;
  VendorTime last_used_at;
  VendorTime expires_at;
  // Of last_used_at and expires_at; created_at always has milliseconds.
  TimeStyle time_style = TimeStyle::kMillis;
};

struct BuildkiteUser {
  Uuid id;
  TimePoint created_at;
  std::string name;
  std::string email;
  std::optional<std::string> avatar_url;
};

struct Organization {
  Uuid id;
  TimePoint created_at;
  std::string slug;
  std::string name;
};

struct Registry {
  Uuid id;
  std::string slug;
  std::string name;
  std::string ecosystem;
};

struct RegistryToken {
  Uuid id;
  TimePoint created_at;
  std::string description;
  // Null where the user is gone.
  std::shared_ptr<const BuildkiteUser> created_by;
  std::string registry_slug;
};

struct Cluster {
  Uuid id;
  Uuid default_queue_id;
  TimePoint created_at;
  std::string name;
  std::string description;
  std::shared_ptr<const BuildkiteUser> created_by;
};

struct AgentToken {
  Uuid id;
  TimePoint created_at;
  std::string description;
  // Space-separated CIDR blocks.
  std::optional<std::string> allowed_ip_addresses;
  VendorTime expires_at;
  TimeStyle time_style = TimeStyle::kSeconds;
  std::shared_ptr<const BuildkiteUser> created_by;
  Uuid cluster_id;
};

// A user's own token, which only GraphQL shows, and only to an administrator.
struct ApiAccessToken {
  Uuid id;
  TimePoint created_at;
  std::string description;
  // In GraphQL's spelling: READ_ORGANIZATIONS.
  std::vector<std::string> scopes;
  VendorTime expires_at;
  VendorTime last_accessed_at;
  std::optional<std::string> ip_address;
  std::shared_ptr<const BuildkiteUser> owner;
};

// All that the vendors know at one moment. Tokens are in order of creation, oldest first.
struct Truth {
  std::vector<Workspace> workspaces;
  // Includes the shared ones, which only the organisation-wide list shows.
  std::vector<DeepsetToken> deepset_tokens;
  std::vector<ModelRegistryToken> model_registry_tokens;
  std::vector<OpalToken> opal_tokens;
  Organization organization;
  std::vector<Registry> registries;
  std::vector<RegistryToken> registry_tokens;
  std::vector<Cluster> clusters;
  std::vector<AgentToken> agent_tokens;
  // Only GraphQL shows them.
  std::vector<ApiAccessToken> api_access_tokens;
};

// How many tokens there are of each kind, and how many parents.
struct WorldCounts {
  std::size_t deepset_exclusive = 0;
  std::size_t deepset_shared = 0;
  std::size_t model_registry = 0;
  std::size_t opal = 0;
  std::size_t registry = 0;
  std::size_t agent = 0;
  std::size_t workspaces = 0;
  std::size_t registries = 0;
  std::size_t clusters = 0;

  // What a connector lists with its default streams: all but the shared tokens of deepset.
  std::size_t Listed() const {
    return deepset_exclusive + model_registry + opal + registry + agent;
  }
};

}  // namespace tokeninventory::vendor_sim
