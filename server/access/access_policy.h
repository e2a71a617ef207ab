// Who may call, and what: the configuration's `access`, compiled.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "inventory/source_set.h"
#include "server/access/token_hash.h"
#include "tokeninventory/v1/config.pb.h"

namespace tokeninventory {

using Role = v1::PrincipalConfig::Role;

// Somebody who may call.
struct Principal {
  std::string id;
  Role role = v1::PrincipalConfig::READER;
  double max_calls_per_second = 0;
  int max_streams = 0;
  SourceSet visible;
};

// What a call shows of its caller.
struct CallerProof {
  // Subject alternative names of a verified client certificate.
  std::vector<std::string> certificate_names;
  // The value of the `authorization` header; null when there is none.
  const absl::string_view* authorization = nullptr;
};

// Constant after it was made; thread-safe.
class AccessPolicy {
 public:
  // Everybody may do everything.
  AccessPolicy();

  // Problems are pairs of a field of AccessConfig and what is wrong with it.
  using Problems = std::vector<std::pair<std::string, std::string>>;
  static std::shared_ptr<const AccessPolicy> Make(const v1::AccessConfig& config,
                                                  Problems& problems);

  // Who calls. UNAUTHENTICATED: CREDENTIALS_MISSING, CREDENTIALS_UNKNOWN.
  absl::StatusOr<const Principal*> Identify(const CallerProof& proof) const;

  // Nobody is told apart.
  bool is_open() const { return open_to_all_ != nullptr; }
  bool open_health() const { return open_health_; }
  bool open_reflection() const { return open_reflection_; }
  const std::vector<std::unique_ptr<const Principal>>& principals() const { return principals_; }

 private:
  const Principal* FindToken(absl::string_view token) const;

  // Tokens that were found, by a digest of theirs that only this process can make: else
  // each call would hash its token once for each configured one.
  struct Found {
    Mutex mutex;
    absl::flat_hash_map<std::string, const Principal*> by_digest ABSL_GUARDED_BY(mutex);
  };

  std::unique_ptr<const Principal> open_to_all_;
  bool open_health_ = true;
  bool open_reflection_ = true;
  std::vector<std::unique_ptr<const Principal>> principals_;
  absl::flat_hash_map<std::string, const Principal*> by_certificate_name_;
  std::vector<std::pair<TokenHash, const Principal*>> by_token_;
  const std::string digest_key_;
  const std::unique_ptr<Found> found_ = std::make_unique<Found>();
};

// Whether `role` may do what needs `needed`.
bool MayDo(Role role, Role needed);

}  // namespace tokeninventory
