#include "inventory/token_bytes.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <utility>

namespace tokeninventory {
namespace {

using google::protobuf::internal::WireFormatLite;

// Steps over the top-level fields of serialised bytes.
class FieldReader {
 public:
  explicit FieldReader(absl::string_view bytes) : rest_(bytes) {}

  // The next field. False at the end and on damage; `ok()` tells which.
  bool Next() {
    if (rest_.empty()) return false;
    const char* const begin = rest_.data();
    std::uint64_t tag = 0;
    if (!ReadVarint(&tag)) return Damaged();
    number_ = static_cast<int>(tag >> 3);
    switch (tag & 7) {
      case WireFormatLite::WIRETYPE_VARINT:
        if (!ReadVarint(&varint_)) return Damaged();
        break;
      case WireFormatLite::WIRETYPE_FIXED64:
        if (!Skip(8)) return Damaged();
        break;
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
        std::uint64_t size = 0;
        if (!ReadVarint(&size) || size > rest_.size()) return Damaged();
        payload_ = rest_.substr(0, size);
        rest_.remove_prefix(size);
        break;
      }
      case WireFormatLite::WIRETYPE_FIXED32:
        if (!Skip(4)) return Damaged();
        break;
      default:
        return Damaged();
    }
    whole_ = absl::string_view(begin, static_cast<std::size_t>(rest_.data() - begin));
    return true;
  }

  int number() const { return number_; }
  std::uint64_t varint() const { return varint_; }
  absl::string_view payload() const { return payload_; }
  absl::string_view whole() const { return whole_; }  // tag included
  bool ok() const { return ok_; }

 private:
  bool Damaged() {
    ok_ = false;
    rest_ = {};
    return false;
  }
  bool Skip(std::size_t count) {
    if (count > rest_.size()) return false;
    rest_.remove_prefix(count);
    return true;
  }
  bool ReadVarint(std::uint64_t* value) {
    std::uint64_t result = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      result |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) {
        *value = result;
        return true;
      }
    }
    return false;
  }

  absl::string_view rest_;
  bool ok_ = true;
  int number_ = 0;
  std::uint64_t varint_ = 0;
  absl::string_view payload_;
  absl::string_view whole_;
};

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
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  token.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

TokenFacts ReadTokenFacts(absl::string_view bytes) {
  TokenFacts facts;
  facts.basic_size = bytes.size();
  FieldReader reader(bytes);
  while (reader.Next()) {
    switch (reader.number()) {
      case v1::Token::kNameFieldNumber:
        facts.name = reader.payload();
        break;
      case v1::Token::kUidFieldNumber:
        facts.uid = reader.payload();
        break;
      case v1::Token::kSourceFieldNumber:
        facts.source = reader.payload();
        break;
      case v1::Token::kEffectiveExpireTimeFieldNumber:
        facts.effective_expire_time = reader.payload();
        break;
      case v1::Token::kStateFieldNumber:
        facts.state = static_cast<v1::Token::State>(reader.varint());
        break;
      case v1::Token::kPresenceFieldNumber:
        facts.presence = static_cast<v1::Token::Presence>(reader.varint());
        break;
      case v1::Token::kRevisionFieldNumber:
        facts.revision = static_cast<std::int64_t>(reader.varint());
        break;
      default:
        break;
    }
    if (reader.number() >= kFirstFullOnlyField) {
      facts.basic_size = static_cast<std::size_t>(reader.whole().data() - bytes.data());
      break;
    }
  }
  facts.valid = reader.ok() && !facts.name.empty() && !facts.uid.empty();
  return facts;
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
