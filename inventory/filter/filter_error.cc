#include "inventory/filter/filter_error.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "inventory/errors.h"

namespace tokeninventory::filter {
namespace {

constexpr std::size_t kMaxQuoted = 40;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::string Quoted(absl::string_view text) {
  if (text.size() <= kMaxQuoted) return absl::StrCat("'", absl::CHexEscape(text), "'");
  std::size_t size = kMaxQuoted;
  while (size > 0 && IsContinuation(text[size])) --size;
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, size)), "…'");
}

absl::Status ErrorAt(absl::string_view field, absl::string_view text, std::size_t offset,
                     absl::string_view reason, absl::string_view message) {
  const absl::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto column =
      1 + std::count_if(before.begin(), before.end(), [](char c) { return !IsContinuation(c); });
  return FieldError(field, reason, absl::StrCat("column ", column, ": ", message));
}

}  // namespace tokeninventory::filter
