// The service's metrics over real HTTP, against what the vendors' simulator and the service's own
// answers say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "tests/e2e/scrape.h"
#include "tests/e2e/test_service.h"
#include "tests/e2e/watcher.h"

namespace tokeninventory {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::HttpAnswer;
using testing::HttpGet;
using testing::HttpPost;
using testing::QuickSim;
using testing::Scrape;
using testing::TestService;
using testing::Watcher;
using vendor_sim::VendorSim;

constexpr char kMetrics[] = "metrics: {listen: '127.0.0.1:0'}\n";
constexpr char kOpal[] = R"(source="opal-test",provider="opal")";

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class MetricsTest : public ::testing::Test {
 protected:
  explicit MetricsTest(const vendor_sim::Options& options = QuickSim(300)) : sim_(options) {
    EXPECT_TRUE(sim_.Start().ok());
    service_ = std::make_unique<TestService>(sim_, kMetrics);
  }

  Scrape Look() { return Scrape(service_->metrics_port()); }
  HttpAnswer Get(const std::string& path) { return HttpGet(service_->metrics_port(), path); }
  v1::Source Source(const std::string& id) {
    grpc::ClientContext context;
    v1::GetSourceRequest request;
    request.set_name(absl::StrCat("sources/", id));
    v1::Source source;
    const grpc::Status status = service_->sources().GetSource(&context, request, &source);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return source;
  }
  // Scrapes until it is so; false after a minute.
  template <typename Condition>
  bool Await(Condition is_so) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!is_so(Look())) {
      if (std::chrono::steady_clock::now() > deadline) return false;
    }
    return true;
  }

  VendorSim sim_;
  std::unique_ptr<TestService> service_;
};

TEST_F(MetricsTest, TokensAreCountedAsListShowsThem) {
  service_->SyncAll();
  const std::map<std::string, v1::Token> tokens = service_->ListAll();
  const absl::Time before = absl::Now();
  const Scrape scrape = Look();
  const absl::Time after = absl::Now();

  std::map<std::string, double> counts;
  std::map<std::string, std::pair<int, int>> ending;  // at least, at most
  std::map<std::string, absl::Time> soonest;
  for (const auto& [name, token] : tokens) {
    const std::string labels = absl::StrCat("source=\"", token.source().substr(8), "\",provider=\"",
                                            token.provider(), "\"");
    counts[absl::StrCat("token_inventory_tokens{", labels, ",state=\"",
                        v1::Token::State_Name(token.state()), "\",kind=\"", token.kind(), "\"}")] +=
        1;
    if (token.state() != v1::Token::ACTIVE || !token.has_effective_expire_time()) continue;
    const absl::Time end = FromProto(token.effective_expire_time());
    if (end <= after) continue;
    absl::Time& next = soonest.emplace(labels, end).first->second;
    next = std::min(next, end);
    for (const int days : {1, 3, 7, 14, 30}) {
      auto& [least, most] = ending[absl::StrCat("token_inventory_tokens_expiring{", labels,
                                                ",within=\"", days, "d\"}")];
      least += end <= before + absl::Hours(24) * days;
      most += end <= after + absl::Hours(24) * days;
    }
  }
  ASSERT_GT(counts.size(), 5u);
  for (const auto& [series, count] : counts) EXPECT_EQ(scrape[series], count) << series;
  EXPECT_EQ(scrape.Sum("token_inventory_tokens"), static_cast<double>(tokens.size()));
  ASSERT_FALSE(ending.empty());
  for (const auto& [series, range] : ending) {
    EXPECT_GE(scrape[series], range.first) << series;
    EXPECT_LE(scrape[series], range.second) << series;
  }
  ASSERT_FALSE(soonest.empty());
  for (const auto& [labels, end] : soonest) {
    EXPECT_NEAR(
        scrape[absl::StrCat("token_inventory_soonest_expiry_timestamp_seconds{", labels, "}")],
        absl::ToDoubleSeconds(end - absl::UnixEpoch()), 1);
  }

  v1::ListExpirationsRequest request;
  request.set_parent("sources/opal-test");
  request.set_page_size(1000);
  grpc::ClientContext context;
  v1::ListExpirationsResponse open;
  ASSERT_TRUE(service_->tokens().ListExpirations(&context, request, &open).ok());
  ASSERT_GT(open.expirations_size(), 0);
  EXPECT_EQ(scrape.Sum("token_inventory_open_notices", kOpal), open.expirations_size());
}

