#include "tests/filter/filter_model.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace tokeninventory::filter::testing {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Random = std::mt19937_64;

template <typename Value>
Value Pick(Random& random, const std::vector<Value>& values) {
  return values[static_cast<std::size_t>(random() % values.size())];
}

bool Coin(Random& random) { return random() % 2 == 0; }

const std::vector<std::string> kTexts = {"",     "alpha", "Alpha", "alphabet",  "beta",
                                         "zeta", "a b",   "ALPHA", "x\xC3\xA9", "beta/alpha"};
const std::vector<std::string> kPatterns = {"*",   "a*",    "*a",      "*a*",
                                            "*b*", "al*et", "*lph*b*", "beta/*"};

// A time: what the wire holds, and RFC 3339 for it.
struct KnownTime {
  std::int64_t seconds;
  std::int32_t nanos;
  const char* text;
};
const std::vector<KnownTime> kTimes = {
    {0, 0, "1970-01-01T00:00:00Z"},
    {1767225600, 0, "2026-01-01T00:00:00Z"},
    {1767225600, 1, "2026-01-01T00:00:00.000000001Z"},
    {1767225599, 999999999, "2025-12-31T23:59:59.999999999Z"},
    {253402300799, 999999999, "9999-12-31T23:59:59.999999999Z"},
    {253402300799, 0, "9999-12-31T23:59:59Z"},
    {-62135596800, 0, "0001-01-01T00:00:00Z"},
    {9223372036, 854775807, "2262-04-11T23:47:16.854775807Z"},
    {9223372036, 854775806, "2262-04-11T23:47:16.854775806Z"},
    {-9223372037, 145224192, "1677-09-21T00:12:43.145224192Z"},
    {-9223372037, 145224193, "1677-09-21T00:12:43.145224193Z"},
};
struct KnownDuration {
  std::int64_t seconds;
  std::int32_t nanos;
  const char* text;
};
const std::vector<KnownDuration> kDurations = {
    {20, 0, "20s"}, {7776000, 0, "90d"}, {1, 500000000, "1.5s"}, {-1, -500000000, "-1.5s"},
    {0, 0, "0s"},   {604800, 0, "1w"},
};

template <typename Value>
std::string Quote(const Value& text) {
  return absl::StrCat("\"", text, "\"");
}

int Sign(std::int64_t a, std::int64_t b) { return a < b ? -1 : (a > b ? 1 : 0); }

bool Satisfied(int order, const std::string& op) {
  if (op == "=" || op == ":") return order == 0;
  if (op == "!=") return order != 0;
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  if (op == ">") return order > 0;
  return order >= 0;
}

// The textbook's two lines.
bool Glob(const std::string& pattern, const std::string& text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return Glob(pattern.substr(1), text) || (!text.empty() && Glob(pattern, text.substr(1)));
  }
  return !text.empty() && pattern[0] == text[0] && Glob(pattern.substr(1), text.substr(1));
}

bool GlobInside(const std::string& pattern, const std::string& text) {
  return Glob(absl::AsciiStrToLower(absl::StrCat("*", pattern, "*")), absl::AsciiStrToLower(text));
}

bool TextHolds(const std::string& text, const std::string& op, const std::string& value) {
  if (op == "=" || op == ":") return Glob(value, text);
  if (op == "!=") return !Glob(value, text);
  return Satisfied(text.compare(value), op);
}

// The messages that `names` lead to: none, one, or the elements of a list.
std::vector<const Message*> MessagesAt(const Message& message,
                                       const std::vector<std::string>& names) {
  std::vector<const Message*> all = {&message};
  for (const std::string& name : names) {
    std::vector<const Message*> next;
    for (const Message* one : all) {
      const FieldDescriptor* field = one->GetDescriptor()->FindFieldByName(name);
      const auto& reflection = *one->GetReflection();
      if (field->is_repeated()) {
        for (int i = 0; i < reflection.FieldSize(*one, field); ++i) {
          next.push_back(&reflection.GetRepeatedMessage(*one, field, i));
        }
      } else if (reflection.HasField(*one, field)) {
        next.push_back(&reflection.GetMessage(*one, field));
      }
    }
    all = std::move(next);
  }
  return all;
}

// A condition made of its text and a function.
class Leaf : public Condition {
 public:
  Leaf(std::string text, std::function<bool(const v1::Token&)> holds)
      : text_(std::move(text)), holds_(std::move(holds)) {}
  std::string Text() const override { return text_; }
  bool Holds(const v1::Token& token) const override { return holds_(token); }

