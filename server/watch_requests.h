// Reads the requests of streams: checks everything that can be checked before
// the stream begins.
#pragma once

#include "absl/status/statusor.h"
#include "inventory/watch_session.h"
#include "server/backend.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory {

// INVALID_ARGUMENT with the field, NOT_FOUND (SOURCE_NOT_FOUND), and
// FAILED_PRECONDITION (STORE_EPOCH_CHANGED, PERMISSIONS_CHANGED) unless the stream resyncs.
absl::StatusOr<WatchSession::Options> ReadWatchOptions(const Backend& backend,
                                                       const SourceSet& visible,
                                                       const v1::WatchTokensRequest& request);

absl::StatusOr<WatchSession::Options> ReadWatchOptions(const Backend& backend,
                                                       const SourceSet& visible,
                                                       const v1::WatchExpirationsRequest& request);

// What all streams' requests have in common.

// `progress_interval`; null: it is not set.
absl::StatusOr<absl::Duration> ReadProgressInterval(const google::protobuf::Duration* interval);
// `on_gap`.
absl::StatusOr<v1::GapAction> ReadGapAction(v1::GapAction action);
// `resume_token`: sets the start. `options.on_gap` is already set.
absl::Status ReadResumeToken(const Backend& backend, const SourceSet& visible,
                             absl::string_view token, WatchSession::Options& options);

}  // namespace tokeninventory
