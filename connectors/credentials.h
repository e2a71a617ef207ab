// Where the credentials for vendors come from.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/secret_string.h"
#include "tokeninventory/v1/config.pb.h"

namespace tokeninventory {

// One credential: an environment variable or a file. Read anew at each use, so a
// rotated file counts from the next pass on. Thread-safe.
class SecretSource {
 public:
  // Relative files are below `base_dir`. `ref` has exactly one of env and file.
  SecretSource(const v1::SecretRef& ref, absl::string_view base_dir);

  // White space around the value is cut. FAILED_PRECONDITION naming the variable
  // or file, never its content, when it is missing, empty, larger than 64 KiB, or
  // has control characters (a header cannot carry them). Reads a file: blocks.
  absl::StatusOr<SecretString> Read() const;

  // How to replace it, in a few words for people.
  std::string Advice() const;

 private:
  std::string env_;
  std::string file_;
};

}  // namespace tokeninventory
