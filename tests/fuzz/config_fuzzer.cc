// Any text as the configuration: problems that say where they are, none with a
// credential in it, or settings to start with. Asks nobody and reads no file.
#include <cstdlib>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/clock.h"
#include "base/yaml_proto.h"
#include "server/server_config.h"
#include "tests/fuzz/check.h"

namespace tokeninventory {
namespace {

constexpr char kCredential[] = "q7credentialZ";

// Files that the text names are below a folder that does not exist.
constexpr char kFile[] = "/nonexistent/config.yaml";

bool LeadsElsewhere(const std::string& file) {
  return absl::StartsWith(file, "/") || absl::StrContains(file, "..");
}

// Whether loading this would read files that do exist.
bool NamesFiles(const v1::ServerConfig& config) {
  for (const std::string& dir : config.manifest_dirs()) {
    if (LeadsElsewhere(dir)) return true;
  }
  const v1::TlsConfig& tls = config.tls();
  if (LeadsElsewhere(tls.certificate_file()) || LeadsElsewhere(tls.key_file()) ||
      LeadsElsewhere(tls.client_ca_file())) {
    return true;
  }
  for (const v1::SourceConfig& source : config.sources()) {
    for (const auto& [name, secret] : source.secrets()) {
      if (LeadsElsewhere(secret.file())) return true;
    }
  }
  return false;
}

void CheckLines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    TI_FUZZ_CHECK(!absl::StrContains(line, kCredential));
    for (const char c : line) TI_FUZZ_CHECK(!absl::ascii_iscntrl(static_cast<unsigned char>(c)));
  }
}

void Load(absl::string_view text) {
  v1::ServerConfig config;
  const YamlReport yaml = ReadYaml(kFile, text, config);
  CheckLines(yaml.problems);
  if (NamesFiles(config)) return;

  ConfigOverrides overrides;
  overrides.page_worker = "/bin/true";  // nothing is read, so nothing is started
  const LoadedConfig loaded = CheckServerConfig(kFile, text, overrides, Clock::Real());
  CheckLines(loaded.problems);
  CheckLines(loaded.warnings);
  TI_FUZZ_CHECK(loaded.problems.size() >= yaml.problems.size());
  if (!loaded.problems.empty()) return;
  const auto sources = static_cast<std::size_t>(config.sources_size());
  const BuiltSources& built = loaded.settings.sources;
  TI_FUZZ_CHECK(built.descriptions.size() == sources && built.sources.size() == sources &&
                built.fetchers.size() == sources);
  TI_FUZZ_CHECK(config.insecure() || config.has_tls() || IsLoopback(loaded.settings.listen));
  TI_FUZZ_CHECK(loaded.settings.access->is_open() == !config.has_access());
}

}  // namespace
}  // namespace tokeninventory

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  for (const char* name : {"OPAL_TOKEN", "BUILDKITE_TOKEN", "DEEPSET_KEY"}) {
    setenv(name, tokeninventory::kCredential, 1);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  // The fuzzer learns the credential from the check. What the text says may be quoted.
  if (absl::StrContains(text, tokeninventory::kCredential)) return 0;
  tokeninventory::Load(text);
  return 0;
}