 private:
  std::string text_;
  std::function<bool(const v1::Token&)> holds_;
};

using ConditionPtr = std::unique_ptr<Condition>;

class Junction : public Condition {
 public:
  enum class Kind { kAnd, kSequence, kOr, kNot };
  Junction(Kind kind, std::vector<ConditionPtr> parts) : kind_(kind), parts_(std::move(parts)) {}

  std::string Text() const override {
    if (kind_ == Kind::kNot) {
      return absl::StrCat(parts_[0]->Text().size() % 2 == 1 ? "NOT " : "-", "(", parts_[0]->Text(),
                          ")");
    }
    const char* glue = kind_ == Kind::kAnd ? " AND " : (kind_ == Kind::kOr ? " OR " : " ");
    return absl::StrJoin(parts_, glue, [](std::string* out, const ConditionPtr& part) {
      absl::StrAppend(out, "(", part->Text(), ")");
    });
  }
  bool Holds(const v1::Token& token) const override {
    const auto holds = [&](const ConditionPtr& part) { return part->Holds(token); };
    switch (kind_) {
      case Kind::kNot:
        return !holds(parts_[0]);
      case Kind::kOr:
        return std::any_of(parts_.begin(), parts_.end(), holds);
      default:
        return std::all_of(parts_.begin(), parts_.end(), holds);
    }
  }

 private:
  Kind kind_;
  std::vector<ConditionPtr> parts_;
};

// a op x AND b op y OR c op z, without parentheses.
class Mixed : public Condition {
 public:
  explicit Mixed(std::vector<ConditionPtr> parts) : parts_(std::move(parts)) {}
  std::string Text() const override {
    return absl::StrCat(parts_[0]->Text(), " AND ", parts_[1]->Text(), " OR ", parts_[2]->Text(),
                        " ", parts_[3]->Text());
  }
  bool Holds(const v1::Token& token) const override {
    return parts_[0]->Holds(token) && (parts_[1]->Holds(token) || parts_[2]->Holds(token)) &&
           parts_[3]->Holds(token);
  }

 private:
  std::vector<ConditionPtr> parts_;
};

const std::vector<std::string> kAllOps = {"=", "!=", "<", "<=", ">", ">="};
const std::vector<std::string> kEqualOps = {"=", "!=", ":"};

// A condition on a field that is no attribute and no list.
ConditionPtr FieldLeaf(Random& random, std::vector<std::string> owner,
                       const FieldDescriptor& field) {
  const std::string path = owner.empty() ? field.name() : absl::StrCat(owner[0], ".", field.name());
  // Calls `test` with the message that has the field; none: false.
  const auto leaf = [&](const std::string& text,
                        std::function<bool(const Message&, const FieldDescriptor*)> test) {
    return std::make_unique<Leaf>(text, [=, &field](const v1::Token& token) {
      for (const Message* message : MessagesAt(token, owner)) {
        if (test(*message, &field)) return true;
      }
      return false;
    });
  };
  const bool is_struct = field.name() == "attributes";  // an empty one counts as not set
  if (random() % 8 == 0 && !is_struct) {
    return leaf(path + ":*", [](const Message& message, const FieldDescriptor* at) {
      return message.GetReflection()->HasField(message, at);
    });
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      const bool pattern = random() % 3 == 0;
      const std::string value = Pick(random, pattern ? kPatterns : kTexts);
      std::string op = Pick(random, pattern ? std::vector<std::string>{"=", "!="} : kAllOps);
      const bool has = random() % 4 == 0 && value != "*";
      if (has) op.assign(1, ':');
      return leaf(absl::StrCat(path, op, Quote(value)),
                  [op, value](const Message& message, const FieldDescriptor* at) {
                    const std::string text = message.GetReflection()->GetString(message, at);
                    return op == ":" ? GlobInside(value, text) : TextHolds(text, op, value);
                  });
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int index =
          static_cast<int>(random() % static_cast<std::uint64_t>(field.enum_type()->value_count()));
      const auto* value = field.enum_type()->value(index);
      const std::string op = Pick(random, kEqualOps);
      return leaf(absl::StrCat(path, op, value->name()),
                  [op, value](const Message& message, const FieldDescriptor* at) {
                    return (message.GetReflection()->GetEnumValue(message, at) ==
                            value->number()) == (op != "!=");
                  });
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      const auto value = static_cast<std::int64_t>(random() % 5);
      const std::string op = Pick(random, kAllOps);
      return leaf(absl::StrCat(path, op, value), [op, value](const Message& message,
                                                             const FieldDescriptor* at) {
        return Satisfied(Sign(message.GetReflection()->GetInt64(message, at), value), op);
      });
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
    default:
      return nullptr;
  }
  const std::string op = Pick(random, kAllOps);
  const auto compare = [op](auto a, auto b) {
    const int seconds = Sign(a.seconds(), b.seconds);
    return Satisfied(seconds != 0 ? seconds : Sign(a.nanos(), b.nanos), op);
  };
  if (field.message_type()->well_known_type() ==
      google::protobuf::Descriptor::WELLKNOWNTYPE_TIMESTAMP) {
    const KnownTime time = Pick(random, kTimes);
    return leaf(absl::StrCat(path, op, Coin(random) ? Quote(time.text) : time.text),
                [=](const Message& message, const FieldDescriptor* at) {
                  if (!message.GetReflection()->HasField(message, at)) return false;
                  return compare(dynamic_cast<const google::protobuf::Timestamp&>(
                                     message.GetReflection()->GetMessage(message, at)),
                                 time);
                });
  }
  if (field.message_type()->well_known_type() ==
      google::protobuf::Descriptor::WELLKNOWNTYPE_DURATION) {
    const KnownDuration span = Pick(random, kDurations);
    return leaf(absl::StrCat(path, op, Coin(random) ? Quote(span.text) : span.text),
                [=](const Message& message, const FieldDescriptor* at) {
                  if (!message.GetReflection()->HasField(message, at)) return false;
                  return compare(dynamic_cast<const google::protobuf::Duration&>(
                                     message.GetReflection()->GetMessage(message, at)),
                                 span);
                });
  }
  return nullptr;
}

