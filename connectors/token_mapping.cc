#include "connectors/token_mapping.h"

#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/proto_time.h"
#include "base/status_macros.h"
#include "connectors/secret_text.h"
#include "connectors/token_hint.h"
#include "connectors/vendor_time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Protobuf's own parsers give up at 100.
constexpr int kMaxAttributeDepth = 32;
constexpr std::size_t kMaxStringBytes = kMaxMappedTokenBytes;
// `sources/{source}/tokens/`, with room to spare.
constexpr std::size_t kNameBytesBeforeId = 128;

enum class FieldKind { kId, kText, kBool, kEnum, kTime, kDuration, kStruct, kMessage, kOurs };

// A message's fields by JSON name.
struct FieldEntry;
using FieldTable = absl::flat_hash_map<std::string, FieldEntry>;

struct FieldEntry {
  const FieldDescriptor* field = nullptr;
  FieldKind kind = FieldKind::kOurs;
  // Of the message that has the field. Each message that is asked for its own first makes sure
  // that there are descriptors.
  const Reflection* reflection = nullptr;
  // Of a kMessage.
  std::shared_ptr<const FieldTable> fields;
  // Of a kEnum, those that can be set.
  absl::flat_hash_map<std::string, const EnumValueDescriptor*> names;
};

// What only the inventory may say of a token.
bool IsOurs(const FieldDescriptor& field) {
  if (field.containing_type() != v1::Token::descriptor()) return false;
  switch (field.number()) {
    case v1::Token::kNameFieldNumber:
    case v1::Token::kUidFieldNumber:
    case v1::Token::kSourceFieldNumber:
    case v1::Token::kProviderFieldNumber:
    case v1::Token::kEffectiveExpireTimeFieldNumber:
    case v1::Token::kPresenceFieldNumber:
    case v1::Token::kDeleteCauseFieldNumber:
    case v1::Token::kFirstSeenTimeFieldNumber:
    case v1::Token::kUpdateTimeFieldNumber:
    case v1::Token::kDeleteTimeFieldNumber:
    case v1::Token::kRevisionFieldNumber:
      return true;
    default:
      return false;
  }
}

bool IsId(const FieldDescriptor& field) {
  return field.containing_type() == v1::Token::descriptor() &&
         field.number() == v1::Token::kProviderTokenIdFieldNumber;
}

FieldTable MakeTable(const Message& prototype) {
  FieldTable table;
  const Descriptor* type = prototype.GetDescriptor();
  const Reflection* reflection = prototype.GetReflection();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    FieldEntry entry;
    entry.field = field;
    entry.reflection = reflection;
    if (!IsOurs(*field)) {
      switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_STRING:
          entry.kind = IsId(*field) ? FieldKind::kId : FieldKind::kText;
          break;
        case FieldDescriptor::CPPTYPE_BOOL:
          entry.kind = FieldKind::kBool;
          break;
        case FieldDescriptor::CPPTYPE_ENUM:
          entry.kind = FieldKind::kEnum;
          for (int j = 0; j < field->enum_type()->value_count(); ++j) {
            const EnumValueDescriptor* name = field->enum_type()->value(j);
            if (name->number() != 0) entry.names.emplace(name->name(), name);
          }
          break;
        case FieldDescriptor::CPPTYPE_MESSAGE: {
          const Descriptor* sub = field->message_type();
          entry.kind = sub == google::protobuf::Timestamp::descriptor()  ? FieldKind::kTime
                       : sub == google::protobuf::Duration::descriptor() ? FieldKind::kDuration
                       : sub == google::protobuf::Struct::descriptor()   ? FieldKind::kStruct
                                                                         : FieldKind::kMessage;
          if (entry.kind == FieldKind::kMessage) {
            entry.fields = std::make_shared<const FieldTable>(
                MakeTable(*reflection->GetMessageFactory()->GetPrototype(sub)));
          }
          break;
        }
        default:
          break;
      }
    }
    table.emplace(field->json_name(), std::move(entry));
  }
  return table;
}

