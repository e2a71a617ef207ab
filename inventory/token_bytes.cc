#include "inventory/token_bytes.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <utility>

#include "inventory/field_reader.h"
#include "inventory/token_walk.h"

namespace tokeninventory {
namespace {

// All bytes of each top-level field that occurs, in the order of the wire.
std::vector<std::pair<int, std::string>> SplitFields(absl::string_view bytes) {
  std::vector<std::pair<int, std::string>> fields;
  FieldReader reader(bytes);
  while (reader.Next()) {
    if (fields.empty() || fields.back().first != reader.number()) {
      fields.emplace_back(reader.number(), std::string());
    }
    fields.back().second.append(reader.whole().data(), reader.whole().size());
  }
  return fields;
}

}  // namespace

bool AlwaysChanges(int field) {
  return field == v1::Token::kRevisionFieldNumber || field == v1::Token::kUpdateTimeFieldNumber;
}

std::string SerializeToken(const v1::Token& token) {
  // At once as long as it will be: growing copies.
  std::string bytes(token.ByteSizeLong(), '\0');
  google::protobuf::io::ArrayOutputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  token.SerializeWithCachedSizes(&coded);
  return bytes;
}

TokenFacts ReadTokenFacts(absl::string_view bytes) {
  return WalkBasicFields(bytes, [](const FieldReader&) {});
}

absl::string_view ReadTokenName(absl::string_view bytes) {
  FieldReader reader(bytes);
  return reader.Next() && reader.number() == v1::Token::kNameFieldNumber ? reader.payload()
                                                                         : absl::string_view();
}

std::vector<int> ChangedFields(absl::string_view before, absl::string_view after) {
  const auto old_fields = SplitFields(before);
  const auto new_fields = SplitFields(after);
  std::vector<int> changed;
  auto a = old_fields.begin();
  auto b = new_fields.begin();
  while (a != old_fields.end() || b != new_fields.end()) {
    int field = 0;
    bool same = false;
    if (b == new_fields.end() || (a != old_fields.end() && a->first < b->first)) {
      field = (a++)->first;
    } else if (a == old_fields.end() || b->first < a->first) {
      field = (b++)->first;
    } else {
      field = a->first;
      same = (a++)->second == (b++)->second;
    }
    if (!same && !AlwaysChanges(field)) changed.push_back(field);
  }
  return changed;
}

std::vector<std::string> FieldNames(const std::vector<int>& numbers) {
  std::vector<std::string> names;
  names.reserve(numbers.size());
  for (const int number : numbers) {
    const auto* field = v1::Token::descriptor()->FindFieldByNumber(number);
    if (field != nullptr) names.push_back(field->name());
  }
  return names;
}

}  // namespace tokeninventory