ConditionPtr ScopeLeaf(Random& random) {
  if (random() % 4 == 0) {
    const bool value = Coin(random);
    return std::make_unique<Leaf>(
        absl::StrCat("scopes.everything:", value ? "true" : "false"), [=](const v1::Token& token) {
          return std::any_of(
              token.scopes().begin(), token.scopes().end(),
              [&](const v1::TokenScope& scope) { return scope.everything() == value; });
        });
  }
  if (random() % 4 == 0) {
    return std::make_unique<Leaf>("scopes:*",
                                  [](const v1::Token& token) { return token.scopes_size() > 0; });
  }
  const std::string value = Pick(random, Coin(random) ? kTexts : kPatterns);
  const bool any = value == "*";
  return std::make_unique<Leaf>(
      absl::StrCat("scopes.id:", Quote(value)), [=](const v1::Token& token) {
        return std::any_of(token.scopes().begin(), token.scopes().end(),
                           [&](const v1::TokenScope& scope) {
                             return any ? !scope.id().empty() : Glob(value, scope.id());
                           });
      });
}

ConditionPtr PermissionLeaf(Random& random) {
  const std::string value = Pick(random, Coin(random) ? kTexts : kPatterns);
  return std::make_unique<Leaf>(
      absl::StrCat("permissions:", Quote(value)), [=](const v1::Token& token) {
        return std::any_of(token.permissions().begin(), token.permissions().end(),
                           [&](const std::string& one) { return Glob(value, one); });
      });
}

bool ScalarHolds(const google::protobuf::Value& value, const std::string& op,
                 const std::string& text, bool quoted) {
  switch (value.kind_case()) {
    case google::protobuf::Value::kStringValue:
      return TextHolds(value.string_value(), op, text);
    case google::protobuf::Value::kNumberValue: {
      if (quoted || text.find_first_not_of("0123456789") != std::string::npos || text.empty()) {
        return op == "!=";
      }
      const double number = std::stod(text);
      return Satisfied(value.number_value() < number ? -1 : (value.number_value() > number ? 1 : 0),
                       op);
    }
    case google::protobuf::Value::kBoolValue:
      if (quoted || (text != "true" && text != "false")) return op == "!=";
      if (op == "!=") return value.bool_value() != (text == "true");
      return (op == "=" || op == ":") && value.bool_value() == (text == "true");
    default:
      return false;
  }
}

