#include "connectors/json_value.h"

#include <optional>
#include <utility>

#include "connectors/json_reader.h"
#include "connectors/json_value_access.h"

namespace tokeninventory {
namespace {

using Access = JsonValueAccess;

jv MakeString(absl::string_view text) {
  return jv_string_sized(text.data(), static_cast<int>(text.size()));
}

}  // namespace

JsonValue::JsonValue() : rep_(Access::ToRep(jv_null())) {}
JsonValue::JsonValue(const JsonValue& other) : rep_(Access::ToRep(Access::Copy(other))) {}
JsonValue& JsonValue::operator=(const JsonValue& other) {
  if (this != &other) *this = JsonValue(other);
  return *this;
}
JsonValue::JsonValue(JsonValue&& other) noexcept : rep_(Access::ToRep(Access::Release(other))) {}
JsonValue& JsonValue::operator=(JsonValue&& other) noexcept {
  std::swap(rep_, other.rep_);
  return *this;
}
JsonValue::~JsonValue() { jv_free(Access::Borrow(*this)); }

JsonValue JsonValue::Bool(bool value) { return Access::Wrap(jv_bool(value ? 1 : 0)); }
JsonValue JsonValue::Number(double value) { return Access::Wrap(jv_number(value)); }
JsonValue JsonValue::String(absl::string_view value) { return Access::Wrap(MakeString(value)); }
JsonValue JsonValue::Array() { return Access::Wrap(jv_array()); }
JsonValue JsonValue::Object() { return Access::Wrap(jv_object()); }

absl::StatusOr<JsonValue> JsonValue::Parse(absl::string_view text) {
  if (std::optional<JsonValue> value = ReadPlainJson(text)) return *std::move(value);
  return ReadAnyJson(text);
}

JsonValue::Kind JsonValue::kind() const {
  switch (jv_get_kind(Access::Borrow(*this))) {
    case JV_KIND_FALSE:
    case JV_KIND_TRUE:
      return Kind::kBool;
    case JV_KIND_NUMBER:
      return Kind::kNumber;
    case JV_KIND_STRING:
      return Kind::kString;
    case JV_KIND_ARRAY:
      return Kind::kArray;
    case JV_KIND_OBJECT:
      return Kind::kObject;
    case JV_KIND_NULL:
    case JV_KIND_INVALID:
      return Kind::kNull;
  }
  return Kind::kNull;
}

absl::string_view JsonValue::kind_name() const {
  switch (kind()) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "boolean";
    case Kind::kNumber:
      return "number";
    case Kind::kString:
      return "string";
    case Kind::kArray:
      return "array";
    case Kind::kObject:
      return "object";
  }
  return "null";
}

bool JsonValue::bool_value() const { return jv_get_kind(Access::Borrow(*this)) == JV_KIND_TRUE; }
double JsonValue::number_value() const { return jv_number_value(Access::Borrow(*this)); }
absl::string_view JsonValue::string_value() const {
  // jq's functions consume a reference; the text stays alive by ours.
  const jv raw = Access::Borrow(*this);
  return absl::string_view(jv_string_value(raw),
                           static_cast<std::size_t>(jv_string_length_bytes(jv_copy(raw))));
}

int JsonValue::size() const {
  switch (kind()) {
    case Kind::kArray:
      return jv_array_length(Access::Copy(*this));
    case Kind::kObject:
      return jv_object_length(Access::Copy(*this));
    default:
      return 0;
  }
}

JsonValue JsonValue::At(int index) const {
  if (index < 0 || !is_array() || index >= size()) return JsonValue();
  return Access::Wrap(jv_array_get(Access::Copy(*this), index));
}

JsonValue JsonValue::Get(absl::string_view key) const {
  if (!is_object()) return JsonValue();
  const jv found = jv_object_get(Access::Copy(*this), MakeString(key));
  if (!jv_is_valid(found)) {
    jv_free(found);
    return JsonValue();
  }
  return Access::Wrap(found);
}

bool JsonValue::Has(absl::string_view key) const {
  return is_object() && jv_object_has(Access::Copy(*this), MakeString(key)) != 0;
}

void JsonValue::ForEachMember(
    absl::FunctionRef<bool(absl::string_view, const JsonValue&)> visit) const {
  if (!is_object()) return;
  const jv object = Access::Borrow(*this);
  for (int i = jv_object_iter(object); jv_object_iter_valid(object, i) != 0;
       i = jv_object_iter_next(object, i)) {
    const JsonValue value = Access::Wrap(jv_object_iter_value(object, i));
    // jv_string_length_bytes consumes the reference: the object keeps the key alive.
    const jv key = jv_object_iter_key(object, i);
    const char* text = jv_string_value(key);
    const auto size = static_cast<std::size_t>(jv_string_length_bytes(key));
    if (!visit(absl::string_view(text, size), value)) return;
  }
}

// The only reference goes into the call: a container with one owner changes in place.
void JsonValue::Append(JsonValue value) {
  *this = Access::Wrap(jv_array_append(Access::Release(*this), Access::Release(value)));
}

void JsonValue::Set(absl::string_view key, JsonValue value) {
  *this =
      Access::Wrap(jv_object_set(Access::Release(*this), MakeString(key), Access::Release(value)));
}

std::string JsonValue::Dump() const {
  const jv text = jv_dump_string(Access::Copy(*this), JV_PRINT_SORTED);
  std::string dump(jv_string_value(text),
                   static_cast<std::size_t>(jv_string_length_bytes(jv_copy(text))));
  jv_free(text);
  return dump;
}

}  // namespace tokeninventory
