// The door between JsonValue and jq's own values, for jq_program.cc, json_reader.cc
// and json_value.cc only.
#pragma once

extern "C" {
#include <jv.h>
}

#include <cstring>

#include "connectors/json_value.h"

namespace tokeninventory {

class JsonValueAccess {
 public:
  // Both take over the caller's reference.
  static JsonValue::Rep ToRep(jv value) {
    JsonValue::Rep rep;
    static_assert(sizeof(rep) == sizeof(jv));
    std::memcpy(&rep, &value, sizeof(rep));
    return rep;
  }
  static JsonValue Wrap(jv value) { return JsonValue(ToRep(value)); }
  // The reference stays with `value`.
  static jv Borrow(const JsonValue& value) {
    jv raw;
    std::memcpy(&raw, &value.rep_, sizeof(raw));
    return raw;
  }
  // The caller's reference; `value` is left null.
  static jv Release(JsonValue& value) {
    const jv raw = Borrow(value);
    const jv null = jv_null();
    std::memcpy(&value.rep_, &null, sizeof(null));
    return raw;
  }
  // A reference of the caller's own.
  static jv Copy(const JsonValue& value) { return jv_copy(Borrow(value)); }
};

}  // namespace tokeninventory
