// What tells bytes from others without keeping them.
#pragma once

#include <array>

#include "absl/strings/string_view.h"

namespace tokeninventory {

// SHA-256.
using Digest = std::array<char, 32>;

Digest DigestOf(absl::string_view bytes);

}  // namespace tokeninventory
