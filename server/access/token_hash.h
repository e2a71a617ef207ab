// How the configuration holds bearer tokens: as salted hashes, which tell nobody
// the token.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tokeninventory {

// A token that can be guessed is not helped by a hash: shorter ones are refused.
inline constexpr std::size_t kShortestBearerToken = 20;
inline constexpr std::size_t kLongestBearerToken = 4096;

// A salted SHA-256. That is enough for tokens that are random, as ours are; it would
// not be for passwords.
class TokenHash {
 public:
  // `sha256:SALT:HASH`, in hexadecimal. INVALID_ARGUMENT otherwise; no error quotes
  // the text.
  static absl::StatusOr<TokenHash> Parse(absl::string_view text);

  // With a new random salt. INVALID_ARGUMENT when the token is too short, too long, or
  // has a character that no header can carry.
  static absl::StatusOr<TokenHash> Of(absl::string_view token);

  std::string Text() const;

  // Takes as long for a wrong token as for the right one.
  bool Matches(absl::string_view token) const;

 private:
  TokenHash(std::string salt, std::string hash) : salt_(std::move(salt)), hash_(std::move(hash)) {}

  std::string salt_;
  std::string hash_;
};

// A new token, 256 random bits behind `ti_`.
std::string MakeBearerToken();

// SHA-256 of two texts, one after the other.
std::string Sha256(absl::string_view first, absl::string_view second);

}  // namespace tokeninventory
