// The manifests that there are: the built-in ones, and an operator's own, which
// replace those of the same vendor.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "connectors/manifest.h"

namespace tokeninventory {

// Used by one thread, while the configuration is read.
class ManifestCatalog {
 public:
  // Reads every `*.yaml` in `dir`; false when it cannot be read as a folder. What is
  // wrong with any of them is in `problems`.
  bool AddDirectory(const std::string& dir, std::vector<std::string>& problems,
                    std::vector<std::string>& warnings);

  // The manifest of a vendor; null when there is none. Built-in ones are read when
  // they are asked for.
  std::shared_ptr<const CompiledManifest> Find(const std::string& vendor,
                                               std::vector<std::string>& problems);

  // Names of all vendors, sorted.
  std::vector<std::string> Vendors() const;

  // A vendor whose own manifest is in a directory, but broken.
  bool IsBroken(const std::string& vendor) const;

 private:
  // Null where the manifest is broken.
  std::map<std::string, std::shared_ptr<const CompiledManifest>> own_;
  std::map<std::string, std::shared_ptr<const CompiledManifest>> built_in_;
};

// The text of a file; for manifests and configurations, which are small.
// INVALID_ARGUMENT when it cannot be read or is larger than 1 MiB.
absl::StatusOr<std::string> ReadManifestFile(const std::string& path);

}  // namespace tokeninventory
