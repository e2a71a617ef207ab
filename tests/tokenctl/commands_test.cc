// tokenctl's commands: the program, over real gRPC, against the service on simulated vendors.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/access/token_hash.h"
#include "tests/e2e/test_service.h"
#include "tests/testing/fake_clock.h"
#include "tests/tokenctl/tokenctl_process.h"
#include "tests/vendor_sim/vendor_sim.h"
#include "tokenctl/text/printable.h"

namespace tokeninventory {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using testing::FakeClock;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::QuickSim;
using testing::RunTokenctl;
using ::testing::StartsWith;
using testing::TestService;
using testing::TokenctlRun;
using vendor_sim::TokenKind;
using vendor_sim::VendorSim;

// One world for all that only read.
class TokenctlTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    sim_ = new VendorSim(QuickSim(300));
    ASSERT_TRUE(sim_->Start().ok());
    const auto hostile = sim_->AddToken(TokenKind::kOpal);
    sim_->RenameToken(*hostile, "\x1b[2Jhostile\n\xe2\x80\xae");
    hostile_ = hostile->ToString();
    service_ = new TestService(*sim_);
    service_->SyncAll();
  }
  static void TearDownTestSuite() {
    delete service_;
    delete sim_;
  }

  static std::string Server() { return absl::StrCat("127.0.0.1:", service_->port()); }
  static TokenctlRun Run(std::vector<std::string> arguments, int columns = 0,
                         std::vector<std::string> environment = {}) {
    environment.push_back("TOKENCTL_SERVER=" + Server());
    return RunTokenctl(arguments, environment, columns);
  }

  static VendorSim* sim_;
  static TestService* service_;
  static std::string hostile_;  // id of a token with a bad name
};
VendorSim* TokenctlTest::sim_ = nullptr;
TestService* TokenctlTest::service_ = nullptr;
std::string TokenctlTest::hostile_;

std::vector<std::string> LinesOf(const std::string& text) {
  return absl::StrSplit(text, absl::ByAnyChar("\r\n"), absl::SkipEmpty());
}

