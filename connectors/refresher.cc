#include "connectors/refresher.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "inventory/errors.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kThreads = 2;
constexpr std::size_t kQueue = 64;
constexpr absl::Duration kRetryDelay = absl::Seconds(5);

// Gives a status that has none the reason by which programs tell it.
absl::Status WithReason(const absl::Status& status, absl::string_view reason) {
  return MakeError(status.code(), reason, status.message());
}

absl::Status NoUsableAnswer(absl::string_view why) {
  return RetryableError(absl::StatusCode::kUnavailable, "REFRESH_FAILED",
                        absl::StrCat("the vendor gave no usable answer: ", why), kRetryDelay);
}

}  // namespace

Refresher::Refresher(TokenRefresher* ledger, std::vector<std::unique_ptr<Connector>> connectors)
    : ledger_(ledger), pool_(kThreads, kQueue) {
  Replace({}, std::move(connectors));
}

void Refresher::Replace(const std::set<std::string>& ids,
                        std::vector<std::unique_ptr<Connector>> connectors) {
  MutexLock lock(mutex_);
  for (const std::string& id : ids) entries_.erase(id);
  for (std::unique_ptr<Connector>& connector : connectors) {
    auto entry = std::make_shared<Entry>();
    const std::string id = connector->id();
    entry->connector = std::move(connector);
    entries_[id] = std::move(entry);
  }
}

Refresher::~Refresher() { Stop(); }

void Refresher::Stop() { stop_.request_stop(); }

void Refresher::Refresh(std::string name, std::function<void(absl::StatusOr<std::int64_t>)> then) {
  const bool accepted =
      pool_.TryRun([this, name = std::move(name), then] { then(RefreshNow(name)); });
  if (!accepted) {
    then(RetryableError(absl::StatusCode::kResourceExhausted, "TOO_MANY_REFRESHES",
                        "too many refreshes at once", kRetryDelay));
  }
}

absl::StatusOr<std::int64_t> Refresher::RefreshNow(const std::string& name) {
  const absl::StatusOr<RefreshTarget> target = ledger_->FindRefreshTarget(name);
  if (!target.ok()) {
    return WithReason(target.status(),
                      absl::IsNotFound(target.status()) ? "TOKEN_NOT_FOUND" : "TOKEN_NOT_LISTED");
  }
  std::shared_ptr<Entry> entry;
  {
    MutexLock lock(mutex_);
    const auto known = entries_.find(target->source);
    if (known != entries_.end()) entry = known->second;
  }
  if (entry == nullptr) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "SOURCE_DETACHED",
                     absl::StrCat("sources/", target->source, " is no longer configured"));
  }
  absl::StatusOr<FetchedToken> fetched;
  {
    MutexLock lock(entry->mutex);
    if (stop_.stop_requested()) return NoUsableAnswer("the service stops");
    fetched = entry->connector->FetchOne(target->scope, target->provider_token_id,
                                         target->known_provider_token_id,
                                         /*parent_answers=*/false, stop_.get_token());
  }
  if (absl::IsUnimplemented(fetched.status())) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "REFRESH_UNSUPPORTED",
        absl::StrCat(name, ": ", fetched.status().message(), "; SyncSource reads its whole list"));
  }
  if (!fetched.ok()) return NoUsableAnswer(fetched.status().message());
  if (fetched->outcome == FetchedToken::Outcome::kNotProven) return NoUsableAnswer(fetched->reason);
  const bool found = fetched->outcome == FetchedToken::Outcome::kFound;
  absl::StatusOr<std::int64_t> revision =
      ledger_->ApplyRefresh(*target, found ? &fetched->token : nullptr);
  // The store's own errors have their reason already.
  if (absl::IsInvalidArgument(revision.status()) || absl::IsAborted(revision.status())) {
    return NoUsableAnswer(revision.status().message());
  }
  return revision;
}

}  // namespace tokeninventory
