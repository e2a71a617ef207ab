#include "inventory/filter/lexer.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "inventory/filter/filter_error.h"

namespace tokeninventory::filter {
namespace {

constexpr absl::string_view kNoText = ".,()<>=!:\"";

bool IsTextChar(char c) {
  return !absl::ascii_isspace(static_cast<unsigned char>(c)) &&
         kNoText.find(c) == absl::string_view::npos;
}

char Upper(char c) { return absl::ascii_toupper(static_cast<unsigned char>(c)); }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Whether `text` starts like `shape`, where 0 stands for any digit.
bool Starts(absl::string_view text, absl::string_view shape) {
  if (text.size() < shape.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == '0' ? !IsDigit(text[i]) : Upper(text[i]) != shape[i]) {
      return false;
    }
  }
  return true;
}

// The length of a date with time at the start of `text`, or 0.
std::size_t TimeLength(absl::string_view text) {
  constexpr absl::string_view kMinutes = "0000-00-00T00:00";
  if (!Starts(text, kMinutes)) return 0;
  std::size_t size = kMinutes.size();
  if (Starts(text.substr(size), ":00")) size += 3;
  if (Starts(text.substr(size), ".0")) {
    for (size += 2; size < text.size() && IsDigit(text[size]);) ++size;
  }
  if (Starts(text.substr(size), "+00:00") || Starts(text.substr(size), "-00:00")) size += 6;
  return size;
}

// The offset of the first byte that is not UTF-8, or npos.
std::size_t FindBadUtf8(absl::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80             ? 1
                             : (lead & 0xE0) == 0xC0 ? 2
                             : (lead & 0xF0) == 0xE0 ? 3
                             : (lead & 0xF8) == 0xF0 ? 4
                                                     : 0;
    if (size == 0 || size > text.size() - i) return i;
    std::uint32_t point = size == 1 ? lead : lead & (0x7Fu >> size);
    for (std::size_t k = 1; k < size; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0) != 0x80) return i;
      point = point << 6 | (next & 0x3Fu);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kLeast[size] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return i;
    i += size;
  }
  return absl::string_view::npos;
}

// False for what is no Unicode scalar value.
bool AppendUtf8(std::uint32_t point, std::string& out) {
  if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
  const auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80 | ((point >> shift) & 0x3F));
  };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | (point >> 6));
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | (point >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
  return true;
}

class Lexer {
 public:
  explicit Lexer(absl::string_view filter) : filter_(filter) {}

  absl::StatusOr<std::vector<Lexeme>> Run() {
    if (const std::size_t bad = FindBadUtf8(filter_); bad != absl::string_view::npos) {
      return Error(bad, "the filter is not valid UTF-8");
    }
    for (;;) {
      const std::size_t before = at_;
      while (at_ < filter_.size() &&
             absl::ascii_isspace(static_cast<unsigned char>(filter_[at_]))) {
        ++at_;
      }
      Lexeme& lexeme = lexemes_.emplace_back();
      lexeme.space_before = at_ > before;
      lexeme.offset = at_;
      if (at_ == filter_.size()) return std::move(lexemes_);
      TI_RETURN_IF_ERROR(Next(lexeme));
    }
  }

 private:
  absl::Status Error(std::size_t offset, absl::string_view message) const {
    return ErrorAt("filter", filter_, offset, kSyntax, message);
  }

  absl::Status Next(Lexeme& lexeme) {
    const char c = filter_[at_];
    const bool equal_follows = at_ + 1 < filter_.size() && filter_[at_ + 1] == '=';
    switch (c) {
      case '.':
        return Take(lexeme, LexemeKind::kDot, 1);
      case ',':
        return Take(lexeme, LexemeKind::kComma, 1);
      case '(':
        return Take(lexeme, LexemeKind::kOpen, 1);
      case ')':
        return Take(lexeme, LexemeKind::kClose, 1);
      case '-':
        return Take(lexeme, LexemeKind::kMinus, 1);
      case ':':
        return Take(lexeme, LexemeKind::kHas, 1);
      case '=':
        return Take(lexeme, LexemeKind::kEqual, 1);
      case '<':
        return equal_follows ? Take(lexeme, LexemeKind::kLessEqual, 2)
                             : Take(lexeme, LexemeKind::kLess, 1);
      case '>':
        return equal_follows ? Take(lexeme, LexemeKind::kGreaterEqual, 2)
                             : Take(lexeme, LexemeKind::kGreater, 1);
      case '!':
        if (equal_follows) return Take(lexeme, LexemeKind::kNotEqual, 2);
        return Error(at_, "a lone '!': write != to compare, NOT to negate");
      case '"':
      case '\'':
        return TakeString(lexeme);
      default:
        return TakeText(lexeme);
    }
  }

