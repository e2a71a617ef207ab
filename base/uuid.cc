#include "base/uuid.h"

#include <sys/random.h>

#include <cstdlib>

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
  const std::size_t begin = pool.size() - 16;
  pool[begin + 6] = static_cast<char>((pool[begin + 6] & 0x0F) | 0x40);
  pool[begin + 8] = static_cast<char>((pool[begin + 8] & 0x3F) | 0x80);
  constexpr char kHex[] = "0123456789abcdef";
  std::string text(36, '-');
  for (std::size_t i = 0, at = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++at;
    const auto byte = static_cast<unsigned char>(pool[begin + i]);
    text[at++] = kHex[byte >> 4];
    text[at++] = kHex[byte & 15];
  }
  pool.resize(begin);
  return text;
}

}  // namespace tokeninventory
