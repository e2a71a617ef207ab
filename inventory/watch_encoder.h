// WatchTokens messages as bytes. A message is made once and shared by all
// watchers that are at the same place with the same view.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "inventory/change_feed.h"
#include "inventory/filter/filter.h"
#include "inventory/snapshot.h"
#include "inventory/token_store.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory {

// A serialised v1::WatchTokensResponse.
using WatchMessage = std::shared_ptr<const std::string>;

// A message is closed when it has this many bytes; one event may add 130 KiB.
inline constexpr std::size_t kWatchMessageBytes = std::size_t{900} << 10;

// What a watcher is shown.
struct WatchScope {
  std::string source;  // id; empty: all
  v1::TokenView view = v1::BASIC;
  std::string filter_text;
  Filter filter;  // made of it

  friend bool operator==(const WatchScope& a, const WatchScope& b) {
    return a.source == b.source && a.view == b.view && a.filter_text == b.filter_text;
  }
};

// A stretch of the log for a watcher.
struct EncodedChanges {
  WatchMessage message;  // null when nothing in the stretch concerns the watcher
  LogPosition next;      // where to go on
};

// Encodes what `revisions`, which begin with or before `from.revision`, tell
// from `from` on. Stops at the size limit, then `next` is in their midst.
// `ends_revision`: the last of them is all of its revision. Also stops, with no
// message, behind a revision whose rest, from `from.index` > 0 on, has nothing for
// the watcher.
EncodedChanges EncodeChanges(const std::vector<std::shared_ptr<const FeedRevision>>& revisions,
                             LogPosition from, const WatchScope& scope, absl::string_view epoch,
                             bool ends_revision);

// A part of the initial state.
struct EncodedInitial {
  WatchMessage message;
  std::int64_t after = 0;  // the last row in it
  bool done = false;       // with Synced, Progress and the resume token
};

// Encodes what `snapshot` shows behind row `after`. `progress` goes along with
// the last part.
EncodedInitial EncodeInitial(const Snapshot& snapshot, std::int64_t after, const WatchScope& scope,
                             absl::string_view epoch, const v1::Progress& progress);

// A message that holds Progress alone. `resume_revision`: all up to it is told.
WatchMessage EncodeProgress(const v1::Progress& progress, absl::string_view epoch);

// Everything of Progress but `revision`.
v1::Progress MakeProgress(const Snapshot& snapshot, const ChangeFeed::Bounds& bounds,
                          absl::Time now);

}  // namespace tokeninventory
