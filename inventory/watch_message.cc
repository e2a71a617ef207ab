#include "inventory/watch_message.h"

#include <algorithm>
#include <utility>

#include "base/proto_time.h"
#include "inventory/cursor.h"
#include "inventory/token_name.h"
#include "inventory/wire.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory {
namespace {

// Any of the two would do.
using Batch = v1::TokenEventBatch;
using Response = v1::WatchTokensResponse;

using OtherBatch = v1::ExpirationBatch;
using OtherResponse = v1::WatchExpirationsResponse;

constexpr bool AreEqual(int a, int b) { return a == b; }
static_assert(AreEqual(Batch::kRevisionFieldNumber, OtherBatch::kRevisionFieldNumber));
static_assert(AreEqual(Batch::kCommitTimeFieldNumber, OtherBatch::kCommitTimeFieldNumber));
static_assert(AreEqual(Batch::kContinuedFieldNumber, OtherBatch::kContinuedFieldNumber));
static_assert(AreEqual(Batch::kInitialFieldNumber, OtherBatch::kInitialFieldNumber));
static_assert(AreEqual(Batch::kEventsFieldNumber, kBatchEventsField));
static_assert(AreEqual(OtherBatch::kExpirationsFieldNumber, kBatchEventsField));
static_assert(AreEqual(Response::kResetFieldNumber, OtherResponse::kResetFieldNumber));
static_assert(AreEqual(Response::kBatchesFieldNumber, OtherResponse::kBatchesFieldNumber));
static_assert(AreEqual(Response::kSyncedFieldNumber, OtherResponse::kSyncedFieldNumber));
static_assert(AreEqual(Response::kProgressFieldNumber, OtherResponse::kProgressFieldNumber));
static_assert(AreEqual(Response::kResumeTokenFieldNumber, OtherResponse::kResumeTokenFieldNumber));

// Writes a batch around `events`.
void AppendBatch(std::string& message, std::int64_t revision, const absl::Time* commit_time,
                 bool continued, bool initial, absl::string_view events) {
  std::string head;
  wire::AppendVarintField(head, Batch::kRevisionFieldNumber, static_cast<std::uint64_t>(revision));
  if (commit_time != nullptr) {
    google::protobuf::Timestamp time;
    ToProto(*commit_time, &time);
    wire::AppendBytesField(head, Batch::kCommitTimeFieldNumber, time.SerializeAsString());
  }
  wire::AppendVarintField(head, Batch::kContinuedFieldNumber, continued ? 1 : 0);
  wire::AppendVarintField(head, Batch::kInitialFieldNumber, initial ? 1 : 0);
  wire::AppendHeader(message, Response::kBatchesFieldNumber, head.size() + events.size());
  message += head;
  message.append(events.data(), events.size());
}

}  // namespace

EncodedChanges EncodeStretch(const std::vector<std::shared_ptr<const FeedRevision>>& revisions,
                             LogPosition from, absl::string_view epoch, std::uint64_t visible_hash,
                             bool ends_revision, const AppendChange& append) {
  std::string message;
  LogPosition next = from;
  bool has_events = false;
  bool partial = false;
  for (const auto& revision : revisions) {
    if (revision->revision < next.revision) continue;
    std::string events;
    std::int64_t index = revision->revision == next.revision ? next.index : 0;
    const auto count = static_cast<std::int64_t>(revision->changes.size());
    for (; index < count; ++index) {
      const std::size_t before = events.size();
      append(revision->changes[static_cast<std::size_t>(index)], events);
      // Only here: what is left out must be more for this watcher.
      if (events.size() > before && message.size() + before >= kWatchMessageBytes) {
        events.resize(before);
        break;
      }
    }
    partial = index < count || (!ends_revision && revision == revisions.back());
    if (partial && has_events) {
      // Not begun here: this message ends with a resume token, and a client that is far
      // behind large revisions gets on however often it breaks off.
      partial = false;
      next = LogPosition{revision->revision, 0};
      break;
    }
    if (!events.empty()) {
      has_events = true;
      AppendBatch(message, revision->revision, &revision->commit_time, partial, false, events);
    }
    if (partial) {
      next = LogPosition{revision->revision, index};
      break;
    }
    next = LogPosition{revision->revision + 1, 0};
    // A part of it was told, and its end is nothing: for the caller to say, before
    // the next revision.
    if (events.empty() && revision->revision == from.revision && from.index > 0) break;
    if (message.size() >= kWatchMessageBytes) break;
  }
  if (!has_events) return {nullptr, next};
  // Covers whole revisions only: a client that keeps it loses no rest.
  if (!partial) {
    wire::AppendBytesField(message, Response::kResumeTokenFieldNumber,
                           EncodeResumeToken(epoch, next.revision - 1, visible_hash));
  }
  return {std::make_shared<const std::string>(std::move(message)), next};
}

