#include "server/watch_requests.h"

#include <memory>
#include <utility>

#include "base/proto_time.h"
#include "base/status_macros.h"
#include "inventory/answers.h"
#include "inventory/cursor.h"
#include "inventory/errors.h"
#include "inventory/expiration/expiration_watch_view.h"
#include "inventory/expiration/list_expirations.h"
#include "inventory/token_name.h"
#include "inventory/token_watch_view.h"

namespace tokeninventory {
namespace {

constexpr absl::Duration kDefaultProgressInterval = absl::Seconds(15);
constexpr absl::Duration kShortestProgressInterval = absl::Seconds(1);
constexpr absl::Duration kLongestProgressInterval = absl::Minutes(5);

// `parent` and `filter`, of either kind of stream.
template <typename Request, typename Scope>
absl::Status ReadScope(const Backend& backend, const SourceSet& visible, const Request& request,
                       Scope& scope) {
  scope.visible = visible;
  TI_ASSIGN_OR_RETURN(const ScanFilter scan,
                      FindParent(*backend.inventory->Current(), visible, request.parent()));
  if (scan.source != ScanFilter::kAllSources) {
    TI_ASSIGN_OR_RETURN(scope.source, ParseSourceName(request.parent(), "parent", false));
  }
  FilterOptions filter;
  filter.allow_now = false;
  TI_ASSIGN_OR_RETURN(scope.filter, Filter::Compile(request.filter(), filter));
  scope.filter_text = request.filter();
  return absl::OkStatus();
}

// `progress_interval` and `on_gap`.
template <typename Request>
absl::Status ReadPace(const Request& request, WatchSession::Options& options) {
  TI_ASSIGN_OR_RETURN(
      options.progress_interval,
      ReadProgressInterval(request.has_progress_interval() ? &request.progress_interval()
                                                           : nullptr));
  TI_ASSIGN_OR_RETURN(options.on_gap, ReadGapAction(request.on_gap()));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<absl::Duration> ReadProgressInterval(const google::protobuf::Duration* interval) {
  if (interval == nullptr) return kDefaultProgressInterval;
  const absl::Duration read = FromProto(*interval);
  if (read < kShortestProgressInterval || read > kLongestProgressInterval) {
    return FieldError("progress_interval", "INVALID_PROGRESS_INTERVAL",
                      "must be between 1 s and 5 min");
  }
  return read;
}

absl::StatusOr<v1::GapAction> ReadGapAction(v1::GapAction action) {
  switch (action) {
    case v1::GAP_ACTION_UNSPECIFIED:
    case v1::FAIL:
      return v1::FAIL;
    case v1::RESYNC:
      return v1::RESYNC;
    default:
      return FieldError("on_gap", "INVALID_GAP_ACTION", "must be FAIL or RESYNC");
  }
}

absl::Status ReadResumeToken(const Backend& backend, const SourceSet& visible,
                             absl::string_view token, WatchSession::Options& options) {
  std::uint64_t told = 0;
  const absl::StatusOr<std::int64_t> revision = DecodeResumeToken(token, backend.epoch, &told);
  absl::Status status = revision.status();
  v1::WatchReset::Reason reason = v1::WatchReset::STORE_EPOCH_CHANGED;
  if (revision.ok() && told != VisibleHash(visible)) {
    reason = v1::WatchReset::PERMISSIONS_CHANGED;
    status = MakeError(absl::StatusCode::kFailedPrecondition, "PERMISSIONS_CHANGED",
                       "resume_token: of a caller who could see other sources; start again from "
                       "the initial state, or watch with `on_gap: RESYNC`");
  }
  if (status.ok()) {
    options.start = WatchSession::Start::kAfterRevision;
    options.after_revision = *revision;
    return absl::OkStatus();
  }
  if (options.on_gap != v1::RESYNC || !absl::IsFailedPrecondition(status)) return status;
  options.start = WatchSession::Start::kInitialState;
  options.reset = reason;
  return absl::OkStatus();
}

absl::StatusOr<WatchSession::Options> ReadWatchOptions(const Backend& backend,
                                                       const SourceSet& visible,
                                                       const v1::WatchTokensRequest& request) {
  WatchSession::Options options;
  WatchScope scope;
  TI_ASSIGN_OR_RETURN(scope.view, EffectiveView(request.view(), v1::BASIC));
  TI_RETURN_IF_ERROR(ReadScope(backend, visible, request, scope));
  TI_ASSIGN_OR_RETURN(scope.changed_fields, ParseChangedFields(request.changed_fields()));
  options.view = std::make_shared<TokenWatchView>(std::move(scope));
  TI_RETURN_IF_ERROR(ReadPace(request, options));
  switch (request.start_case()) {
    case v1::WatchTokensRequest::kInitialState:
      options.start = WatchSession::Start::kInitialState;
      break;
    case v1::WatchTokensRequest::kNow:
      options.start = WatchSession::Start::kNow;
      break;
    case v1::WatchTokensRequest::kResumeToken:
      TI_RETURN_IF_ERROR(ReadResumeToken(backend, visible, request.resume_token(), options));
      break;
    case v1::WatchTokensRequest::START_NOT_SET:
      return FieldError("start", "MISSING_START", "set one of initial_state, now and resume_token");
  }
  return options;
}

absl::StatusOr<WatchSession::Options> ReadWatchOptions(const Backend& backend,
                                                       const SourceSet& visible,
                                                       const v1::WatchExpirationsRequest& request) {
  WatchSession::Options options;
  ExpirationScope scope;
  TI_RETURN_IF_ERROR(ReadScope(backend, visible, request, scope));
  TI_ASSIGN_OR_RETURN(scope.max_lead, ParseMaxLead(request.has_max_lead(), request.max_lead()));
  options.view = std::make_shared<ExpirationWatchView>(std::move(scope));
  TI_RETURN_IF_ERROR(ReadPace(request, options));
  switch (request.start_case()) {
    case v1::WatchExpirationsRequest::kOpenExpirations:
      options.start = WatchSession::Start::kInitialState;
      break;
    case v1::WatchExpirationsRequest::kNow:
      options.start = WatchSession::Start::kNow;
      break;
    case v1::WatchExpirationsRequest::kResumeToken:
      TI_RETURN_IF_ERROR(ReadResumeToken(backend, visible, request.resume_token(), options));
      break;
    case v1::WatchExpirationsRequest::START_NOT_SET:
      return FieldError("start", "MISSING_START",
                        "set one of open_expirations, now and resume_token");
  }
  return options;
}

}  // namespace tokeninventory
