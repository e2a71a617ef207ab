#include "inventory/expiration/expiration_watch_view.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "inventory/token_bytes.h"
#include "inventory/watch_message.h"

namespace tokeninventory {

namespace {

// The event of a notice that is out of sight: its uid, and that.
void AppendGoneNotice(std::string& events, const Notice& notice) {
  v1::Expiration head;
  head.ParseFromArray(notice.head().data(), static_cast<int>(notice.head_size));
  v1::Expiration gone;
  gone.set_uid(head.uid());
  gone.set_state(v1::Expiration::RESOLVED);
  gone.mutable_resolution()->set_cause(v1::Expiration::Resolution::NO_PERMISSION);
  AppendNoticeMessage(events, kBatchEventsField, gone.SerializeAsString(), {});
}

std::int64_t RevisionOf(const Notice& notice) {
  v1::Expiration head;
  head.ParseFromArray(notice.head().data(), static_cast<int>(notice.head_size));
  return head.revision();
}

}  // namespace

ExpirationWatchView::ExpirationWatchView(ExpirationScope scope)
    : ExpirationWatchView(scope, scope.visible) {}

ExpirationWatchView::ExpirationWatchView(ExpirationScope scope, SourceSet known)
    : WatchView(scope.source, scope.visible, std::move(known),
                absl::StrCat("expirations\n", scope.source, "\n",
                             absl::FormatDuration(scope.max_lead), "\n", scope.filter_text)),
      scope_(std::move(scope)) {}

bool ExpirationWatchView::IsAbout(const Notice& notice, absl::string_view token) const {
  if (!scope_.source.empty() && notice.source != scope_.source) return false;
  if (!notice.reaches(scope_.max_lead)) return false;
  if (token.empty() || scope_.filter.matches_all()) return true;
  return scope_.filter.Matches(FilterRow{token, ReadTokenFacts(token).basic_size, nullptr, 0});
}

void ExpirationWatchView::AppendChange(const FeedChange& change, std::string& events) const {
  if (change.change.subject != LogSubject::kNotice || change.change.after.empty()) return;
  const absl::StatusOr<std::shared_ptr<const Notice>> after = ParseNotice(change.change.after);
  if (!after.ok()) return;
  const bool is_visible = visible().Has((*after)->source);
  if (!is_visible && !known().Has((*after)->source)) return;
  if (!is_visible) {
    // Perhaps of another generation than what it is now.
    const absl::StatusOr<std::shared_ptr<const Notice>> before = ParseNotice(change.change.before);
    if (before.ok() && (*before)->is_open() && IsAbout(**before, (*before)->token())) {
      AppendGoneNotice(events, **before);
    }
    return;
  }
  // Its pass' DIGEST tells of it.
  if ((*after)->digested) return;
  bool shown = IsAbout(**after, (*after)->token());
  if (!shown && !(*after)->is_open()) {
    // Whoever was told of it is told that it is over.
    const absl::StatusOr<std::shared_ptr<const Notice>> before = ParseNotice(change.change.before);
    shown = before.ok() && IsAbout(**before, (*before)->token());
  }
  if (shown) {
    AppendNoticeMessage(events, kBatchEventsField, (*after)->head(), (*after)->token());
  }
}

EncodedChanges ExpirationWatchView::EncodeChanges(
    const std::vector<std::shared_ptr<const FeedRevision>>& revisions, LogPosition from,
    absl::string_view epoch, bool ends_revision) const {
  return EncodeStretch(
      revisions, from, epoch, visible_hash(), ends_revision,
      [this](const FeedChange& change, std::string& events) { AppendChange(change, events); });
}

template <typename Append>
EncodedRows ExpirationWatchView::EncodeScan(const Snapshot& snapshot, std::int64_t after,
                                            const SourceDifference& sources, Append append) const {
  EncodedRows result;
  result.after = after;
  result.done = true;
  snapshot.notices().Scan(
      after, [&](std::int64_t row, const std::shared_ptr<const Notice>& notice) {
        if (!notice->is_open() || !sources.Has(notice->source)) return true;
        if (result.events.size() >= kWatchMessageBytes) {
          result.done = false;
          return false;
        }
        // As it is now: the row is this token's as long as the notice is open.
        const TokenRef token = snapshot.At(row);
        append(row, *notice, notice->is_about_token() ? token.full : absl::string_view(),
               result.events);
        result.after = row;
        return true;
      });
  return result;
}

EncodedInitial ExpirationWatchView::EncodeInitial(const Snapshot& snapshot, std::int64_t after,
                                                  absl::string_view epoch,
                                                  const v1::Progress& progress) const {
  const EncodedRows rows = EncodeRows(snapshot, after, SourceDifference{visible()});
  return {EncodeInitialPart(snapshot.revision(), rows.events, rows.done, epoch, visible_hash(),
                            progress),
          rows.after, rows.done};
}

EncodedRows ExpirationWatchView::EncodeRows(const Snapshot& snapshot, std::int64_t after,
                                            const SourceDifference& sources) const {
  return EncodeScan(
      snapshot, after, sources,
      [this](std::int64_t, const Notice& notice, absl::string_view token, std::string& events) {
        if (!IsAbout(notice, token)) return;
        AppendNoticeMessage(events, kBatchEventsField, notice.head(), token);
      });
}

EncodedRows ExpirationWatchView::EncodeGone(const Snapshot& snapshot, std::int64_t after,
                                            const LeavingRows& rows) const {
  return EncodeScan(
      snapshot, after, rows.sources,
      [&](std::int64_t row, const Notice& notice, absl::string_view token, std::string& events) {
        if (row > rows.last_row || RevisionOf(notice) > rows.told_revision) return;
        // It was told with the token as it was then.
        if (!IsAbout(notice, token) && !IsAbout(notice, notice.token())) return;
        AppendGoneNotice(events, notice);
      });
}

std::shared_ptr<const WatchView> ExpirationWatchView::WithSources(SourceSet visible,
                                                                  SourceSet known) const {
  ExpirationScope scope = scope_;
  scope.visible = std::move(visible);
  return std::make_shared<ExpirationWatchView>(std::move(scope), std::move(known));
}

}  // namespace tokeninventory
