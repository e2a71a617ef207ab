#include "server/access/access_policy.h"

#include <cmath>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "inventory/errors.h"
#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

constexpr int kMaxPrincipals = 1000;
constexpr int kMaxHashes = 10;
constexpr double kDefaultCallsPerSecond = 1000;
constexpr int kDefaultStreams = 1000;
constexpr char kNobody[] = "anonymous";

std::unique_ptr<const Principal> Everybody() {
  auto everybody = std::make_unique<Principal>();
  everybody->id = kNobody;
  everybody->role = v1::PrincipalConfig::OPERATOR;
  return everybody;
}

// The token of `Bearer <token>`; the scheme in any case (RFC 9110, 11.1).
absl::StatusOr<absl::string_view> BearerToken(absl::string_view authorization) {
  constexpr absl::string_view kScheme = "Bearer ";
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) {
    return MakeError(absl::StatusCode::kUnauthenticated, "CREDENTIALS_UNKNOWN",
                     "the authorization header is not `Bearer TOKEN`");
  }
  return authorization.substr(kScheme.size());
}

}  // namespace

bool MayDo(Role role, Role needed) {
  return needed != v1::PrincipalConfig::OPERATOR || role == v1::PrincipalConfig::OPERATOR;
}

AccessPolicy::AccessPolicy() : open_to_all_(Everybody()), digest_key_(MakeBearerToken()) {}

std::shared_ptr<const AccessPolicy> AccessPolicy::Make(const v1::AccessConfig& config,
                                                       Problems& problems) {
  auto policy = std::make_shared<AccessPolicy>();
  policy->open_to_all_ = nullptr;
  policy->open_health_ = config.open_health();
  policy->open_reflection_ = config.open_reflection();
  if (config.principals_size() > kMaxPrincipals) {
    problems.emplace_back("principals", absl::StrCat("at most ", kMaxPrincipals, ", there are ",
                                                     config.principals_size()));
    return policy;
  }
  if (config.principals().empty()) {
    problems.emplace_back("principals", "missing: nobody could call");
  }
  std::set<std::string> ids;
  for (int i = 0; i < config.principals_size(); ++i) {
    const v1::PrincipalConfig& from = config.principals(i);
    const auto problem = [&](absl::string_view field, absl::string_view what) {
      problems.emplace_back(absl::StrCat("principals[", i, "].", field), std::string(what));
    };
    auto principal = std::make_unique<Principal>();
    principal->id = from.id();
    if (!IsSourceId(from.id())) {
      problem("id", from.id().empty()
                        ? "missing"
                        : "must be of a-z, 0-9 and -, begin with a letter and not end with -");
    } else if (from.id() == kNobody || !ids.insert(from.id()).second) {
      problem("id", absl::StrCat("`", from.id(), "` is taken"));
    }
    principal->role = from.role() == v1::PrincipalConfig::ROLE_UNSPECIFIED
                          ? v1::PrincipalConfig::READER
                          : from.role();
    if (!std::isfinite(from.max_calls_per_second()) || from.max_calls_per_second() < 0 ||
        from.max_calls_per_second() > 1e6) {
      problem("max_calls_per_second", "must be between 0 and 1000000");
    }
    principal->max_calls_per_second =
        from.max_calls_per_second() > 0 ? from.max_calls_per_second() : kDefaultCallsPerSecond;
    if (from.max_streams() < 0) problem("max_streams", "must not be negative");
    principal->max_streams = from.max_streams() > 0 ? from.max_streams() : kDefaultStreams;
    if (from.certificate_names().empty() && from.token_hashes().empty()) {
      problem("token_hashes", "missing, and `certificate_names` too: it could not call");
    }
    if (from.token_hashes_size() > kMaxHashes) {
      problem("token_hashes", absl::StrCat("at most ", kMaxHashes));
    }
    for (int s = 0; s < from.sources_size(); ++s) {
      if (!IsSourceId(from.sources(s))) {
        problem(absl::StrCat("sources[", s, "]"), "is no id of a source");
      }
    }
    if (!from.sources().empty()) {
      principal->visible = SourceSet({from.sources().begin(), from.sources().end()});
    }
    for (const std::string& name : from.certificate_names()) {
      if (name.empty() || !policy->by_certificate_name_.emplace(name, principal.get()).second) {
        problem("certificate_names",
                name.empty() ? "must not be empty" : absl::StrCat("`", name, "` is taken"));
      }
    }
    for (int h = 0; h < from.token_hashes_size(); ++h) {
      absl::StatusOr<TokenHash> hash = TokenHash::Parse(from.token_hashes(h));
      if (hash.ok()) {
        policy->by_token_.emplace_back(*std::move(hash), principal.get());
      } else {
        problem(absl::StrCat("token_hashes[", h, "]"), hash.status().message());
      }
    }
    policy->principals_.push_back(std::move(principal));
  }
  return policy;
}

const Principal* AccessPolicy::FindToken(absl::string_view token) const {
  if (token.size() > kLongestBearerToken) return nullptr;
  const std::string digest = Sha256(digest_key_, token);
  {
    MutexLock lock(found_->mutex);
    const auto known = found_->by_digest.find(digest);
    if (known != found_->by_digest.end()) return known->second;
  }
  // All of them, whichever it is: the time tells nothing.
  const Principal* found = nullptr;
  for (const auto& [hash, principal] : by_token_) {
    if (hash.Matches(token)) found = principal;
  }
  // Only those that are somebody's: they are as many as are configured.
  if (found != nullptr) {
    MutexLock lock(found_->mutex);
    found_->by_digest.emplace(digest, found);
  }
  return found;
}

absl::StatusOr<const Principal*> AccessPolicy::Identify(const CallerProof& proof) const {
  if (is_open()) return open_to_all_.get();
  if (proof.authorization != nullptr) {
    const absl::StatusOr<absl::string_view> token = BearerToken(*proof.authorization);
    if (!token.ok()) return token.status();
    if (const Principal* principal = FindToken(*token)) return principal;
    return MakeError(absl::StatusCode::kUnauthenticated, "CREDENTIALS_UNKNOWN",
                     "the bearer token is nobody's");
  }
  for (const std::string& name : proof.certificate_names) {
    const auto known = by_certificate_name_.find(name);
    if (known != by_certificate_name_.end()) return known->second;
  }
  if (!proof.certificate_names.empty()) {
    return MakeError(absl::StatusCode::kUnauthenticated, "CREDENTIALS_UNKNOWN",
                     "the client certificate is nobody's");
  }
  return MakeError(absl::StatusCode::kUnauthenticated, "CREDENTIALS_MISSING",
                   "needs `authorization: Bearer TOKEN` or a client certificate");
}

}  // namespace tokeninventory