const FieldTable& TokenFields() {
  static const auto* const fields = new FieldTable(MakeTable(v1::Token::default_instance()));
  return *fields;
}

// Paths are put together on the way out, so that they cost nothing when all is well.
absl::Status Wrong(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::Status At(absl::string_view key, const absl::Status& status) {
  const absl::string_view message = status.message();
  // "id: what" under "owner" is "owner.id: what"; "[0]: what" is "scopes[0]: what".
  const bool has_path = absl::StartsWith(message, "\x01");
  if (!has_path) return Wrong(absl::StrCat("\x01", key, ": ", message));
  const absl::string_view rest = message.substr(1);
  return Wrong(absl::StrCat("\x01", key, absl::StartsWith(rest, "[") ? "" : ".", rest));
}

// Without the mark of a status that has a path.
absl::Status Finished(const absl::Status& status) {
  absl::string_view message = status.message();
  absl::ConsumePrefix(&message, "\x01");
  return Wrong(message);
}

absl::Status WrongType(absl::string_view expected, const JsonValue& value) {
  return Wrong(absl::StrCat("expected ", expected, ", got ", value.kind_name()));
}

// The one member of a tagged value.
struct Tagged {
  std::string tag;
  JsonValue value;
};

std::optional<Tagged> ReadTag(const JsonValue& value) {
  // Not by its size: jq counts for that.
  int members = 0;
  Tagged tagged;
  value.ForEachMember([&](absl::string_view key, const JsonValue& member) {
    if (++members > 1) return false;
    tagged.tag = std::string(key);
    tagged.value = member;
    return true;
  });
  if (members != 1) return std::nullopt;
  return tagged;
}

// RFC 3339 as protobuf's JSON has it, a plain text; other forms tagged.
absl::Status ReadTime(const JsonValue& value, google::protobuf::Timestamp& out, bool& date_only) {
  if (value.is_string()) {
    const absl::string_view text = value.string_value();
    const std::optional<absl::Time> time = ParseRfc3339(text);
    if (!time) return Wrong("not a time in the form rfc3339");
    // The program's author forgot to ask.
    if (absl::StartsWith(text, "0001-01-01")) return Wrong("says that there is none: use rfc3339");
    ToProto(*time, &out);
    return absl::OkStatus();
  }
  const std::optional<Tagged> tagged = ReadTag(value);
  constexpr absl::string_view kExpected =
      "a time as rfc3339, utc_date, rfc2822, unix_s or unix_ms make it";
  if (!tagged) return WrongType(kExpected, value);
  std::optional<absl::Time> time;
  if (tagged->tag == "unix_s" || tagged->tag == "unix_ms") {
    if (tagged->value.kind() != JsonValue::Kind::kNumber) return WrongType(kExpected, value);
    const double number = tagged->value.number_value();
    // Beyond it a double has no milliseconds, and no Timestamp has that year.
    if (std::isfinite(number) && std::abs(number) < 1e15) {
      const double millis = tagged->tag == "unix_s" ? number * 1000 : number;
      const absl::Time read = absl::FromUnixMillis(static_cast<std::int64_t>(std::floor(millis)));
      if (IsTimestamp(read)) time = read;
    }
  } else if (!tagged->value.is_string()) {
    return WrongType(kExpected, value);
  } else if (tagged->tag == "utc_date") {
    time = ParseUtcDate(tagged->value.string_value());
    date_only = true;
  } else if (tagged->tag == "rfc2822") {
    time = ParseRfc2822(tagged->value.string_value());
  } else {
    return WrongType(kExpected, value);
  }
  if (!time) return Wrong(absl::StrCat("not a time in the form ", tagged->tag));
  ToProto(*time, &out);
  return absl::OkStatus();
}

absl::Status ReadDuration(const JsonValue& value, google::protobuf::Duration& out) {
  const std::optional<Tagged> tagged = ReadTag(value);
  constexpr absl::string_view kExpected = "a duration as days or iso_duration make it";
  if (!tagged) return WrongType(kExpected, value);
  if (tagged->tag == "seconds" && tagged->value.kind() == JsonValue::Kind::kNumber) {
    const double seconds = tagged->value.number_value();
    if (!std::isfinite(seconds) || seconds < 0 || seconds > 315'576'000'000.0) {
      return Wrong("a duration out of range");
    }
    out.set_seconds(static_cast<std::int64_t>(seconds));
    return absl::OkStatus();
  }
  if (tagged->tag == "iso_duration" && tagged->value.is_string()) {
    const std::optional<absl::Duration> duration = ParseIsoDuration(tagged->value.string_value());
    if (!duration) return Wrong("not an ISO 8601 duration without years and months");
    out.set_seconds(absl::ToInt64Seconds(*duration));
    return absl::OkStatus();
  }
  return WrongType(kExpected, value);
}

// What one token's walk comes upon.
struct Walk {
  MappingNotes& notes;
  // Its expiry was a date without a time of day.
  bool expires_on_day = false;

  // Whether a text is left out, which counts.
  bool Drops(absl::string_view text) {
    const bool drops = LooksLikeSecret(text);
    if (drops) ++notes.dropped_secrets;
    return drops;
  }
};

absl::Status ReadStruct(const JsonValue& value, int depth, Walk& walk,
                        google::protobuf::Struct& out);

bool IsUnset(const google::protobuf::Value& value) {
  return value.kind_case() == google::protobuf::Value::KIND_NOT_SET;
}

// A text that looks like a secret becomes no value: the caller leaves that out.
absl::Status ReadValue(const JsonValue& value, int depth, Walk& walk,
                       google::protobuf::Value& out) {
  if (depth > kMaxAttributeDepth) return Wrong("nested too deeply");
  switch (value.kind()) {
    case JsonValue::Kind::kNull:
      out.set_null_value(google::protobuf::NULL_VALUE);
      break;
    case JsonValue::Kind::kBool:
      out.set_bool_value(value.bool_value());
      break;
    case JsonValue::Kind::kNumber:
      if (!std::isfinite(value.number_value())) return Wrong("not a finite number");
      out.set_number_value(value.number_value());
      break;
    case JsonValue::Kind::kString:
      if (!walk.Drops(value.string_value())) {
        out.set_string_value(std::string(value.string_value()));
      }
      break;
    case JsonValue::Kind::kArray: {
      google::protobuf::ListValue& list = *out.mutable_list_value();
      for (int i = 0, size = value.size(); i < size; ++i) {
        TI_RETURN_IF_ERROR(ReadValue(value.At(i), depth + 1, walk, *list.add_values()));
        if (IsUnset(list.values(list.values_size() - 1))) list.mutable_values()->RemoveLast();
      }
      break;
    }
    case JsonValue::Kind::kObject:
      return ReadStruct(value, depth + 1, walk, *out.mutable_struct_value());
  }
  return absl::OkStatus();
}

// Members that are null are left out.
absl::Status ReadStruct(const JsonValue& value, int depth, Walk& walk,
                        google::protobuf::Struct& out) {
  if (!value.is_object()) return WrongType("an object", value);
  absl::Status status;
  value.ForEachMember([&](absl::string_view key, const JsonValue& member) {
    if (member.is_null() || walk.Drops(key)) return true;
    google::protobuf::Value read;
    status = ReadValue(member, depth, walk, read);
    if (!IsUnset(read)) (*out.mutable_fields())[std::string(key)] = std::move(read);
    return status.ok();
  });
  return status;
}

absl::Status WalkMessage(const JsonValue& value, const FieldTable& fields, Message& message,
                         Walk& walk);

absl::Status WalkScalar(const JsonValue& value, const FieldEntry& entry, Message& message,
                        Walk& walk) {
  const FieldDescriptor* field = entry.field;
  const Reflection* reflection = entry.reflection;
  switch (entry.kind) {
    case FieldKind::kId:
    case FieldKind::kText: {
      if (!value.is_string()) return WrongType("a string", value);
      const absl::string_view text = value.string_value();
      if (text.size() > kMaxStringBytes) return Wrong("too long");
      // Without its id a token would be another one: CheckId refuses the record.
      if (entry.kind != FieldKind::kId && walk.Drops(text)) return absl::OkStatus();
      if (field->is_repeated()) {
        reflection->AddString(&message, field, std::string(text));
      } else {
        reflection->SetString(&message, field, std::string(text));
      }
      return absl::OkStatus();
    }
    case FieldKind::kBool:
      if (value.kind() != JsonValue::Kind::kBool) return WrongType("a boolean", value);
      reflection->SetBool(&message, field, value.bool_value());
      return absl::OkStatus();
    case FieldKind::kEnum: {
      if (!value.is_string()) return WrongType("a name", value);
      const auto name = entry.names.find(value.string_value());
      if (name == entry.names.end()) {
        std::string known;
        for (int i = 0; i < field->enum_type()->value_count(); ++i) {
          if (field->enum_type()->value(i)->number() == 0) continue;
          absl::StrAppend(&known, known.empty() ? "" : ", ", field->enum_type()->value(i)->name());
        }
        return Wrong(absl::StrCat("not one of ", known));
      }
      reflection->SetEnum(&message, field, name->second);
      return absl::OkStatus();
    }
    default:
      return Wrong("cannot be set");  // not reached
  }
}

absl::Status WalkField(const JsonValue& value, const FieldEntry& entry, Message& message,
                       Walk& walk) {
  const FieldDescriptor* field = entry.field;
  const Reflection* reflection = entry.reflection;
  switch (entry.kind) {
    case FieldKind::kOurs:
      return Wrong("is the inventory's own and not for a mapping to set");
    case FieldKind::kTime: {
      bool date_only = false;
      // Only Timestamps are of this kind (MakeTable), and the message is generated code.
      auto& time =
          static_cast<google::protobuf::Timestamp&>(*reflection->MutableMessage(&message, field));
      TI_RETURN_IF_ERROR(ReadTime(value, time, date_only));
      if (date_only && field->number() == v1::Token::kExpireTimeFieldNumber) {
        walk.expires_on_day = true;
      }
      return absl::OkStatus();
    }
    case FieldKind::kDuration:
      return ReadDuration(value, static_cast<google::protobuf::Duration&>(
                                     *reflection->MutableMessage(&message, field)));
    case FieldKind::kStruct:
      return ReadStruct(
          value, 0, walk,
          static_cast<google::protobuf::Struct&>(*reflection->MutableMessage(&message, field)));
    case FieldKind::kMessage: {
      if (!field->is_repeated()) {
        Message* sub = reflection->MutableMessage(&message, field);
        TI_RETURN_IF_ERROR(WalkMessage(value, *entry.fields, *sub, walk));
        if (sub->ByteSizeLong() == 0) reflection->ClearField(&message, field);
        return absl::OkStatus();
      }
      if (!value.is_array()) return WrongType("an array", value);
      for (int i = 0, size = value.size(); i < size; ++i) {
        const JsonValue element = value.At(i);
        if (element.is_null()) continue;
        Message* sub = reflection->AddMessage(&message, field);
        if (absl::Status status = WalkMessage(element, *entry.fields, *sub, walk); !status.ok()) {
          return At(absl::StrCat("[", i, "]"), status);
        }
        if (sub->ByteSizeLong() == 0) reflection->RemoveLast(&message, field);
      }
      return absl::OkStatus();
    }
    default:
      break;
  }
  if (!field->is_repeated()) return WalkScalar(value, entry, message, walk);
  if (!value.is_array()) return WrongType("an array", value);
  for (int i = 0, size = value.size(); i < size; ++i) {
    const JsonValue element = value.At(i);
    if (element.is_null()) continue;
    if (absl::Status status = WalkScalar(element, entry, message, walk); !status.ok()) {
      return At(absl::StrCat("[", i, "]"), status);
    }
  }
  return absl::OkStatus();
}

absl::Status WalkMessage(const JsonValue& value, const FieldTable& fields, Message& message,
                         Walk& walk) {
  if (!value.is_object()) return WrongType("an object", value);
  absl::Status status;
  value.ForEachMember([&](absl::string_view key, const JsonValue& member) {
    const auto found = fields.find(key);
    if (found == fields.end()) {
      // A key may come from the record, as in `map(…) | from_entries`.
      const bool plain = key.size() <= 40 && !LooksLikeSecret(key) &&
                         key.find_first_not_of(
                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") ==
                             absl::string_view::npos;
      status = plain ? At(key, Wrong("no such field")) : Wrong("has a field of no such name");
      return false;
    }
    if (member.is_null()) return true;
    if (absl::Status walked = WalkField(member, found->second, message, walk); !walked.ok()) {
      status = At(key, walked);
      return false;
    }
    return true;
  });
  return status;
}

absl::Status CheckId(absl::string_view id, absl::string_view prefix) {
  if (id.empty()) return Wrong("missing");
  if (id.size() + prefix.size() > kMaxTokenIdBytes) {
    return Wrong(absl::StrCat("longer than ", kMaxTokenIdBytes, " bytes"));
  }
  if (LooksLikeSecret(id)) return Wrong("looks like a secret");
  // What jq puts where the vendor's bytes were no UTF-8: two ids could become one.
  if (absl::StrContains(id, "\xEF\xBF\xBD")) return Wrong("has a broken character");
  for (const char c : id) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      return Wrong("has a control character");
    }
  }
  // Percent-encoding makes a name of it up to three times as long: most are too short for that.
  constexpr std::size_t kMost = kMaxNameBytes - kNameBytesBeforeId;
  if (3 * (prefix.size() + id.size()) > kMost &&
      EncodedIdSize(prefix) + EncodedIdSize(id) > kMost) {
    return Wrong("too long for a resource name");
  }
  return absl::OkStatus();
}

