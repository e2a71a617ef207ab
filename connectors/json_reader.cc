#include "connectors/json_reader.h"

#include <simdjson.h>

#include <limits>
#include <memory>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "connectors/json_syntax.h"
#include "connectors/json_value_access.h"

namespace tokeninventory {
namespace {

using Access = JsonValueAccess;
using simdjson::dom::element;

// Below jq's own limit of 256, which counts otherwise.
constexpr int kMaxDepth = 200;

// Records have few; a text may be nothing but different ones.
constexpr std::size_t kMaxSharedKeys = 1024;

// Makes jq's values of simdjson's.
class Builder {
 public:
  // Invalid when it is nested too deeply.
  jv Build(const element& from, int depth) {
    switch (from.type()) {
      case simdjson::dom::element_type::NULL_VALUE:
        return jv_null();
      case simdjson::dom::element_type::BOOL:
        return jv_bool(from.get_bool().value_unsafe() ? 1 : 0);
      case simdjson::dom::element_type::INT64:
        return jv_number(static_cast<double>(from.get_int64().value_unsafe()));
      case simdjson::dom::element_type::UINT64:
        return jv_number(static_cast<double>(from.get_uint64().value_unsafe()));
      case simdjson::dom::element_type::DOUBLE:
        return jv_number(from.get_double().value_unsafe());
      case simdjson::dom::element_type::STRING:
        return MakeString(from.get_string().value_unsafe());
      case simdjson::dom::element_type::ARRAY:
        return BuildArray(from.get_array().value_unsafe(), depth + 1);
      case simdjson::dom::element_type::OBJECT:
        return BuildObject(from.get_object().value_unsafe(), depth + 1);
    }
    return jv_invalid();
  }

 private:
  static jv MakeString(std::string_view text) {
    return jv_string_sized(text.data(), static_cast<int>(text.size()));
  }

  jv BuildArray(const simdjson::dom::array& from, int depth) {
    if (depth > kMaxDepth) return jv_invalid();
    jv array = jv_array();
    for (const element value : from) {
      const jv built = Build(value, depth);
      if (!jv_is_valid(built)) {
        jv_free(array);
        return built;
      }
      array = jv_array_append(array, built);
    }
    return array;
  }

  jv BuildObject(const simdjson::dom::object& from, int depth) {
    if (depth > kMaxDepth) return jv_invalid();
    jv object = jv_object();
    for (const auto& [key, value] : from) {
      const jv built = Build(value, depth);
      if (!jv_is_valid(built)) {
        jv_free(object);
        return built;
      }
      object = jv_object_set(object, Key(key), built);
    }
    return object;
  }

  // A page's records have the same keys: each is one string, which remembers its hash.
  jv Key(std::string_view key) {
    if (const auto known = keys_.find(key); known != keys_.end()) {
      return Access::Copy(known->second);
    }
    JsonValue made = Access::Wrap(MakeString(key));
    if (keys_.size() < kMaxSharedKeys) keys_.emplace(key, made);
    return Access::Release(made);
  }

  // By the texts that the parser holds.
  absl::flat_hash_map<std::string_view, JsonValue> keys_;
};

}  // namespace

std::optional<JsonValue> ReadPlainJson(absl::string_view text) {
  if (text.size() > kMaxPlainJsonBytes) return std::nullopt;
  simdjson::dom::parser parser(kMaxPlainJsonBytes);
  element root;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
  const jv value = Builder().Build(root, 0);
  if (!jv_is_valid(value)) {
    jv_free(value);
    return std::nullopt;
  }
  return Access::Wrap(value);
}

absl::StatusOr<JsonValue> ReadAnyJson(absl::string_view text) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max() / 2)) {
    return absl::InvalidArgumentError("too long for a JSON text");
  }
  if (const std::optional<JsonFault> fault = FindJsonFault(text)) {
    switch (fault->kind) {
      case JsonFault::Kind::kEmpty:
        return absl::InvalidArgumentError("empty where a JSON text was expected");
      case JsonFault::Kind::kTrailing:
        return absl::InvalidArgumentError("more than one JSON value");
      case JsonFault::Kind::kBroken:
        break;
    }
    return absl::InvalidArgumentError(
        absl::StrCat("not a JSON text at line ", fault->line, ", column ", fault->column));
  }
  const std::unique_ptr<jv_parser, decltype(&jv_parser_free)> parser(jv_parser_new(0),
                                                                     &jv_parser_free);
  jv_parser_set_buf(parser.get(), text.data(), static_cast<int>(text.size()), /*is_partial=*/0);
  const jv value = jv_parser_next(parser.get());
  if (!jv_is_valid(value)) {
    // What jq refuses of a JSON text. Its own words may quote the text.
    jv_free(value);
    return absl::InvalidArgumentError(
        "JSON that is nested too deeply, or with half a surrogate pair");
  }
  return Access::Wrap(value);
}

}  // namespace tokeninventory
