#include "connectors/secret_text.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"

namespace tokeninventory {
namespace {

// `https://u:pw@h`, nearly.
constexpr std::size_t kShortest = 12;
// Of what stands behind a prefix: `xxxxxxxx` is a mask, and `_____` a line.
constexpr std::size_t kLeastDistinct = 8;

bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }
bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }
bool IsUpper(char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); }
bool IsLower(char c) { return absl::ascii_islower(static_cast<unsigned char>(c)); }
bool IsHex(char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); }
bool IsUrlSafe(char c) { return IsAlnum(c) || c == '-' || c == '_'; }
bool IsTokenChar(char c) { return IsUrlSafe(c) || c == '.' || c == '~' || c == '+' || c == '/'; }

// The longest beginning of `text` that is made of `is`.
absl::string_view Leading(absl::string_view text, bool (*is)(char)) {
  const auto end = std::find_if_not(text.begin(), text.end(), is);
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

std::size_t Distinct(absl::string_view text) {
  std::bitset<256> seen;
  for (const char c : text) seen.set(static_cast<unsigned char>(c));
  return seen.count();
}

// What must be behind a prefix, besides length and variety.
enum class Tail {
  kAny,    // the prefix says it all
  kMixed,  // a digit and a letter: the prefix may begin a word
  kWild,   // a digit, a capital and a small letter: it may well
};

bool Has(absl::string_view text, Tail tail) {
  const bool digit = std::any_of(text.begin(), text.end(), &IsDigit);
  const bool upper = std::any_of(text.begin(), text.end(), &IsUpper);
  const bool lower = std::any_of(text.begin(), text.end(), &IsLower);
  switch (tail) {
    case Tail::kAny:
      return true;
    case Tail::kMixed:
      return digit && (upper || lower);
    case Tail::kWild:
      return digit && upper && lower;
  }
  return false;
}

// A vendor's secrets begin with `prefix`, and at least `least` characters follow.
struct Form {
  absl::string_view prefix;
  std::size_t least;
  bool (*is)(char);
  Tail tail;
};

constexpr Form kForms[] = {
    // Buildkite: users, agents, clusters, registries, portals, …
    {"bkua_", 20, &IsAlnum, Tail::kAny},
    {"bkat_", 20, &IsAlnum, Tail::kAny},
    {"bkaj_", 20, &IsAlnum, Tail::kAny},
    {"bkct_", 20, &IsAlnum, Tail::kAny},
    {"bkpt_", 20, &IsAlnum, Tail::kAny},
    {"bkrt_", 20, &IsAlnum, Tail::kAny},
    // deepset's older keys; its newer ones are JSON web tokens. Opal's have no prefix.
    {"api_", 24, &IsAlnum, Tail::kMixed},
    // GitHub, GitLab
    {"ghp_", 30, &IsAlnum, Tail::kAny},
    {"gho_", 30, &IsAlnum, Tail::kAny},
    {"ghu_", 30, &IsAlnum, Tail::kAny},
    {"ghs_", 30, &IsAlnum, Tail::kAny},
    {"ghr_", 30, &IsAlnum, Tail::kAny},
    {"github_pat_", 40, &IsUrlSafe, Tail::kAny},
    {"glpat-", 20, &IsUrlSafe, Tail::kMixed},
    {"gldt-", 20, &IsUrlSafe, Tail::kMixed},
    {"glrt-", 20, &IsUrlSafe, Tail::kMixed},
    {"glcbt-", 20, &IsUrlSafe, Tail::kMixed},
    {"glptt-", 20, &IsUrlSafe, Tail::kMixed},
    {"glft-", 20, &IsUrlSafe, Tail::kMixed},
    {"gloas-", 20, &IsUrlSafe, Tail::kMixed},
    // Slack
    {"xoxa-", 20, &IsUrlSafe, Tail::kMixed},
    {"xoxb-", 20, &IsUrlSafe, Tail::kMixed},
    {"xoxe-", 20, &IsUrlSafe, Tail::kMixed},
    {"xoxe.", 20, &IsTokenChar, Tail::kMixed},
    {"xoxo-", 20, &IsUrlSafe, Tail::kMixed},
    {"xoxp-", 20, &IsUrlSafe, Tail::kMixed},
    {"xoxr-", 20, &IsUrlSafe, Tail::kMixed},
    {"xoxs-", 20, &IsUrlSafe, Tail::kMixed},
    {"xapp-", 20, &IsUrlSafe, Tail::kMixed},
    // Google
    {"AIza", 35, &IsUrlSafe, Tail::kMixed},
    {"ya29.", 20, &IsUrlSafe, Tail::kMixed},
    {"GOCSPX-", 24, &IsUrlSafe, Tail::kMixed},
    // OpenAI, Anthropic, Hugging Face
    {"sk-", 20, &IsUrlSafe, Tail::kWild},
    {"sk-proj-", 20, &IsUrlSafe, Tail::kMixed},
    {"sk-svcacct-", 20, &IsUrlSafe, Tail::kMixed},
    {"sk-ant-", 20, &IsUrlSafe, Tail::kMixed},
    {"hf_", 30, &IsAlnum, Tail::kAny},
    // Package registries
    {"npm_", 30, &IsAlnum, Tail::kAny},
    {"pypi-AgE", 40, &IsUrlSafe, Tail::kAny},
    {"rubygems_", 40, &IsAlnum, Tail::kAny},
    {"dckr_pat_", 20, &IsUrlSafe, Tail::kMixed},
    {"dckr_oat_", 20, &IsUrlSafe, Tail::kMixed},
    // Stripe
    {"sk_live_", 16, &IsAlnum, Tail::kAny},
    {"sk_test_", 16, &IsAlnum, Tail::kAny},
    {"rk_live_", 16, &IsAlnum, Tail::kAny},
    {"rk_test_", 16, &IsAlnum, Tail::kAny},
    {"whsec_", 24, &IsTokenChar, Tail::kMixed},
    // Clouds, and what runs on them
    {"dop_v1_", 40, &IsHex, Tail::kAny},
    {"doo_v1_", 40, &IsHex, Tail::kAny},
    {"dapi", 32, &IsHex, Tail::kMixed},
    {"hvs.", 20, &IsUrlSafe, Tail::kMixed},
    {"hvb.", 20, &IsUrlSafe, Tail::kMixed},
    {"pul-", 40, &IsHex, Tail::kAny},
    {"tskey-", 20, &IsUrlSafe, Tail::kWild},
    {"shpat_", 32, &IsHex, Tail::kAny},
    {"shpss_", 32, &IsHex, Tail::kAny},
    {"SG.", 40, &IsTokenChar, Tail::kWild},
    {"ATATT3", 40, &IsTokenChar, Tail::kWild},
    {"ATCTT3", 40, &IsTokenChar, Tail::kWild},
    {"lin_api_", 30, &IsAlnum, Tail::kMixed},
    {"ntn_", 30, &IsAlnum, Tail::kMixed},
    {"secret_", 40, &IsAlnum, Tail::kWild},
    {"PMAK-", 40, &IsUrlSafe, Tail::kMixed},
    {"figd_", 30, &IsUrlSafe, Tail::kMixed},
    {"glsa_", 30, &IsUrlSafe, Tail::kMixed},
    {"sntrys_", 30, &IsTokenChar, Tail::kMixed},
    {"sntryu_", 40, &IsHex, Tail::kAny},
};

constexpr absl::string_view kKeyBegins = "-----BEGIN ";
constexpr absl::string_view kPrivateKey = "PRIVATE KEY";

// No secret of a known form is shorter: JSON web tokens and what is behind `Bearer` are longer.
constexpr std::size_t kShortestForm = [] {
  std::size_t shortest = kKeyBegins.size() + kPrivateKey.size();
  for (const Form& form : kForms) shortest = std::min(shortest, form.prefix.size() + form.least);
  return shortest;
}();

// The forms whose prefix begins with a character: the first one's index, then from each
// to the next. -1: no more.
struct FormChains {
  std::array<int, 256> first{};
  std::array<int, std::size(kForms)> next{};
};

constexpr FormChains kChains = [] {
  FormChains chains;
  for (int& first : chains.first) first = -1;
  for (std::size_t i = std::size(kForms); i-- > 0;) {
    int& first = chains.first[static_cast<unsigned char>(kForms[i].prefix[0])];
    chains.next[i] = first;
    first = static_cast<int>(i);
  }
  return chains;
}();

bool IsJsonWebToken(absl::string_view text) {
  const absl::string_view head = Leading(text, &IsUrlSafe);
  if (head.size() < 12 || !absl::StartsWith(text.substr(head.size()), ".")) return false;
  text.remove_prefix(head.size() + 1);
  const absl::string_view claims = Leading(text, &IsUrlSafe);
  return claims.size() >= 12 && Distinct(claims) >= kLeastDistinct &&
         absl::StartsWith(text.substr(claims.size()), ".");
}

bool IsAfterBearer(absl::string_view text) {
  const absl::string_view token = Leading(text, &IsTokenChar);
  return token.size() >= 20 && Distinct(token) >= kLeastDistinct && Has(token, Tail::kMixed);
}

// Whether a secret of a known form begins here.
bool BeginsKnownForm(absl::string_view text) {
  for (int i = kChains.first[static_cast<unsigned char>(text[0])]; i >= 0;
       i = kChains.next[static_cast<std::size_t>(i)]) {
    const Form& form = kForms[static_cast<std::size_t>(i)];
    if (!absl::StartsWith(text, form.prefix)) continue;
    const absl::string_view tail = Leading(text.substr(form.prefix.size()), form.is);
    if (tail.size() >= form.least && Distinct(tail) >= kLeastDistinct && Has(tail, form.tail)) {
      return true;
    }
  }
  if (absl::StartsWith(text, "eyJ")) return IsJsonWebToken(text);
  if (text[0] != 'b' && text[0] != 'B') return false;
  constexpr absl::string_view kBearer = "bearer ";
  return absl::StartsWithIgnoreCase(text, kBearer) && IsAfterBearer(text.substr(kBearer.size()));
}

bool BeginsPrivateKey(absl::string_view text) {
  return absl::StartsWith(text, kKeyBegins) && absl::StrContains(text, kPrivateKey);
}

bool HasKnownForm(absl::string_view text) {
  bool in_word = false;
  for (std::size_t i = 0; i + kShortestForm <= text.size(); ++i) {
    const bool alnum = IsAlnum(text[i]);
    if (alnum && !in_word && BeginsKnownForm(text.substr(i))) return true;
    if (text[i] == '-' && BeginsPrivateKey(text.substr(i))) return true;
    in_word = alnum;
  }
  return false;
}

// `scheme://user:password@host`, where the password is not a mask.
bool HasPassword(absl::string_view text) {
  for (std::size_t at = text.find("://"); at != absl::string_view::npos;
       at = text.find("://", at + 1)) {
    const absl::string_view rest = text.substr(at + 3);
    const absl::string_view authority = rest.substr(0, rest.find_first_of("/?# \t\r\n\"'<>"));
    const std::size_t host = authority.rfind('@');
    if (host == absl::string_view::npos) continue;
    const std::size_t colon = authority.find(':');
    if (colon == absl::string_view::npos || colon > host) continue;
    const absl::string_view password = authority.substr(colon + 1, host - colon - 1);
    const bool variable = absl::StartsWith(password, "$") || absl::StartsWith(password, "{");
    if (Distinct(password) >= 3 && !variable && password != "password") return true;
  }
  return false;
}

// ---- randomness ----

constexpr std::size_t kLeastRandom = 40;
constexpr std::size_t kLeastPadded = 30;
constexpr std::size_t kMostHex = 64;

bool IsWordChar(char c) { return IsUrlSafe(c) || c == '+' || c == '/'; }

double BitsPerCharacter(absl::string_view text) {
  std::array<int, 256> counts{};
  for (const char c : text) ++counts[static_cast<unsigned char>(c)];
  double bits = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(text.size());
    bits -= share * std::log2(share);
  }
  return bits;
}

