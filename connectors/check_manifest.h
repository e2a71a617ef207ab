// `token-inventoryd check-manifest`: says what is wrong with a manifest, or shows
// the tokens that a saved page maps to.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace tokeninventory {

// As on the command line.
struct CheckManifestOptions {
  std::string manifest_file;
  // A saved body. Empty: only the manifest is checked.
  std::string page_file;
  // Which stream the page is of. Empty: the only one that maps tokens.
  std::string stream;
  // `k=v`: the parent's item that the listing is for.
  std::vector<std::string> parent;
  // `k=v`: as in SourceConfig.params.
  std::vector<std::string> params;
};

// Writes the findings to `out`. Returns the exit code: 0 good, 1 something is
// wrong with the manifest or the page, 2 an option cannot be used.
int CheckManifest(const CheckManifestOptions& options, std::ostream& out);

}  // namespace tokeninventory
