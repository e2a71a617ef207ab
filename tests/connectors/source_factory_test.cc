#include "connectors/source_factory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "connectors/credentials.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SourceFactoryTest : public ::testing::Test {
 protected:
  SourceFactoryTest() { setenv("TI_TEST_FACTORY_SECRET", "hunter2", 1); }

  BuiltSources Build(const std::string& yaml) {
    v1::ServerConfig config;
    const YamlReport report = ReadYaml("c.yaml", yaml, config);
    EXPECT_THAT(report.problems, IsEmpty());
    BuiltSources built = BuildSources(config, dir_.path(), report.locations, Clock::Real(),
                                      std::string(TI_PAGE_WORKER));
    for (const std::string& problem : built.problems) {
      EXPECT_THAT(problem, Not(HasSubstr("hunter2")));
    }
    return built;
  }
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(
        std::filesystem::path(dir_.path() + "/" + name).parent_path());
    std::ofstream(dir_.path() + "/" + name) << text;
    chmod((dir_.path() + "/" + name).c_str(), 0600);
  }

  testing::TempDir dir_;
};

TEST_F(SourceFactoryTest, WithoutAPageWorkerThereAreNoSources) {
  v1::ServerConfig config;
  EXPECT_THAT(BuildSources(config, "", YamlLocations(), Clock::Real(), std::string("/nonexistent"))
                  .problems,
              IsEmpty());
  v1::SourceConfig& source = *config.add_sources();
  source.set_id("opal");
  source.set_vendor("opal");
  (*source.mutable_secrets())["token"].set_env("TI_TEST_FACTORY_SECRET");
  EXPECT_THAT(BuildSources(config, "", YamlLocations(), Clock::Real(), std::string("/nonexistent"))
                  .problems,
              ElementsAre("/nonexistent: there is no program that can be run"));
  EXPECT_THAT(
      BuildSources(config, "", YamlLocations(), Clock::Real(), absl::NotFoundError("missing"))
          .problems,
      ElementsAre("missing"));
}

TEST_F(SourceFactoryTest, BuildsSourcesOfTheBuiltInVendors) {
  Write("key", "hunter2\n");
  const BuiltSources built = Build(R"(
sources:
  - id: deepset-eu
    vendor: deepset
    params: {base_url: "http://127.0.0.1:1"}
    secrets: {api_key: {file: key}}
    interval: 10s
  - id: opal
    vendor: opal
    secrets: {token: {env: TI_TEST_FACTORY_SECRET}}
  - id: bk
    vendor: buildkite
    secrets: {token: {env: TI_TEST_FACTORY_SECRET}}
    enable_streams: [api_access_tokens]
    disable_streams: [clusters, agent_tokens]
    max_requests_per_second: 2.5
)");
  EXPECT_THAT(built.problems, IsEmpty());
  EXPECT_THAT(built.warnings, IsEmpty());
  ASSERT_EQ(built.sources.size(), 3);
  EXPECT_EQ(built.sources[0]->id(), "deepset-eu");
  EXPECT_EQ(built.sources[0]->interval(), absl::Seconds(10));
  ASSERT_EQ(built.descriptions.size(), 3);
  EXPECT_EQ(built.descriptions[0].provider, "deepset");
  EXPECT_EQ(built.descriptions[0].display_name, "deepset AI Platform");
  EXPECT_THAT(built.descriptions[0].coverage, HasSubstr("Stream organization_tokens is off."));
  EXPECT_EQ(built.descriptions[1].interval, absl::Minutes(5));
  EXPECT_THAT(built.descriptions[2].coverage, HasSubstr("Stream agent_tokens is off."));
  EXPECT_THAT(built.descriptions[2].coverage, Not(HasSubstr("Stream api_access_tokens is off.")));
}

