// Random identifiers.
#pragma once

#include <string>

namespace tokeninventory {

// `count` bytes from the kernel's generator.
std::string RandomBytes(std::size_t count);

// A random UUID (version 4) in its usual text form.
std::string RandomUuid();

}  // namespace tokeninventory
