#include "tests/sync/token_facts.h"

#include <gtest/gtest.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"

namespace tokeninventory::testing {
namespace {

constexpr int kMaxDifferences = 10;

std::string TimeText(std::optional<vendor_sim::TimePoint> time) {
  if (!time) return "-";
  return absl::StrCat(time->time_since_epoch().count());
}

std::string Facts(const std::string& name, const std::string& kind, const std::string& expiry,
                  std::optional<vendor_sim::TimePoint> expires,
                  std::optional<vendor_sim::TimePoint> created) {
  return absl::StrCat(name, "|", kind, "|", expiry, "|", TimeText(expires), "|", TimeText(created));
}

// For vendors that tell "never" by null, and by leaving it out as `absent` says.
std::string Expiry(const vendor_sim::VendorTime& time, const char* absent) {
  if (time.has_value()) return "AT";
  return time.form == vendor_sim::VendorTime::Form::kNull ? "NEVER" : absent;
}

std::optional<vendor_sim::TimePoint> Value(const vendor_sim::VendorTime& time) {
  if (!time.has_value()) return std::nullopt;
  return time.value;
}

}  // namespace

TokenFacts TrueFacts(const vendor_sim::Truth& truth, const std::string& vendor, bool all_streams) {
  TokenFacts facts;
  if (vendor == "deepset") {
    for (const auto& token : truth.deepset_tokens) {
      if (!token.IsExclusive() && !all_streams) continue;
      facts[token.id.ToString()] =
          Facts(token.name, token.personal ? "personal" : "service",
                token.expires_at ? "AT" : "NEVER", token.expires_at, std::nullopt);
    }
    for (const auto& token : truth.model_registry_tokens) {
      const std::string domain =
          token.provider_domain.empty() ? "" : absl::StrCat(" (", token.provider_domain, ")");
      facts[absl::StrCat("model-", token.id.ToString())] =
          Facts(token.provider + domain, "model_provider_credential", "UNKNOWN", std::nullopt,
                std::nullopt);
    }
  } else if (vendor == "opal") {
    for (const auto& token : truth.opal_tokens) {
      facts[token.id.ToString()] =
          Facts(token.label, "api_token", Expiry(token.expires_at, "NEVER"),
                Value(token.expires_at), token.created_at);
    }
  } else if (vendor == "buildkite") {
    for (const auto& token : truth.registry_tokens) {
      facts[token.id.ToString()] =
          Facts(token.description, "registry_token", "UNKNOWN", std::nullopt, token.created_at);
    }
    for (const auto& token : truth.agent_tokens) {
      facts[token.id.ToString()] =
          Facts(token.description, "agent_token", Expiry(token.expires_at, "UNKNOWN"),
                Value(token.expires_at), token.created_at);
    }
    for (const auto& token : truth.api_access_tokens) {
      if (!all_streams) break;
      facts[token.id.ToString()] =
          Facts(token.description, "user_api_access_token", Expiry(token.expires_at, "UNKNOWN"),
                Value(token.expires_at), token.created_at);
    }
  } else {
    ADD_FAILURE() << "the simulator has no vendor " << vendor;
  }
  return facts;
}

std::string FactsOf(const v1::Token& token) {
  const auto time =
      [](bool has, const google::protobuf::Timestamp& at) -> std::optional<vendor_sim::TimePoint> {
    if (!has) return std::nullopt;
    return vendor_sim::TimePoint(std::chrono::microseconds(absl::ToUnixMicros(FromProto(at))));
  };
  return Facts(token.display_name(), token.kind(), v1::Token::Expiry_Name(token.expiry()),
               time(token.has_expire_time(), token.expire_time()),
               time(token.has_create_time(), token.create_time()));
}

std::map<std::string, KnownToken> KnownTokens(const Snapshot& snapshot, const std::string& source) {
  std::map<std::string, KnownToken> known;
  snapshot.Scan(0, {snapshot.FindSource(source), true}, [&](const TokenRef& ref) {
    v1::Token token;
    EXPECT_TRUE(token.ParseFromArray(ref.full.data(), static_cast<int>(ref.full.size())));
    const std::string id = token.name().substr(token.name().rfind('/') + 1);
    // A reused id: the one that is there goes over the tombstone.
    if (known.count(id) > 0 && token.presence() == v1::Token::DELETED) return true;
    KnownToken& found = known[id];
    found = {token.uid(),    token.presence(), token.display_name(),
             FactsOf(token), token.state(),    absl::InfiniteFuture()};
    if (token.has_expire_time()) found.expires = FromProto(token.expire_time());
    return true;
  });
  return known;
}

std::string Difference(const TokenFacts& truth, const std::map<std::string, KnownToken>& known) {
  std::string text;
  int differences = 0;
  const auto differ = [&](const std::string& id, const std::string& what) {
    if (++differences <= kMaxDifferences) absl::StrAppend(&text, "  ", id, ": ", what, "\n");
  };
  for (const auto& [id, facts] : truth) {
    const auto found = known.find(id);
    if (found == known.end()) {
      differ(id, "not known");
    } else if (found->second.presence != v1::Token::LISTED) {
      differ(id, absl::StrCat("exists, but is ", v1::Token::Presence_Name(found->second.presence)));
    } else if (found->second.facts != facts) {
      differ(id, absl::StrCat("is ", facts, ", shown as ", found->second.facts));
    }
  }
  for (const auto& [id, token] : known) {
    if (truth.count(id) > 0 || token.presence == v1::Token::DELETED) continue;
    differ(id, absl::StrCat("is gone, but ", v1::Token::Presence_Name(token.presence)));
  }
  if (differences > kMaxDifferences) absl::StrAppend(&text, "  … ", differences, " in all\n");
  return text;
}

}  // namespace tokeninventory::testing
