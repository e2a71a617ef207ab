#include "connectors/http/url.h"

#include <arpa/inet.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kMaxUrlBytes = 16 * 1024;

bool IsUnreserved(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '~' ||
         c == '-';
}

void AppendEncoded(char c, std::string& out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("not a usable URL: ", what));
}

// Keeps what a path or query may have, encodes the rest.
absl::StatusOr<std::string> Canonical(absl::string_view text, absl::string_view allowed) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return Bad("a control character");
    if (c == '%') {
      if (i + 2 >= text.size() || !absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) ||
          !absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 2]))) {
        return Bad("a broken percent escape");
      }
      out += c;
    } else if (IsUnreserved(c) || absl::StrContains(allowed, c)) {
      out += c;
    } else {
      AppendEncoded(c, out);
    }
  }
  return out;
}

constexpr absl::string_view kPathCharacters = "/!$&'()*+,;=:@";
constexpr absl::string_view kQueryCharacters = "/!$&'()*+,;=:@?";

bool HasDotSegment(absl::string_view path) {
  for (const absl::string_view segment : absl::StrSplit(path, '/')) {
    const std::string plain = absl::StrReplaceAll(absl::AsciiStrToLower(segment), {{"%2e", "."}});
    if (plain == "." || plain == "..") return true;
  }
  return false;
}

// Resolvers take `127.1`, `0x7f.1` and `2130706433` for addresses, so a name that
// ends in a number means one thing here and another there, unless it is an address
// written out.
bool EndsInNumber(absl::string_view host) {
  absl::ConsumeSuffix(&host, ".");
  const std::size_t dot = host.rfind('.');
  absl::string_view last = dot == absl::string_view::npos ? host : host.substr(dot + 1);
  const bool hex = absl::ConsumePrefix(&last, "0x") || absl::ConsumePrefix(&last, "0X");
  return last.find_first_not_of(hex ? "0123456789abcdefABCDEF" : "0123456789") ==
         absl::string_view::npos;
}

bool IsIpv4(absl::string_view host) {
  in_addr address;
  return inet_pton(AF_INET, std::string(host).c_str(), &address) == 1;
}

// The one way to write an address without brackets; empty when it is none.
std::string CanonicalIpv6(absl::string_view host) {
  in6_addr address;
  char text[INET6_ADDRSTRLEN];
  if (inet_pton(AF_INET6, std::string(host).c_str(), &address) != 1 ||
      inet_ntop(AF_INET6, &address, text, sizeof(text)) == nullptr) {
    return std::string();
  }
  return text;
}

