// What a term asks of one string.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "inventory/filter/lexer.h"

namespace tokeninventory::filter {

// Which results of a three-way comparison satisfy a comparator: bit 0 for less,
// bit 1 for equal, bit 2 for greater.
using OrderMask = std::uint8_t;
inline constexpr OrderMask kLessMask = 1, kEqualMask = 2, kGreaterMask = 4;

inline bool Satisfies(int order, OrderMask mask) { return (mask >> (order + 1) & 1) != 0; }

// Immutable, so thread-safe.
class TextTest {
 public:
  TextTest() = default;

  // The whole string is `word`, whose wildcards stand for any text.
  static TextTest Equals(const Word& word, bool negated);
  // `word` is in the string; upper and lower case of ASCII letters are the same.
  static TextTest Contains(const Word& word);
  // Byte by byte, wildcards mean nothing.
  static TextTest Ordered(const Word& word, OrderMask mask);

  // Time linear in the string's length.
  bool Matches(absl::string_view text) const;

  // Of a Contains test: no string that lies in `text` and ends before this place
  // matches. npos: none at all does.
  std::size_t FirstPlace(absl::string_view text) const;

  // The text that the string must be (negated: must not be) equal to, or null
  // when the test is another.
  const std::string* equal_text() const { return mode_ == Mode::kEqual ? &text_ : nullptr; }
  bool negated() const { return negated_; }

 private:
  enum class Mode : std::uint8_t { kEqual, kPattern, kOrdered };

  bool MatchesPattern(absl::string_view text) const;

  Mode mode_ = Mode::kEqual;
  bool negated_ = false;
  bool fold_case_ = false;
  bool any_start_ = false;  // pattern: text may stand before the first part
  bool any_end_ = false;    // pattern: and behind the last one
  OrderMask mask_ = 0;
  std::string text_;
  std::vector<std::string> parts_;  // pattern: between the wildcards, none empty
};

}  // namespace tokeninventory::filter
