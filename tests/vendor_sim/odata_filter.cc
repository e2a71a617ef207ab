#include "tests/vendor_sim/odata_filter.h"

#include <cctype>
#include <utility>

namespace tokeninventory::vendor_sim {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  void SkipSpaces() {
    while (!text_.empty() && text_.front() == ' ') text_.remove_prefix(1);
  }

  bool AtEnd() const { return text_.empty(); }

  // Letters, digits and underscores; empty when there are none.
  std::string Word() {
    std::size_t length = 0;
    while (length < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[length])) || text_[length] == '_')) {
      ++length;
    }
    std::string word(text_.substr(0, length));
    text_.remove_prefix(length);
    return word;
  }

  bool AtQuote() const { return !text_.empty() && text_.front() == '\''; }

  // A quoted string; nothing when its end is missing.
  std::optional<std::string> Quoted() {
    text_.remove_prefix(1);
    std::string value;
    while (!text_.empty()) {
      const char c = text_.front();
      text_.remove_prefix(1);
      if (c != '\'') {
        value.push_back(c);
      } else if (AtQuote()) {
        value.push_back('\'');
        text_.remove_prefix(1);
      } else {
        return value;
      }
    }
    return std::nullopt;
  }

 private:
  std::string_view text_;
};

std::string Lower(std::string word) {
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

bool ReadValue(Reader* reader, ODataTerm* term, std::string* problem) {
  if (reader->AtQuote()) {
    std::optional<std::string> text = reader->Quoted();
    if (!text) {
      *problem = "unterminated string";
      return false;
    }
    term->value = std::move(*text);
    return true;
  }
  const std::string word = Lower(reader->Word());
  if (word == "true" || word == "false") {
    term->value = word == "true";
  } else if (word == "null") {
    term->value = nullptr;
  } else {
    *problem = "expected a quoted string, true, false or null after 'eq'";
    return false;
  }
  return true;
}

}  // namespace

std::optional<std::vector<ODataTerm>> ParseODataFilter(std::string_view text,
                                                       std::string* problem) {
  Reader reader(text);
  std::vector<ODataTerm> terms;
  while (true) {
    ODataTerm term;
    reader.SkipSpaces();
    term.field = reader.Word();
    if (term.field.empty()) {
      *problem = "expected a field name";
      return std::nullopt;
    }
    reader.SkipSpaces();
    if (Lower(reader.Word()) != "eq") {
      *problem = "only the operator 'eq' is supported";
      return std::nullopt;
    }
    reader.SkipSpaces();
    if (!ReadValue(&reader, &term, problem)) return std::nullopt;
    terms.push_back(std::move(term));
    reader.SkipSpaces();
    if (reader.AtEnd()) return terms;
    if (Lower(reader.Word()) != "and") {
      *problem = "only 'and' can join conditions";
      return std::nullopt;
    }
  }
}

}  // namespace tokeninventory::vendor_sim
