// A running simulator with a clock of its own, and a client, for the simulator's own tests.
//
// Thread-compatible; the clock may be read from any thread.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/vendor_sim/credentials.h"
#include "tests/vendor_sim/sim_client.h"
#include "tests/vendor_sim/vendor_sim.h"

namespace tokeninventory::vendor_sim {

class SimTest : public ::testing::Test {
 protected:
  using Json = nlohmann::json;
  using Reply = SimClient::Reply;

  static TimePoint Base() { return MakeUtc(2026, 3, 1, 12, 0, 0); }

  // Options with this test's clock and without rate limits.
  Options TestOptions(std::int64_t tokens) {
    Options options;
    options.tokens = tokens;
    options.rate_limits = false;
    options.base_time = Base();
    options.clock = [this] { return Base() + std::chrono::seconds(seconds_.load()); };
    return options;
  }

  void StartSim(const Options& options) {
    sim_ = std::make_unique<VendorSim>(options);
    const absl::Status status = sim_->Start();
    ASSERT_TRUE(status.ok()) << status.message();
  }

  void Advance(int seconds) { seconds_ += seconds; }

  VendorSim& sim() { return *sim_; }

  Reply Deepset(const std::string& path) {
    return client_.Get(sim_->DeepsetBaseUrl() + path, kDeepsetKey);
  }
  Reply Opal(const std::string& path) {
    return client_.Get(sim_->OpalBaseUrl() + path, kOpalToken);
  }
  Reply Buildkite(const std::string& path) {
    return client_.Get(sim_->BuildkiteBaseUrl() + path, kBuildkiteToken);
  }
  SimClient& client() { return client_; }

  static Json Parse(const Reply& reply) {
    EXPECT_EQ(reply.error, "");
    EXPECT_EQ(reply.status, 200) << reply.body;
    return Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  }

  // Adds records to `seen` by their id; every id must be new.
  static void Collect(const Json& records, const char* id_field,
                      std::map<std::string, Json>* seen) {
    for (const Json& record : records) {
      const std::string id = record.at(id_field);
      EXPECT_TRUE(seen->emplace(id, record).second) << "twice: " << id;
    }
  }

 private:
  std::atomic<int> seconds_{0};
  std::unique_ptr<VendorSim> sim_;
  SimClient client_;
};

}  // namespace tokeninventory::vendor_sim