TEST_F(TokenctlTest, CommandLinesAndTheirAnswers) {
  const v1::Token token = service_->ListAll().begin()->second;
  const std::string id = token.name().substr(token.name().rfind('/') + 1);
  const std::string source = token.source().substr(sizeof "sources/" - 1);
  const struct {
    std::vector<std::string> arguments;
    int exit_code;
    std::string out, err;  // parts; empty: nothing at all
  } kCases[] = {
      {{"version"}, 0, "tokenctl 0.", ""},
      {{"--help"}, 0, "expiring", ""},
      {{"list", "--help"}, 0, "--order-by", ""},
      {{}, 2, "", "see `tokenctl --help`"},
      {{"lst"}, 2, "", "there is no lst (did you mean list?); see"},
      {{"list", "--limit", "-1"}, 2, "", "see `tokenctl list --help`"},
      {{"list", "-o", "xml"}, 2, "", "xml"},
      {{"list", "-n", "2"}, 0, "STATE", ""},
      {{"list", "--source", source, "-c", "name", "-o", "csv"}, 0, token.name(), ""},
      {{"list", "-f", "display_name = nobody"}, 0, "", ""},
      {{"list", "-f", "display_name = nobody", "-o", "json"}, 0, "[]\n", ""},
      {{"list", "-f", "expires < now"}, 2, "", "did you mean expire_time?\n  expires < now\n  ^\n"},
      {{"list", "--order-by", "name,x"}, 2, "", "\n  name,x\n       ^\n"},
      {{"list", "-c", "nam"}, 2, "", "did you mean name?"},
      {{"list", "--source", "nobody"}, 5, "", "nobody"},
      {{"list", "--source", "NO"}, 2, "", "source"},
      {{"get", token.name()}, 0, token.name(), ""},
      {{"get", absl::StrCat(source, "/", id)}, 0, token.name(), ""},
      {{"get", token.uid(), "-o", "yaml"}, 0, "\nuid: ", ""},
      {{"get", token.name(), "--history"}, 0, "VENDOR_REPORTED", ""},
      {{"get", "nobody"}, 5, "", "no token is called nobody"},
      {{"get", "opal-test/nobody"}, 5, "", "nobody"},
      {{"get", "we*ird\\\""}, 5, "", "no token is called we*ird\\\""},
      {{"get", "sources/x"}, 2, "", "name"},
      {{"refresh", absl::StrCat("opal-test/", hostile_), "-o", "json"}, 0, "\"LISTED\"", ""},
      {{"sources"}, 0, "opal-test", ""},
      {{"sources", "opal-test"}, 0, "Opal", ""},
      {{"sources", "nobody"}, 5, "", "nobody"},
      {{"sync", "opal-test"}, 0, "opal-test  OK  ", ""},
      {{"sync", "nobody"}, 5, "", "nobody"},
      {{"summary"}, 0, "SOURCE", ""},
      {{"summary", "--by", "owner,stat"}, 2, "", "did you mean state?"},
      {{"expiring", "--within", "soon"}, 2, "", "30d"},
      {{"expiring", "--within", "365d"}, 0, "By owner", ""},
      {{"expirations"}, 0, "NOTICE", ""},
      {{"expirations", "list", "--max-lead", "3d", "-o", "yaml"}, 0, "- name: sources/", ""},
      {{"check"}, 0, "OK - serving ", ""},
      {{"check", "--max-age", "never"}, 3, "", "never"},
      {{"--token", "a", "--token-file", "b", "list"}, 2, "", "which one holds?"},
      {{"--token", "a", "-s", "192.0.2.1:1", "list"}, 2, "", "in the clear"},
      {{"completion", "bash"}, 0, "complete -F _tokenctl tokenctl", ""},
      {{"man"}, 0, ".SH EXIT STATUS", ""},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(absl::StrJoin(c.arguments, " "));
    const TokenctlRun run = Run(c.arguments);
    EXPECT_EQ(run.exit_code, c.exit_code) << run.err;
    EXPECT_THAT(run.out,
                c.out.empty() ? ::testing::Matcher<std::string>(IsEmpty()) : HasSubstr(c.out));
    EXPECT_THAT(run.err,
                c.err.empty() ? ::testing::Matcher<std::string>(IsEmpty()) : HasSubstr(c.err));
  }
}

TEST_F(TokenctlTest, EveryPageIsRead) {
  const TokenctlRun run = Run({"list", "-o", "json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  v1::ListTokensResponse listed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(
                  absl::StrCat("{\"tokens\":", run.out, "}"), &listed)
                  .ok());
  const auto all = service_->ListAll();
  EXPECT_EQ(static_cast<std::size_t>(listed.tokens_size()), all.size());
  for (const v1::Token& token : listed.tokens()) EXPECT_EQ(all.count(token.name()), 1u);
  EXPECT_EQ(LinesOf(Run({"list", "-n", "7", "-c", "name", "-o", "csv"}).out).size(), 1u + 7u);
}

TEST_F(TokenctlTest, ExpiringIsWhatEndsInOrder) {
  const TokenctlRun run =
      Run({"expiring", "--within", "90d", "-c", "effective_expire_time,state", "-o", "csv"});
  std::vector<std::string> lines = LinesOf(run.out);
  ASSERT_GT(lines.size(), 3u);
  lines.erase(lines.begin());
  EXPECT_TRUE(std::is_sorted(lines.begin(), lines.end())) << run.out;
  for (const std::string& line : lines) EXPECT_THAT(line, EndsWith(",ACTIVE"));
}