TEST_F(MetricsTest, SourcesTellWhatTheirPassesCameTo) {
  service_->SyncAll();
  const auto state = [](const char* name) {
    return absl::StrCat("token_inventory_source_state{", kOpal, ",state=\"", name, "\"}");
  };
  const auto of_opal = [](const std::string& name, const std::string& more = "") {
    return absl::StrCat("token_inventory_", name, "{", kOpal, more, "}");
  };
  Scrape scrape = Look();
  EXPECT_EQ(scrape[state("OK")], 1);
  EXPECT_EQ(scrape.Sum("token_inventory_source_state", kOpal), 1);
  const double passes = scrape[of_opal("passes_total", ",outcome=\"OK\"")];
  EXPECT_GE(passes, 1);
  EXPECT_EQ(scrape[of_opal("pass_duration_seconds_count")], passes);
  EXPECT_EQ(scrape[of_opal("source_interval_seconds")], 86400);
  EXPECT_NEAR(scrape[of_opal("source_last_complete_timestamp_seconds")],
              static_cast<double>(Source("opal-test").last_complete_time().seconds()), 1);
  const auto asked = [&] {
    double requests = 0;
    for (const auto& request : sim_.Requests())
      requests += absl::StrContains(request.target, "/v1/tokens");
    return requests;
  };
  EXPECT_EQ(scrape.Sum("token_inventory_vendor_requests_total", kOpal), asked());
  EXPECT_EQ(scrape[of_opal("vendor_requests_total", ",code=\"2xx\"")], asked());

  // One answer that passes, and is asked for again.
  sim_.AddFault({.count = 1, .target_contains = "/v1/tokens", .status = 503, .body = "{}"});
  EXPECT_EQ(service_->Sync("opal-test").state(), v1::Source::OK);
  scrape = Look();
  EXPECT_EQ(scrape[of_opal("vendor_requests_total", ",code=\"503\"")], 1);
  EXPECT_EQ(scrape[of_opal("vendor_retries_total")], 1);
  EXPECT_EQ(scrape.Sum("token_inventory_vendor_requests_total", kOpal), asked());

  sim_.AddFault({.count = 100, .target_contains = "/v1/tokens", .status = 401, .body = "{}"});
  EXPECT_EQ(service_->Sync("opal-test").state(), v1::Source::AUTH_FAILED);
  scrape = Look();
  EXPECT_EQ(scrape[state("AUTH_FAILED")], 1);
  EXPECT_EQ(scrape[state("OK")], 0);
  EXPECT_EQ(scrape[of_opal("passes_total", ",outcome=\"AUTH_FAILED\"")], 1);
  EXPECT_EQ(scrape[of_opal("passes_total", ",outcome=\"OK\"")], passes + 1);
  EXPECT_EQ(scrape[of_opal("vendor_requests_total", ",code=\"401\"")], 1);
  EXPECT_EQ(scrape.Sum("token_inventory_source_state", "state=\"OK\""), 2) << "the others";
  EXPECT_EQ(scrape[of_opal("secrets_dropped_total")], 0);
}

class RateLimitMetricsTest : public MetricsTest {
 protected:
  RateLimitMetricsTest() : MetricsTest({.tokens = 60}) {}
};

TEST_F(RateLimitMetricsTest, WhatTheVendorsHeadersLeave) {
  service_->SyncAll();
  const Scrape scrape = Look();
  const v1::Source source = Source("buildkite-test");
  ASSERT_GT(source.rate_limits_size(), 0);
  for (const v1::RateLimit& limit : source.rate_limits()) {
    EXPECT_GT(limit.remaining(), 0);
    EXPECT_EQ(scrape[absl::StrCat("token_inventory_vendor_rate_limit_remaining{",
                                  "source=\"buildkite-test\",provider=\"buildkite\",limit=\"",
                                  limit.name(), "\"}")],
              static_cast<double>(limit.remaining()));
  }
}