WatchMessage EncodeInitialPart(std::int64_t revision, absl::string_view events, bool done,
                               absl::string_view epoch, std::uint64_t visible_hash,
                               const v1::Progress& progress) {
  std::string message;
  if (!events.empty()) AppendBatch(message, revision, nullptr, !done, true, events);
  if (done) {
    Response rest;
    rest.mutable_synced()->set_revision(revision);
    *rest.mutable_progress() = progress;
    rest.mutable_progress()->set_revision(revision);
    rest.set_resume_token(EncodeResumeToken(epoch, revision, visible_hash));
    rest.AppendToString(&message);
  }
  return std::make_shared<const std::string>(std::move(message));
}

WatchMessage EncodePolicyPart(const PolicyPart& part, absl::string_view events) {
  std::string message;
  AppendBatch(message, part.revision, nullptr, part.continued, part.initial, events);
  if (!part.resume_token.empty()) {
    wire::AppendBytesField(message, Response::kResumeTokenFieldNumber, part.resume_token);
  }
  return std::make_shared<const std::string>(std::move(message));
}

WatchMessage EncodeProgress(const v1::Progress& progress, absl::string_view epoch,
                            std::uint64_t visible_hash) {
  Response response;
  *response.mutable_progress() = progress;
  response.set_resume_token(EncodeResumeToken(epoch, progress.revision(), visible_hash));
  return std::make_shared<const std::string>(response.SerializeAsString());
}

WatchMessage WithReset(v1::WatchReset::Reason reason, const WatchMessage& message) {
  Response response;
  response.mutable_reset()->set_reason(reason);
  // Serialised messages in a row are one message.
  return std::make_shared<const std::string>(response.SerializeAsString() + *message);
}

v1::Progress MakeProgress(const Snapshot& snapshot, const SourceSet& visible,
                          const ChangeFeed& feed, std::int64_t revision, absl::Time now) {
  const ChangeFeed::Bounds bounds = feed.bounds();
  v1::Progress progress;
  progress.set_revision(revision);
  // The inventory is a moment ahead of the feed.
  progress.set_head_revision(std::max(bounds.head, snapshot.revision()));
  progress.set_oldest_revision(bounds.oldest);
  ToProto(now, progress.mutable_server_time());
  absl::Duration lag;
  if (revision < progress.head_revision()) {
    // Not there: it is only now being published, or memory begins after it.
    const absl::Time since = feed.CommitTime(revision + 1).value_or(now);
    lag = std::max(now - since, absl::ZeroDuration());
  }
  ToProto(lag, progress.mutable_lag());
  for (const SourceEntry& entry : snapshot.sources()) {
    if (!visible.Has(entry.id)) continue;
    v1::SourceFreshness& freshness = *progress.add_sources();
    freshness.set_source(SourceName(entry.id));
    freshness.set_state(entry.status->state());
    if (entry.status->has_last_complete_time()) {
      *freshness.mutable_last_complete_time() = entry.status->last_complete_time();
    }
    if (entry.status->has_next_sync_time()) {
      *freshness.mutable_next_sync_time() = entry.status->next_sync_time();
    }
    freshness.set_incomplete_scope_count(entry.status->incomplete_scopes_size());
  }
  return progress;
}

}  // namespace tokeninventory
