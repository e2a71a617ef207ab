// Secrets that are planted somewhere and must be found nowhere.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace tokeninventory::testing {

// Looks for secrets in any text or file, in plain and as programs write them: upper and
// lower case, hexadecimal, base64 (at any offset, both alphabets), percent-encoded, as
// JSON escapes. Halves of a secret are looked for, so that one that is cut is found, too.
// Used by one thread.
class SecretSearch {
 public:
  // A secret of its own that looks like one: `prefix` and 32 letters and digits. It is
  // remembered as being planted at `where`. A program makes the same ones every time.
  std::string Plant(const std::string& where, const std::string& prefix = "sk_live_");

  // Remembers what it finds. `place` is for people.
  void Look(const std::string& place, absl::string_view text);
  void LookAtFile(const std::string& path);
  // At every file below it.
  void LookAtFolder(const std::string& path);

  // One line for each secret, form and place.
  const std::vector<std::string>& found() const { return found_; }
  // Bytes that were looked at.
  std::size_t looked_at() const { return looked_at_; }

 private:
  struct Form {
    std::string what;
    std::string text;
  };
  std::vector<Form> forms_;
  std::vector<std::string> found_;
  std::size_t looked_at_ = 0;
};

}  // namespace tokeninventory::testing
