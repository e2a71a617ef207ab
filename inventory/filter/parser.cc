#include "inventory/filter/parser.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "inventory/filter/filter_error.h"

namespace tokeninventory::filter {
namespace {

using NodePtr = std::unique_ptr<Node>;

bool StartsWithDigit(absl::string_view text) {
  return !text.empty() && text.front() >= '0' && text.front() <= '9';
}

Comparator ComparatorOf(LexemeKind kind) {
  switch (kind) {
    case LexemeKind::kLess:
      return Comparator::kLess;
    case LexemeKind::kLessEqual:
      return Comparator::kLessEqual;
    case LexemeKind::kGreater:
      return Comparator::kGreater;
    case LexemeKind::kGreaterEqual:
      return Comparator::kGreaterEqual;
    case LexemeKind::kEqual:
      return Comparator::kEqual;
    case LexemeKind::kNotEqual:
      return Comparator::kNotEqual;
    case LexemeKind::kHas:
      return Comparator::kHas;
    default:
      return Comparator::kNone;
  }
}

bool StartsFactor(LexemeKind kind) {
  return kind == LexemeKind::kText || kind == LexemeKind::kString || kind == LexemeKind::kNot ||
         kind == LexemeKind::kMinus || kind == LexemeKind::kOpen;
}

class Parser {
 public:
  Parser(absl::string_view filter, std::vector<Lexeme> lexemes)
      : filter_(filter), lexemes_(std::move(lexemes)) {}

  absl::StatusOr<NodePtr> Run() {
    if (Peek().kind == LexemeKind::kEnd) return NodePtr();
    TI_ASSIGN_OR_RETURN(NodePtr node, Expression());
    if (Peek().kind != LexemeKind::kEnd) return Unexpected("AND, OR or the end");
    return node;
  }

 private:
  // Counts one level of parentheses while it lives.
  class Level {
   public:
    explicit Level(int& levels) : levels_(levels) { ++levels_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --levels_; }

   private:
    int& levels_;
  };

  const Lexeme& Peek(std::size_t ahead = 0) const {
    return lexemes_[std::min(at_ + ahead, lexemes_.size() - 1)];
  }
  void Skip() { ++at_; }

  absl::Status Error(std::size_t offset, absl::string_view message) const {
    return ErrorAt("filter", filter_, offset, kSyntax, message);
  }

  absl::Status Unexpected(absl::string_view wanted) const {
    const Lexeme& next = Peek();
    if (next.kind == LexemeKind::kEnd) {
      return Error(next.offset, absl::StrCat("expected ", wanted, ", but the filter ends here"));
    }
    const std::size_t size =
        (at_ + 1 < lexemes_.size() ? lexemes_[at_ + 1].offset : filter_.size()) - next.offset;
    absl::string_view hint;
    if (ComparatorOf(next.kind) != Comparator::kNone) {
      hint = "; quote a value that has one of : = < > ! in it";
    } else if (next.kind == LexemeKind::kComma) {
      hint = "; conditions are joined with AND";
    }
    return Error(
        next.offset,
        absl::StrCat("expected ", wanted, " and found ",
                     Quoted(absl::StripTrailingAsciiWhitespace(filter_.substr(next.offset, size))),
                     hint));
  }

  absl::Status TooDeep() const {
    return ErrorAt("filter", filter_, Peek().offset, kTooComplex,
                   absl::StrCat("more than ", kMaxLevels, " levels of parentheses"));
  }

  absl::Status CountTerm(std::size_t offset) {
    if (++terms_ <= kMaxTerms) return absl::OkStatus();
    return ErrorAt("filter", filter_, offset, kTooComplex,
                   absl::StrCat("more than ", kMaxTerms, " terms"));
  }

  static NodePtr Join(Node::Kind kind, std::vector<NodePtr> children) {
    if (children.size() == 1) return std::move(children.front());
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->children = std::move(children);
    return node;
  }

  // sequence {AND sequence}
  absl::StatusOr<NodePtr> Expression() {
    std::vector<NodePtr> children;
    for (;;) {
      TI_ASSIGN_OR_RETURN(NodePtr child, Sequence());
      children.push_back(std::move(child));
      if (Peek().kind != LexemeKind::kAnd) return Join(Node::Kind::kAnd, std::move(children));
      Skip();
    }
  }