// `host` or `host:port`.
absl::Status ReadAuthority(absl::string_view authority, Url& url) {
  if (absl::StrContains(authority, "@")) return Bad("it names a user");
  absl::string_view host = authority;
  absl::string_view port;
  bool has_port = false;
  if (absl::StartsWith(authority, "[")) {
    const std::size_t close = authority.find(']');
    if (close == absl::string_view::npos) return Bad("a broken host");
    host = authority.substr(0, close + 1);
    absl::string_view rest = authority.substr(close + 1);
    has_port = absl::ConsumePrefix(&rest, ":");
    if (!has_port && !rest.empty()) return Bad("a broken host");
    port = rest;
    const std::string address = CanonicalIpv6(host.substr(1, host.size() - 2));
    if (address.empty()) return Bad("a broken host");
    url.host = absl::StrCat("[", address, "]");
  } else {
    const std::size_t colon = authority.find(':');
    if (colon != absl::string_view::npos) {
      host = authority.substr(0, colon);
      port = authority.substr(colon + 1);
      has_port = true;
    }
    if (host.empty()) return Bad("no host");
    for (const char c : host) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') {
        return Bad("a broken host");
      }
    }
    if (EndsInNumber(host) && !IsIpv4(host)) return Bad("a broken address");
    url.host = absl::AsciiStrToLower(host);
  }
  url.port = url.scheme == "https" ? 443 : 80;
  if (has_port) {
    if (port.empty() || port.size() > 5 ||
        port.find_first_not_of("0123456789") != absl::string_view::npos ||
        !absl::SimpleAtoi(port, &url.port) || url.port < 1 || url.port > 65535) {
      return Bad("a broken port");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadPathAndQuery(absl::string_view text, Url& url) {
  text = text.substr(0, text.find('#'));
  const std::size_t question = text.find('?');
  const absl::string_view path = text.substr(0, question);
  TI_ASSIGN_OR_RETURN(url.path, Canonical(path.empty() ? "/" : path, kPathCharacters));
  url.query.clear();
  if (question != absl::string_view::npos) {
    TI_ASSIGN_OR_RETURN(url.query, Canonical(text.substr(question + 1), kQueryCharacters));
  }
  if (HasDotSegment(url.path)) return Bad("a dot segment in the path");
  return absl::OkStatus();
}

}  // namespace

std::string Url::Origin() const {
  const bool usual = port == (scheme == "https" ? 443 : 80);
  return usual ? absl::StrCat(scheme, "://", host) : absl::StrCat(scheme, "://", host, ":", port);
}

std::string Url::WithoutQuery() const { return absl::StrCat(Origin(), path); }

std::string Url::Text() const {
  return query.empty() ? WithoutQuery() : absl::StrCat(WithoutQuery(), "?", query);
}

absl::StatusOr<Url> ParseUrl(absl::string_view text) {
  if (text.size() > kMaxUrlBytes) return Bad("too long");
  const std::size_t colon = text.find("://");
  if (colon == absl::string_view::npos) return Bad("no http:// or https:// in front");
  Url url;
  url.scheme = absl::AsciiStrToLower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") {
    return Bad("no http:// or https:// in front");
  }
  const absl::string_view rest = text.substr(colon + 3);
  const std::size_t end = rest.find_first_of("/?#");
  TI_RETURN_IF_ERROR(ReadAuthority(rest.substr(0, end), url));
  TI_RETURN_IF_ERROR(ReadPathAndQuery(
      end == absl::string_view::npos ? absl::string_view() : rest.substr(end), url));
  return url;
}

absl::StatusOr<Url> ResolveUrl(const Url& base, absl::string_view reference) {
  if (reference.size() > kMaxUrlBytes) return Bad("too long");
  const std::size_t colon = reference.find(':');
  const std::size_t slash = reference.find_first_of("/?#");
  if (colon != absl::string_view::npos && (slash == absl::string_view::npos || colon < slash)) {
    return ParseUrl(reference);
  }
  if (absl::StartsWith(reference, "//")) {
    return ParseUrl(absl::StrCat(base.scheme, ":", reference));
  }
  Url url = base;
  if (absl::StartsWith(reference, "/")) {
    TI_RETURN_IF_ERROR(ReadPathAndQuery(reference, url));
  } else if (reference.empty() || reference[0] == '?' || reference[0] == '#') {
    const std::string kept = reference.empty() || reference[0] == '#' ? base.query : std::string();
    TI_RETURN_IF_ERROR(ReadPathAndQuery(absl::StrCat(base.path, reference), url));
    if (!kept.empty()) url.query = kept;
  } else {
    const std::string folder = base.path.substr(0, base.path.rfind('/') + 1);
    TI_RETURN_IF_ERROR(ReadPathAndQuery(absl::StrCat(folder, reference), url));
  }
  return url;
}

bool SameOrigin(const Url& a, const Url& b) {
  return a.scheme == b.scheme && a.host == b.host && a.port == b.port;
}

bool IsLoopbackHost(absl::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  // Names may begin with 127. too: only digits and dots make an address.
  return absl::StartsWith(host, "127.") &&
         host.find_first_not_of("0123456789.") == absl::string_view::npos;
}

std::string PercentEncode(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (IsUnreserved(c)) {
      out += c;
    } else {
      AppendEncoded(c, out);
    }
  }
  return out;
}

absl::StatusOr<std::string> EncodePathSegment(absl::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("empty where a path needs a value");
  if (text == "." || text == "..") {
    return absl::InvalidArgumentError("a value that a path cannot hold");
  }
  return PercentEncode(text);
}

std::string EncodeQuery(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) {
    absl::StrAppend(&out, out.empty() ? "" : "&", PercentEncode(name), "=", PercentEncode(value));
  }
  return out;
}

}  // namespace tokeninventory