  absl::Status Take(Lexeme& lexeme, LexemeKind kind, std::size_t size) {
    lexeme.kind = kind;
    at_ += size;
    return absl::OkStatus();
  }

  absl::Status TakeText(Lexeme& lexeme) {
    const std::size_t begin = at_;
    at_ += TimeLength(filter_.substr(at_));
    while (at_ < filter_.size() && IsTextChar(filter_[at_])) ++at_;
    const absl::string_view text = filter_.substr(begin, at_ - begin);
    lexeme.kind = text == "AND"   ? LexemeKind::kAnd
                  : text == "OR"  ? LexemeKind::kOr
                  : text == "NOT" ? LexemeKind::kNot
                                  : LexemeKind::kText;
    lexeme.word.offset = begin;
    lexeme.word.text = std::string(text);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '*') lexeme.word.stars.push_back(static_cast<std::uint32_t>(i));
    }
    return absl::OkStatus();
  }

  absl::Status TakeString(Lexeme& lexeme) {
    const std::size_t begin = at_;
    const char quote = filter_[at_++];
    lexeme.kind = LexemeKind::kString;
    lexeme.word.offset = begin;
    lexeme.word.quoted = true;
    std::string& text = lexeme.word.text;
    while (at_ < filter_.size() && filter_[at_] != quote) {
      const char c = filter_[at_];
      if (c == '\\') {
        if (!TakeEscape(text)) {
          return Error(at_, "unknown escape in a string; write \\\\ for a backslash");
        }
        continue;
      }
      if (c == '*') lexeme.word.stars.push_back(static_cast<std::uint32_t>(text.size()));
      text += c;
      ++at_;
    }
    if (at_ == filter_.size()) return Error(begin, "the string that starts here has no end");
    ++at_;
    return absl::OkStatus();
  }

  // At a backslash. Moves behind the escape; false leaves the place.
  bool TakeEscape(std::string& out) {
    if (at_ + 1 >= filter_.size()) return false;
    const char c = filter_[at_ + 1];
    constexpr absl::string_view kNames = "abfnrtv\\'\"`?*";
    constexpr absl::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"`?*";
    if (const std::size_t i = kNames.find(c); i != absl::string_view::npos) {
      out += kMeanings[i];
      at_ += 2;
      return true;
    }
    if (c >= '0' && c <= '3') return TakeCodePoint(at_ + 1, 3, 8, out);
    if (c == 'x') return TakeCodePoint(at_ + 2, 2, 16, out);
    if (c == 'u') return TakeCodePoint(at_ + 2, 4, 16, out);
    if (c == 'U') return TakeCodePoint(at_ + 2, 8, 16, out);
    return false;
  }

  bool TakeCodePoint(std::size_t from, std::size_t digits, std::uint32_t base, std::string& out) {
    if (from + digits > filter_.size()) return false;
    std::uint32_t point = 0;
    for (const char c : filter_.substr(from, digits)) {
      const auto byte = static_cast<unsigned char>(c);
      if (!absl::ascii_isxdigit(byte)) return false;
      const auto value =
          static_cast<std::uint32_t>(IsDigit(c) ? c - '0' : absl::ascii_tolower(byte) - 'a' + 10);
      if (value >= base) return false;
      point = point * base + value;
    }
    if (!AppendUtf8(point, out)) return false;
    at_ = from + digits;
    return true;
  }

  absl::string_view filter_;
  std::size_t at_ = 0;
  std::vector<Lexeme> lexemes_;
};

}  // namespace

absl::StatusOr<std::vector<Lexeme>> Lex(absl::string_view filter) { return Lexer(filter).Run(); }

}  // namespace tokeninventory::filter