// Base64 of something that people can read is an id, not randomness.
bool DecodesToText(absl::string_view word, std::string& decoded) {
  if (!absl::Base64Unescape(word, &decoded) && !absl::WebSafeBase64Unescape(word, &decoded)) {
    return false;
  }
  return std::all_of(decoded.begin(), decoded.end(), [](char c) {
    return absl::ascii_isprint(static_cast<unsigned char>(c)) || c == '\n' || c == '\t';
  });
}

// The pieces between separators are hex of no more than a SHA-256: a digest, a UUID,
// or some of them in a row.
bool IsDigests(absl::string_view word) {
  std::size_t run = 0;
  for (const char c : word) {
    run = IsHex(c) ? run + 1 : 0;
    if (run > kMostHex) return false;
    if (run == 0 && c != '-' && c != '_' && c != '/') return false;
  }
  return true;
}

// `padding`: what follows the word, as far as it is `=`.
bool IsRandom(absl::string_view word, absl::string_view padding) {
  // Opal's keys are base64 whose padding shows that it is some.
  const bool padded = !padding.empty() && padding.size() <= 2 &&
                      (word.size() + padding.size()) % 4 == 0 && word.size() >= kLeastPadded;
  if (word.size() < kLeastRandom && !padded) return false;
  if (IsDigests(word)) return false;
  if (std::all_of(word.begin(), word.end(), &IsHex)) return BitsPerCharacter(word) > 3;

  const auto kind = [](char c) { return IsDigit(c) ? 0 : IsUpper(c) ? 1 : IsLower(c) ? 2 : 3; };
  std::array<std::size_t, 4> kinds{};
  std::size_t changes = 0;
  std::size_t digit_runs = 0;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const int now = kind(word[i]);
    ++kinds[static_cast<std::size_t>(now)];
    const bool changed = i == 0 || kind(word[i - 1]) != now;
    if (changed && i > 0) ++changes;
    if (changed && now == 0) ++digit_runs;
  }
  if (kinds[0] == 0 || kinds[1] < 4 || kinds[2] < 4 || kinds[3] * 6 > word.size()) return false;
  const double share = static_cast<double>(changes) / static_cast<double>(word.size() - 1);
  const double bits = BitsPerCharacter(word);
  // AWS' secret access keys have this length; even the documentation's example counts.
  const bool like_aws = word.size() == 40 && share >= 0.3 && bits >= 4.5;
  // Of random characters six in ten are of another kind than the one before; of names
  // written in camel case three.
  if (!like_aws && (share < 0.45 || digit_runs < 2 || bits < (padded ? 4.0 : 4.3))) return false;
  std::string decoded;
  return !DecodesToText(word, decoded) || LooksLikeSecret(decoded);
}

