#include "inventory/token_watch_view.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "inventory/errors.h"
#include "inventory/filter/field_path.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "inventory/watch_message.h"
#include "inventory/wire.h"

namespace tokeninventory {
namespace {

using Event = v1::TokenEvent;

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

// The bytes of a TokenEvent that says nothing but that this token is out of sight.
void AppendGoneEvent(std::string& events, absl::string_view uid) {
  std::string event;
  wire::AppendVarintField(event, Event::kTypeFieldNumber, Event::REMOVED);
  wire::AppendVarintField(event, Event::kRemoveCauseFieldNumber, Event::NO_PERMISSION);
  wire::AppendBytesField(event, Event::kUidFieldNumber, uid);
  wire::AppendBytesField(events, kBatchEventsField, event);
}

// The bytes of a TokenEvent.
void AppendEvent(std::string& events, const Transition& transition, absl::string_view uid,
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
  wire::AppendHeader(events, kBatchEventsField, size);
  events += event;
  wire::AppendBytesField(events, Event::kTokenFieldNumber, token);
  if (!mask.empty()) wire::AppendBytesField(events, Event::kChangedFieldsFieldNumber, mask);
}

}  // namespace

absl::StatusOr<std::vector<int>> ParseChangedFields(const google::protobuf::FieldMask& mask) {
  const google::protobuf::Descriptor& token = *v1::Token::descriptor();
  std::vector<int> fields;
  for (const std::string& path : mask.paths()) {
    const google::protobuf::FieldDescriptor* field = token.FindFieldByName(path);
    if (field != nullptr && !AlwaysChanges(field->number())) {
      fields.push_back(field->number());
      continue;
    }
    std::vector<std::string> names;
    for (int i = 0; i < token.field_count(); ++i) {
      if (!AlwaysChanges(token.field(i)->number())) names.push_back(token.field(i)->name());
    }
    const std::string top = path.substr(0, path.find('.'));
    const std::string what =
        field != nullptr ? "always changes, so it cannot be named"
        : top.size() < path.size()
            ? absl::StrCat("is not a top-level field of Token", filter::NearestHint(top, names))
            : absl::StrCat("is not a field of Token", filter::NearestHint(path, names));
    return FieldError("changed_fields", "INVALID_CHANGED_FIELDS",
                      absl::StrCat("'", path, "' ", what));
  }
  std::sort(fields.begin(), fields.end());
  fields.erase(std::unique(fields.begin(), fields.end()), fields.end());
  return fields;
}

TokenWatchView::TokenWatchView(WatchScope scope) : TokenWatchView(scope, scope.visible) {}

TokenWatchView::TokenWatchView(WatchScope scope, SourceSet known)
    : WatchView(scope.source, scope.visible, std::move(known),
                absl::StrCat("tokens\n", scope.source, "\n", scope.view, "\n",
                             absl::StrJoin(scope.changed_fields, ","), "\n", scope.filter_text)),
      scope_(std::move(scope)),
      name_prefix_(scope_.source.empty() ? std::string()
                                         : absl::StrCat(SourceName(scope_.source), "/tokens/")) {}

bool TokenWatchView::is_filtered() const {
  return !scope_.filter.matches_all() || !scope_.changed_fields.empty() || !source().empty() ||
         !visible().all();
}

void TokenWatchView::AppendChange(const FeedChange& change, std::string& events) const {
  if (change.change.subject != LogSubject::kToken) return;
  const TokenFacts before = ReadTokenFacts(change.change.before);
  const TokenFacts after = ReadTokenFacts(change.change.after);
  const TokenFacts& facts = after.valid ? after : before;
  if (!absl::StartsWith(facts.name, name_prefix_)) return;
  const absl::string_view source = SourceIdOf(facts.source);
  const bool is_visible = visible().Has(source);
  if (!is_visible && !known().Has(source)) return;
  const Transition transition = TransitionOf(change.change, before, after, scope_.filter);
  if (transition.type == Event::TYPE_UNSPECIFIED) return;
  if (!is_visible) {
    if (transition.type != Event::ADDED) AppendGoneEvent(events, before.uid);
    return;
  }
  const std::vector<int>& wanted = scope_.changed_fields;
  if (transition.type == Event::MODIFIED && !wanted.empty() &&
      std::none_of(wanted.begin(), wanted.end(), [&](int field) {
        return std::binary_search(change.changed_fields.begin(), change.changed_fields.end(),
                                  field);
      })) {
    return;
  }
  const absl::string_view full = after.valid ? change.change.after : change.change.before;
  const absl::string_view token = scope_.view == v1::FULL ? full : full.substr(0, facts.basic_size);
  AppendEvent(events, transition, facts.uid, token, change.changed_fields);
}

EncodedChanges TokenWatchView::EncodeChanges(
    const std::vector<std::shared_ptr<const FeedRevision>>& revisions, LogPosition from,
    absl::string_view epoch, bool ends_revision) const {
  return EncodeStretch(
      revisions, from, epoch, visible_hash(), ends_revision,
      [this](const FeedChange& change, std::string& events) { AppendChange(change, events); });
}

template <typename Append>
EncodedRows TokenWatchView::EncodeScan(const Snapshot& snapshot, std::int64_t after,
                                       std::vector<bool> visible, std::int64_t last_row,
                                       Append append) const {
  EncodedRows result;
  result.after = after;
  result.done = true;
  ScanFilter filter;
  filter.visible = std::move(visible);
  if (!scope_.source.empty()) {
    filter.source = snapshot.FindSource(scope_.source);
    if (filter.source < 0) return result;
  }
  snapshot.Scan(after, filter, [&](const TokenRef& token) {
    if (token.row > last_row) return false;
    if (!scope_.filter.matches_all() && !scope_.filter.Matches(token.filter_row())) return true;
    if (result.events.size() >= kWatchMessageBytes) {
      result.done = false;
      return false;
    }
    append(token, result.events);
    result.after = token.row;
    return true;
  });
  return result;
}

EncodedInitial TokenWatchView::EncodeInitial(const Snapshot& snapshot, std::int64_t after,
                                             absl::string_view epoch,
                                             const v1::Progress& progress) const {
  const EncodedRows rows = EncodeRows(snapshot, after, SourceDifference{visible()});
  return {EncodeInitialPart(snapshot.revision(), rows.events, rows.done, epoch, visible_hash(),
                            progress),
          rows.after, rows.done};
}

EncodedRows TokenWatchView::EncodeRows(const Snapshot& snapshot, std::int64_t after,
                                       const SourceDifference& sources) const {
  const Transition added{Event::ADDED, Event::REMOVE_CAUSE_UNSPECIFIED};
  return EncodeScan(
      snapshot, after, snapshot.Visible(sources), std::numeric_limits<std::int64_t>::max(),
      [&](const TokenRef& token, std::string& events) {
        AppendEvent(events, added, ReadTokenFacts(token.full).uid, token.bytes(scope_.view), {});
      });
}

EncodedRows TokenWatchView::EncodeGone(const Snapshot& snapshot, std::int64_t after,
                                       const LeavingRows& rows) const {
  return EncodeScan(snapshot, after, snapshot.Visible(rows.sources), rows.last_row,
                    [&](const TokenRef& token, std::string& events) {
                      const TokenFacts facts = ReadTokenFacts(token.full);
                      if (facts.revision <= rows.told_revision) AppendGoneEvent(events, facts.uid);
                    });
}

std::shared_ptr<const WatchView> TokenWatchView::WithSources(SourceSet visible,
                                                             SourceSet known) const {
  WatchScope scope = scope_;
  scope.visible = std::move(visible);
  return std::make_shared<TokenWatchView>(std::move(scope), std::move(known));
}

}  // namespace tokeninventory
