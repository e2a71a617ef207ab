#include "inventory/filter/checker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "inventory/filter/filter_error.h"
#include "inventory/filter/term_maker.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory::filter {
namespace {

constexpr std::size_t kMaxWords = 32;  // of a path: each is a recursion later

// A checked tree, not yet in the order in which it is tried.
struct Condition {
  enum class Kind : std::uint8_t { kTerm, kAll, kAny, kNot };
  Kind kind = Kind::kTerm;
  Term term;
  std::vector<Condition> parts;
  int cost = 0;
};

std::uint64_t Bit(int number) { return std::uint64_t{1} << number; }

SearchScope TokenScope(bool with_name) {
  using Token = v1::Token;
  using Principal = v1::Principal;
  SearchScope scope;
  for (const int field :
       {Token::kSourceFieldNumber, Token::kProviderFieldNumber, Token::kProviderTokenIdFieldNumber,
        Token::kDisplayNameFieldNumber, Token::kKindFieldNumber, Token::kHintFieldNumber,
        Token::kRoleFieldNumber}) {
    scope.fields |= Bit(field);
    scope.last = std::max(scope.last, field);
  }
  if (with_name) scope.fields |= Bit(Token::kNameFieldNumber);
  scope.source = Token::kSourceFieldNumber;
  scope.nested = Token::kOwnerFieldNumber;
  scope.nested_fields = Bit(Principal::kIdFieldNumber) | Bit(Principal::kDisplayNameFieldNumber) |
                        Bit(Principal::kEmailFieldNumber);
  return scope;
}

// A dotted word is text, too: `api.example.com`.
Word WordOf(const std::vector<Word>& parts) {
  Word word = parts.front();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    word.text += '.';
    for (const std::uint32_t star : parts[i].stars) {
      word.stars.push_back(star + static_cast<std::uint32_t>(word.text.size()));
    }
    word.text += parts[i].text;
  }
  return word;
}

// The strings of any message.
SearchScope ScopeOf(const google::protobuf::Descriptor& type) {
  SearchScope scope;
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *type.field(i);
    if (field.type() != google::protobuf::FieldDescriptor::TYPE_STRING || field.number() >= 64) {
      continue;
    }
    scope.fields |= Bit(field.number());
    scope.last = std::max(scope.last, field.number());
  }
  return scope;
}

class Checker {
 public:
  Checker(absl::string_view text, const FilterOptions& options)
      : text_(text),
        is_token_(options.type == nullptr || options.type == v1::Token::descriptor()),
        type_(is_token_ ? *v1::Token::descriptor() : *options.type),
        maker_(text, options) {}

  absl::StatusOr<Program> Run(const Node& tree) {
    TI_ASSIGN_OR_RETURN(Condition condition, CheckNode(tree, nullptr));
    SortByCost(condition);
    program_.start = Emit(std::move(condition), kAccept, kReject);
    program_.uses_now = maker_.uses_now();
    return std::move(program_);
  }

 private:
  // The left side of a comparison, for the values in a group on the right.
  struct Comparison {
    FieldPath path;
    std::string name;
    Comparator comparator;
  };

  absl::Status Error(std::size_t offset, absl::string_view reason,
                     absl::string_view message) const {
    return ErrorAt("filter", text_, offset, reason, message);
  }

  // Recurses as deep as the tree, which the parser has capped.
  absl::StatusOr<Condition> CheckNode(const Node& node, const Comparison* comparison) {
    if (node.kind == Node::Kind::kRestriction) {
      if (comparison != nullptr) return CheckValue(*comparison, node.left);
      return node.comparator == Comparator::kNone ? CheckSearch(node.left) : CheckComparison(node);
    }
    Condition condition;
    condition.kind = node.kind == Node::Kind::kOr    ? Condition::Kind::kAny
                     : node.kind == Node::Kind::kNot ? Condition::Kind::kNot
                                                     : Condition::Kind::kAll;
    for (const auto& child : node.children) {
      TI_ASSIGN_OR_RETURN(Condition part, CheckNode(*child, comparison));
      condition.parts.push_back(std::move(part));
    }
    return condition;
  }

  absl::StatusOr<Condition> CheckSearch(const Operand& operand) {
    if (operand.kind == Operand::Kind::kCall) return NoFunction(operand);
    const Word word = WordOf(operand.words);
    Condition condition;
    condition.term.test = Term::Test::kSearch;
    condition.term.search =
        is_token_ ? TokenScope(absl::StrContains(word.text, '/')) : ScopeOf(type_);
    condition.term.text = TextTest::Contains(word);
    return condition;
  }

