// A directory for one test's files.
#pragma once

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/string_view.h"

namespace tokeninventory::testing {

// Makes a new directory where the system keeps temporary files ($TMPDIR), and
// removes it with all that is in it. Ends the program if it cannot make one.
//
// Thread-compatible: it has no state that changes.
class TempDir {
 public:
  TempDir() : path_((std::filesystem::temp_directory_path() / "tokeninventory-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

  // The path of `name` in it; nothing is made.
  std::string File(absl::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

}  // namespace tokeninventory::testing
