#include "server/reload.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace tokeninventory {

absl::Status ReloadConfig(ServerApp& app, const std::string& config_file,
                          const ConfigOverrides& overrides, Clock* clock) {
  LogInfo("reading the configuration again", {{"file", config_file}});
  LoadedConfig config = LoadServerConfig(config_file, overrides, clock);
  for (const std::string& warning : config.warnings) LogWarning(warning);
  for (const std::string& problem : config.problems) {
    LogError("configuration problem", {{"problem", problem}});
  }
  absl::Status status;
  if (!config.problems.empty()) {
    status = absl::InvalidArgumentError(absl::StrCat(config.problems.size(), " problem(s)"));
  } else {
    status = app.Reload(std::move(config.settings));
  }
  app.NoteReload(status.ok());
  if (absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status)) {
    LogError("configuration not reloaded; the old one stays",
             {{"error", std::string(status.message())}});
  }
  return status;
}

}  // namespace tokeninventory
