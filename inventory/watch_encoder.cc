#include "inventory/watch_encoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "inventory/cursor.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "inventory/wire.h"

namespace tokeninventory {
namespace {

using Event = v1::TokenEvent;
using Batch = v1::TokenEventBatch;
using Response = v1::WatchTokensResponse;

// What a change is to a watcher. TYPE_UNSPECIFIED: nothing.
struct Transition {
  Event::Type type = Event::TYPE_UNSPECIFIED;
  Event::RemoveCause cause = Event::REMOVE_CAUSE_UNSPECIFIED;
};

Transition TransitionOf(const LogChange& change, const TokenFacts& before, const TokenFacts& after,
                        const Filter& filter) {
  const auto matches = [&](const TokenFacts& facts, absl::string_view bytes) {
    return facts.valid && IsShown(facts.presence) &&
           (filter.matches_all() || filter.Matches(FilterRow{bytes, facts.basic_size, nullptr, 0}));
  };
  const bool was = matches(before, change.before);
  if (matches(after, change.after)) {
    return {was ? Event::MODIFIED : Event::ADDED, Event::REMOVE_CAUSE_UNSPECIFIED};
  }
  if (!was) return {};
  if (after.valid && IsShown(after.presence)) return {Event::REMOVED, Event::LEFT_FILTER};
  return {Event::REMOVED, after.presence == v1::Token::DETACHED ? Event::DETACHED : Event::DELETED};
}

// The bytes of a TokenEvent.
void AppendEvent(std::string& batch, const Transition& transition, absl::string_view uid,
                 absl::string_view token, const std::vector<int>& changed_fields) {
  std::string event;
  wire::AppendVarintField(event, Event::kTypeFieldNumber,
                          static_cast<std::uint64_t>(transition.type));
  wire::AppendVarintField(event, Event::kRemoveCauseFieldNumber,
                          static_cast<std::uint64_t>(transition.cause));
  wire::AppendBytesField(event, Event::kUidFieldNumber, uid);
  std::string mask;
  if (transition.type == Event::MODIFIED) {
    constexpr int kPathsField = 1;
    for (const std::string& path : FieldNames(changed_fields)) {
      wire::AppendBytesField(mask, kPathsField, path);
    }
  }
  std::size_t size = event.size() + wire::BytesFieldSize(Event::kTokenFieldNumber, token.size());
  if (!mask.empty()) size += wire::BytesFieldSize(Event::kChangedFieldsFieldNumber, mask.size());
  wire::AppendHeader(batch, Batch::kEventsFieldNumber, size);
  batch += event;
  wire::AppendBytesField(batch, Event::kTokenFieldNumber, token);
  if (!mask.empty()) wire::AppendBytesField(batch, Event::kChangedFieldsFieldNumber, mask);
}

// Writes a batch around `events`, which AppendEvent made.
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

EncodedChanges EncodeChanges(const std::vector<std::shared_ptr<const FeedRevision>>& revisions,
                             LogPosition from, const WatchScope& scope, absl::string_view epoch,
                             bool ends_revision) {
  const std::string prefix =
      scope.source.empty() ? std::string() : absl::StrCat(SourceName(scope.source), "/tokens/");
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
      const FeedChange& change = revision->changes[static_cast<std::size_t>(index)];
      const TokenFacts before = ReadTokenFacts(change.change.before);
      const TokenFacts after = ReadTokenFacts(change.change.after);
      const TokenFacts& facts = after.valid ? after : before;
      if (!absl::StartsWith(facts.name, prefix)) continue;
      const Transition transition = TransitionOf(change.change, before, after, scope.filter);
      if (transition.type == Event::TYPE_UNSPECIFIED) continue;
      // Only here: what is left out must be more for this watcher.
      if (message.size() + events.size() >= kWatchMessageBytes) break;
      const absl::string_view full = after.valid ? change.change.after : change.change.before;
      const absl::string_view token =
          scope.view == v1::FULL ? full : full.substr(0, facts.basic_size);
      AppendEvent(events, transition, facts.uid, token, change.changed_fields);
    }
    partial = index < count || (!ends_revision && revision == revisions.back());
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
                           EncodeResumeToken(epoch, next.revision - 1));
  }
  return {std::make_shared<const std::string>(std::move(message)), next};
}

EncodedInitial EncodeInitial(const Snapshot& snapshot, std::int64_t after, const WatchScope& scope,
                             absl::string_view epoch, const v1::Progress& progress) {
  EncodedInitial result;
  result.after = after;
  result.done = true;
  ScanFilter filter;
  bool nothing = false;
  if (!scope.source.empty()) {
    filter.source = snapshot.FindSource(scope.source);
    nothing = filter.source < 0;
  }
  std::string events;
  if (!nothing) {
    const Transition added{Event::ADDED, Event::REMOVE_CAUSE_UNSPECIFIED};
    snapshot.Scan(after, filter, [&](const TokenRef& token) {
      if (!scope.filter.matches_all() && !scope.filter.Matches(token.filter_row())) return true;
      if (events.size() >= kWatchMessageBytes) {
        result.done = false;
        return false;
      }
      AppendEvent(events, added, ReadTokenFacts(token.full).uid, token.bytes(scope.view), {});
      result.after = token.row;
      return true;
    });
  }
  std::string message;
  if (!events.empty()) {
    AppendBatch(message, snapshot.revision(), nullptr, !result.done, true, events);
  }
  if (result.done) {
    Response rest;
    rest.mutable_synced()->set_revision(snapshot.revision());
    *rest.mutable_progress() = progress;
    rest.mutable_progress()->set_revision(snapshot.revision());
    rest.set_resume_token(EncodeResumeToken(epoch, snapshot.revision()));
    rest.AppendToString(&message);
  }
  result.message = std::make_shared<const std::string>(std::move(message));
  return result;
}

WatchMessage EncodeProgress(const v1::Progress& progress, absl::string_view epoch) {
  Response response;
  *response.mutable_progress() = progress;
  response.set_resume_token(EncodeResumeToken(epoch, progress.revision()));
  return std::make_shared<const std::string>(response.SerializeAsString());
}

v1::Progress MakeProgress(const Snapshot& snapshot, const ChangeFeed::Bounds& bounds,
                          absl::Time now) {
  v1::Progress progress;
  // The inventory is a moment ahead of the feed.
  progress.set_head_revision(std::max(bounds.head, snapshot.revision()));
  progress.set_oldest_revision(bounds.oldest);
  ToProto(now, progress.mutable_server_time());
  for (const SourceEntry& entry : snapshot.sources()) {
    v1::SourceFreshness& freshness = *progress.add_sources();
    freshness.set_source(SourceName(entry.id));
    freshness.set_state(entry.status->state());
    if (entry.status->has_last_complete_time()) {
      *freshness.mutable_last_complete_time() = entry.status->last_complete_time();
    }
  }
  return progress;
}

}  // namespace tokeninventory
