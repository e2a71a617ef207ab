// Texts that look like whole secrets. An inventory of tokens must not become a place
// to steal them from: vendors put secrets into names, descriptions and metadata, and
// some into the field that holds a mask elsewhere.
#pragma once

#include "absl/strings/string_view.h"

namespace tokeninventory {

// Whether some of `text` is
//   - in the form of a known kind of secret: a vendor's prefix and enough behind it
//     (`ghp_…`, `glpat-…`, `xoxb-…`, `sk-…`), a JSON web token, a private key in PEM,
//     `Bearer …`, or a URL with a password;
//   - a word of 40 characters or more that is as irregular as randomness, other than
//     hex of up to 64 digits, UUIDs, fingerprints (`SHA256:…`), ARNs, e-mail
//     addresses, URLs, and base64 of readable text (GraphQL ids).
// Masked forms are none. What is short or made of few kinds of characters is let pass:
// better a secret that is not seen than names that go missing. One walk for each rule.
bool LooksLikeSecret(absl::string_view text);

}  // namespace tokeninventory
