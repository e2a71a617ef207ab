#include "tokenctl/token_columns.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/proto_time.h"
#include "base/yaml_proto.h"
#include "tokenctl/output/formats.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/text/timeline.h"

namespace tokeninventory::tokenctl {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kFirstFullField = 40;  // token.proto: from here on FULL only

// Columns that have a title or a shape of their own.
const TokenColumn kKnown[] = {
    {"state", {.title = "STATE"}},
    {"display_name", {.title = "TOKEN", .cut_to = 12}},
    {"source", {.title = "SOURCE", .cut_to = 8}},
    {"owner", {.title = "OWNER", .cut_to = 10}},
    {"creator", {.title = "CREATOR", .cut_to = 10}},
    {"effective_expire_time", {.title = "ENDS"}},
    {"access_level", {.title = "ACCESS"}},
    {"kind", {.title = "KIND"}},
    {"name", {.title = "NAME"}},
    {"last_used_time", {.title = "LAST USED"}},
    {"create_time", {.title = "CREATED"}},
    {"expire_time", {.title = "EXPIRES"}},
    {"hint", {.title = "HINT"}},
};

TokenColumn MakeColumn(absl::string_view path, bool optional = false) {
  TokenColumn made{std::string(path), {}};
  made.column.title = absl::AsciiStrToUpper(absl::StrReplaceAll(path, {{"_", " "}}));
  for (const TokenColumn& known : kKnown) {
    if (known.path == path) made = known;
  }
  made.column.optional = optional;
  return made;
}

std::string ScopeText(const v1::TokenScope& scope) {
  return scope.everything() ? "everything" : absl::StrCat(scope.type(), ":", scope.id());
}

std::string OwnerText(const v1::Principal& owner) {
  if (!owner.email().empty()) return owner.email();
  return owner.display_name().empty() ? owner.id() : owner.display_name();
}

std::string AttributeText(const google::protobuf::Value& value) {
  if (value.kind_case() == google::protobuf::Value::kStringValue) return value.string_value();
  return ToJson(value);
}

// A message as one text.
std::string MessageText(const Message& message) {
  const std::string& type = message.GetDescriptor()->full_name();
  const auto as = [&](auto& typed) -> const auto& {
    typed.MergeFrom(message);
    return typed;
  };
  if (google::protobuf::Timestamp time; type == time.GetTypeName()) {
    return FormatRfc3339(FromProto(as(time)));
  }
  if (google::protobuf::Duration duration; type == duration.GetTypeName()) {
    return DurationText(FromProto(as(duration)));
  }
  if (v1::Principal principal; type == principal.GetTypeName()) return OwnerText(as(principal));
  if (v1::TokenScope scope; type == scope.GetTypeName()) return ScopeText(as(scope));
  return ToJson(message);
}

std::string PathText(const Message& message, absl::Span<const std::string> path);

std::string ScalarText(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection* reflection = message.GetReflection();
  const bool repeated = index >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return repeated ? reflection->GetRepeatedString(message, field, index)
                      : reflection->GetString(message, field);
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = reflection->GetEnum(message, field);
      return value->number() == 0 ? "" : value->name();
    }
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection->GetInt64(message, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(message, field) ? "true" : "";
    default:
      return "";  // Token has no others
  }
}

std::string FieldValueText(const Message& message, const FieldDescriptor* field,
                           absl::Span<const std::string> rest, int index) {
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    return ScalarText(message, field, index);
  }
  const Reflection* reflection = message.GetReflection();
  const Message& value = index >= 0 ? reflection->GetRepeatedMessage(message, field, index)
                                    : reflection->GetMessage(message, field);
  return rest.empty() ? MessageText(value) : PathText(value, rest);
}

std::string PathText(const Message& message, absl::Span<const std::string> path) {
  if (message.GetDescriptor()->full_name() == "google.protobuf.Struct") {
    google::protobuf::Struct attributes;
    attributes.MergeFrom(message);
    const auto found = attributes.fields().find(path[0]);
    if (found == attributes.fields().end()) return "";
    if (path.size() == 1) return AttributeText(found->second);
    return PathText(found->second.struct_value(), path.subspan(1));
  }
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(path[0]);
  if (field == nullptr) return "";
  const absl::Span<const std::string> rest = path.subspan(1);
  const Reflection* reflection = message.GetReflection();
  if (field->is_repeated()) {
    std::vector<std::string> values;
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      values.push_back(FieldValueText(message, field, rest, i));
    }
    return absl::StrJoin(values, ",");
  }
  if (field->has_presence() && !reflection->HasField(message, field)) return "";
  return FieldValueText(message, field, rest, -1);
}

// OK when `path` leads to a field.
absl::Status CheckPath(absl::string_view path) {
  const Descriptor* type = v1::Token::descriptor();
  for (const absl::string_view part : absl::StrSplit(path, '.')) {
    if (type != nullptr && type->full_name() == "google.protobuf.Struct") {
      return absl::OkStatus();  // attributes are the vendor's
    }
    const FieldDescriptor* field =
        type == nullptr ? nullptr : type->FindFieldByName(std::string(part));
    if (field == nullptr) {
      std::vector<std::string> names;
      for (int i = 0; type != nullptr && i < type->field_count(); ++i) {
        names.push_back(type->field(i)->name());
      }
      const std::string nearest = NearestName(part, names);
      return absl::InvalidArgumentError(
          absl::StrCat("no field '", path, "' in a token; ",
                       nearest.empty() ? absl::StrCat("there are ", absl::StrJoin(names, ", "))
                                       : absl::StrCat("did you mean ", nearest, "?")));
    }
    type = field->message_type();
  }
  return absl::OkStatus();
}

