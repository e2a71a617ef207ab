#include "inventory/filter/order.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "inventory/field_reader.h"
#include "inventory/filter/filter_error.h"
#include "inventory/filter/literals.h"
#include "inventory/token_bytes.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {
namespace {

using filter::ColumnRef;
using filter::ErrorAt;
using filter::FieldPath;
using filter::FieldType;
using filter::Step;
using filter::Word;

constexpr absl::string_view kSyntax = "ORDER_BY_SYNTAX";
constexpr std::size_t kMaxFields = 8;
constexpr std::size_t kMaxBytes = 2048;
constexpr std::size_t kMaxTextBytes = 1024;

// In a key, before each value.
constexpr char kPresent = 1;
constexpr char kMissing = 2;

struct ParsedTerm {
  std::vector<Word> words;
  bool descending = false;
};

bool IsNameChar(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

class OrderParser {
 public:
  explicit OrderParser(absl::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<ParsedTerm>> Run() {
    std::vector<ParsedTerm> terms;
    if (text_.size() > kMaxBytes) return Error(0, "at most 2 KiB");
    SkipSpace();
    while (at_ < text_.size() || !terms.empty()) {
      const std::size_t begin = at_;
      ParsedTerm term;
      TI_RETURN_IF_ERROR(Path(term.words));
      TI_RETURN_IF_ERROR(Direction(term.descending));
      const std::string path = filter::JoinWords(term.words);
      for (const ParsedTerm& other : terms) {
        if (filter::JoinWords(other.words) == path) {
          return Error(begin, absl::StrCat(filter::Quoted(path), " is named twice"));
        }
      }
      terms.push_back(std::move(term));
      if (terms.size() > kMaxFields) return Error(begin, "at most 8 fields");
      if (at_ == text_.size()) break;
      if (text_[at_] != ',') return Unexpected("',' or the end");
      ++at_;
      SkipSpace();
    }
    return terms;
  }

 private:
  absl::Status Error(std::size_t offset, absl::string_view message) const {
    return ErrorAt("order_by", text_, offset, kSyntax, message);
  }

  absl::Status Unexpected(absl::string_view wanted) const {
    return Error(at_, at_ == text_.size()
                          ? absl::StrCat("expected ", wanted, ", but the text ends here")
                          : absl::StrCat("expected ", wanted, " and found ",
                                         filter::Quoted(text_.substr(at_, 16))));
  }

  bool SkipSpace() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && absl::ascii_isspace(static_cast<unsigned char>(text_[at_]))) {
      ++at_;
    }
    return at_ > begin;
  }

  absl::Status Path(std::vector<Word>& words) {
    for (;;) {
      Word& word = words.emplace_back();
      word.offset = at_;
      if (at_ < text_.size() && text_[at_] == '`') {
        TI_RETURN_IF_ERROR(Backticks(word.text));
      } else {
        while (at_ < text_.size() && IsNameChar(text_[at_])) word.text += text_[at_++];
      }
      if (word.text.empty()) return Unexpected("a field");
      if (at_ == text_.size() || text_[at_] != '.') return absl::OkStatus();
      ++at_;
    }
  }

  // A name in backticks; two of them stand for one.
  absl::Status Backticks(std::string& name) {
    const std::size_t begin = at_;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '`') {
        ++at_;
        if (at_ == text_.size() || text_[at_] != '`') return absl::OkStatus();
      }
      name += text_[at_];
    }
    return Error(begin, "the name that starts here has no closing '`'");
  }

  absl::Status Direction(bool& descending) {
    const bool space = SkipSpace();
    if (!space || at_ == text_.size() || text_[at_] == ',') return absl::OkStatus();
    const std::size_t begin = at_;
    while (at_ < text_.size() && IsNameChar(text_[at_])) ++at_;
    const absl::string_view word = text_.substr(begin, at_ - begin);
    if (word != "asc" && word != "desc") {
      at_ = begin;
      return Unexpected("asc, desc or ','");
    }
    descending = word == "desc";
    SkipSpace();
    return absl::OkStatus();
  }

  absl::string_view text_;
  std::size_t at_ = 0;
};