  absl::StatusOr<Condition> CheckComparison(const Node& node) {
    const Operand& left = node.left;
    if (left.kind == Operand::Kind::kCall) return NoFunction(left);
    if (left.words.size() > kMaxWords) {
      return Error(left.offset, kTooComplex,
                   absl::StrCat("a field's path has at most ", kMaxWords, " names"));
    }
    Comparison comparison{FieldPath(), JoinWords(left.words), node.comparator};
    PathProblem problem;
    if (!FindPath(type_, left.words, comparison.path, problem)) {
      return Error(left.words[problem.word].offset, problem.unknown ? kUnknownField : kTypeMismatch,
                   problem.message);
    }
    if (node.right.kind == Operand::Kind::kGroup) return CheckNode(*node.right.group, &comparison);
    return CheckValue(comparison, node.right);
  }

  absl::StatusOr<Condition> CheckValue(const Comparison& comparison, const Operand& operand) {
    TI_ASSIGN_OR_RETURN(const Literal literal, LiteralOf(operand));
    Condition condition;
    TI_ASSIGN_OR_RETURN(condition.term, maker_.Make(comparison.path, comparison.name,
                                                    comparison.comparator, literal));
    if (is_token_) BindColumn(condition.term);
    return condition;
  }

  absl::StatusOr<Literal> LiteralOf(const Operand& operand) const {
    Literal literal;
    if (operand.kind == Operand::Kind::kMember) {
      literal.word = WordOf(operand.words);
      return literal;
    }
    const std::string name = JoinWords(operand.words);
    if (name == "timestamp") {
      literal.function = Literal::Function::kTimestamp;
    } else if (name == "duration") {
      literal.function = Literal::Function::kDuration;
    } else {
      return NoFunction(operand);
    }
    const std::vector<Operand>& arguments = operand.arguments;
    if (arguments.size() != 1 || arguments[0].kind != Operand::Kind::kMember ||
        arguments[0].words.size() != 1 || !arguments[0].words[0].quoted) {
      return Error(operand.offset, kSyntax, absl::StrCat(name, "() needs one quoted value"));
    }
    literal.word = arguments[0].words[0];
    return literal;
  }

  absl::Status NoFunction(const Operand& operand) const {
    return Error(operand.offset, kSyntax,
                 absl::StrCat("no function ", Quoted(JoinWords(operand.words)),
                              "; there are timestamp(\"…\") and duration(\"…\") as values, and "
                              "the value now"));
  }

  // Cheap parts first: the order changes no result, since terms have no effects.
  static void SortByCost(Condition& condition) {
    if (condition.kind == Condition::Kind::kTerm) {
      condition.cost = condition.term.Cost();
      return;
    }
    for (Condition& part : condition.parts) {
      SortByCost(part);
      condition.cost += part.cost;
    }
    std::stable_sort(condition.parts.begin(), condition.parts.end(),
                     [](const Condition& a, const Condition& b) { return a.cost < b.cost; });
  }

  // Adds the condition's terms, which jump to one of two places; returns where
  // to enter. The last part comes first, since it is what the others jump to.
  int Emit(Condition condition, int if_true, int if_false) {
    switch (condition.kind) {
      case Condition::Kind::kTerm:
        program_.instructions.push_back({std::move(condition.term), if_true, if_false});
        return static_cast<int>(program_.instructions.size()) - 1;
      case Condition::Kind::kNot:
        return Emit(std::move(condition.parts.front()), if_false, if_true);
      case Condition::Kind::kAll:
        for (auto part = condition.parts.rbegin(); part != condition.parts.rend(); ++part) {
          if_true = Emit(std::move(*part), if_true, if_false);
        }
        return if_true;
      case Condition::Kind::kAny:
        for (auto part = condition.parts.rbegin(); part != condition.parts.rend(); ++part) {
          if_false = Emit(std::move(*part), if_true, if_false);
        }
        return if_false;
    }
    return if_false;
  }

  absl::string_view text_;
  bool is_token_;
  const google::protobuf::Descriptor& type_;
  TermMaker maker_;
  Program program_;
};

}  // namespace

absl::StatusOr<Program> Check(absl::string_view text, const Node& tree,
                              const FilterOptions& options) {
  return Checker(text, options).Run(tree);
}

}  // namespace tokeninventory::filter
