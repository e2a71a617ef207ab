// A simulator of three vendors' REST APIs (deepset, Opal, Buildkite) on one port of this machine.
//
//   VendorSim sim({.tokens = 300, .seed = 1});
//   ASSERT_TRUE(sim.Start().ok());
//   … poll sim.DeepsetBaseUrl() with kDeepsetKey (credentials.h), compare with sim.ReadTruth() …
//
// Equal options and equal changes give equal bytes. It keeps to what PROVIDERS.md A tells of the
// vendors; where that is silent, the choice is a comment where it is made.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "tests/vendor_sim/buildkite_api.h"
#include "tests/vendor_sim/churn.h"
#include "tests/vendor_sim/deepset_api.h"
#include "tests/vendor_sim/fault_plan.h"
#include "tests/vendor_sim/http_server.h"
#include "tests/vendor_sim/opal_api.h"
#include "tests/vendor_sim/records.h"
#include "tests/vendor_sim/request_log.h"
#include "tests/vendor_sim/world.h"

namespace tokeninventory::vendor_sim {

struct Options {
  std::string host = "127.0.0.1";
  // 0 takes a free one.
  int port = 0;
  // All that a connector lists by default, over the three vendors; see SplitTokens.
  std::int64_t tokens = 300;
  std::uint64_t seed = 1;
  // Changes a second, made by a thread of its own while the server runs.
  double churn = 0;
  bool rate_limits = true;
  // Where the vendors page at all: no page is longer than this, whatever is asked for. 0 leaves it
  // to the vendors. With small pages a small world has lists of many.
  int max_page_size = 0;
  // What the generated lifetimes are relative to; by default the clock's last full hour, so that
  // within one hour a seed gives the same tokens.
  std::optional<TimePoint> base_time = {};
  // For churn and rate limits; called from any thread.
  std::function<TimePoint()> clock = RealNow;
};

// Thread-safe, except that Start and Stop belong to one thread.
class VendorSim {
 public:
  explicit VendorSim(Options options);
  ~VendorSim();  // stops
  VendorSim(const VendorSim&) = delete;
  VendorSim& operator=(const VendorSim&) = delete;

  // Serves, and starts the churn, until Stop; call it once. UNAVAILABLE when the address is taken.
  absl::Status Start();

  // Returns when no request is running: a second at most once all are answered.
  void Stop();

  // Valid after Start.
  int port() const { return server_.port(); }
  std::string DeepsetBaseUrl() const { return Origin(); }
  std::string OpalBaseUrl() const { return Origin() + "/v1"; }
  std::string BuildkiteBaseUrl() const { return Origin(); }
  std::string BuildkiteGraphqlUrl() const { return Origin() + "/graphql"; }

  // The answer to a request, without the network.
  Response Handle(const Request& request);

  // What the vendors know now.
  Truth ReadTruth() const;
  WorldCounts Counts() const;

  // Makes `changes` changes and tells which, fewer only in an empty world.
  std::vector<Change> ApplyChurn(int changes);

  // Adds a made-up token to `parent` (workspace name, registry slug or cluster id), or to any
  // parent when it is empty. Nothing when there is no such parent.
  std::optional<Uuid> AddToken(TokenKind kind, const std::string& parent = "");

  // Adds exactly this token. False when its id is taken or its parent is not there.
  bool AddDeepsetToken(DeepsetToken token);
  bool AddModelRegistryToken(ModelRegistryToken token);
  bool AddOpalToken(OpalToken token);
  bool AddRegistryToken(RegistryToken token);
  bool AddAgentToken(AgentToken token);
  bool AddApiAccessToken(ApiAccessToken token);

  // Of any vendor. False when there is no such token, or its vendor has no such thing.
  bool RemoveToken(const Uuid& id);
  bool RenewToken(const Uuid& id, std::optional<TimePoint> expires_at);
  bool UseToken(const Uuid& id, TimePoint used_at);
  bool RenameToken(const Uuid& id, const std::string& name);

  // Parents. Adding is false when the name is taken, removing when it is not there; the tokens of
  // a removed parent go with it.
  bool AddWorkspace(const std::string& name);
  bool RemoveWorkspace(const std::string& name);
  bool AddRegistry(const std::string& slug);
  bool RemoveRegistry(const std::string& slug);
  // Clusters have no unique name; the answer is the new id.
  Uuid AddCluster(const std::string& name);
  bool RemoveCluster(const Uuid& id);

  void AddFault(Fault fault) { faults_.Add(std::move(fault)); }
  // Ends stalls too.
  void ClearFaults();

  // The newest requests, oldest first; at most RequestLog::kCapacity.
  std::vector<LoggedRequest> Requests() const { return log_.Copy(); }
  void ClearRequests() { log_.Clear(); }

 private:
  std::string Origin() const;
  // Chooses the vendor by the first segments of the path.
  Response AskVendor(const Request& request);
  // Tokens that `response` shows, up to `count`.
  void RemoveShown(const Response& response, int count);
  void RunChurn();

  const Options options_;
  SharedWorld world_;
  // Touched with the world held.
  std::unique_ptr<Churn> churn_;
  std::unique_ptr<Random> parent_ids_;

  DeepsetApi deepset_;
  OpalApi opal_;
  BuildkiteApi buildkite_;
  FaultPlan faults_;
  RequestLog log_;

  std::mutex stop_mutex_;
  std::condition_variable stop_changed_;
  bool stopping_ = false;  // guarded by stop_mutex_
  std::thread churn_thread_;
  HttpServer server_;
};

}  // namespace tokeninventory::vendor_sim