TEST_F(SourceFactoryTest, ListsEveryProblemAtOnce) {
  const BuiltSources built = Build(R"(http: {max_attempts: -1}
sources:
  - id: Opal
    vendor: opall
  - id: a
    vendor: opal
    params: {base_url: "ftp://x", basurl: y}
    secrets: {tokn: {env: X}}
    interval: 500ms
    max_requests_per_second: -1
  - id: a
    vendor: deepset
    secrets: {api_key: {env: TI_TEST_NOT_SET}}
    enable_streams: [organisation_tokens, model_registry_tokens]
    disable_streams: [workspaces, model_registry_tokens]
  - id: b
    vendor: opal
    secrets: {token: {env: A, file: B}}
  - id: c
    vendor: opal
    params: {base_url: "http://opal.test"}
    secrets: {token: {file: nowhere}}
  - id: d
    vendor: opal
    disable_streams: [tokens]
    secrets: {token: {env: TI_TEST_FACTORY_SECRET}}
  - id: e
)");
  EXPECT_THAT(built.sources, IsEmpty());
  EXPECT_THAT(built.descriptions, IsEmpty());
  EXPECT_THAT(
      built.problems,
      ::testing::UnorderedElementsAre(
          "c.yaml:1:22: http.max_attempts: must be between 0 and 20",
          HasSubstr("c.yaml:3:9: sources[0].id: must be of a-z, 0-9 and -"),
          "c.yaml:4:13: sources[0].vendor: no manifest; did you mean `opal`?",
          "c.yaml:9:15: sources[1].interval: must be between 1s and 7d",
          "c.yaml:10:30: sources[1].max_requests_per_second: must be between 0 and 100000",
          "c.yaml:7:24: sources[1].params.base_url: does not match https?://.+",
          "c.yaml:7:43: sources[1].params.basurl: vendor opal has none; did you mean `base_url`?",
          HasSubstr("sources[1].secrets.token: missing: An admin's API token."),
          HasSubstr("sources[1].secrets.tokn: vendor opal has none; did you mean `token`?"),
          HasSubstr("sources[1].params: not a usable URL: no http:// or https:// in front"),
          "c.yaml:11:9: sources[2].id: another source is called `a`",
          HasSubstr("sources[2].secrets.api_key: environment variable TI_TEST_NOT_SET is not set"),
          HasSubstr("sources[2].enable_streams[0]: vendor deepset has none; did you mean "
                    "`organization_tokens`?"),
          HasSubstr("sources[2].disable_streams[1]: is switched on and off"),
          HasSubstr("sources[2].disable_streams: `workspace_tokens` needs `workspaces`; switch it "
                    "off too"),
          HasSubstr("sources[3].secrets.token: needs exactly one of `env` and `file`"),
          HasSubstr("sources[4].params: the credential would go over plain http to opal.test; "
                    "`insecure_http` allows it"),
          HasSubstr("sources[4].secrets.token: file "),
          HasSubstr("sources[5].disable_streams: no stream that lists tokens is left"),
          HasSubstr("sources[6].vendor: missing; known: buildkite, deepset, opal")));
}

constexpr char kOwnManifest[] = R"(vendor: acme
title: Acme
base: https://api.acme.test
coverage: All of it.
params:
  org: {help: the organization}
  team: {optional: true, pattern: "[a-z]+"}
streams: {tokens: {get: "/${param.org}/tokens", records: .body, token: "{providerTokenId: .id}"}}
)";

TEST_F(SourceFactoryTest, AnOperatorsManifestsAddAndReplace) {
  Write("m/acme.yaml", kOwnManifest);
  Write("m/opal.yaml", absl::StrCat("# ours\n", kOwnManifest, "# no secrets\n"));
  Write("m/notes.txt", "not a manifest");
  // The file's name does not matter, its vendor does.
  std::string own = kOwnManifest;
  own.replace(own.find("acme"), 4, "opal");
  Write("m/opal.yaml", own);
  const BuiltSources built = Build(R"(manifest_dirs: [m]
sources:
  - {id: acme-1, vendor: acme, params: {org: o}}
  - {id: opal-1, vendor: opal, params: {org: o, team: x}}
)");
  EXPECT_THAT(built.problems, IsEmpty());
  ASSERT_EQ(built.descriptions.size(), 2);
  EXPECT_EQ(built.descriptions[0].display_name, "Acme");
  EXPECT_EQ(built.descriptions[1].display_name, "Acme");
  EXPECT_EQ(built.descriptions[1].coverage, "All of it.");
}

