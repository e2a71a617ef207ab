#include "inventory/filter/field_path.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "inventory/filter/filter_error.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory::filter {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

FieldType TypeOf(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_STRING:
      return FieldType::kText;
    case FieldDescriptor::TYPE_INT32:
    case FieldDescriptor::TYPE_INT64:
    case FieldDescriptor::TYPE_UINT32:
      return FieldType::kInteger;
    case FieldDescriptor::TYPE_DOUBLE:
      return FieldType::kReal;
    case FieldDescriptor::TYPE_BOOL:
      return FieldType::kBool;
    case FieldDescriptor::TYPE_ENUM:
      return FieldType::kEnum;
    case FieldDescriptor::TYPE_MESSAGE:
      switch (field.message_type()->well_known_type()) {
        case Descriptor::WELLKNOWNTYPE_TIMESTAMP:
          return FieldType::kTimestamp;
        case Descriptor::WELLKNOWNTYPE_DURATION:
          return FieldType::kDuration;
        case Descriptor::WELLKNOWNTYPE_STRUCT:
          return FieldType::kStruct;
        case Descriptor::WELLKNOWNTYPE_UNSPECIFIED:
          return FieldType::kMessage;
        default:
          return FieldType::kOther;
      }
    default:
      return FieldType::kOther;
  }
}

bool IsMessage(FieldType type) {
  return type == FieldType::kMessage || type == FieldType::kStruct ||
         type == FieldType::kTimestamp || type == FieldType::kDuration;
}

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

// The fields of `type`, and those of its messages with a dot.
std::vector<std::string> NearbyNames(const Descriptor& type) {
  std::vector<std::string> names = FieldNames(type);
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (TypeOf(field) != FieldType::kMessage || field.is_map()) continue;
    for (const std::string& name : FieldNames(*field.message_type())) {
      names.push_back(absl::StrCat(field.name(), ".", name));
    }
  }
  return names;
}

std::size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t swap = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({swap, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

// How far `name` is from what was written. Behind a dot its last part counts; a
// start in common outweighs what follows it: `expires` is near `expire_time`.
std::size_t Distance(const std::string& text, absl::string_view name) {
  constexpr std::size_t kTellingStart = 4;
  if (const auto dot = name.rfind('.'); dot != absl::string_view::npos) {
    name.remove_prefix(dot + 1);
  }
  const std::size_t least = std::min(text.size(), name.size());
  std::size_t common = 0;
  while (common < least && text[common] == name[common]) ++common;
  const std::size_t distance = EditDistance(text, name);
  return common < kTellingStart ? distance : std::min(distance, text.size() - common + 1);
}

// Into a Struct: the other words are keys.
bool FindInStruct(const std::vector<Word>& words, std::size_t from, FieldPath& path) {
  for (std::size_t i = from; i < words.size(); ++i) path.keys.push_back(words[i].text);
  path.type = FieldType::kDynamic;
  return true;
}

}  // namespace

std::string JoinWords(const std::vector<Word>& words) {
  return absl::StrJoin(words, ".", [](std::string* out, const Word& word) { *out += word.text; });
}

std::string NearestHint(absl::string_view text, const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongest = 64;
  if (text.size() > kLongest) return "";
  const std::string lower = absl::AsciiStrToLower(text);
  const std::string* nearest = nullptr;
  std::size_t least = std::max<std::size_t>(2, lower.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = Distance(lower, candidate);
    if (distance < least) {
      least = distance;
      nearest = &candidate;
    }
  }
  return nearest == nullptr ? "" : absl::StrCat("; did you mean ", *nearest, "?");
}

bool FindPath(const Descriptor& type, const std::vector<Word>& words, FieldPath& path,
              PathProblem& problem) {
  const Descriptor* message = &type;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& name = words[i].text;
    const FieldDescriptor* const field = message->FindFieldByName(name);
    if (field == nullptr) {
      problem.word = i;
      problem.unknown = true;
      const bool index = i > 0 && path.in_list && std::all_of(name.begin(), name.end(), [](char c) {
                           return c >= '0' && c <= '9';
                         });
      problem.message = absl::StrCat(
          "no field ", Quoted(name), i == 0 ? "" : absl::StrCat(" in ", words[i - 1].text),
          index ? "; a list has no index: its field alone means any element"
                : NearestHint(name, i == 0 ? NearbyNames(type) : FieldNames(*message)));
      return false;
    }
    path.field = field;
    path.type = TypeOf(*field);
    Step& step = path.steps.emplace_back();
    step.number = field->number();
    step.kind = IsMessage(path.type) ? Step::Kind::kMessage : Step::Kind::kScalar;
    bool last = i + 1 == words.size();
    if (field->is_map()) {
      path.field = field->message_type()->map_value();
      if (last) {
        path.type = FieldType::kMap;
        step.kind = Step::Kind::kRepeated;
        return true;
      }
      step.kind = Step::Kind::kMapEntry;
      step.key = words[++i].text;
      path.type = TypeOf(*path.field);
      last = i + 1 == words.size();
    } else if (field->is_repeated()) {
      step.kind = Step::Kind::kRepeated;
      path.in_list = true;
      if (path.type != FieldType::kText && path.type != FieldType::kMessage) {
        path.type = FieldType::kOther;
      }
    }
    if (last) return true;
    if (path.type == FieldType::kStruct) return FindInStruct(words, i + 1, path);
    if (path.type != FieldType::kMessage) {
      problem.word = i + 1;
      problem.message = absl::StrCat(words[i].text, " has no fields");
      if (path.in_list) absl::StrAppend(&problem.message, " and no index; write ", name, ":…");
      return false;
    }
    message = path.field->message_type();
  }
  return true;
}

