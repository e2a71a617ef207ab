// A credential. Prints as "[redacted]" wherever it is printed by accident.
#pragma once

#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace tokeninventory {

// Thread-compatible: concurrent reads are fine.
class SecretString {
 public:
  SecretString() = default;
  explicit SecretString(std::string value) : value_(std::move(value)) {}
  SecretString(const SecretString&) = default;
  SecretString& operator=(const SecretString&) = default;
  SecretString(SecretString&&) = default;
  SecretString& operator=(SecretString&&) = default;
  ~SecretString() { Wipe(); }

  // The value itself. The only way to it; grep for calls of this.
  absl::string_view Reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

  friend std::ostream& operator<<(std::ostream& out, const SecretString&) {
    return out << "[redacted]";
  }

 private:
  void Wipe() {
    // Through volatile, so that it is not optimised away.
    volatile char* bytes = value_.data();
    for (std::size_t i = 0; i < value_.size(); ++i) bytes[i] = 0;
  }

  std::string value_;
};

}  // namespace tokeninventory
