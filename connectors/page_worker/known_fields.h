// Whether a message's bytes hold anything that its type does not know.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"

namespace tokeninventory {

// The fields of a message type, and of all types below it. Thread-safe once made.
class KnownFields {
 public:
  explicit KnownFields(const google::protobuf::Descriptor* type);
  KnownFields(const KnownFields&) = delete;
  KnownFields& operator=(const KnownFields&) = delete;

  // Whether `bytes` hold known fields only, all the way down: then their message has
  // nothing to discard. They must be of a message that could be parsed, which bounds
  // their depth. Says no of a field in another form than it is written in, too. One
  // walk over the bytes, many times cheaper than DiscardUnknownFields.
  bool Cover(absl::string_view bytes) const;

 private:
  struct Type;
  struct Field {
    std::uint32_t tag = 0;       // 0: there is none of this number
    const Type* type = nullptr;  // of a message
  };
  struct Type {
    std::vector<Field> fields;  // by number
  };

  const Type* Add(const google::protobuf::Descriptor* type);
  static bool CoverMessage(google::protobuf::io::CodedInputStream& in, const Type& type);

  std::map<const google::protobuf::Descriptor*, Type> types_;  // stay where they are
  const Type* const root_;
};

}  // namespace tokeninventory
