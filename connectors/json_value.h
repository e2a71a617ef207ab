// A JSON value as jq holds it. The wrapper keeps jq's headers out of everything
// else: only jq_program.cc, json_reader.cc and json_value.cc include them.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tokeninventory {

// A value with shared, reference-counted content; copying is cheap. The counts
// are not atomic: a value and its copies belong to one thread at a time. Numbers
// are doubles.
class JsonValue {
 public:
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  JsonValue();  // null
  JsonValue(const JsonValue& other);
  JsonValue& operator=(const JsonValue& other);
  JsonValue(JsonValue&& other) noexcept;
  JsonValue& operator=(JsonValue&& other) noexcept;
  ~JsonValue();

  static JsonValue Bool(bool value);
  static JsonValue Number(double value);
  // Bad UTF-8 becomes U+FFFD.
  static JsonValue String(absl::string_view value);
  static JsonValue Array();
  static JsonValue Object();

  // Reads exactly one JSON value. INVALID_ARGUMENT with line and column, and
  // never a piece of the text, when there is none, more than one, or a broken
  // one, or when it is nested deeper than 256 levels.
  static absl::StatusOr<JsonValue> Parse(absl::string_view text);

  Kind kind() const;
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }
  // `null`, `boolean`, `number`, `string`, `array` or `object`.
  absl::string_view kind_name() const;

  // Each asks for a value of that kind.
  bool bool_value() const;
  double number_value() const;
  absl::string_view string_value() const;  // valid as long as this value

  // Elements of an array, members of an object; 0 of anything else.
  int size() const;
  JsonValue At(int index) const;               // null outside
  JsonValue Get(absl::string_view key) const;  // null when absent or not an object
  bool Has(absl::string_view key) const;
  // Calls `visit` for each member of an object until it returns false.
  void ForEachMember(
      absl::FunctionRef<bool(absl::string_view key, const JsonValue& value)> visit) const;

  void Append(JsonValue value);                      // to an array
  void Set(absl::string_view key, JsonValue value);  // in an object

  // Compact JSON text with sorted keys.
  std::string Dump() const;

 private:
  friend class JsonValueAccess;

  // A jv, whose size json_value.cc checks.
  struct Rep {
    alignas(8) unsigned char bytes[16];
  };
  explicit JsonValue(Rep rep) : rep_(rep) {}

  Rep rep_;
};

}  // namespace tokeninventory