// The most significant byte first, so that bytes order like numbers.
void AppendBigEndian(std::string& key, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(value >> shift);
}

void AppendSigned(std::string& key, std::int64_t value) {
  AppendBigEndian(key, static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63));
}

// Ends with a byte below all continuations; a zero byte inside is told from it
// by what follows.
void AppendText(std::string& key, absl::string_view text) {
  for (const char c : text) {
    key += c;
    if (c == '\0') key += '\xFF';
  }
  key += '\0';
  key += '\0';
}

absl::string_view UidOf(const FilterRow& row) {
  FieldReader reader(row.bytes);
  return reader.Find(v1::Token::kUidFieldNumber) ? reader.payload() : absl::string_view();
}

}  // namespace

// What a field holds: exactly one of the kinds, by the field's type.
struct OrderBy::Value {
  bool missing = true;
  filter::Instant instant;  // times, durations; numbers in `seconds`
  absl::string_view text;
};

absl::StatusOr<std::vector<OrderTerm>> ParseOrderBy(absl::string_view text) {
  TI_ASSIGN_OR_RETURN(const std::vector<ParsedTerm> parsed, OrderParser(text).Run());
  std::vector<OrderTerm> terms;
  for (const ParsedTerm& term : parsed) {
    terms.push_back({filter::JoinWords(term.words), term.descending});
  }
  return terms;
}

absl::StatusOr<OrderBy> OrderBy::Compile(absl::string_view text) {
  TI_ASSIGN_OR_RETURN(const std::vector<ParsedTerm> parsed, OrderParser(text).Run());
  OrderBy order;
  for (const ParsedTerm& term : parsed) {
    Field field;
    field.descending = term.descending;
    filter::PathProblem problem;
    if (!filter::FindPath(*v1::Token::descriptor(), term.words, field.path, problem)) {
      return ErrorAt("order_by", text, term.words[problem.word].offset,
                     problem.unknown ? "ORDER_BY_UNKNOWN_FIELD" : "ORDER_BY_NOT_SORTABLE",
                     problem.message);
    }
    const FieldType type = field.path.type;
    if (field.path.in_list || type == FieldType::kMessage || type == FieldType::kMap ||
        type == FieldType::kStruct || type == FieldType::kDynamic || type == FieldType::kReal ||
        type == FieldType::kOther) {
      const bool message = type == FieldType::kMessage && !field.path.in_list;
      return ErrorAt(
          "order_by", text, term.words.front().offset, "ORDER_BY_NOT_SORTABLE",
          absl::StrCat(filter::Quoted(filter::JoinWords(term.words)), " has no single value",
                       message ? absl::StrCat("; order by one of its fields, such as ",
                                              term.words.back().text, ".",
                                              field.path.field->message_type()->field(0)->name())
                               : ""));
    }
    field.column = filter::ColumnOf(field.path.steps);
    order.fields_.push_back(std::move(field));
  }
  if (!order.fields_.empty()) order.max_text_ = kMaxTextBytes / order.fields_.size();
  return order;
}

bool OrderBy::reads_bytes() const {
  return std::any_of(fields_.begin(), fields_.end(), [](const Field& field) {
    return field.column.kind == ColumnRef::Kind::kNone ||
           field.column.kind == ColumnRef::Kind::kHash;
  });
}