bool AttributeHolds(const google::protobuf::Value& value, const std::vector<std::string>& rest,
                    const std::string& op, const std::string& text, bool quoted) {
  if (value.has_list_value()) {
    if (op == ":*" && rest.empty()) return true;
    if (op[0] != ':') return false;
    for (const auto& element : value.list_value().values()) {
      if (rest.empty()
              ? ScalarHolds(element, op, text, quoted)
              : element.has_struct_value() && AttributeHolds(element, rest, op, text, quoted)) {
        return true;
      }
    }
    return false;
  }
  if (rest.empty()) return op == ":*" || ScalarHolds(value, op, text, quoted);
  if (!value.has_struct_value()) return false;
  const auto found = value.struct_value().fields().find(rest[0]);
  if (found == value.struct_value().fields().end()) return false;
  return AttributeHolds(found->second, {rest.begin() + 1, rest.end()}, op, text, quoted);
}

const std::vector<std::string> kAttributes = {"region",  "size",    "flag", "tags",
                                              "odd key", "nothing", "none"};

ConditionPtr AttributeLeaf(Random& random) {
  std::vector<std::string> keys = {Pick(random, kAttributes)};
  if (random() % 3 == 0) {
    keys.insert(keys.begin(), Pick(random, std::vector<std::string>{"nested", "tags"}));
  }
  std::string path = "attributes";
  for (const std::string& key : keys) {
    absl::StrAppend(&path, ".", key == "odd key" ? Quote(key) : key);
  }
  std::string op(":*");
  std::string text;
  std::string written;
  bool quoted = false;
  switch (random() % 5) {
    case 0:
      break;
    case 1:
      op = Pick(random, kAllOps);
      text = std::to_string(random() % 4);
      written = text;
      break;
    case 2:
      op = Pick(random, kEqualOps);
      text = Pick<std::string>(random, {"true", "false", "alpha", "a*"});
      written = text;
      break;
    default:
      op = Pick(random, Coin(random) ? kAllOps : kEqualOps);
      text = Pick(random, kTexts);
      written = Quote(text);
      quoted = true;
      break;
  }
  return std::make_unique<Leaf>(absl::StrCat(path, op, written), [=](const v1::Token& token) {
    if (!token.has_attributes()) return false;
    google::protobuf::Value all;
    *all.mutable_struct_value() = token.attributes();
    return AttributeHolds(all, keys, op, text, quoted);
  });
}

ConditionPtr SearchLeaf(Random& random) {
  std::string word = Pick<std::string>(
      random, {"alpha", "ALPH", "bet", "acme", "sources", "zeta", "a*b", "beta/alpha", "tokens/1"});
  return std::make_unique<Leaf>(Coin(random) ? word : Quote(word), [=](const v1::Token& token) {
    std::vector<std::string> texts = {token.provider(),     token.provider_token_id(),
                                      token.display_name(), token.kind(),
                                      token.hint(),         token.role(),
                                      token.owner().id(),   token.owner().display_name(),
                                      token.owner().email()};
    if (!token.source().empty()) texts.push_back(token.source().substr(8));
    if (word.find('/') != std::string::npos) texts.push_back(token.name());
    return std::any_of(texts.begin(), texts.end(),
                       [&](const std::string& text) { return GlobInside(word, text); });
  });
}

// `state = (ACTIVE OR NOT EXPIRED)`
ConditionPtr GroupLeaf(Random& random) {
  const auto a = static_cast<v1::Token::State>(random() % 6);
  const auto b = static_cast<v1::Token::State>(random() % 6);
  return std::make_unique<Leaf>(
      absl::StrCat("state = (", v1::Token::State_Name(a), " OR -", v1::Token::State_Name(b), ")"),
      [=](const v1::Token& token) { return token.state() == a || token.state() != b; });
}

ConditionPtr RandomLeaf(Random& random) {
  for (;;) {
    switch (random() % 14) {
      case 0:
        return ScopeLeaf(random);
      case 1:
        return PermissionLeaf(random);
      case 2:
      case 3:
        return AttributeLeaf(random);
      case 4:
        return SearchLeaf(random);
      case 5:
        return GroupLeaf(random);
      case 6:
        return std::make_unique<Leaf>("owner:*",
                                      [](const v1::Token& token) { return token.has_owner(); });
      case 7:
        return std::make_unique<Leaf>("creator:email", [](const v1::Token& token) {
          return !token.creator().email().empty();
        });
      case 8:
        return std::make_unique<Leaf>("attributes:region", [](const v1::Token& token) {
          return token.attributes().fields().contains("region");
        });
      case 9:
        return std::make_unique<Leaf>("attributes:*", [](const v1::Token& token) {
          return token.attributes().fields_size() > 0;
        });
      default:
        break;
    }
    std::vector<std::string> owner;
    const google::protobuf::Descriptor* type = v1::Token::descriptor();
    if (random() % 4 == 0) {
      owner = {Coin(random) ? "owner" : "creator"};
      type = v1::Principal::descriptor();
    }
    const auto index = random() % static_cast<std::uint64_t>(type->field_count());
    const FieldDescriptor& field = *type->field(static_cast<int>(index));
    if (field.is_repeated()) continue;
    if (auto leaf = FieldLeaf(random, owner, field)) return leaf;
  }
}

