#include "connectors/json_syntax.h"

#include <algorithm>
#include <vector>

#include "absl/strings/strip.h"

namespace tokeninventory {
namespace {

// Walks one text. Each function that reads something returns whether it is there,
// and stops where it is not.
class Scanner {
 public:
  explicit Scanner(absl::string_view text) : rest_(text) {
    absl::ConsumePrefix(&rest_, "\xEF\xBB\xBF");
  }

  std::optional<JsonFault::Kind> Scan() {
    SkipSpace();
    if (rest_.empty()) return JsonFault::Kind::kEmpty;
    if (!Value()) return JsonFault::Kind::kBroken;
    SkipSpace();
    if (!rest_.empty()) return JsonFault::Kind::kTrailing;
    return std::nullopt;
  }

  absl::string_view rest() const { return rest_; }

 private:
  // Between most values there is none, or one: find_first_not_of makes a table of the set
  // each time.
  void SkipSpace() {
    std::size_t space = 0;
    while (space < rest_.size() && IsSpace(rest_[space])) ++space;
    rest_.remove_prefix(space);
  }

  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool TakeOneOf(absl::string_view set) {
    if (rest_.empty() || set.find(rest_.front()) == absl::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // A value with all that is in it; without recursion, whatever the depth.
  bool Value() {
    std::vector<bool> in_object;  // the containers that are open
    for (;;) {
      SkipSpace();
      if (Take('{')) {
        SkipSpace();
        if (!Take('}')) {
          in_object.push_back(true);
          if (!Key()) return false;
          continue;
        }
      } else if (Take('[')) {
        SkipSpace();
        if (!Take(']')) {
          in_object.push_back(false);
          continue;
        }
      } else if (!Scalar()) {
        return false;
      }
      // Behind a value.
      for (;;) {
        if (in_object.empty()) return true;
        SkipSpace();
        if (Take(',')) {
          SkipSpace();
          if (in_object.back() && !Key()) return false;
          break;
        }
        if (!Take(in_object.back() ? '}' : ']')) return false;
        in_object.pop_back();
      }
    }
  }

  // A member's name, and the colon.
  bool Key() {
    if (!String()) return false;
    SkipSpace();
    return Take(':');
  }

  bool Scalar() {
    if (rest_.empty()) return false;
    if (rest_.front() == '"') return String();
    return absl::ConsumePrefix(&rest_, "null") || absl::ConsumePrefix(&rest_, "true") ||
           absl::ConsumePrefix(&rest_, "false") || Number();
  }

  bool String() {
    if (!Take('"')) return false;
    for (;;) {
      std::size_t plain = 0;
      while (plain < rest_.size() && IsPlain(rest_[plain])) ++plain;
      rest_.remove_prefix(plain);
      if (Take('"')) return true;
      if (!Take('\\') || !Escape()) return false;
    }
  }

  static bool IsPlain(char c) {
    return c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20;
  }

  bool Escape() {
    if (!Take('u')) return TakeOneOf("\"\\/bfnrt");
    for (int i = 0; i < 4; ++i) {
      if (!TakeOneOf("0123456789abcdefABCDEF")) return false;
    }
    return true;
  }

  bool Number() {
    Take('-');
    if (!Take('0') && !Digits()) return false;
    if (Take('.') && !Digits()) return false;
    if (Take('e') || Take('E')) {
      if (!Take('+')) Take('-');
      return Digits();
    }
    return true;
  }

  // One at least.
  bool Digits() {
    std::size_t count = 0;
    while (count < rest_.size() && rest_[count] >= '0' && rest_[count] <= '9') ++count;
    rest_.remove_prefix(count);
    return count > 0;
  }

  absl::string_view rest_;
};

}  // namespace

std::optional<JsonFault> FindJsonFault(absl::string_view text) {
  Scanner scanner(text);
  const std::optional<JsonFault::Kind> kind = scanner.Scan();
  if (!kind) return std::nullopt;
  const absl::string_view read = text.substr(0, text.size() - scanner.rest().size());
  JsonFault fault;
  fault.kind = *kind;
  fault.line += static_cast<int>(std::count(read.begin(), read.end(), '\n'));
  const std::size_t line_end = read.rfind('\n');
  fault.column +=
      static_cast<int>(read.size() - (line_end == absl::string_view::npos ? 0 : line_end + 1));
  return fault;
}

}  // namespace tokeninventory
