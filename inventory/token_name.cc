#include "inventory/token_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "inventory/errors.h"

namespace tokeninventory {
namespace {

constexpr absl::string_view kSources = "sources/";
constexpr absl::string_view kTokens = "/tokens/";
constexpr absl::string_view kReason = "INVALID_NAME";
constexpr char kHex[] = "0123456789ABCDEF";

bool IsPlain(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '~' ||
         c == '-';
}

bool IsUpperHex(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); }

unsigned HexValue(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'A' + 10); }

// Whether `text` is what EncodeTokenId makes of some id.
bool IsEncodedId(absl::string_view text) {
  if (text.empty()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (IsPlain(text[i])) continue;
    if (text[i] != '%' || i + 2 >= text.size() || !IsUpperHex(text[i + 1]) ||
        !IsUpperHex(text[i + 2])) {
      return false;
    }
    const char decoded = static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
    if (IsPlain(decoded)) return false;  // has a shorter form: not canonical
    i += 2;
  }
  return true;
}

}  // namespace

std::size_t EncodedIdSize(absl::string_view id) {
  const auto plain = std::count_if(id.begin(), id.end(), &IsPlain);
  return 3 * id.size() - 2 * static_cast<std::size_t>(plain);
}

std::string EncodeTokenId(absl::string_view id) {
  const std::size_t size = EncodedIdSize(id);
  if (size == id.size()) return std::string(id);
  std::string out;
  out.reserve(size);
  for (const char c : id) {
    if (IsPlain(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::string SourceName(absl::string_view source) { return absl::StrCat(kSources, source); }

std::string TokenName(absl::string_view source, absl::string_view id) {
  return absl::StrCat(kSources, source, kTokens, EncodeTokenId(id));
}

absl::string_view SourceIdOf(absl::string_view source_name) {
  return source_name.substr(std::min(kSources.size(), source_name.size()));
}

bool IsSourceId(absl::string_view id) {
  if (id.empty() || id.size() > 63 || id.back() == '-') return false;
  if (!absl::ascii_islower(static_cast<unsigned char>(id.front()))) return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-';
  });
}

absl::StatusOr<std::string> ParseSourceName(absl::string_view name, absl::string_view field,
                                            bool allow_wildcard) {
  absl::string_view id = name;
  if (absl::ConsumePrefix(&id, kSources) && (IsSourceId(id) || (allow_wildcard && id == "-"))) {
    return std::string(id);
  }
  return FieldError(field, kReason,
                    allow_wildcard ? "must be `sources/{source}`, or `sources/-` for all"
                                   : "must be `sources/{source}`");
}

absl::Status CheckTokenName(absl::string_view name, absl::string_view field) {
  absl::string_view rest = name;
  if (name.size() <= kMaxNameBytes && absl::ConsumePrefix(&rest, kSources)) {
    const std::size_t end = rest.find(kTokens);
    if (end != absl::string_view::npos && IsSourceId(rest.substr(0, end)) &&
        IsEncodedId(rest.substr(end + kTokens.size()))) {
      return absl::OkStatus();
    }
  }
  return FieldError(field, kReason,
                    "must be `sources/{source}/tokens/{token}`, the id percent-encoded outside "
                    "[A-Za-z0-9._~-]");
}

}  // namespace tokeninventory