// Looked at, every command stays in its terminal, and no vendor's text reaches it raw.
TEST_F(TokenctlTest, TerminalsAreNeitherOverrunNorObeyed) {
  const std::vector<std::vector<std::string>> kCommands = {
      {"list"},
      {"list", "-f", "provider_token_id = \"" + hostile_ + "\""},
      {"get", "opal-test/" + hostile_, "--history"},
      {"expiring", "--within", "365d"},
      {"expirations"},
      {"summary", "--by", "owner,source"},
      {"sources"},
      {"sources", "buildkite-test"},
  };
  for (const auto& command : kCommands) {
    for (const int columns : {80, 200}) {
      SCOPED_TRACE(absl::StrCat(absl::StrJoin(command, " "), " in ", columns));
      const TokenctlRun plain = Run(command, columns, {"NO_COLOR=1"});
      EXPECT_EQ(plain.exit_code, 0);
      EXPECT_EQ(plain.out.find('\x1b'), std::string::npos);
      for (const std::string& line : LinesOf(plain.out)) {
        EXPECT_LE(tokenctl::DisplayWidth(line), columns) << line;
      }
      // Nothing but colours is added otherwise.
      std::string coloured = Run(command, columns).out;
      EXPECT_THAT(coloured, HasSubstr("\x1b["));
      EXPECT_THAT(coloured, Not(ContainsRegex("\x1b[^[]|\x1b\\[[0-9;]*[^0-9;m]")));
    }
  }
  for (const char* format : {"json", "yaml", "csv", "table", "wide"}) {
    const TokenctlRun run = Run({"list", "-o", format});
    EXPECT_THAT(run.out,
                AllOf(HasSubstr("hostile"), Not(HasSubstr("\x1b")), Not(HasSubstr("\xe2\x80\xae"))))
        << format;
  }
}

TEST_F(TokenctlTest, WhoReadsNoFurtherEndsItQuietly) {
  const std::string command =
      absl::StrCat("set -o pipefail; ", TI_TOKENCTL_PROGRAM, " -s ", Server(),
                   " list -o json 2>&1 | head -n 1; echo ${PIPESTATUS[0]}");
  FILE* shell = popen(absl::StrCat("bash -c '", command, "'").c_str(), "r");
  char buffer[256] = {};
  const std::size_t got = fread(buffer, 1, sizeof buffer, shell);
  pclose(shell);
  EXPECT_EQ(std::string(buffer, got), "[\n141\n");  // 128 + SIGPIPE
}

TEST_F(TokenctlTest, AFullDiskIsAnError) {
  const std::string command =
      absl::StrCat(TI_TOKENCTL_PROGRAM, " -s ", Server(), " list 2>&1 > /dev/full; echo $?");
  FILE* shell = popen(command.c_str(), "r");
  char buffer[256] = {};
  const std::size_t got = fread(buffer, 1, sizeof buffer, shell);
  pclose(shell);
  EXPECT_EQ(std::string(buffer, got), "tokenctl: the output could not be written\n1\n");
}

TEST(TokenctlAccessTest, TokensAreShownAndNeverPrinted) {
  VendorSim sim(QuickSim(20));
  ASSERT_TRUE(sim.Start().ok());
  constexpr char kReader[] = "reader-token-0123456789";
  TestService service(sim, absl::StrCat("access:\n  principals:\n    - {id: d, token_hashes: ['",
                                        TokenHash::Of(kReader)->Text(), "']}\n"));
  const std::string server = absl::StrCat("127.0.0.1:", service.port());
  std::ofstream(service.folder().File("token")) << kReader << "\n";
  const std::string file = "--token-file=" + service.folder().File("token");
  const std::string variable = absl::StrCat("TOKENCTL_TOKEN=", kReader);
  const struct {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    int exit_code;
    const char* err;
  } kCases[] = {
      {{"sources"}, {}, 4, "show who you are with --token-file"},
      {{"sources", "--token", "another-token-0123456789"}, {}, 4, "does not know this token"},
      {{"sources", "--token", kReader}, {}, 0, ""},
      {{"sources", file}, {}, 0, ""},
      {{"sources"}, {variable}, 0, ""},
      {{"sync", "opal-test"}, {variable}, 4, "ask who runs it"},
      {{"check"}, {}, 3, ""},
  };
  for (const auto& c : kCases) {
    std::vector<std::string> environment = c.environment;
    environment.push_back("TOKENCTL_SERVER=" + server);
    const TokenctlRun run = RunTokenctl(c.arguments, environment);
    EXPECT_EQ(run.exit_code, c.exit_code) << run.out << run.err;
    EXPECT_THAT(run.err, HasSubstr(c.err));
    EXPECT_THAT(run.out + run.err, Not(HasSubstr("token-0123456789")));
  }
}