absl::Status Normalise(v1::Token& token, bool expires_on_day, MappingNotes& notes) {
  const bool has_expire_time = token.has_expire_time();
  if (token.expiry() == v1::Token::EXPIRY_UNSPECIFIED) {
    token.set_expiry(has_expire_time ? v1::Token::AT : v1::Token::UNKNOWN);
  }
  if ((token.expiry() == v1::Token::AT) != has_expire_time) {
    return Wrong(has_expire_time ? "expiry: not AT beside an expireTime"
                                 : "expiry: AT without an expireTime");
  }
  if (!has_expire_time) {
    token.clear_expire_time_precision();
  } else if (token.expire_time_precision() == v1::Token::TIME_PRECISION_UNSPECIFIED) {
    token.set_expire_time_precision(expires_on_day ? v1::Token::DAY : v1::Token::INSTANT);
  }

  const bool has_last_used = token.has_last_used_time();
  if (token.last_use() == v1::Token::LAST_USE_UNSPECIFIED) {
    token.set_last_use(has_last_used ? v1::Token::USED : v1::Token::NOT_REPORTED);
  }
  if ((token.last_use() == v1::Token::USED) != has_last_used) {
    return Wrong(has_last_used ? "lastUse: not USED beside a lastUsedTime"
                               : "lastUse: USED without a lastUsedTime");
  }
  if (token.state() == v1::Token::STATE_UNSPECIFIED) token.set_state(v1::Token::ACTIVE);

  if (!token.hint().empty()) {
    if (std::optional<std::string> hint = CleanHint(token.hint())) {
      token.set_hint(*std::move(hint));
    } else {
      token.clear_hint();
      ++notes.dropped_secrets;
    }
  }
  if (token.has_attributes()) {
    const std::size_t size = token.attributes().ByteSizeLong();
    if (size == 0) token.clear_attributes();
    if (size > kMaxAttributesBytes) return Wrong("attributes: larger than 16 KiB");
  }
  if (token.ByteSizeLong() > kMaxMappedTokenBytes) return Wrong("the token is too large");
  return absl::OkStatus();
}