TEST_F(MetricsTest, AMassDropThatIsHeld) {
  service_->SyncAll();
  const std::string held = absl::StrCat("token_inventory_source_held_tokens{", kOpal, "}");
  EXPECT_EQ(Look()[held], 0);
  for (const auto& token : sim_.ReadTruth().opal_tokens) ASSERT_TRUE(sim_.RemoveToken(token.id));
  ASSERT_EQ(service_->Sync("opal-test").state(), v1::Source::SUSPICIOUS);
  EXPECT_EQ(Look()[held], static_cast<double>(Source("opal-test").hold().token_count()));
  EXPECT_GT(Look()[held], 0);
}

TEST_F(MetricsTest, ASourceThatLeavesTakesItsSeriesAlong) {
  service_->SyncAll();
  ASSERT_THAT(Look().text(), AllOf(HasSubstr("opal-test"), HasSubstr("deepset-test")));
  const double tokens = Look().Sum("token_inventory_tokens", kOpal);
  const double loaded = Look()["token_inventory_config_last_reload_success_timestamp_seconds"];

  // Of the three the last two go.
  const std::string all = service_->SourcesConfig();
  std::string only_deepset = all.substr(0, all.find("  - id: opal-test"));
  EXPECT_FALSE(service_->ReloadFile("sources: {").ok());
  EXPECT_EQ(Look()["token_inventory_config_last_reload_successful"], 0);
  EXPECT_EQ(Look()["token_inventory_config_last_reload_success_timestamp_seconds"], loaded);
  EXPECT_GT(tokens, 0);
  ASSERT_TRUE(service_->ReloadFile(absl::StrCat(only_deepset, kMetrics)).ok());
  Scrape scrape = Look();
  EXPECT_EQ(scrape["token_inventory_config_last_reload_successful"], 1);
  EXPECT_GT(scrape["token_inventory_config_last_reload_success_timestamp_seconds"], loaded);
  EXPECT_FALSE(absl::StrContains(scrape.text(), "opal-test")) << scrape.text();
  EXPECT_FALSE(absl::StrContains(scrape.text(), "buildkite-test"));
  EXPECT_GT(scrape.Sum("token_inventory_tokens", "deepset-test"), 0);

  ASSERT_TRUE(service_->ReloadFile(absl::StrCat(all, kMetrics)).ok());
  service_->Sync("opal-test");
  scrape = Look();
  EXPECT_EQ(scrape.Sum("token_inventory_tokens", kOpal), tokens);
  EXPECT_GE(scrape.Sum("token_inventory_passes_total", kOpal), 1) << "begins anew";
}

