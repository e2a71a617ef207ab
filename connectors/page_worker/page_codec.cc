#include "connectors/page_worker/page_codec.h"

#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "google/protobuf/struct.pb.h"

namespace tokeninventory {
namespace {

// Two messages a level; protobuf's own parsers give up at 100.
constexpr int kMaxNextDepth = 40;
constexpr std::size_t kMaxReasonBytes = 1024;
constexpr int kMaxItemMembers = 16;
constexpr std::size_t kMaxItemBytes = 4096;

absl::Status Nonsense(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("the page worker yields ", what));
}

absl::Status ToStruct(const JsonValue& value, int depth, google::protobuf::Struct& out);

absl::Status ToValue(const JsonValue& value, int depth, google::protobuf::Value& out) {
  if (depth > kMaxNextDepth) {
    return absl::InvalidArgumentError("the next request is nested too deeply");
  }
  switch (value.kind()) {
    case JsonValue::Kind::kNull:
      out.set_null_value(google::protobuf::NULL_VALUE);
      break;
    case JsonValue::Kind::kBool:
      out.set_bool_value(value.bool_value());
      break;
    case JsonValue::Kind::kNumber:
      out.set_number_value(value.number_value());
      break;
    case JsonValue::Kind::kString:
      out.set_string_value(std::string(value.string_value()));
      break;
    case JsonValue::Kind::kArray: {
      google::protobuf::ListValue& list = *out.mutable_list_value();
      for (int i = 0, size = value.size(); i < size; ++i) {
        TI_RETURN_IF_ERROR(ToValue(value.At(i), depth + 1, *list.add_values()));
      }
      break;
    }
    case JsonValue::Kind::kObject:
      return ToStruct(value, depth + 1, *out.mutable_struct_value());
  }
  return absl::OkStatus();
}

absl::Status ToStruct(const JsonValue& value, int depth, google::protobuf::Struct& out) {
  absl::Status status;
  value.ForEachMember([&](absl::string_view key, const JsonValue& member) {
    status = ToValue(member, depth, (*out.mutable_fields())[std::string(key)]);
    return status.ok();
  });
  return status;
}

// Depth is bounded by what protobuf parses.
JsonValue FromStruct(const google::protobuf::Struct& fields);

JsonValue FromValue(const google::protobuf::Value& value) {
  switch (value.kind_case()) {
    case google::protobuf::Value::kBoolValue:
      return JsonValue::Bool(value.bool_value());
    case google::protobuf::Value::kNumberValue:
      return JsonValue::Number(value.number_value());
    case google::protobuf::Value::kStringValue:
      return JsonValue::String(value.string_value());
    case google::protobuf::Value::kListValue: {
      JsonValue list = JsonValue::Array();
      for (const google::protobuf::Value& element : value.list_value().values()) {
        list.Append(FromValue(element));
      }
      return list;
    }
    case google::protobuf::Value::kStructValue:
      return FromStruct(value.struct_value());
    case google::protobuf::Value::kNullValue:
    case google::protobuf::Value::KIND_NOT_SET:
      break;
  }
  return JsonValue();
}

JsonValue FromStruct(const google::protobuf::Struct& fields) {
  JsonValue object = JsonValue::Object();
  for (const auto& [key, value] : fields.fields()) object.Set(key, FromValue(value));
  return object;
}

absl::StatusOr<JsonValue> DecodeItem(const internal::v1::RowItem& item) {
  if (item.members_size() > kMaxItemMembers) return Nonsense("an item of too many members");
  JsonValue object = JsonValue::Object();
  std::size_t bytes = 0;
  for (const auto& [key, value] : item.members()) {
    bytes += key.size() + value.size();
    object.Set(key, JsonValue::String(value));
  }
  if (bytes > kMaxItemBytes) return Nonsense("an item that is too large");
  return object;
}

absl::StatusOr<PageRow> DecodeRow(internal::v1::ReadRow& row, absl::string_view id_prefix) {
  PageRow decoded;
  decoded.tokens.reserve(static_cast<std::size_t>(row.tokens_size()));
  for (v1::Token& token : *row.mutable_tokens()) {
    TI_RETURN_IF_ERROR(CheckMapped(token, id_prefix));
    ObservedToken& observed = decoded.tokens.emplace_back();
    observed.id = absl::StrCat(id_prefix, token.provider_token_id());
    observed.token = std::move(token);
  }
  if (row.has_item()) {
    TI_ASSIGN_OR_RETURN(decoded.item, DecodeItem(row.item()));
  }
  decoded.identity = IdentityOf(decoded);
  if (decoded.identity.empty()) decoded.identity = std::move(*row.mutable_identity());
  return decoded;
}

}  // namespace

std::string CleanReason(absl::string_view text) {
  std::string clean(text.substr(0, kMaxReasonBytes));
  for (char& c : clean) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  return clean;
}

absl::Status EncodePage(PageContent& content, const MappingNotes& notes,
                        internal::v1::ReadPage& out) {
  out.mutable_rows()->Reserve(static_cast<int>(content.rows.size()));
  for (PageRow& row : content.rows) {
    internal::v1::ReadRow& encoded = *out.add_rows();
    for (ObservedToken& observed : row.tokens) *encoded.add_tokens() = std::move(observed.token);
    if (!row.item.is_null()) {
      auto& members = *encoded.mutable_item()->mutable_members();
      row.item.ForEachMember([&](absl::string_view key, const JsonValue& value) {
        members[std::string(key)] = std::string(value.string_value());
        return true;
      });
    } else if (row.tokens.empty()) {
      encoded.set_identity(std::move(row.identity));
    }
  }
  out.set_row_count(content.row_count);
  out.set_bad_row_count(content.bad_rows);
  out.set_first_bad_row(content.first_bad_row);
  if (!content.next.is_null()) {
    TI_RETURN_IF_ERROR(ToStruct(content.next, 0, *out.mutable_next()));
  }
  if (content.total) out.set_total(*content.total);
  out.set_secrets_dropped(notes.dropped_secrets);
  return absl::OkStatus();
}

absl::StatusOr<PageContent> DecodePage(internal::v1::ReadPage& page, absl::string_view id_prefix,
                                       MappingNotes& notes) {
  if (page.bad_row_count() < 0 || page.row_count() < 0 ||
      page.row_count() - page.rows_size() != page.bad_row_count()) {
    return Nonsense("other counts than rows");
  }
  if (page.has_total() && !(std::isfinite(page.total()) && page.total() >= 0)) {
    return Nonsense("a total that is no count");
  }
  if (page.secrets_dropped() < 0) return Nonsense("a negative count");
  PageContent content;
  content.row_count = page.row_count();
  content.bad_rows = page.bad_row_count();
  if (content.bad_rows > 0) content.first_bad_row = CleanReason(page.first_bad_row());
  if (page.has_total()) content.total = page.total();
  if (page.has_next()) content.next = FromStruct(page.next());
  content.rows.reserve(static_cast<std::size_t>(page.rows_size()));
  for (internal::v1::ReadRow& row : *page.mutable_rows()) {
    TI_ASSIGN_OR_RETURN(PageRow decoded, DecodeRow(row, id_prefix));
    content.rows.push_back(std::move(decoded));
  }
  notes.dropped_secrets += page.secrets_dropped();
  return content;
}

}  // namespace tokeninventory
