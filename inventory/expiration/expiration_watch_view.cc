#include "inventory/expiration/expiration_watch_view.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "inventory/token_bytes.h"
#include "inventory/watch_message.h"

namespace tokeninventory {

ExpirationWatchView::ExpirationWatchView(ExpirationScope scope)
    : WatchView(scope.source, scope.visible,
                absl::StrCat("expirations\n", scope.source, "\n",
                             absl::FormatDuration(scope.max_lead), "\n", scope.filter_text)),
      scope_(std::move(scope)) {}

bool ExpirationWatchView::Shows(const Notice& notice, absl::string_view token) const {
  if (!scope_.source.empty() && notice.source != scope_.source) return false;
  if (!visible().Has(notice.source)) return false;
  if (!notice.reaches(scope_.max_lead)) return false;
  if (token.empty() || scope_.filter.matches_all()) return true;
  return scope_.filter.Matches(FilterRow{token, ReadTokenFacts(token).basic_size, nullptr, 0});
}

void ExpirationWatchView::AppendChange(const FeedChange& change, std::string& events) const {
  if (change.change.subject != LogSubject::kNotice || change.change.after.empty()) return;
  const absl::StatusOr<std::shared_ptr<const Notice>> after = ParseNotice(change.change.after);
  // Its pass' DIGEST tells of it.
  if (!after.ok() || (*after)->digested) return;
  bool shown = Shows(**after, (*after)->token());
  if (!shown && !(*after)->is_open()) {
    // Whoever was told of it is told that it is over.
    const absl::StatusOr<std::shared_ptr<const Notice>> before = ParseNotice(change.change.before);
    shown = before.ok() && Shows(**before, (*before)->token());
  }
  if (shown) {
    AppendNoticeMessage(events, kBatchEventsField, (*after)->head(), (*after)->token());
  }
}

EncodedChanges ExpirationWatchView::EncodeChanges(
    const std::vector<std::shared_ptr<const FeedRevision>>& revisions, LogPosition from,
    absl::string_view epoch, bool ends_revision) const {
  return EncodeStretch(
      revisions, from, epoch, ends_revision,
      [this](const FeedChange& change, std::string& events) { AppendChange(change, events); });
}

EncodedInitial ExpirationWatchView::EncodeInitial(const Snapshot& snapshot, std::int64_t after,
                                                  absl::string_view epoch,
                                                  const v1::Progress& progress) const {
  EncodedInitial result;
  result.after = after;
  result.done = true;
  std::string events;
  snapshot.notices().Scan(
      after, [&](std::int64_t row, const std::shared_ptr<const Notice>& notice) {
        if (!notice->is_open()) return true;
        // As it is now: the row is this token's as long as the notice is open.
        const TokenRef token = snapshot.At(row);
        const absl::string_view bytes = notice->is_about_token() ? token.full : absl::string_view();
        if (!Shows(*notice, bytes)) return true;
        if (events.size() >= kWatchMessageBytes) {
          result.done = false;
          return false;
        }
        AppendNoticeMessage(events, kBatchEventsField, notice->head(), bytes);
        result.after = row;
        return true;
      });
  result.message = EncodeInitialPart(snapshot.revision(), events, result.done, epoch, progress);
  return result;
}

}  // namespace tokeninventory
