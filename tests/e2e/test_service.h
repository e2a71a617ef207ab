// The whole service in this process, on real gRPC, against a simulator of the
// vendors on real HTTP, with a database in a folder of its own.
#pragma once

#include <grpcpp/channel.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/server_app.h"
#include "tests/testing/temp_dir.h"
#include "tests/vendor_sim/vendor_sim.h"
#include "tokeninventory/v1/sources.grpc.pb.h"
#include "tokeninventory/v1/token_inventory.grpc.pb.h"

namespace tokeninventory::testing {

// A simulator that keeps tests fast: no rate limits.
vendor_sim::Options QuickSim(std::int64_t tokens);

// The names that the service must list for what the simulator holds, for the
// sources deepset-test, opal-test and buildkite-test.
std::set<std::string> TrueNames(const vendor_sim::Truth& truth);

// The configuration of the three test sources; credentials come from files that
// it writes into `folder`.
std::string TestConfig(const vendor_sim::VendorSim& sim, const TempDir& folder,
                       const std::string& interval);

// Used by one thread, except for the stubs.
class TestService {
 public:
  // Sources are polled at start and then only when a test asks.
  explicit TestService(vendor_sim::VendorSim& sim, std::string extra_config = "",
                       Clock* clock = Clock::Real());
  ~TestService() { Stop(); }

  // Starts, or starts again on the same database.
  void Start();
  void Stop();
  // Stops, and starts again with these lines behind the three sources'.
  void Restart(std::string extra_config);

  // Goes on with these lines behind the three sources', or with this file.
  absl::Status Reload(std::string extra_config);
  absl::Status ReloadFile(const std::string& text);
  // The text of the three sources, for ReloadFile.
  std::string SourcesConfig() { return TestConfig(sim_, folder_, "1d"); }

  v1::TokenInventory::Stub& tokens() { return *tokens_; }
  v1::Sources::Stub& sources() { return *sources_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  int port() const { return app_->port(); }
  int metrics_port() const { return app_->metrics_port(); }
  const TempDir& folder() const { return folder_; }

  // Runs a pass of a source that begins now; its result.
  v1::SyncResult Sync(const std::string& source);
  // The same of one that may be given up.
  grpc::Status TrySync(const std::string& source, v1::SyncResult* result);
  // Of all three.
  void SyncAll();

  // Every token, by name, through pages of `page_size`.
  std::map<std::string, v1::Token> ListAll(int page_size = 100, bool show_deleted = false);

  // As the last Start or Reload wrote it.
  std::string config_file() const { return folder_.File("config.yaml"); }

 private:
  ConfigOverrides Overrides() const;

  vendor_sim::VendorSim& sim_;
  std::string extra_config_;
  Clock* const clock_;
  TempDir folder_;
  std::unique_ptr<ServerApp> app_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::TokenInventory::Stub> tokens_;
  std::unique_ptr<v1::Sources::Stub> sources_;
};

// The google.rpc.ErrorInfo reason of a failed call; empty when there is none.
std::string ReasonOf(const grpc::Status& status);
// Whether it says how long to wait: google.rpc.RetryInfo.
bool HasRetryInfo(const grpc::Status& status);
// The field of its first BadRequest violation.
std::string FieldOf(const grpc::Status& status);

}  // namespace tokeninventory::testing
