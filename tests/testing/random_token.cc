#include "tests/testing/random_token.h"

#include <google/protobuf/message.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace tokeninventory::testing {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool Coin(std::mt19937_64& random) { return (random() & 1) != 0; }

std::string RandomText(std::mt19937_64& random) {
  // Now and then longer than a one-byte length.
  return std::string(1 + random() % (random() % 8 == 0 ? 300 : 12),
                     static_cast<char>('a' + random() % 26));
}

void FillPrincipal(std::mt19937_64& random, v1::Principal& principal) {
  principal.set_id(RandomText(random));
  if (Coin(random)) principal.set_display_name(RandomText(random));
  if (Coin(random)) principal.set_email(RandomText(random));
  if (Coin(random)) principal.set_kind(v1::Principal::TEAM);
}

void FillMessage(std::mt19937_64& random, Message& message) {
  if (auto* time = dynamic_cast<google::protobuf::Timestamp*>(&message)) {
    time->set_seconds(static_cast<std::int64_t>(random() % 4'000'000'000u));
    if (Coin(random)) time->set_nanos(static_cast<std::int32_t>(random() % 1'000'000'000u));
  } else if (auto* duration = dynamic_cast<google::protobuf::Duration*>(&message)) {
    duration->set_seconds(static_cast<std::int64_t>(random() % 10'000'000u));
  } else if (auto* principal = dynamic_cast<v1::Principal*>(&message)) {
    FillPrincipal(random, *principal);
  } else if (auto* scope = dynamic_cast<v1::TokenScope*>(&message)) {
    scope->set_type(RandomText(random));
    scope->set_everything(Coin(random));
  } else if (auto* attributes = dynamic_cast<google::protobuf::Struct*>(&message)) {
    for (std::uint64_t i = 0; i < 1 + random() % 4; ++i) {
      (*attributes->mutable_fields())[RandomText(random)].set_string_value(RandomText(random));
    }
  }
}

void SetScalar(std::mt19937_64& random, const FieldDescriptor& field, Message& token) {
  const auto& reflection = *token.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      reflection.SetString(&token, &field, RandomText(random));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      reflection.SetInt64(&token, &field, static_cast<std::int64_t>(random() >> 1));
      break;
    case FieldDescriptor::CPPTYPE_ENUM: {
      const EnumDescriptor& values = *field.enum_type();
      const auto count = static_cast<std::uint64_t>(values.value_count());
      reflection.SetEnum(&token, &field, values.value(static_cast<int>(random() % count)));
      break;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      FillMessage(random, *reflection.MutableMessage(&token, &field));
      break;
    default:
      break;  // Token has no other types
  }
}

}  // namespace

v1::Token RandomToken(std::mt19937_64& random) {
  v1::Token token;
  const auto& reflection = *token.GetReflection();
  for (int i = 0; i < v1::Token::descriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *v1::Token::descriptor()->field(i);
    if (!Coin(random)) continue;
    if (!field.is_repeated()) {
      SetScalar(random, field, token);
      continue;
    }
    for (std::uint64_t n = 0; n < 1 + random() % 3; ++n) {
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        reflection.AddString(&token, &field, RandomText(random));
      } else {
        FillMessage(random, *reflection.AddMessage(&token, &field));
      }
    }
  }
  token.set_name(absl::StrCat("sources/acme/tokens/", random() % 1'000'000));
  token.set_uid(absl::StrCat("uid-", random()));
  return token;
}

}  // namespace tokeninventory::testing
