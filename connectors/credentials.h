// Where the credentials for vendors come from.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/secret_string.h"
#include "tokeninventory/v1/config.pb.h"

namespace tokeninventory {

// One credential: an environment variable or a file. Read anew at each use, so a
// rotated file counts from the next pass on. Thread-safe, but see
// TakeFromEnvironment.
class SecretSource {
 public:
  // From now on, the value of a variable that is read is kept in this process and
  // overwritten in its environment, so that /proc/PID/environ and child processes have
  // it no longer. Reading it again gives the kept value. For a program's start: nobody
  // else may use those variables.
  static void TakeFromEnvironment();

  // Relative files are below `base_dir`. `ref` has exactly one of env and file.
  SecretSource(const v1::SecretRef& ref, absl::string_view base_dir);

  // White space around the value is cut. FAILED_PRECONDITION naming the variable
  // or file, never its content, when it is missing, empty, larger than 64 KiB, or
  // has control characters (a header cannot carry them). Reads a file: blocks.
  absl::StatusOr<SecretString> Read() const;

  // How to replace it, in a few words for people.
  std::string Advice() const;

  // What is wrong with who may read or write the file, in one line; empty when nothing
  // is. Its group may read it. Blocks.
  std::string PermissionWarning() const;

 private:
  std::string env_;
  std::string file_;
};

// As PermissionWarning, for any file that holds a secret. Empty, too, when it cannot be
// looked at.
std::string WarnOfPermissions(const std::string& file);

}  // namespace tokeninventory