  // factor {white-space factor}
  absl::StatusOr<NodePtr> Sequence() {
    std::vector<NodePtr> children;
    do {
      if (!children.empty() && !Peek().space_before) return Unexpected("white space");
      TI_ASSIGN_OR_RETURN(NodePtr child, Factor());
      children.push_back(std::move(child));
    } while (StartsFactor(Peek().kind));
    return Join(Node::Kind::kSequence, std::move(children));
  }

  // term {OR term}
  absl::StatusOr<NodePtr> Factor() {
    std::vector<NodePtr> children;
    for (;;) {
      TI_ASSIGN_OR_RETURN(NodePtr child, Term());
      children.push_back(std::move(child));
      if (Peek().kind != LexemeKind::kOr) return Join(Node::Kind::kOr, std::move(children));
      Skip();
    }
  }

  // [NOT | -] simple
  absl::StatusOr<NodePtr> Term() {
    const bool minus = Peek().kind == LexemeKind::kMinus;
    if ((!minus && Peek().kind != LexemeKind::kNot) || (in_value_ && NegativeNumberFollows())) {
      return Simple();
    }
    Skip();
    if (minus && Peek().space_before) {
      return Error(Peek().offset, "no white space after '-'; or write NOT");
    }
    if (Peek().kind == LexemeKind::kNot || Peek().kind == LexemeKind::kMinus) {
      return Unexpected("one negation at most, then a term");
    }
    TI_ASSIGN_OR_RETURN(NodePtr child, Simple());
    auto node = std::make_unique<Node>();
    node->kind = Node::Kind::kNot;
    node->children.push_back(std::move(child));
    return node;
  }

  // restriction | ( expression )
  absl::StatusOr<NodePtr> Simple() {
    if (Peek().kind == LexemeKind::kOpen) return Group();
    return Restriction();
  }

  absl::StatusOr<NodePtr> Group() {
    if (levels_ == kMaxLevels) return TooDeep();
    const Level level(levels_);
    Skip();
    TI_ASSIGN_OR_RETURN(NodePtr node, Expression());
    if (Peek().kind != LexemeKind::kClose) return Unexpected("AND, OR or ')'");
    Skip();
    return node;
  }

  // comparable [comparator argument]
  absl::StatusOr<NodePtr> Restriction() {
    auto node = std::make_unique<Node>();
    TI_ASSIGN_OR_RETURN(node->left, Comparable(in_value_ ? "a value" : "a field or a word"));
    const Comparator comparator = ComparatorOf(Peek().kind);
    if (comparator == Comparator::kNone) {
      TI_RETURN_IF_ERROR(CountTerm(node->left.offset));
      return node;
    }
    if (in_value_) return Unexpected("AND, OR or ')' in a list of values");
    node->comparator = comparator;
    Skip();
    TI_ASSIGN_OR_RETURN(node->right, Argument());
    return node;
  }

  // comparable | ( expression )
  absl::StatusOr<Operand> Argument() {
    if (Peek().kind == LexemeKind::kOpen) {
      Operand operand;
      operand.kind = Operand::Kind::kGroup;
      operand.offset = Peek().offset;
      const bool was_in_value = std::exchange(in_value_, true);
      absl::StatusOr<NodePtr> group = Group();
      in_value_ = was_in_value;
      if (!group.ok()) return group.status();
      operand.group = *std::move(group);
      return operand;
    }
    TI_RETURN_IF_ERROR(CountTerm(Peek().offset));
    if (Peek().kind == LexemeKind::kMinus && !NegativeNumberFollows()) {
      return Error(Peek().offset, "expected a value; quote one that starts with '-'");
    }
    TI_ASSIGN_OR_RETURN(Operand operand, Comparable("a value"));
    TI_RETURN_IF_ERROR(RefuseSpacedNow(operand));
    return operand;
  }