absl::Status MapOne(const JsonValue& value, absl::string_view id_prefix,
                    std::vector<ObservedToken>& tokens, MappingNotes& notes) {
  ObservedToken observed;
  Walk walk{notes};
  if (absl::Status walked = WalkMessage(value, TokenFields(), observed.token, walk); !walked.ok()) {
    return Finished(walked);
  }
  const std::string& id = observed.token.provider_token_id();
  if (absl::Status status = CheckId(id, id_prefix); !status.ok()) {
    return Wrong(absl::StrCat("providerTokenId: ", status.message()));
  }
  TI_RETURN_IF_ERROR(Normalise(observed.token, walk.expires_on_day, notes));
  observed.id = absl::StrCat(id_prefix, id);
  tokens.push_back(std::move(observed));
  return absl::OkStatus();
}

absl::Status Unset(bool unset, absl::string_view field) {
  return unset ? absl::OkStatus() : Wrong(absl::StrCat(field, ": is the inventory's own"));
}

// The type holds more than a mapping makes.
absl::Status IsTime(const google::protobuf::Timestamp& time, absl::string_view field) {
  const bool is_time =
      time.nanos() >= 0 && time.nanos() <= 999'999'999 && IsTimestamp(FromProto(time));
  return is_time ? absl::OkStatus() : Wrong(absl::StrCat(field, ": no time"));
}

