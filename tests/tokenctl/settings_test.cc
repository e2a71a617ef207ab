#include "tokenctl/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <initializer_list>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::tokenctl {
namespace {

using ::testing::HasSubstr;
using tokeninventory::testing::TempDir;

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

using Words = ConnectionWords;

// Words of which only these are said.
Words Say(std::initializer_list<std::pair<std::string Words::*, std::string>> said) {
  Words words;
  for (const auto& [field, value] : said) words.*field = value;
  return words;
}

Environment Of(std::map<std::string, std::string> variables) {
  return [variables](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  };
}

TEST(SettingsTest, CommandLineBeatsEnvironmentBeatsFile) {
  const TempDir folder;
  std::filesystem::create_directory(folder.File("tokenctl"));
  WriteFile(folder.File("tokenctl/config.yaml"), "server: 127.0.0.1:1\ntoken_file: secret\n");
  WriteFile(folder.File("tokenctl/secret"), "from-file\n");
  const std::string home = folder.path();
  const struct {
    ConnectionWords words;
    std::map<std::string, std::string> environment;
    const char* server;
    const char* token;
  } kCases[] = {
      {{}, {}, "127.0.0.1:50051", ""},
      {{}, {{"XDG_CONFIG_HOME", home}}, "127.0.0.1:1", "from-file"},
      {{},
       {{"XDG_CONFIG_HOME", home}, {"TOKENCTL_SERVER", "127.0.0.1:2"}},
       "127.0.0.1:2",
       "from-file"},
      {Say({{&Words::server, "localhost:3"}}),
       {{"XDG_CONFIG_HOME", home},
        {"TOKENCTL_SERVER", "127.0.0.1:2"},
        {"TOKENCTL_TOKEN", "from-env"}},
       "localhost:3",
       "from-env"},
      {Say({{&Words::token, "given"}}),
       {{"TOKENCTL_TOKEN_FILE", "/nowhere"}},
       "127.0.0.1:50051",
       "given"},
      {{}, {{"HOME", "/nonexistent"}}, "127.0.0.1:50051", ""},
  };
  for (const auto& c : kCases) {
    const auto settings = ResolveSettings(c.words, "", Of(c.environment));
    ASSERT_TRUE(settings.ok()) << settings.status();
    EXPECT_EQ(settings->server, c.server);
    EXPECT_EQ(std::string(settings->token.Reveal()), c.token);
    EXPECT_FALSE(settings->tls);
  }
}

TEST(SettingsTest, ATokenLeavesTheMachineOnlyUnderTls) {
  const auto refused = [](const std::string& server, bool tls) {
    Words words = Say({{&Words::server, server}, {&Words::token, "t"}});
    words.tls = tls;
    return !ResolveSettings(words, "", Of({})).ok();
  };
  for (const char* local :
       {"127.0.0.1:1", "127.8.0.1:1", "localhost:1", "[::1]:1", "unix:/run/socket"}) {
    EXPECT_FALSE(refused(local, false)) << local;
  }
  for (const char* far :
       {"10.0.0.1:1", "example.com:1", "127.0.0.1.example.com:1", "dns:///x:1", "[::2]:1"}) {
    EXPECT_TRUE(refused(far, false)) << far;
    EXPECT_FALSE(refused(far, true)) << far;
  }
}

TEST(SettingsTest, SaysWhatIsWrong) {
  const TempDir folder;
  WriteFile(folder.File("config.yaml"), "sever: x\ntls: perhaps\n");
  WriteFile(folder.File("blank"), "\n");
  WriteFile(folder.File("two"), "two words\n");
  const struct {
    ConnectionWords words;
    std::string config;
    std::vector<const char*> want;
  } kCases[] = {
      {{}, folder.File("config.yaml"), {"config.yaml:1:", "sever", "config.yaml:2:", "tls"}},
      {{}, folder.File("none.yaml"), {"none.yaml: cannot be read"}},
      {Say({{&Words::token, "a"}, {&Words::token_file, "b"}}), "", {"--token and --token-file"}},
      {Say({{&Words::key_file, "k"}}), "", {"a key its certificate"}},
      {Say({{&Words::ca_file, folder.File("none")}}), "", {"none: cannot be read"}},
      {Say({{&Words::token_file, folder.path()}}), "", {"cannot be read"}},
      {Say({{&Words::token_file, folder.File("blank")}}), "", {"holds no token"}},
      {Say({{&Words::token_file, folder.File("two")}}), "", {"white space"}},
  };
  for (const auto& c : kCases) {
    const auto settings = ResolveSettings(c.words, c.config, Of({}));
    ASSERT_FALSE(settings.ok()) << c.want[0];
    for (const char* part : c.want) {
      EXPECT_THAT(std::string(settings.status().message()), HasSubstr(part));
    }
  }
}

TEST(SettingsTest, AnyFileOfTlsMeansTls) {
  const TempDir folder;
  WriteFile(folder.File("ca.pem"), "PEM");
  const auto settings =
      ResolveSettings(Say({{&Words::ca_file, folder.File("ca.pem")}}), "", Of({}));
  ASSERT_TRUE(settings.ok());
  EXPECT_TRUE(settings->tls);
  EXPECT_EQ(settings->ca_certificates, "PEM");
}

}  // namespace
}  // namespace tokeninventory::tokenctl