  // `now + 30d` would mean: now, and the word `+`, and the word `30d`.
  absl::Status RefuseSpacedNow(const Operand& operand) const {
    if (operand.words.size() != 1 || operand.words[0].quoted || operand.words[0].text != "now") {
      return absl::OkStatus();
    }
    const bool plus = Peek().kind == LexemeKind::kText && Peek().word.text.front() == '+';
    const bool minus = Peek().kind == LexemeKind::kMinus &&
                       (Peek(1).space_before || StartsWithDigit(Peek(1).word.text));
    if (!plus && !minus) return absl::OkStatus();
    return Error(Peek().offset, "write now+30d or now-90d without white space");
  }

  bool NegativeNumberFollows() const {
    return Peek().kind == LexemeKind::kMinus && Peek(1).kind == LexemeKind::kText &&
           !Peek(1).space_before && StartsWithDigit(Peek(1).word.text);
  }

  // member | function
  absl::StatusOr<Operand> Comparable(absl::string_view wanted) {
    Operand operand;
    operand.offset = Peek().offset;
    const bool negative = NegativeNumberFollows();
    if (negative) Skip();
    if (Peek().kind != LexemeKind::kText && Peek().kind != LexemeKind::kString) {
      return Unexpected(wanted);
    }
    operand.words.push_back(TakeWord());
    while (Peek().kind == LexemeKind::kDot) {
      if (Peek().space_before || Peek(1).space_before) {
        return Error(Peek().offset, "no white space around '.'");
      }
      Skip();
      const LexemeKind kind = Peek().kind;
      if (kind != LexemeKind::kText && kind != LexemeKind::kString && kind != LexemeKind::kAnd &&
          kind != LexemeKind::kOr && kind != LexemeKind::kNot) {
        return Unexpected("a name after '.'");
      }
      operand.words.push_back(TakeWord());
    }
    if (negative) {
      Word& first = operand.words.front();
      first.text.insert(0, 1, '-');
      first.offset = operand.offset;
      for (std::uint32_t& star : first.stars) ++star;
    }
    if (Peek().kind == LexemeKind::kOpen && !Peek().space_before && !HasQuotes(operand)) {
      return Call(std::move(operand));
    }
    JoinNumber(operand, negative);
    return operand;
  }

  Word TakeWord() { return std::move(lexemes_[at_++].word); }

  static bool HasQuotes(const Operand& operand) {
    for (const Word& word : operand.words) {
      if (word.quoted) return true;
    }
    return false;
  }

  // `1.5` is one value, no field 5 of 1.
  static void JoinNumber(Operand& operand, bool negative) {
    if (HasQuotes(operand) || !(negative || StartsWithDigit(operand.words[0].text))) return;
    Word& first = operand.words.front();
    for (std::size_t i = 1; i < operand.words.size(); ++i) {
      first.text += '.';
      for (const std::uint32_t star : operand.words[i].stars) {
        first.stars.push_back(star + static_cast<std::uint32_t>(first.text.size()));
      }
      first.text += operand.words[i].text;
    }
    operand.words.resize(1);
  }

  // ( [argument {, argument}] )
  absl::StatusOr<Operand> Call(Operand operand) {
    if (levels_ == kMaxLevels) return TooDeep();
    const Level level(levels_);
    operand.kind = Operand::Kind::kCall;
    Skip();
    while (Peek().kind != LexemeKind::kClose || !operand.arguments.empty()) {
      TI_ASSIGN_OR_RETURN(Operand argument, Argument());
      operand.arguments.push_back(std::move(argument));
      if (Peek().kind == LexemeKind::kClose) break;
      if (Peek().kind != LexemeKind::kComma) return Unexpected("',' or ')'");
      Skip();
    }
    Skip();
    return operand;
  }

  absl::string_view filter_;
  std::vector<Lexeme> lexemes_;
  std::size_t at_ = 0;
  int levels_ = 0;
  int terms_ = 0;
  bool in_value_ = false;  // inside `= (…)`
};

}  // namespace

absl::StatusOr<std::unique_ptr<Node>> Parse(absl::string_view filter) {
  if (filter.size() > kMaxBytes) {
    return ErrorAt(
        "filter", "", 0, kTooComplex,
        absl::StrCat("the filter has ", filter.size(), " bytes; the most is ", kMaxBytes));
  }
  TI_ASSIGN_OR_RETURN(std::vector<Lexeme> lexemes, Lex(filter));
  return Parser(filter, std::move(lexemes)).Run();
}

}  // namespace tokeninventory::filter