// By name and not by reflection, which takes ten times as long. A test makes sure that none
// of IsOurs and no time is forgotten. A time that is unset is 1970.
absl::Status CheckFields(const v1::Token& token) {
  TI_RETURN_IF_ERROR(Unset(token.name().empty(), "name"));
  TI_RETURN_IF_ERROR(Unset(token.uid().empty(), "uid"));
  TI_RETURN_IF_ERROR(Unset(token.source().empty(), "source"));
  TI_RETURN_IF_ERROR(Unset(token.provider().empty(), "provider"));
  TI_RETURN_IF_ERROR(IsTime(token.create_time(), "createTime"));
  TI_RETURN_IF_ERROR(IsTime(token.expire_time(), "expireTime"));
  TI_RETURN_IF_ERROR(IsTime(token.last_used_time(), "lastUsedTime"));
  TI_RETURN_IF_ERROR(IsTime(token.inactivity_deadline(), "inactivityDeadline"));
  TI_RETURN_IF_ERROR(Unset(!token.has_effective_expire_time(), "effectiveExpireTime"));
  TI_RETURN_IF_ERROR(Unset(token.presence() == 0, "presence"));
  TI_RETURN_IF_ERROR(Unset(token.delete_cause() == 0, "deleteCause"));
  TI_RETURN_IF_ERROR(Unset(!token.has_first_seen_time(), "firstSeenTime"));
  TI_RETURN_IF_ERROR(Unset(!token.has_update_time(), "updateTime"));
  TI_RETURN_IF_ERROR(Unset(!token.has_delete_time(), "deleteTime"));
  return Unset(token.revision() == 0, "revision");
}

}  // namespace

