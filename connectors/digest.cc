#include "connectors/digest.h"

#include <openssl/evp.h>

#include <cstdlib>

namespace tokeninventory {

Digest DigestOf(absl::string_view bytes) {
  Digest digest;
  // Without one, pages and rows would be taken for each other.
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()),
                 nullptr, EVP_sha256(), nullptr) != 1) {
    std::abort();
  }
  return digest;
}

}  // namespace tokeninventory
