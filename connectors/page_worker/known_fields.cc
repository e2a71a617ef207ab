#include "connectors/page_worker/known_fields.h"

#include <cstddef>

#include "google/protobuf/wire_format.h"
#include "google/protobuf/wire_format_lite.h"

namespace tokeninventory {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormat;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

}  // namespace

KnownFields::KnownFields(const Descriptor* type) : root_(Add(type)) {}

const KnownFields::Type* KnownFields::Add(const Descriptor* type) {
  const auto [at, is_new] = types_.try_emplace(type);
  Type& added = at->second;
  if (!is_new) return &added;  // types may be below themselves
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const auto number = static_cast<std::size_t>(field->number());
    if (added.fields.size() <= number) added.fields.resize(number + 1);
    added.fields[number].tag = WireFormat::MakeTag(field);
    if (field->message_type() != nullptr) added.fields[number].type = Add(field->message_type());
  }
  return &added;
}

bool KnownFields::Cover(absl::string_view bytes) const {
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  return CoverMessage(in, *root_);
}

bool KnownFields::CoverMessage(CodedInputStream& in, const Type& type) {
  for (;;) {
    const std::uint32_t tag = in.ReadTag();
    if (tag == 0) return in.ConsumedEntireMessage();
    const auto number = static_cast<std::size_t>(WireFormatLite::GetTagFieldNumber(tag));
    if (number >= type.fields.size() || type.fields[number].tag != tag) return false;
    const Type* const below = type.fields[number].type;
    if (below == nullptr) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    std::uint32_t size = 0;
    if (!in.ReadVarint32(&size)) return false;
    const CodedInputStream::Limit limit = in.PushLimit(static_cast<int>(size));
    if (!CoverMessage(in, *below)) return false;
    in.PopLimit(limit);
  }
}

}  // namespace tokeninventory
