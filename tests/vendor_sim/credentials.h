// The credentials that the simulated vendors accept. They open nothing but the simulator.
#pragma once

namespace tokeninventory::vendor_sim {

inline constexpr char kDeepsetKey[] = "sim-deepset-key";

inline constexpr char kOpalToken[] = "sim-opal-token";
// A user who is no admin: Opal answers 403.
inline constexpr char kOpalNonAdminToken[] = "sim-opal-non-admin-token";

inline constexpr char kBuildkiteToken[] = "sim-buildkite-token";
// A token without the scope read_clusters: Buildkite answers 403 on clusters and agent tokens. It
// belongs to another user, so it has a rate limit of its own.
inline constexpr char kBuildkiteNoClustersToken[] = "sim-buildkite-no-clusters-token";

}  // namespace tokeninventory::vendor_sim