// Of a piece between blanks: whether its form says that it is no secret, however it looks.
bool IsKnownHarmless(absl::string_view piece) {
  if (absl::StrContains(piece, "://") || absl::StrContains(piece, '@')) return true;
  for (const absl::string_view start :
       {"arn:", "ari:", "urn:", "sha1:", "sha256:", "sha384:", "sha512:", "md5:", "sha1-",
        "sha256-", "sha384-", "sha512-"}) {
    if (absl::StartsWithIgnoreCase(piece, start)) return true;
  }
  // SSH public keys.
  return absl::StartsWith(piece, "AAAA");
}

bool HasRandomWord(absl::string_view text) {
  // Most texts are as long as a UUID at most.
  if (text.size() < kLeastPadded) return false;
  if (text.size() < kLeastRandom && !absl::StrContains(text, '=')) return false;
  std::size_t i = 0;
  while (i < text.size()) {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n\"'`<>()[]{},;|", i), text.size());
    const absl::string_view piece = text.substr(i, end - i);
    i = end + 1;
    if (piece.size() < kLeastPadded || IsKnownHarmless(piece)) continue;
    for (std::size_t at = 0; at < piece.size();) {
      const absl::string_view word = Leading(piece.substr(at), &IsWordChar);
      at += word.size();
      const absl::string_view padding = Leading(piece.substr(at), [](char c) { return c == '='; });
      if (IsRandom(word, padding)) return true;
      at += std::max<std::size_t>(padding.size(), 1);
    }
  }
  return false;
}

}  // namespace

bool LooksLikeSecret(absl::string_view text) {
  if (text.size() < kShortest) return false;
  return HasKnownForm(text) || HasPassword(text) || HasRandomWord(text);
}

}  // namespace tokeninventory
