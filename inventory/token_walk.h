// One walk over a serialised token, for those who read its facts and more on the way.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "inventory/field_reader.h"
#include "inventory/token_bytes.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {

// What ReadTokenFacts keeps of a field.
inline void NoteFact(const FieldReader& reader, TokenFacts& facts) {
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
}

// Calls `visit(const FieldReader&)` for each field of the BASIC view. Returns what
// ReadTokenFacts does.
template <typename Visit>
TokenFacts WalkBasicFields(absl::string_view token, Visit visit) {
  TokenFacts facts;
  facts.basic_size = token.size();
  FieldReader reader(token);
  while (reader.Next()) {
    if (reader.number() >= kFirstFullOnlyField) {
      facts.basic_size = static_cast<std::size_t>(reader.whole().data() - token.data());
      break;
    }
    NoteFact(reader, facts);
    visit(reader);
  }
  facts.valid = reader.ok() && !facts.name.empty() && !facts.uid.empty();
  return facts;
}

}  // namespace tokeninventory