TEST_F(SourceFactoryTest, BrokenManifestsStopTheStartWithTheirPlace) {
  std::string broken = kOwnManifest;
  broken.replace(broken.find("{providerTokenId: .id}"), 22, "{providerTokenId: .id ");
  Write("m/acme.yaml", broken);
  Write("m/second.yaml", kOwnManifest);
  Write("m/third.yaml", "vendor: [x\n");
  const BuiltSources built = Build(R"(manifest_dirs: [m, nowhere]
sources:
  - {id: acme-1, vendor: acme, params: {team: X}}
)");
  EXPECT_THAT(
      built.problems,
      ElementsAre(HasSubstr("/m/acme.yaml:8:72: streams.tokens.token: jq: syntax error"),
                  HasSubstr("/m/second.yaml: another manifest"), HasSubstr("/m/third.yaml:2:1: "),
                  AllOf(HasSubstr(":1:20: manifest_dirs[1]: "),
                        HasSubstr("/nowhere: cannot be read as a folder of manifests"))));
}

TEST_F(SourceFactoryTest, ParamsAreChecked) {
  Write("m/acme.yaml", kOwnManifest);
  const BuiltSources built = Build(R"(manifest_dirs: [m]
sources:
  - {id: acme-1, vendor: acme, params: {team: X}}
)");
  EXPECT_THAT(built.problems,
              ElementsAre(HasSubstr("sources[0].params.org: missing: the organization"),
                          HasSubstr("sources[0].params.team: does not match [a-z]+")));
}

TEST_F(SourceFactoryTest, InsecureHttpIsTheOperatorsWord) {
  const BuiltSources built = Build(R"(
sources:
  - id: a
    vendor: opal
    params: {base_url: "http://opal.test"}
    secrets: {token: {env: TI_TEST_FACTORY_SECRET}}
    insecure_http: true
)");
  EXPECT_THAT(built.problems, IsEmpty());
}

TEST_F(SourceFactoryTest, NoSourcesIsGood) { EXPECT_THAT(Build("listen: x").problems, IsEmpty()); }

class CredentialsTest : public ::testing::Test {
 protected:
  absl::StatusOr<SecretString> ReadFile(const std::string& text) {
    std::ofstream(dir_.path() + "/secret", std::ios::binary) << text;
    v1::SecretRef ref;
    ref.set_file("secret");
    return SecretSource(ref, dir_.path()).Read();
  }

  testing::TempDir dir_;
};

