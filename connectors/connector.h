// Runs a vendor's manifest against its API for one configured source, and reports
// to a PassRecorder what it saw and what it proved.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "connectors/credentials.h"
#include "connectors/http/http_client.h"
#include "connectors/http/request_budget.h"
#include "connectors/manifest.h"
#include "connectors/page_reader.h"
#include "connectors/page_worker/page_workers.h"
#include "connectors/polled_source.h"
#include "connectors/vendor_client.h"
#include "inventory/pass.h"

namespace tokeninventory {

// A source, checked (source_factory.h makes it).
struct ConnectorSpec {
  std::string id;
  absl::Duration interval;
  std::shared_ptr<const CompiledManifest> manifest;
  // Values of the manifest's params; an unset one is missing.
  std::map<std::string, std::string> params;
  // By the index of the manifest's stream.
  std::vector<bool> enabled;
  // Which of the manifest's ways to sign in; -1 for none.
  int auth = -1;
  std::map<std::string, SecretSource> secrets;
  bool insecure_http = false;
  // Pages of one listing.
  int max_pages = 100'000;
  // Tokens asked for one by one in a pass.
  int max_probes = 50;
  // A pass that takes longer ends with what it has read. Every wait within it has
  // a bound of its own; this one is for listings of very many parts.
  absl::Duration max_pass_time = absl::Hours(24);
  RetryingClient::Options retry;
};

// What asking for one token came to.
struct FetchedToken {
  enum class Outcome {
    kFound,      // `token` is it
    kGone,       // the vendor says that it does not exist
    kNotProven,  // neither; see `reason`
  };
  Outcome outcome = Outcome::kNotProven;
  ObservedToken token;
  std::string reason;
  VendorFailure failure = VendorFailure::kNone;
};

// Used by one thread at a time.
class Connector final : public PolledSource {
 public:
  // `clock` must outlive this. `budget` may be null; without `account` it has one
  // of its own.
  Connector(ConnectorSpec spec, std::shared_ptr<HttpClient> http,
            std::shared_ptr<PageWorkers> workers, Clock* clock,
            std::shared_ptr<RequestBudget> budget,
            std::shared_ptr<VendorAccount> account = nullptr);
  ~Connector() override;

  const std::string& id() const override { return spec_.id; }
  absl::Duration interval() const override { return spec_.interval; }

  // Reads every switched-on stream in the manifest's order. What fails in one
  // listing fails that listing; a refused credential, a limit that asks for a long
  // wait, a vendor that does not answer, or pages that cost one worker after the
  // other end the pass.
  absl::StatusOr<v1::SyncResult> RunPass(const PassContext& context) override;

  bool CredentialChanged() override;

  std::shared_ptr<const RequestMeter> request_meter() const override { return spec_.retry.meter; }

  // Asks for one token that `scope` listed. `parent_answers`: the scope is known to
  // be readable now, so that a 404 means the token; otherwise it is asked first.
  // `known_id` is the vendor's id of a token that the scope showed, for manifests
  // whose look-up needs one. FAILED_PRECONDITION when the credential cannot be
  // read, UNIMPLEMENTED when the stream has no `fetch`, UNAVAILABLE when nothing can
  // read its answer.
  absl::StatusOr<FetchedToken> FetchOne(const ScopeRef& scope, const std::string& provider_token_id,
                                        const std::string& known_id, bool parent_answers,
                                        const std::stop_token& stop);

 private:
  friend class ConnectorPass;

  // The headers that sign a request, from the secrets as they are now.
  absl::StatusOr<SecretHeaders> SignIn() const;
  // What to do about a credential that is refused, in a few words.
  std::string CredentialAdvice() const;
  FetchedToken Fetch(PageReader& pages, const CompiledStream& stream, const JsonValue& parent,
                     const std::string& provider_token_id, const std::string& known_id,
                     const std::stop_token& stop, int& answers);
  // Whether the first page of a listing can be read.
  bool Answers(PageReader& pages, const CompiledStream& stream, const JsonValue& parent,
               const std::stop_token& stop, int& answers);

  const ConnectorSpec spec_;
  const std::shared_ptr<HttpClient> http_;
  const std::shared_ptr<PageWorkers> workers_;
  Clock* const clock_;
  VendorClient vendor_;
  JsonValue param_;
  // Of the credential that the last pass used; nothing when it could not be read.
  std::optional<std::uint64_t> pass_credential_;
};

}  // namespace tokeninventory