ColumnRef ColumnOf(const std::vector<Step>& steps) {
  using Kind = ColumnRef::Kind;
  using Columns = TokenColumns;
  using Token = v1::Token;
  if (steps.empty() || steps.size() > 2) return {};
  if (steps.size() == 2) {
    if (steps[0].number != Token::kOwnerFieldNumber) return {};
    switch (steps[1].number) {
      case v1::Principal::kIdFieldNumber:
        return {Kind::kHash, Columns::kOwnerId};
      case v1::Principal::kDisplayNameFieldNumber:
        return {Kind::kHash, Columns::kOwnerDisplayName};
      case v1::Principal::kEmailFieldNumber:
        return {Kind::kHash, Columns::kOwnerEmail};
      case v1::Principal::kKindFieldNumber:
        return {Kind::kEnum, Columns::kOwnerKind};
      default:
        return {};
    }
  }
  switch (steps[0].number) {
    case Token::kNameFieldNumber:
      return {Kind::kHash, Columns::kName};
    case Token::kUidFieldNumber:
      return {Kind::kHash, Columns::kUid};
    case Token::kSourceFieldNumber:
      return {Kind::kText, Columns::kSource};
    case Token::kProviderFieldNumber:
      return {Kind::kText, Columns::kProvider};
    case Token::kProviderTokenIdFieldNumber:
      return {Kind::kHash, Columns::kProviderTokenId};
    case Token::kDisplayNameFieldNumber:
      return {Kind::kHash, Columns::kDisplayName};
    case Token::kKindFieldNumber:
      return {Kind::kText, Columns::kKind};
    case Token::kHintFieldNumber:
      return {Kind::kHash, Columns::kHint};
    case Token::kOwnerFieldNumber:
      return {Kind::kOwner, 0};
    case Token::kAccessLevelFieldNumber:
      return {Kind::kEnum, Columns::kAccessLevel};
    case Token::kRoleFieldNumber:
      return {Kind::kText, Columns::kRole};
    case Token::kCreateTimeFieldNumber:
      return {Kind::kTime, Columns::kCreateTime};
    case Token::kExpireTimeFieldNumber:
      return {Kind::kTime, Columns::kExpireTime};
    case Token::kExpiryFieldNumber:
      return {Kind::kEnum, Columns::kExpiry};
    case Token::kExpireTimePrecisionFieldNumber:
      return {Kind::kEnum, Columns::kExpireTimePrecision};
    case Token::kLastUsedTimeFieldNumber:
      return {Kind::kTime, Columns::kLastUsedTime};
    case Token::kLastUseFieldNumber:
      return {Kind::kEnum, Columns::kLastUse};
    case Token::kInactivityDeadlineFieldNumber:
      return {Kind::kTime, Columns::kInactivityDeadline};
    case Token::kEffectiveExpireTimeFieldNumber:
      return {Kind::kTime, Columns::kEffectiveExpireTime};
    case Token::kStateFieldNumber:
      return {Kind::kEnum, Columns::kState};
    case Token::kProviderStateFieldNumber:
      return {Kind::kText, Columns::kProviderState};
    case Token::kPresenceFieldNumber:
      return {Kind::kEnum, Columns::kPresence};
    case Token::kDeleteCauseFieldNumber:
      return {Kind::kEnum, Columns::kDeleteCause};
    case Token::kFirstSeenTimeFieldNumber:
      return {Kind::kTime, Columns::kFirstSeenTime};
    case Token::kUpdateTimeFieldNumber:
      return {Kind::kTime, Columns::kUpdateTime};
    case Token::kDeleteTimeFieldNumber:
      return {Kind::kTime, Columns::kDeleteTime};
    case Token::kRevisionFieldNumber:
      return {Kind::kRevision, 0};
    default:
      return {};
  }
}

}  // namespace tokeninventory::filter