OrderBy::Value OrderBy::Read(const Field& field, const FilterRow& row) const {
  Value value;
  const FieldType type = field.path.type;
  const auto set_number = [&](std::int64_t number) {
    value.missing = type == FieldType::kEnum && number == 0;
    value.instant.seconds = number;
  };
  const auto set_text = [&](absl::string_view text) {
    value.missing = text.empty();
    value.text = text.substr(0, max_text_);
  };
  if (row.columns != nullptr) {
    const TokenColumns& columns = *row.columns;
    switch (field.column.kind) {
      case ColumnRef::Kind::kTime: {
        const std::int64_t time = columns.time(field.column.time(), row.row);
        if (time == TokenColumns::kTimeInBytes) break;
        value.missing = time == TokenColumns::kNoTime;
        if (!value.missing) value.instant = filter::Instant::Of(0, time);
        return value;
      }
      case ColumnRef::Kind::kRevision:
        set_number(columns.revision(row.row));
        return value;
      case ColumnRef::Kind::kEnum: {
        const std::uint8_t number = columns.enumerator(field.column.enumerator(), row.row);
        if (number == TokenColumns::kEnumInBytes) break;
        if (number != TokenColumns::kNoEnum) set_number(number);
        return value;
      }
      case ColumnRef::Kind::kText: {
        const TextNumbers::Number number = columns.text_number(field.column.text(), row.row);
        if (number == TokenColumns::kTextInBytes) break;
        set_text(TokenColumns::texts(field.column.text())[number]);
        return value;
      }
      default:
        break;
    }
  }

  absl::string_view message = row.bytes;
  if (field.path.steps.front().number >= kFirstFullOnlyField) {
    message.remove_prefix(std::min(row.full_offset, message.size()));
  }
  for (const Step& step : field.path.steps) {
    FieldReader reader(message);
    const bool found = reader.Find(step.number);
    if (step.kind == Step::Kind::kMessage) {
      if (!found) return value;
      message = reader.payload();
      continue;
    }
    if (type == FieldType::kText) {
      set_text(found ? reader.payload() : absl::string_view());
    } else {
      set_number(found ? static_cast<std::int64_t>(reader.varint()) : 0);
    }
    return value;
  }
  std::int64_t seconds = 0;
  std::int64_t nanos = 0;
  for (FieldReader reader(message); reader.Next();) {
    if (reader.number() == 1) seconds = static_cast<std::int64_t>(reader.varint());
    if (reader.number() == 2) nanos = static_cast<std::int32_t>(reader.varint());
  }
  value.missing = false;
  value.instant = filter::Instant::Of(seconds, nanos);
  return value;
}

int OrderBy::CompareValues(const Value& a, const Value& b, bool descending) {
  if (a.missing || b.missing) return static_cast<int>(a.missing) - static_cast<int>(b.missing);
  int order = filter::CompareValues(a.instant, b.instant);
  if (order == 0) order = a.text.compare(b.text);
  return descending ? -order : order;
}

int OrderBy::Compare(const FilterRow& a, const FilterRow& b) const {
  for (const Field& field : fields_) {
    const int order = CompareValues(Read(field, a), Read(field, b), field.descending);
    if (order != 0) return order;
  }
  return UidOf(a).compare(UidOf(b));
}

std::string OrderBy::SortKey(const FilterRow& row) const {
  std::string key;
  for (const Field& field : fields_) {
    const Value value = Read(field, row);
    key += value.missing ? kMissing : kPresent;
    if (value.missing) continue;
    const std::size_t begin = key.size();
    switch (field.path.type) {
      case FieldType::kText:
        AppendText(key, value.text);
        break;
      case FieldType::kTimestamp:
      case FieldType::kDuration:
        AppendSigned(key, value.instant.seconds);
        AppendSigned(key, value.instant.nanos);
        break;
      default:
        AppendSigned(key, value.instant.seconds);
        break;
    }
    if (field.descending) {
      std::transform(key.begin() + static_cast<std::ptrdiff_t>(begin), key.end(),
                     key.begin() + static_cast<std::ptrdiff_t>(begin),
                     [](char c) { return static_cast<char>(~c); });
    }
  }
  const absl::string_view uid = UidOf(row);
  key.append(uid.data(), uid.size());
  return key;
}

}  // namespace tokeninventory