absl::Status CheckMapped(v1::Token& token, absl::string_view id_prefix) {
  if (absl::Status status = CheckId(token.provider_token_id(), id_prefix); !status.ok()) {
    return Wrong(absl::StrCat("providerTokenId: ", status.message()));
  }
  TI_RETURN_IF_ERROR(CheckFields(token));
  if (token.expiry() == v1::Token::EXPIRY_UNSPECIFIED ||
      token.last_use() == v1::Token::LAST_USE_UNSPECIFIED ||
      token.state() == v1::Token::STATE_UNSPECIFIED) {
    return Wrong("expiry, lastUse or state: unset");
  }
  // Changes nothing of what is already as it should be.
  MappingNotes notes;
  return Normalise(token, /*expires_on_day=*/false, notes);
}

absl::Status MapTokens(const JsonValue& value, absl::string_view id_prefix,
                       std::vector<ObservedToken>& tokens, MappingNotes& notes) {
  if (value.is_null()) return absl::OkStatus();
  if (!value.is_array()) return MapOne(value, id_prefix, tokens, notes);
  for (int i = 0, size = value.size(); i < size; ++i) {
    const JsonValue element = value.At(i);
    if (element.is_null()) continue;
    TI_RETURN_IF_ERROR(MapOne(element, id_prefix, tokens, notes));
  }
  return absl::OkStatus();
}

}  // namespace tokeninventory
