// Files of this folder that CMake compiles into the program (embed.cmake).
#pragma once

#include <vector>

#include "absl/strings/string_view.h"

namespace tokeninventory {

// A manifest that comes with the program.
struct EmbeddedManifest {
  absl::string_view file;  // `deepset.yaml`
  absl::string_view text;
};

// prelude.jq.
absl::string_view Prelude();

// providers/*.yaml.
std::vector<EmbeddedManifest> BuiltInManifests();

}  // namespace tokeninventory