TEST_F(CredentialsTest, FilesAreTrimmedAndReadAnew) {
  EXPECT_EQ(ReadFile(" hunter2\r\n")->Reveal(), "hunter2");
  v1::SecretRef ref;
  ref.set_file(dir_.path() + "/secret");
  const SecretSource source(ref, "/elsewhere");
  EXPECT_EQ(source.Read()->Reveal(), "hunter2");
  std::ofstream(dir_.path() + "/secret") << "rotated";
  EXPECT_EQ(source.Read()->Reveal(), "rotated");
  std::filesystem::remove(dir_.path() + "/secret");
  EXPECT_EQ(source.Read().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CredentialsTest, ProblemsNameThePlaceAndNotTheValue) {
  for (const std::string& text :
       {std::string(), std::string(" \n"), std::string("hunter2\nhunter2"),
        std::string("hunter2\0x", 9), std::string(70'000, 'h')}) {
    const absl::Status status = ReadFile(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("/secret"));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hunter2")));
  }
  v1::SecretRef folder;
  folder.set_file(dir_.path());
  EXPECT_FALSE(SecretSource(folder, "").Read().ok());
}

TEST_F(CredentialsTest, EnvironmentVariables) {
  v1::SecretRef ref;
  ref.set_env("TI_TEST_CREDENTIAL");
  unsetenv("TI_TEST_CREDENTIAL");
  EXPECT_EQ(SecretSource(ref, "").Read().status().message(),
            "environment variable TI_TEST_CREDENTIAL is not set");
  setenv("TI_TEST_CREDENTIAL", " hunter2 ", 1);
  EXPECT_EQ(SecretSource(ref, "").Read()->Reveal(), "hunter2");
}

TEST_F(SourceFactoryTest, HostsOutsideOfTheAllowedOnesAreProblems) {
  const BuiltSources built = Build(R"(
sources:
  - id: good
    vendor: opal
    params: {base_url: "https://opal.example/v1"}
    secrets: {token: {env: TI_TEST_FACTORY_SECRET}}
    allowed_hosts: [other.example, OPAL.example]
  - id: elsewhere
    vendor: opal
    secrets: {token: {env: TI_TEST_FACTORY_SECRET}}
    allowed_hosts: ["api.opal.dev:444"]
  - id: second
    vendor: buildkite
    secrets: {token: {env: TI_TEST_FACTORY_SECRET}}
    enable_streams: [api_access_tokens]
    allowed_hosts: [api.buildkite.com]
  - id: no-host
    vendor: opal
    secrets: {token: {env: TI_TEST_FACTORY_SECRET}}
    allowed_hosts:
      - api.opal.dev
      - https://api.opal.dev/v1
)");
  EXPECT_THAT(built.problems,
              ElementsAre(AllOf(HasSubstr("c.yaml:11:"), HasSubstr("sources[1].allowed_hosts: "),
                                HasSubstr("the manifest asks api.opal.dev at port 443")),
                          AllOf(HasSubstr("c.yaml:16:"), HasSubstr("sources[2].allowed_hosts: "),
                                HasSubstr("graphql.buildkite.com")),
                          AllOf(HasSubstr("c.yaml:22:"), HasSubstr("sources[3].allowed_hosts[1]: "),
                                HasSubstr("must be HOST or HOST:PORT"))));
}

TEST_F(SourceFactoryTest, ProxiesAndAddressesAreChecked) {
  EXPECT_THAT(Build(R"(http:
  proxy: http://me:hunter2@proxy.example:3128
  allowed_addresses: [169.254.0.0/16, 169.254.0.1/16, "fe80::/10", somewhere]
)")
                  .problems,
              ElementsAre(AllOf(HasSubstr("c.yaml:2:"), HasSubstr("http.proxy: holds a user")),
                          AllOf(HasSubstr("c.yaml:3:"), HasSubstr("http.allowed_addresses[1]: ")),
                          HasSubstr("http.allowed_addresses[3]: must be ADDRESS")));
}

// Plain http to this machine is fine; through a proxy elsewhere it is on the network.
TEST_F(SourceFactoryTest, PlainHttpToAProxyElsewhereIsAProblem) {
  const auto build = [&](const char* proxy, const char* more) {
    return Build(absl::StrCat("http: {proxy: '", proxy, "'}\n",
                              R"(sources:
  - id: opal
    vendor: opal
    params: {base_url: "http://127.0.0.1:1"}
    secrets: {token: {env: TI_TEST_FACTORY_SECRET}}
)",
                              more))
        .problems;
  };
  EXPECT_THAT(build("http://proxy.example:3128", ""),
              ElementsAre(HasSubstr("plain http to the proxy")));
  EXPECT_THAT(build("http://proxy.example:3128", "    insecure_http: true\n"), IsEmpty());
  EXPECT_THAT(build("http://127.0.0.1:3128", ""), IsEmpty());
}

TEST_F(SourceFactoryTest, WarnsOfSecretsThatOthersCanReadOrWrite) {
  const auto warnings = [&](mode_t mode) {
    Write("key", "hunter2\n");
    chmod((dir_.path() + "/key").c_str(), mode);
    return Build(R"(sources:
  - id: opal
    vendor: opal
    secrets: {token: {file: key}}
)")
        .warnings;
  };
  for (const mode_t private_mode : {0400U, 0600U, 0440U, 0640U}) {
    EXPECT_THAT(warnings(private_mode), IsEmpty());
  }
  EXPECT_THAT(warnings(0644), ElementsAre(AllOf(HasSubstr("sources[0].secrets.token: file "),
                                                HasSubstr("can be read by everybody"))));
  EXPECT_THAT(warnings(0660), ElementsAre(HasSubstr("can be written by others")));
}

}  // namespace
}  // namespace tokeninventory
