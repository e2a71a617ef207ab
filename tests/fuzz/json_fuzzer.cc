// Any bytes as a JSON text: simdjson and jq read the same value, or only jq any.
#include <optional>

#include "connectors/json_reader.h"
#include "tests/fuzz/check.h"

namespace tokeninventory {
namespace {

// Zeros with and without a sign are the same here.
bool Same(const JsonValue& a, const JsonValue& b) {
  if (a.kind() != b.kind() || a.size() != b.size()) return false;
  switch (a.kind()) {
    case JsonValue::Kind::kNull:
      return true;
    case JsonValue::Kind::kBool:
      return a.bool_value() == b.bool_value();
    case JsonValue::Kind::kNumber:
      return a.number_value() == b.number_value();
    case JsonValue::Kind::kString:
      return a.string_value() == b.string_value();
    case JsonValue::Kind::kArray:
      for (int i = 0; i < a.size(); ++i) {
        if (!Same(a.At(i), b.At(i))) return false;
      }
      return true;
    case JsonValue::Kind::kObject: {
      bool same = true;
      a.ForEachMember([&](absl::string_view key, const JsonValue& value) {
        same = b.Has(key) && Same(value, b.Get(key));
        return same;
      });
      return same;
    }
  }
  return false;
}

}  // namespace
}  // namespace tokeninventory

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const std::optional<tokeninventory::JsonValue> plain = tokeninventory::ReadPlainJson(text);
  const absl::StatusOr<tokeninventory::JsonValue> any = tokeninventory::ReadAnyJson(text);
  TI_FUZZ_CHECK(!plain || (any.ok() && tokeninventory::Same(*plain, *any)));
  return 0;
}