Cell TimeCell(absl::Time time, const TimeFormat& times, Style style) {
  const std::string relative = times.Relative(time);
  return {absl::StrCat(times.Minute(time), "  ", relative), style, relative};
}

Cell UseCell(const v1::Token& token, const TimeFormat& times) {
  switch (token.last_use()) {
    case v1::Token::USED:
      return TimeCell(FromProto(token.last_used_time()), times, Style::kPlain);
    case v1::Token::NEVER_USED:
      return {"never", Style::kWarning};
    default:
      return {"not told", Style::kDim};
  }
}

// A token that is not listed says so: what else it says may be out of date.
Cell StateCell(const v1::Token& token) {
  const std::string state = v1::Token::State_Name(token.state());
  if (token.presence() == v1::Token::LISTED) return {state, StyleOf(token.state())};
  const std::string presence = v1::Token::Presence_Name(token.presence());
  return {absl::StrCat(state, ", ", presence), Style::kWarning, presence};
}

}  // namespace

std::vector<TokenColumn> DefaultColumns() {
  return {MakeColumn("state"),
          MakeColumn("display_name"),
          MakeColumn("source"),
          MakeColumn("owner"),
          MakeColumn("effective_expire_time"),
          MakeColumn("access_level", true),
          MakeColumn("last_used_time", true)};
}

std::vector<TokenColumn> WideColumns() {
  return {MakeColumn("state"),
          MakeColumn("display_name"),
          MakeColumn("owner"),
          MakeColumn("effective_expire_time"),
          MakeColumn("access_level"),
          MakeColumn("kind"),
          MakeColumn("last_used_time"),
          MakeColumn("create_time"),
          MakeColumn("name")};
}

std::vector<TokenColumn> CsvColumns() {
  std::vector<TokenColumn> columns;
  for (const char* path :
       {"name", "display_name", "source", "provider", "kind", "owner", "access_level", "state",
        "presence", "create_time", "expire_time", "effective_expire_time", "last_used_time"}) {
    columns.push_back(MakeColumn(path));
  }
  return columns;
}

absl::StatusOr<std::vector<TokenColumn>> ParseColumns(absl::string_view list) {
  std::vector<TokenColumn> columns;
  for (const absl::string_view part : absl::StrSplit(list, ',')) {
    const absl::string_view path = absl::StripAsciiWhitespace(part);
    if (absl::Status status = CheckPath(path); !status.ok()) return status;
    columns.push_back(MakeColumn(path));
  }
  return columns;
}

bool NeedFullView(const std::vector<TokenColumn>& columns) {
  for (const TokenColumn& column : columns) {
    const std::string first = std::string(column.path.substr(0, column.path.find('.')));
    const FieldDescriptor* field = v1::Token::descriptor()->FindFieldByName(first);
    if (field != nullptr && field->number() >= kFirstFullField) return true;
  }
  return false;
}

std::string FieldText(const v1::Token& token, absl::string_view path) {
  const std::vector<std::string> parts = absl::StrSplit(path, '.');
  return PathText(token, parts);
}

Cell TokenCell(const v1::Token& token, const TokenColumn& column, const TimeFormat& times) {
  const std::string& path = column.path;
  if (path == "state") return StateCell(token);
  if (path == "display_name") return TokenLabel(token);
  if (path == "effective_expire_time") return EndCell(token, times);
  if (path == "last_used_time") return UseCell(token, times);
  if (path == "owner" && !token.has_owner()) return {"not told", Style::kDim};
  const std::string text = FieldText(token, path);
  if (path == "source") return Printable(SourceId(text));
  absl::Time time;
  if ((absl::EndsWith(path, "_time") || absl::EndsWith(path, "_deadline")) &&
      absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) {
    return TimeCell(time, times, Style::kPlain);
  }
  return Printable(text);
}

Row TokenRow(const v1::Token& token, const std::vector<TokenColumn>& columns,
             const TimeFormat& times) {
  Row row;
  for (const TokenColumn& column : columns) row.push_back(TokenCell(token, column, times));
  return row;
}

absl::string_view SourceId(absl::string_view name) { return absl::StripPrefix(name, "sources/"); }

std::string PrincipalLabel(const v1::Principal& principal) {
  return Printable(OwnerText(principal));
}

std::string TokenLabel(const v1::Token& token) {
  if (!token.display_name().empty()) return Printable(token.display_name());
  return Printable(token.name().substr(token.name().rfind('/') + 1));
}

Style StyleOf(v1::Token::State state) {
  switch (state) {
    case v1::Token::ACTIVE:
      return Style::kGood;
    case v1::Token::DISABLED:
      return Style::kWarning;
    case v1::Token::EXPIRED:
    case v1::Token::INVALID:
    case v1::Token::REVOKED:
      return Style::kBad;
    default:
      return Style::kPlain;
  }
}

Cell EndCell(const v1::Token& token, const TimeFormat& times) {
  if (!token.has_effective_expire_time()) {
    return token.expiry() == v1::Token::NEVER ? Cell("never") : Cell("not told", Style::kDim);
  }
  const absl::Time end = FromProto(token.effective_expire_time());
  const bool over = token.state() == v1::Token::EXPIRED || token.state() == v1::Token::REVOKED;
  return TimeCell(end, times, over ? Style::kDim : UrgencyOf(end, times.now));
}

}  // namespace tokeninventory::tokenctl
