// A Connector of any manifest against a FakeVendor.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "connectors/connector.h"
#include "connectors/http/curl_client.h"
#include "tests/connectors/fake_pass_recorder.h"
#include "tests/connectors/fake_vendor.h"
#include "tests/connectors/manifest_fixture.h"

namespace tokeninventory::testing {

inline constexpr char kTestSecret[] = "hunter2-the-credential";

class ConnectorFixture : public ::testing::Test {
 protected:
  ConnectorFixture()
      : vendor([](const VendorRequest&) {
          VendorReply reply;
          reply.status = 404;
          return reply;
        }) {
    setenv("TI_TEST_CONNECTOR_SECRET", kTestSecret, 1);
  }

  // Once a test, after `spec` is as it should be.
  Connector& Make(const std::string& manifest_text, const std::string& base_path = "") {
    ManifestReport report = LoadManifest("m.yaml", manifest_text);
    for (const std::string& problem : report.problems) ADD_FAILURE() << problem;
    spec.id = "test";
    spec.interval = absl::Minutes(5);
    spec.manifest = report.manifest;
    spec.params.emplace("base_url", vendor.url() + base_path);
    spec.params.emplace("graphql_url", vendor.url() + "/graphql");
    for (const v1::ManifestParam& param : report.manifest->spec.params()) {
      if (!param.default_().empty()) spec.params.emplace(param.name(), param.default_());
    }
    if (spec.enabled.empty()) {
      for (const v1::ManifestStream& stream : report.manifest->spec.streams()) {
        spec.enabled.push_back(stream.default_() != "off");
      }
    }
    spec.auth = report.manifest->auth.empty() ? -1 : 0;
    v1::SecretRef ref;
    ref.set_env("TI_TEST_CONNECTOR_SECRET");
    for (const v1::ManifestSecret& secret : report.manifest->spec.secrets()) {
      spec.secrets.emplace(secret.name(), SecretSource(ref, ""));
    }
    spec.retry.first_backoff = absl::Milliseconds(1);
    spec.retry.limits = report.manifest->spec.limits();
    CurlClient::Options http;
    http.max_body_bytes = 200'000;
    http.request_timeout = absl::Seconds(5);
    if (workers.program.empty()) workers.program = TI_PAGE_WORKER;
    workers.max_body_bytes = http.max_body_bytes;
    connector =
        std::make_unique<Connector>(spec, std::make_shared<CurlClient>(http),
                                    std::make_shared<PageWorkers>(workers), Clock::Real(), nullptr);
    return *connector;
  }

  v1::SyncResult Run() {
    PassContext context;
    context.recorder = &recorder;
    context.on_progress = [this](const v1::SyncProgress& told) { progress.push_back(told); };
    absl::StatusOr<v1::SyncResult> result = connector->RunPass(context);
    EXPECT_TRUE(result.ok()) << result.status();
    // Whatever a pass says, it says without the credential.
    EXPECT_EQ(recorder.AllText().find(kTestSecret), std::string::npos);
    return result.ok() ? *result : v1::SyncResult();
  }

  // The body for each path (with query, if the key has one); 404 for others.
  void Serve(std::map<std::string, std::string> bodies) {
    vendor.SetHandler([bodies = std::move(bodies)](const VendorRequest& request) {
      VendorReply reply;
      std::string query;
      for (const auto& [name, value] : request.query) {
        query += (query.empty() ? "?" : "&") + name + "=" + value;
      }
      auto found = bodies.find(request.path + query);
      if (found == bodies.end()) found = bodies.find(request.path);
      if (found == bodies.end()) {
        reply.status = 404;
        reply.body = R"({"message": "no"})";
      } else {
        reply.body = found->second;
      }
      return reply;
    });
  }

  FakeVendor vendor;
  FakePassRecorder recorder;
  ConnectorSpec spec;
  PageWorkers::Options workers;
  std::unique_ptr<Connector> connector;
  std::vector<v1::SyncProgress> progress;
};

}  // namespace tokeninventory::testing
