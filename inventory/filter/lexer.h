// Splits a filter (AIP-160) into lexemes.
//
// Text is everything but white space (ASCII), `. , ( ) < > = ! : "`; a dash
// inside a word belongs to it (`deploy-bot`, UUIDs), a dash before one is a
// sign. A bare RFC 3339 time is one word although it has colons and dots.
// Strings stand in double or single quotes and know the escapes of Go and CEL,
// and `\*` for an asterisk that is no wildcard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tokeninventory::filter {

enum class LexemeKind : std::uint8_t {
  kText,
  kString,
  kAnd,
  kOr,
  kNot,
  kMinus,
  kDot,
  kComma,
  kOpen,
  kClose,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqual,
  kNotEqual,
  kHas,
  kEnd,
};

// A word or a string.
struct Word {
  std::string text;                  // unescaped
  std::vector<std::uint32_t> stars;  // offsets in `text` of asterisks that are wildcards
  bool quoted = false;
  std::size_t offset = 0;  // in the filter
};

struct Lexeme {
  LexemeKind kind = LexemeKind::kEnd;
  std::size_t offset = 0;
  bool space_before = false;
  Word word;  // kText, kString, and the keywords
};

// The lexemes of `filter`, the last one kEnd. FILTER_SYNTAX for a string
// without end, an unknown escape, a lone `!`, and text that is not UTF-8.
absl::StatusOr<std::vector<Lexeme>> Lex(absl::string_view filter);

}  // namespace tokeninventory::filter
