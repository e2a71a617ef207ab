// The bytes that all streams of changes have in common: WatchTokensResponse and
// WatchExpirationsResponse differ only in what their batches hold, which is field
// 5 of a batch in both.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "inventory/change_feed.h"
#include "inventory/snapshot.h"
#include "inventory/watch_view.h"
#include "tokeninventory/v1/watch.pb.h"

namespace tokeninventory {

// A message is closed when it has this many bytes; one event may add 130 KiB.
inline constexpr std::size_t kWatchMessageBytes = std::size_t{900} << 10;

// The field of a batch that holds its events.
inline constexpr int kBatchEventsField = 5;

// Appends what a change is to the watcher, as fields kBatchEventsField; nothing
// when it does not concern it.
using AppendChange = std::function<void(const FeedChange& change, std::string& events)>;

// WatchView::EncodeChanges for what `append` makes of each change.
// `visible_hash`: of the resume token.
EncodedChanges EncodeStretch(const std::vector<std::shared_ptr<const FeedRevision>>& revisions,
                             LogPosition from, absl::string_view epoch, std::uint64_t visible_hash,
                             bool ends_revision, const AppendChange& append);

// The message of a part of the initial state. `events` are fields
// kBatchEventsField, perhaps none; `done`: nothing follows, and Synced,
// `progress` and the resume token go along.
WatchMessage EncodeInitialPart(std::int64_t revision, absl::string_view events, bool done,
                               absl::string_view epoch, std::uint64_t visible_hash,
                               const v1::Progress& progress);

// A batch that tells of no revision: what another policy brought into sight (`initial`), or
// took from it, which is never in vain: `events` are some.
struct PolicyPart {
  std::int64_t revision = 0;
  bool continued = false;
  bool initial = false;
  std::string resume_token;  // empty: none
};
WatchMessage EncodePolicyPart(const PolicyPart& part, absl::string_view events);

// A message that holds Progress alone. All up to its revision is told.
WatchMessage EncodeProgress(const v1::Progress& progress, absl::string_view epoch,
                            std::uint64_t visible_hash);

// `message` with a reset before all else in it.
WatchMessage WithReset(v1::WatchReset::Reason reason, const WatchMessage& message);

// Progress of a stream that was told all up to `revision`. `snapshot` is the
// current one.
v1::Progress MakeProgress(const Snapshot& snapshot, const SourceSet& visible,
                          const ChangeFeed& feed, std::int64_t revision, absl::Time now);

}  // namespace tokeninventory