google::protobuf::Value RandomValue(Random& random, int levels) {
  google::protobuf::Value value;
  switch (random() % (levels > 0 ? 6 : 4)) {
    case 0:
      value.set_number_value(static_cast<double>(random() % 8) / 2);
      break;
    case 1:
      value.set_bool_value(Coin(random));
      break;
    case 2:
      value.set_string_value(Pick(random, kTexts));
      break;
    case 3:
      if (Coin(random)) value.set_null_value(google::protobuf::NULL_VALUE);
      break;
    case 4:
      for (std::uint64_t i = random() % 4; i > 0; --i) {
        *value.mutable_list_value()->add_values() = RandomValue(random, levels - 1);
      }
      break;
    default:
      for (std::uint64_t i = random() % 4; i > 0; --i) {
        (*value.mutable_struct_value()->mutable_fields())[Pick(random, kAttributes)] =
            RandomValue(random, levels - 1);
      }
      break;
  }
  return value;
}

void FillMessage(Random& random, Message& message) {
  const auto& reflection = *message.GetReflection();
  const auto& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (Coin(random) || field.is_repeated()) continue;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        reflection.SetString(&message, &field, Pick(random, kTexts));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection.SetInt64(&message, &field, static_cast<std::int64_t>(random() % 5));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection.SetBool(&message, &field, Coin(random));
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection.SetEnumValue(&message, &field,
                                static_cast<int>(random() % static_cast<std::uint64_t>(
                                                                field.enum_type()->value_count())));
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        Message& inner = *reflection.MutableMessage(&message, &field);
        if (auto* time = dynamic_cast<google::protobuf::Timestamp*>(&inner)) {
          const KnownTime known = Pick(random, kTimes);
          time->set_seconds(known.seconds);
          time->set_nanos(known.nanos);
        } else if (auto* span = dynamic_cast<google::protobuf::Duration*>(&inner)) {
          const KnownDuration known = Pick(random, kDurations);
          span->set_seconds(known.seconds);
          span->set_nanos(known.nanos);
        } else {
          FillMessage(random, inner);
        }
        break;
      }
      default:
        break;
    }
  }
}

}  // namespace

v1::Token RandomFilterToken(Random& random, int number) {
  v1::Token token;
  FillMessage(random, token);
  token.set_name(absl::StrCat("sources/acme/tokens/", number));
  token.set_uid(absl::StrCat("uid-", number));
  token.set_source(Coin(random) ? "sources/acme" : "sources/zeta");
  for (std::uint64_t i = random() % 3; i > 0; --i) FillMessage(random, *token.add_scopes());
  for (std::uint64_t i = random() % 3; i > 0; --i) token.add_permissions(Pick(random, kTexts));
  if (token.has_attributes()) {
    auto& fields = *token.mutable_attributes()->mutable_fields();
    for (std::uint64_t i = random() % 6; i > 0; --i) {
      fields[Pick(random, kAttributes)] = RandomValue(random, 2);
    }
    if (Coin(random)) {
      auto& nested = *fields["nested"].mutable_struct_value()->mutable_fields();
      nested[Pick(random, kAttributes)] = RandomValue(random, 1);
    }
  }
  return token;
}

std::unique_ptr<Condition> RandomCondition(Random& random, int levels) {
  if (levels == 0 || random() % 4 == 0) return RandomLeaf(random);
  if (random() % 4 == 0) {
    std::vector<ConditionPtr> leaves;
    for (int i = 0; i < 4; ++i) leaves.push_back(RandomLeaf(random));
    return std::make_unique<Mixed>(std::move(leaves));
  }
  const auto kind = static_cast<Junction::Kind>(random() % 4);
  std::vector<ConditionPtr> parts;
  const std::uint64_t count = kind == Junction::Kind::kNot ? 1 : 2 + random() % 2;
  for (std::uint64_t i = 0; i < count; ++i) parts.push_back(RandomCondition(random, levels - 1));
  return std::make_unique<Junction>(kind, std::move(parts));
}

}  // namespace tokeninventory::filter::testing
