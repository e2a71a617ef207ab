#include "base/uuid.h"

#include <sys/random.h>

#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory {

std::string RandomBytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t filled = 0;
  while (filled < count) {
    const ssize_t got = getrandom(&bytes[filled], count - filled, 0);
    if (got < 0) std::abort();  // no random numbers: nothing can be named
    filled += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::string RandomUuid() {
  // One system call for sixteen of them.
  thread_local std::string pool;
  if (pool.empty()) pool = RandomBytes(256);
  std::string bytes = pool.substr(pool.size() - 16);
  pool.resize(pool.size() - 16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  const std::string hex = absl::BytesToHexString(bytes);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

}  // namespace tokeninventory