TEST(TokenctlTlsTest, TrustsWhatItIsTold) {
  VendorSim sim(QuickSim(20));
  ASSERT_TRUE(sim.Start().ok());
  const testing::TempDir certificates;
  const std::string cert = certificates.File("cert.pem"), key = certificates.File("key.pem");
  ASSERT_EQ(
      std::system(absl::StrCat("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
                               "-nodes -days 2 -subj /CN=test -addext "
                               "subjectAltName=DNS:inventory.example -keyout ",
                               key, " -out ", cert, " 2> /dev/null")
                      .c_str()),
      0);
  TestService service(
      sim, absl::StrCat("tls: {certificate_file: '", cert, "', key_file: '", key, "'}\n"));
  const std::string server = absl::StrCat("127.0.0.1:", service.port());
  const struct {
    std::vector<std::string> arguments;
    int exit_code;
    const char* err;
  } kCases[] = {
      {{"--ca-file", cert, "--tls-server-name", "inventory.example"}, 0, ""},
      {{"--ca-file", cert}, 3, "cannot reach"},
      {{"--tls"}, 3, "cannot reach"},
      {{}, 3, "cannot reach"},
  };
  for (const auto& c : kCases) {
    std::vector<std::string> arguments = {"sources", "-s", server};
    arguments.insert(arguments.end(), c.arguments.begin(), c.arguments.end());
    const TokenctlRun run = RunTokenctl(arguments);
    EXPECT_EQ(run.exit_code, c.exit_code) << run.err;
    EXPECT_THAT(run.err, HasSubstr(c.err));
  }
}

TEST(TokenctlCheckTest, ExitsAsMonitoringPluginsDo) {
  VendorSim sim(QuickSim(20));
  ASSERT_TRUE(sim.Start().ok());
  // What the service calls now is an hour ago here.
  FakeClock clock(absl::Now() - absl::Hours(1));
  TestService service(sim, "", &clock);
  service.SyncAll();
  const std::string server = absl::StrCat("127.0.0.1:", service.port());
  const auto check = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"check", "-s", server};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunTokenctl(arguments);
  };
  TokenctlRun run = check({});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out,
              ContainsRegex("^OK - serving .* 3 of 3 sources fresh \\| sources=3 fresh=3 "));
  run = check({"--max-age", "30m"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.out, AllOf(StartsWith("CRITICAL - "), HasSubstr("opal-test OK, last read whole "),
                             HasSubstr("fresh=0")));
  sim.AddFault({.count = 100, .target_contains = "/v1/tokens", .status = 401});
  service.Sync("opal-test");
  run = check({});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out, StartsWith("WARNING - opal-test AUTH_FAILED ("));
  EXPECT_EQ(LinesOf(run.out).size(), 1u);
  const TokenctlRun sync = RunTokenctl({"sync", "opal-test", "-s", server});
  EXPECT_EQ(sync.exit_code, 1);
  EXPECT_THAT(sync.out, HasSubstr("AUTH_FAILED"));
  service.Stop();
  run = check({});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.out, StartsWith("CRITICAL - cannot reach "));
}

}  // namespace
}  // namespace tokeninventory
