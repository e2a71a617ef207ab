#include "tokenctl/text/printable.h"

#include <locale.h>
#include <wchar.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_format.h"

namespace tokeninventory::tokenctl {
namespace {

struct Decoded {
  char32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

// The character at the beginning of `text`, which is not empty.
Decoded Decode(absl::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < bytes) return {};
  char32_t code = first & (0xffu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kLeast[bytes] || code > 0x10ffff || surrogate) return {};
  return {code, bytes, true};
}

// Characters beyond ASCII that act on the terminal or cannot be seen. Zero-width joiners stay:
// scripts and emoji need them.
bool IsHidden(char32_t code) {
  constexpr struct {
    char32_t first, last;
  } kHidden[] = {
      {0x80, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},     {0x180e, 0x180e},
      {0x200b, 0x200b}, {0x200e, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
      {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
  };
  return std::any_of(std::begin(kHidden), std::end(kHidden),
                     [&](const auto& range) { return code >= range.first && code <= range.last; });
}

// As JSON writes it: beyond 16 bits, two halves.
void AppendEscape(char32_t code, std::string& out) {
  const auto append = [&](std::uint32_t unit) { absl::StrAppendFormat(&out, "\\u%04x", unit); };
  if (code < 0x10000) return append(code);
  append(0xd800 + ((code - 0x10000) >> 10));
  append(0xdc00 + ((code - 0x10000) & 0x3ff));
}

// wcwidth, whatever locale the program runs in.
int WidthOf(char32_t code) {
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 == nullptr) return 1;
  const locale_t before = uselocale(utf8);
  const int width = wcwidth(static_cast<wchar_t>(code));
  uselocale(before);
  return width < 0 ? 1 : width;  // not assigned in this libc's Unicode
}

}  // namespace

std::string Printable(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Decoded c = Decode(text);
    if (!c.valid || c.code < 0x20 || c.code == 0x7f) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(text[0]));
    } else if (IsHidden(c.code)) {
      AppendEscape(c.code, out);
    } else {
      out.append(text.data(), c.bytes);
    }
    text.remove_prefix(c.bytes);
  }
  return out;
}

int DisplayWidth(absl::string_view printable) {
  int width = 0;
  while (!printable.empty()) {
    const Decoded c = Decode(printable);
    width += c.code < 0x80 ? 1 : WidthOf(c.code);
    printable.remove_prefix(c.bytes);
  }
  return width;
}

std::string Truncate(absl::string_view printable, int width, absl::string_view ellipsis) {
  if (DisplayWidth(printable) <= width) return std::string(printable);
  const int room = width - DisplayWidth(ellipsis);
  if (room < 0) return std::string(static_cast<std::size_t>(std::max(width, 0)), '.');
  absl::string_view rest = printable;
  int used = 0;
  while (!rest.empty()) {
    const Decoded c = Decode(rest);
    used += c.code < 0x80 ? 1 : WidthOf(c.code);
    if (used > room) break;
    rest.remove_prefix(c.bytes);
  }
  return std::string(printable.substr(0, printable.size() - rest.size())) + std::string(ellipsis);
}

}  // namespace tokeninventory::tokenctl
