#include "server/access/token_hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tokeninventory {
namespace {

constexpr absl::string_view kMethod = "sha256";
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;

std::string RandomBytes(std::size_t size) {
  std::string bytes(size, '\0');
  // Without randomness there is no secret to hand out.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) != 1) {
    std::abort();
  }
  return bytes;
}

// The bytes of `size` hexadecimal pairs; empty when it is anything else.
std::string FromHex(absl::string_view text, std::size_t size) {
  if (text.size() != 2 * size) return std::string();
  for (const char c : text) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return std::string();
  }
  return absl::HexStringToBytes(text);
}

}  // namespace

std::string Sha256(absl::string_view first, absl::string_view second) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  std::string hash(kHashBytes, '\0');
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  EVP_DigestUpdate(context.get(), first.data(), first.size());
  EVP_DigestUpdate(context.get(), second.data(), second.size());
  EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(hash.data()), nullptr);
  return hash;
}

absl::StatusOr<TokenHash> TokenHash::Parse(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  if (parts.size() == 3 && parts[0] == kMethod) {
    std::string salt = FromHex(parts[1], kSaltBytes);
    std::string hash = FromHex(parts[2], kHashBytes);
    if (!salt.empty() && !hash.empty()) return TokenHash(std::move(salt), std::move(hash));
  }
  return absl::InvalidArgumentError(
      "is no hash of a token: `token-inventoryd hash-token` makes one");
}

absl::StatusOr<TokenHash> TokenHash::Of(absl::string_view token) {
  if (token.size() < kShortestBearerToken || token.size() > kLongestBearerToken) {
    return absl::InvalidArgumentError(absl::StrCat("a token has ", kShortestBearerToken, " to ",
                                                   kLongestBearerToken, " characters; this one ",
                                                   token.size()));
  }
  for (const char c : token) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError("a token has no spaces and nothing but ASCII");
    }
  }
  const std::string salt = RandomBytes(kSaltBytes);
  return TokenHash(salt, Sha256(salt, token));
}

std::string TokenHash::Text() const {
  return absl::StrCat(kMethod, ":", absl::BytesToHexString(salt_), ":",
                      absl::BytesToHexString(hash_));
}

bool TokenHash::Matches(absl::string_view token) const {
  const std::string hash = Sha256(salt_, token);
  return CRYPTO_memcmp(hash.data(), hash_.data(), kHashBytes) == 0;
}

std::string MakeBearerToken() {
  return absl::StrCat("ti_", absl::WebSafeBase64Escape(RandomBytes(32)));
}

}  // namespace tokeninventory
