// What WatchExpirations shows: the events of notices.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "inventory/expiration/notice.h"
#include "inventory/filter/filter.h"
#include "inventory/watch_view.h"

namespace tokeninventory {

// What a watcher of notices asks for.
struct ExpirationScope {
  std::string source;  // id; empty: all
  SourceSet visible;
  std::string filter_text;
  Filter filter;  // made of it
  absl::Duration max_lead = absl::InfiniteDuration();
};

// Thread-safe.
class ExpirationWatchView final : public WatchView {
 public:
  explicit ExpirationWatchView(ExpirationScope scope);
  ExpirationWatchView(ExpirationScope scope, SourceSet known);

  EncodedChanges EncodeChanges(const std::vector<std::shared_ptr<const FeedRevision>>& revisions,
                               LogPosition from, absl::string_view epoch,
                               bool ends_revision) const override;
  // Shows what is open. `after` is a row.
  EncodedInitial EncodeInitial(const Snapshot& snapshot, std::int64_t after,
                               absl::string_view epoch,
                               const v1::Progress& progress) const override;
  EncodedRows EncodeRows(const Snapshot& snapshot, std::int64_t after,
                         const SourceDifference& sources) const override;
  EncodedRows EncodeGone(const Snapshot& snapshot, std::int64_t after,
                         const LeavingRows& rows) const override;
  std::shared_ptr<const WatchView> WithSources(SourceSet visible, SourceSet known) const override;
  // Most changes are of tokens.
  bool is_filtered() const override { return true; }

 private:
  // Whether it is one that this view is about, whoever may see it.
  bool IsAbout(const Notice& notice, absl::string_view token) const;
  // Calls `append(notice, token, events)` for the open notices of these sources, as EncodeRows
  // says.
  template <typename Append>
  EncodedRows EncodeScan(const Snapshot& snapshot, std::int64_t after,
                         const SourceDifference& sources, Append append) const;
  void AppendChange(const FeedChange& change, std::string& events) const;

  const ExpirationScope scope_;
};

}  // namespace tokeninventory
