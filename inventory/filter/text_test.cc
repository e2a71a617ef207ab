#include "inventory/filter/text_test.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "absl/numeric/bits.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace tokeninventory::filter {
namespace {

// The parts between the wildcards.
std::vector<std::string> Split(const Word& word) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  const auto add = [&](std::size_t end) {
    if (end > begin) parts.push_back(word.text.substr(begin, end - begin));
    begin = end + 1;
  };
  for (const std::uint32_t star : word.stars) add(star);
  add(word.text.size());
  return parts;
}

std::size_t Find(absl::string_view text, absl::string_view part) {
  if (text.size() < part.size()) return absl::string_view::npos;  // memmem wants no null
  // Two-way search, linear: std::find's worst case is the product of the lengths.
  const void* const at = memmem(text.data(), text.size(), part.data(), part.size());
  return at == nullptr ? absl::string_view::npos
                       : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

// 16 bytes at once; every target of GCC and Clang has some form of it.
using Bytes = unsigned char __attribute__((vector_size(16)));

Bytes Load(const char* from) {
  Bytes bytes;
  std::memcpy(&bytes, from, sizeof(bytes));
  return bytes;
}

Bytes AllOf(unsigned char c) { return Bytes{} + c; }

// What makes both cases of the letter `lower` equal to it; 0 for other characters.
unsigned char CaseBit(char lower) {
  return absl::ascii_islower(static_cast<unsigned char>(lower)) ? 0x20 : 0;
}

bool EqualsFolded(const char* text, absl::string_view part) {
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (absl::ascii_tolower(static_cast<unsigned char>(text[i])) != part[i]) return false;
  }
  return true;
}

// Where a part may stand: the places where its first and its last byte fit.
class FoldedPlaces {
 public:
  static constexpr std::size_t kStep = 2 * sizeof(Bytes);

  // For a `part` in lower case, not empty.
  explicit FoldedPlaces(absl::string_view part)
      : last_(part.size() - 1),
        first_case_(AllOf(CaseBit(part.front()))),
        first_byte_(AllOf(static_cast<unsigned char>(part.front()))),
        last_case_(AllOf(CaseBit(part.back()))),
        last_byte_(AllOf(static_cast<unsigned char>(part.back()))) {}

  // Calls `use` with each of the kStep places from `text` on that fits, in order, until it
  // returns true; returns whether it did.
  template <typename Use>
  bool Visit(const char* text, Use use) const {
    static_assert(std::endian::native == std::endian::little);
    std::array<std::uint64_t, kStep / 8> fit;  // a byte each, all ones or zeros
    Store(text, fit.data());
    Store(text + sizeof(Bytes), fit.data() + 2);
    // Mostly none does: one branch for all of them.
    if ((fit[0] | fit[1] | fit[2] | fit[3]) == 0) return false;
    for (std::size_t i = 0; i < fit.size(); ++i) {
      for (std::uint64_t bits = fit[i]; bits != 0;) {
        const int place = absl::countr_zero(bits) / 8;
        if (use(8 * i + static_cast<std::size_t>(place))) return true;
        bits &= ~(std::uint64_t{0xff} << (8 * place));
      }
    }
    return false;
  }

 private:
  void Store(const char* text, std::uint64_t* fit) const {
    const auto fits = ((Load(text) | first_case_) == first_byte_) &
                      ((Load(text + last_) | last_case_) == last_byte_);
    std::memcpy(fit, &fits, sizeof(fits));
  }

  std::size_t last_;
  Bytes first_case_;
  Bytes first_byte_;
  Bytes last_case_;
  Bytes last_byte_;
};

// For a `part` in lower case.
std::size_t FindFolded(absl::string_view text, absl::string_view part) {
  constexpr std::size_t kShort = 32;
  constexpr std::size_t kStep = FoldedPlaces::kStep;
  const std::size_t size = part.size();
  if (text.size() < size) return absl::string_view::npos;
  if (size > kShort) {
    const std::size_t begin = FindFolded(text, part.substr(0, kShort));
    if (begin == absl::string_view::npos) return begin;
    const std::size_t rest = Find(absl::AsciiStrToLower(text.substr(begin)), part);  // linear
    return rest == absl::string_view::npos ? rest : begin + rest;
  }
  const std::size_t end = text.size() - size + 1;
  if (end < kStep) {
    for (std::size_t at = 0; at < end; ++at) {
      if (EqualsFolded(text.data() + at, part)) return at;
    }
    return absl::string_view::npos;
  }
  const FoldedPlaces places(part);
  std::size_t found = absl::string_view::npos;
  for (std::size_t at = 0;; at = std::min(at + kStep, end - kStep)) {
    const auto is_part = [&](std::size_t place) {
      found = at + place;
      return EqualsFolded(text.data() + found, part);
    };
    if (places.Visit(text.data() + at, is_part)) return found;
    if (at == end - kStep) return absl::string_view::npos;
  }
}

}  // namespace

TextTest TextTest::Equals(const Word& word, bool negated) {
  TextTest test;
  test.negated_ = negated;
  if (word.stars.empty()) {
    test.text_ = word.text;
    return test;
  }
  test.mode_ = Mode::kPattern;
  test.parts_ = Split(word);
  test.any_start_ = word.stars.front() == 0;
  test.any_end_ = word.stars.back() + 1 == word.text.size();
  return test;
}

TextTest TextTest::Contains(const Word& word) {
  TextTest test;
  test.mode_ = Mode::kPattern;
  test.fold_case_ = true;
  test.parts_ = Split(word);
  for (std::string& part : test.parts_) absl::AsciiStrToLower(&part);
  test.any_start_ = test.any_end_ = true;
  return test;
}

TextTest TextTest::Ordered(const Word& word, OrderMask mask) {
  TextTest test;
  test.mode_ = Mode::kOrdered;
  test.mask_ = mask;
  test.text_ = word.text;
  return test;
}

bool TextTest::Matches(absl::string_view text) const {
  switch (mode_) {
    case Mode::kEqual:
      return (text == text_) != negated_;
    case Mode::kPattern:
      return MatchesPattern(text) != negated_;
    case Mode::kOrdered: {
      const int order = text.compare(text_);
      return Satisfies(order < 0 ? -1 : (order > 0 ? 1 : 0), mask_);
    }
  }
  return false;
}

std::size_t TextTest::FirstPlace(absl::string_view text) const {
  if (mode_ != Mode::kPattern || !fold_case_ || parts_.empty()) return 0;
  return FindFolded(text, parts_.front());
}

bool TextTest::MatchesPattern(absl::string_view text) const {
  std::size_t first = 0;
  std::size_t last = parts_.size();
  if (!any_start_ && first < last) {
    if (!absl::StartsWith(text, parts_[first])) return false;
    text.remove_prefix(parts_[first++].size());
  }
  if (!any_end_ && first < last) {
    if (!absl::EndsWith(text, parts_[last - 1])) return false;
    text.remove_suffix(parts_[--last].size());
  }
  for (; first < last; ++first) {
    const std::string& part = parts_[first];
    const std::size_t at = fold_case_ ? FindFolded(text, part) : Find(text, part);
    if (at == absl::string_view::npos) return false;
    text.remove_prefix(at + part.size());
  }
  return true;
}

}  // namespace tokeninventory::filter