TEST_F(MetricsTest, CallsAndStreams) {
  service_->SyncAll();
  const std::string name = service_->ListAll().begin()->first;
  const auto get = [&](const std::string& token) {
    grpc::ClientContext context;
    v1::GetTokenRequest request;
    request.set_name(token);
    v1::Token answer;
    return service_->tokens().GetToken(&context, request, &answer).error_code();
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(get(name), grpc::StatusCode::OK);
  EXPECT_EQ(get("sources/opal-test/tokens/nobody"), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(get("nonsense"), grpc::StatusCode::INVALID_ARGUMENT);

  Scrape scrape = Look();
  const auto calls = [&](const char* method, const char* code) {
    return absl::StrCat("token_inventory_rpcs_total{method=\"", method, "\",code=\"", code, "\"}");
  };
  EXPECT_EQ(scrape[calls("TokenInventory/GetToken", "OK")], 3);
  EXPECT_EQ(scrape[calls("TokenInventory/GetToken", "NOT_FOUND")], 1);
  EXPECT_EQ(scrape[calls("TokenInventory/GetToken", "INVALID_ARGUMENT")], 1);
  EXPECT_EQ(
      scrape["token_inventory_rpc_duration_seconds_count{method=\"TokenInventory/GetToken\"}"], 5);
  EXPECT_EQ(scrape["token_inventory_rpc_duration_seconds_bucket{method=\"TokenInventory/GetToken\""
                   ",le=\"+Inf\"}"],
            5);
  EXPECT_EQ(scrape[calls("Sources/SyncSource", "OK")], 3);
  EXPECT_EQ(scrape["token_inventory_streams{method=\"Sources/SyncSource\"}"], 0);

  const std::string watches = "token_inventory_streams{method=\"TokenInventory/WatchTokens\"}";
  EXPECT_EQ(scrape[watches], 0);
  Watcher watcher;
  watcher.Connect(service_->tokens());
  ASSERT_TRUE(watcher.ReadUntil([&] { return watcher.synced(); }));
  EXPECT_EQ(Look()[watches], 1);
  EXPECT_EQ(Look()["token_inventory_watch_lag_revisions"], 0);
  EXPECT_EQ(Look()["token_inventory_watch_lag_seconds"], 0);
  EXPECT_EQ(Look()["token_inventory_stalled_streams"], 0);
  watcher.Cancel();
  watcher.ReadUntil([] { return false; });
  watcher.Finish();
  EXPECT_TRUE(Await([&](const Scrape& now) {
    return now[watches] == 0 && now.Has(calls("TokenInventory/WatchTokens", "CANCELLED"));
  }));
}

TEST_F(MetricsTest, StoreAndProcess) {
  service_->SyncAll();
  const Scrape scrape = Look();
  EXPECT_EQ(scrape["token_inventory_store_writable"], 1);
  EXPECT_EQ(scrape["token_inventory_commit_failures_total"], 0);
  EXPECT_GT(scrape["token_inventory_commit_duration_seconds_count"], 0);
  EXPECT_EQ(scrape["token_inventory_store_size_bytes{file=\"database\"}"],
            static_cast<double>(
                std::filesystem::file_size(service_->folder().File("data/inventory.db"))));
  grpc::ClientContext context;
  v1::SummarizeTokensRequest request;
  request.set_parent("sources/-");
  v1::SummarizeTokensResponse summary;
  ASSERT_TRUE(service_->tokens().SummarizeTokens(&context, request, &summary).ok());
  EXPECT_EQ(scrape["token_inventory_revision"], static_cast<double>(summary.revision()));
  EXPECT_EQ(scrape["token_inventory_log_revisions"], static_cast<double>(summary.revision()))
      << "nothing was cut yet";
  EXPECT_GT(scrape["process_resident_memory_bytes"], 1 << 20);
  EXPECT_GT(scrape["process_open_fds"], 5);
  EXPECT_LT(scrape["process_open_fds"], scrape["process_max_fds"]);
  EXPECT_LE(scrape["process_start_time_seconds"],
            absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
  EXPECT_GT(scrape["process_start_time_seconds"],
            absl::ToDoubleSeconds(absl::Now() - absl::Hours(24) - absl::UnixEpoch()));
}

TEST_F(MetricsTest, HealthByHttp) {
  EXPECT_EQ(Get("/healthz").status, 200);
  const HttpAnswer ready = Get("/readyz");
  EXPECT_EQ(ready.status, 200);
  EXPECT_THAT(ready.body, AllOf(HasSubstr("ok service"), HasSubstr("ok store")));
  EXPECT_EQ(Look()["token_inventory_ready"], 1);
  EXPECT_EQ(Get("/").status, 404);
  EXPECT_EQ(Get("/metrics/../config.yaml").status, 404);
  EXPECT_EQ(Get("/metricsx").status, 404);
  EXPECT_EQ(HttpPost(service_->metrics_port(), "/metrics").status, 405);

  const int port = service_->metrics_port();
  service_->Stop();
  EXPECT_EQ(HttpGet(port, "/healthz").status, 0);
}

TEST_F(MetricsTest, NothingIsServedUnlessConfigured) {
  service_->Restart("");
  EXPECT_EQ(service_->metrics_port(), 0);
}

TEST_F(MetricsTest, AnAddressInUseIsAnError) {
  const std::string listen = absl::StrCat("127.0.0.1:", service_->metrics_port());
  const std::string config = absl::StrCat("metrics: {listen: '", listen, "'}\n");
  ConfigOverrides overrides;
  overrides.listen = "127.0.0.1:0";
  overrides.data_dir = service_->folder().File("other");
  LoadedConfig loaded = CheckServerConfig("config.yaml", config, overrides, Clock::Real());
  ASSERT_TRUE(loaded.problems.empty());
  const auto second = ServerApp::Start(std::move(loaded.settings), Clock::Real());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(listen));
}

TEST(MetricsConfigTest, LoopbackUnlessToldSo) {
  const auto check = [](const std::string& config) {
    return CheckServerConfig("config.yaml", config, {}, Clock::Real());
  };
  EXPECT_EQ(check("").settings.metrics_listen, "");
  EXPECT_EQ(check("metrics: {}\n").settings.metrics_listen, "127.0.0.1:9464");
  EXPECT_EQ(check("metrics: {listen: '[::1]:0'}\n").settings.metrics_listen, "[::1]:0");
  EXPECT_THAT(check("metrics: {listen: nowhere}\n").problems,
              ::testing::Contains(HasSubstr("must be HOST:PORT")));
  // That gRPC may be served to everyone says nothing of the metrics.
  EXPECT_THAT(
      check("insecure: true\nmetrics: {listen: '0.0.0.0:9464'}\n").problems,
      ::testing::Contains(AllOf(HasSubstr("metrics.listen"), HasSubstr("is not loopback"))));
  const LoadedConfig open = check("metrics: {listen: '0.0.0.0:9464', insecure: true}\n");
  EXPECT_TRUE(open.problems.empty());
  EXPECT_THAT(open.warnings, ::testing::Contains(HasSubstr("serving metrics without TLS")));
  EXPECT_THAT(FieldsThatNeedRestart(check("").settings, check("metrics: {}\n").settings),
              ::testing::Contains("metrics.listen"));
}

// ---- what is written about them

// Names of metrics in a text; a histogram's series are named by it.
std::set<std::string> NamesIn(const std::string& text, const std::set<std::string>& served) {
  std::set<std::string> names;
  static const std::regex kName("\\b(token_inventory|process)_[a-z_]+[a-z]\\b");
  for (std::sregex_iterator it(text.begin(), text.end(), kName), end; it != end; ++it) {
    std::string name = it->str();
    for (const char* suffix : {"_bucket", "_count", "_sum"}) {
      const std::size_t base = name.size() - std::min(name.size(), std::string(suffix).size());
      if (absl::EndsWith(name, suffix) && served.count(name.substr(0, base)) > 0) {
        name.resize(base);
        break;
      }
    }
    names.insert(name);
  }
  return names;
}

// With all that a metric may depend on but TLS, which tls_test has.
TEST_F(RateLimitMetricsTest, RulesDashboardAndDocumentationNameWhatIsServed) {
  service_->SyncAll();
  std::set<std::string> served = Look().Names();
  served.insert("token_inventory_tls_certificate_expiry_timestamp_seconds");
  const std::string root = TI_SOURCE_DIR;
  for (const char* file : {"packaging/prometheus/token-inventory.rules.yaml",
                           "packaging/prometheus/token-inventory.rules.test.yaml",
                           "packaging/grafana/token-inventory.json"}) {
    const std::set<std::string> named = NamesIn(ReadText(absl::StrCat(root, "/", file)), served);
    EXPECT_GT(named.size(), 5u) << file;
    for (const std::string& name : named) {
      EXPECT_TRUE(served.count(name) > 0) << file << " names " << name;
    }
  }
  EXPECT_EQ(NamesIn(ReadText(root + "/docs/metrics.md"), served), served);
}

}  // namespace
}  // namespace tokeninventory
