#include "bench/lib/sample_tokens.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace tokeninventory::bench {
namespace {

constexpr std::int64_t kDay = 24 * 3600;

std::string Uuid(std::mt19937_64& random) {
  const std::string hex =
      absl::StrCat(absl::Hex(random(), absl::kZeroPad16), absl::Hex(random(), absl::kZeroPad16));
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

}  // namespace

ObservedToken SampleToken(std::mt19937_64& random, const SampleSource& source, absl::Time now) {
  const char* const kinds[] = {"api_token", "registry_token", "service", "personal"};
  ObservedToken observed;
  observed.id = Uuid(random);
  v1::Token& token = observed.token;
  token.set_provider_token_id(observed.id);
  token.set_display_name(absl::StrCat("Deploy bot of team ", random() % 500));
  token.set_kind(kinds[random() % 4]);
  token.set_hint("tok_…abcd");
  v1::Principal& owner = *token.mutable_owner();
  owner.set_id(Uuid(random));
  const std::uint64_t person = random() % 20'000;
  owner.set_display_name(absl::StrCat("Person Number ", person));
  owner.set_email(absl::StrCat("person.number.", person, "@example.com"));
  owner.set_kind(v1::Principal::USER);
  *token.mutable_creator() = owner;
  token.set_access_level(static_cast<v1::Token::AccessLevel>(1 + random() % 3));
  token.set_role("workspace-editor");
  const auto time = [&](google::protobuf::Timestamp& at, std::int64_t from, std::int64_t days) {
    at.set_seconds(absl::ToUnixSeconds(now) + from * kDay +
                   static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(days * kDay)));
  };
  time(*token.mutable_create_time(), -400, 400);
  if (random() % 4 != 0) {
    time(*token.mutable_expire_time(), 0, 400);
    token.set_expiry(v1::Token::AT);
  } else {
    token.set_expiry(v1::Token::NEVER);
  }
  time(*token.mutable_last_used_time(), -200, 200);
  token.set_last_use(v1::Token::USED);
  token.set_state(random() % 5 == 0 ? v1::Token::DISABLED : v1::Token::ACTIVE);
  token.set_provider_state("enabled");
  for (int i = 0; i < 2; ++i) {
    v1::TokenScope& scope = *token.add_scopes();
    scope.set_type("workspace");
    scope.set_id(Uuid(random));
    scope.set_display_name(absl::StrCat("workspace ", random() % 100));
  }
  token.add_permissions("read");
  token.add_permissions("write");
  token.set_provider_uri(
      absl::StrCat("https://", source.vendor, ".example.com/tokens/", observed.id));
  auto& attributes = *token.mutable_attributes()->mutable_fields();
  attributes["region"].set_string_value(random() % 2 == 0 ? "eu-west-1" : "us-east-1");
  attributes["rotation"].set_bool_value(true);
  return observed;
}

}  // namespace tokeninventory::bench
