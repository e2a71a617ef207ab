#include "inventory/filter/term_maker.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "inventory/filter/filter_error.h"

namespace tokeninventory::filter {
namespace {

constexpr OrderMask kUnequalMask = kLessMask | kGreaterMask;

OrderMask MaskOf(Comparator comparator) {
  switch (comparator) {
    case Comparator::kLess:
      return kLessMask;
    case Comparator::kLessEqual:
      return kLessMask | kEqualMask;
    case Comparator::kGreater:
      return kGreaterMask;
    case Comparator::kGreaterEqual:
      return kGreaterMask | kEqualMask;
    case Comparator::kNotEqual:
      return kUnequalMask;
    default:
      return kEqualMask;
  }
}

bool IsEquality(Comparator comparator) {
  return comparator == Comparator::kEqual || comparator == Comparator::kNotEqual ||
         comparator == Comparator::kHas;
}

TextTest TextTestOf(Comparator comparator, const Word& word) {
  return IsEquality(comparator) ? TextTest::Equals(word, comparator == Comparator::kNotEqual)
                                : TextTest::Ordered(word, MaskOf(comparator));
}

std::vector<std::string> NamesOf(const google::protobuf::EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) names.push_back(type.value(i)->name());
  return names;
}

std::vector<std::string> NamesOf(const google::protobuf::Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

Term TermAt(const FieldPath& path) {
  Term term;
  term.steps = path.steps;
  term.keys = path.keys;
  return term;
}

// The field differs from its default value, which is what "set" means for it.
Term NotDefault(const FieldPath& path) {
  Term term = TermAt(path);
  term.mask = kUnequalMask;
  switch (path.type) {
    case FieldType::kText:
      term.test = Term::Test::kText;
      term.text = TextTest::Equals(Word(), true);
      break;
    case FieldType::kReal:
      term.test = Term::Test::kReal;
      break;
    default:
      term.test = Term::Test::kInteger;
      break;
  }
  return term;
}

}  // namespace

absl::Status TermMaker::Mismatch(const Literal& literal, absl::string_view message) const {
  return ErrorAt("filter", text_, literal.word.offset, kTypeMismatch, message);
}

absl::Status TermMaker::Wanted(const Literal& literal, absl::string_view name,
                               absl::string_view wanted) const {
  return Mismatch(literal,
                  absl::StrCat(name, " needs ", wanted, ", not ", Quoted(literal.word.text)));
}

absl::StatusOr<Term> TermMaker::Make(const FieldPath& path, const std::string& name,
                                     Comparator comparator, const Literal& literal) {
  if (path.in_list && comparator != Comparator::kHas) {
    return Mismatch(literal,
                    absl::StrCat(name, " may have many values: write ", name, ":… for any"));
  }
  if (comparator == Comparator::kHas && literal.IsStar()) {
    return MakePresence(path, name, literal);
  }
  Term term = TermAt(path);
  term.mask = MaskOf(comparator);
  switch (path.type) {
    case FieldType::kText: {
      if (literal.function != Literal::Function::kNone) return Wanted(literal, name, "a string");
      term.test = Term::Test::kText;
      const bool in_map = path.steps.back().kind == Step::Kind::kMapEntry;
      term.text = comparator == Comparator::kHas && !path.in_list && !in_map
                      ? TextTest::Contains(literal.word)
                      : TextTestOf(comparator, literal.word);
      return term;
    }
    case FieldType::kEnum:
      if (!IsEquality(comparator)) {
        return Mismatch(literal, absl::StrCat(name, " has no order; compare with = or !="));
      }
      TI_RETURN_IF_ERROR(SetEnum(term, path, name, literal));
      return term;
    case FieldType::kBool:
      if (!IsEquality(comparator)) {
        return Mismatch(literal, absl::StrCat(name, " has no order; compare with = or !="));
      }
      if (literal.word.quoted || literal.function != Literal::Function::kNone ||
          (literal.word.text != "true" && literal.word.text != "false")) {
        return Wanted(literal, name, "true or false");
      }
      term.test = Term::Test::kInteger;
      term.integer = literal.word.text == "true" ? 1 : 0;
      return term;
    case FieldType::kInteger:
    case FieldType::kReal:
      TI_RETURN_IF_ERROR(SetNumber(term, path, name, literal));
      return term;
    case FieldType::kTimestamp:
    case FieldType::kDuration:
      TI_RETURN_IF_ERROR(SetInstant(term, path, name, literal));
      return term;
    case FieldType::kDynamic:
      TI_RETURN_IF_ERROR(SetDynamic(term, comparator, literal));
      return term;
    case FieldType::kMessage:
    case FieldType::kMap:
    case FieldType::kStruct:
      if (comparator == Comparator::kHas) return MakeHas(path, name, literal);
      return Mismatch(literal, absl::StrCat(name, " is no single value: write ", name, ":",
                                            path.type == FieldType::kMessage ? "field" : "key",
                                            ", or compare ", name, ".…"));
    case FieldType::kOther:
      break;
  }
  return Mismatch(literal, absl::StrCat(name, " cannot be filtered by"));
}

absl::StatusOr<Term> TermMaker::MakePresence(const FieldPath& path, const std::string& name,
                                             const Literal& literal) const {
  const Step::Kind kind = path.steps.back().kind;
  switch (path.type) {
    case FieldType::kDynamic: {
      Term term = TermAt(path);
      term.test = Term::Test::kDynamic;
      term.has = term.any = true;
      return term;
    }
    case FieldType::kStruct: {
      Term term = TermAt(path);
      Step& entry = term.steps.emplace_back();
      entry.number = 1;
      entry.kind = Step::Kind::kRepeated;
      return term;
    }
    case FieldType::kText:
    case FieldType::kInteger:
    case FieldType::kReal:
    case FieldType::kBool:
    case FieldType::kEnum:
      if (kind == Step::Kind::kScalar) return NotDefault(path);
      return TermAt(path);
    case FieldType::kOther:
      return Mismatch(literal, absl::StrCat(name, " cannot be filtered by"));
    default:
      return TermAt(path);
  }
}

absl::StatusOr<Term> TermMaker::MakeHas(const FieldPath& path, const std::string& name,
                                        const Literal& literal) const {
  Term term = TermAt(path);
  if (path.type == FieldType::kStruct) {
    term.test = Term::Test::kDynamic;
    term.has = term.any = true;
    term.keys.push_back(literal.word.text);
    return term;
  }
  if (path.type == FieldType::kMap) {
    term.steps.back().kind = Step::Kind::kMapEntry;
    term.steps.back().key = literal.word.text;
    return term;
  }
  const google::protobuf::Descriptor& type = *path.field->message_type();
  FieldPath whole = path;
  FieldPath part;
  PathProblem problem;
  if (path.in_list || !FindPath(type, {literal.word}, part, problem)) {
    return ErrorAt("filter", text_, literal.word.offset,
                   path.in_list ? kTypeMismatch : kUnknownField,
                   absl::StrCat(name, " has the fields ", absl::StrJoin(NamesOf(type), ", "),
                                "; write ", name, ".", type.field(0)->name(), ":…"));
  }
  whole.steps.insert(whole.steps.end(), part.steps.begin(), part.steps.end());
  whole.type = part.type;
  whole.field = part.field;
  return MakePresence(whole, name, literal);
}

absl::Status TermMaker::SetEnum(Term& term, const FieldPath& path, const std::string& name,
                                const Literal& literal) const {
  const google::protobuf::EnumDescriptor& type = *path.field->enum_type();
  const google::protobuf::EnumValueDescriptor* const value =
      literal.function == Literal::Function::kNone ? type.FindValueByName(literal.word.text)
                                                   : nullptr;
  if (value == nullptr) {
    return Wanted(literal, name, absl::StrCat("one of ", absl::StrJoin(NamesOf(type), ", ")));
  }
  term.test = Term::Test::kInteger;
  term.integer = value->number();
  return absl::OkStatus();
}

absl::Status TermMaker::SetNumber(Term& term, const FieldPath& path, const std::string& name,
                                  const Literal& literal) const {
  const std::optional<Number> number =
      literal.word.quoted || literal.function != Literal::Function::kNone
          ? std::nullopt
          : ParseNumber(literal.word.text);
  if (!number.has_value()) return Wanted(literal, name, "a number, unquoted");
  if (path.type == FieldType::kReal) {
    term.test = Term::Test::kReal;
    term.real = number->real;
    return absl::OkStatus();
  }
  if (!number->floor.has_value()) return Wanted(literal, name, "a number of 64 bits");
  term.test = Term::Test::kInteger;
  term.integer = *number->floor;
  term.fraction = number->fraction;
  return absl::OkStatus();
}

absl::Status TermMaker::SetInstant(Term& term, const FieldPath& path, const std::string& name,
                                   const Literal& literal) {
  term.test = Term::Test::kInstant;
  const std::string& word = literal.word.text;
  if (path.type == FieldType::kDuration) {
    const std::optional<Instant> span =
        literal.function == Literal::Function::kTimestamp ? std::nullopt : ParseDuration(word);
    if (!span.has_value()) return Wanted(literal, name, "a duration such as 20s, 12h or 90d");
    term.instant = *span;
    return absl::OkStatus();
  }
  std::optional<Instant> time;
  if (literal.function == Literal::Function::kNone && !literal.word.quoted && IsNow(word)) {
    if (!options_.allow_now) {
      return Mismatch(literal,
                      "no 'now' in a watch: time alone would move tokens in and out of the "
                      "filter; give a fixed time, or use WatchExpirations");
    }
    uses_now_ = true;
    time = ParseNow(word, options_.now);
  } else if (literal.function != Literal::Function::kDuration) {
    time = ParseTimestamp(word);
  }
  if (!time.has_value()) {
    return Wanted(literal, name, "a time such as 2026-01-31T00:00:00Z, 2026-01-31, now or now+30d");
  }
  term.instant = *time;
  return absl::OkStatus();
}

absl::Status TermMaker::SetDynamic(Term& term, Comparator comparator,
                                   const Literal& literal) const {
  const Word& word = literal.word;
  if (literal.function != Literal::Function::kNone || (!word.quoted && IsNow(word.text))) {
    return Mismatch(literal, "attributes hold strings, numbers and booleans, no times; quote it");
  }
  term.test = Term::Test::kDynamic;
  term.has = comparator == Comparator::kHas;
  term.quoted = word.quoted;
  term.text = TextTestOf(comparator, word);
  if (const std::optional<Number> number = ParseNumber(word.text)) {
    term.number = true;
    term.real = number->real;
  }
  if (word.text == "true") term.boolean = true;
  if (word.text == "false") term.boolean = false;
  return absl::OkStatus();
}

}  // namespace tokeninventory::filter
