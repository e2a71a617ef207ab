// What a stream shows, as the streams' machinery sees it: WatchSession and
// WatchHub know a position in the log and bytes, and nothing of what these say.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "inventory/change_feed.h"
#include "inventory/cursor.h"
#include "inventory/snapshot.h"
#include "inventory/source_set.h"
#include "inventory/token_store.h"
#include "tokeninventory/v1/watch.pb.h"

namespace tokeninventory {

// A serialised v1::WatchTokensResponse or v1::WatchExpirationsResponse.
using WatchMessage = std::shared_ptr<const std::string>;

// A stretch of the log for a watcher.
struct EncodedChanges {
  WatchMessage message;  // null when nothing in the stretch concerns the watcher
  LogPosition next;      // where to go on
};

// A part of the initial state.
struct EncodedInitial {
  WatchMessage message;
  std::int64_t after = 0;  // where the next part begins; the view's own numbering
  bool done = false;       // with Synced, Progress and the resume token
};

// Rows of a snapshot, serialised as events (fields kBatchEventsField of a batch).
struct EncodedRows {
  std::string events;
  std::int64_t after = 0;  // where the next part begins, as in EncodedInitial
  bool done = false;
};

// Which rows leave the sight of a watcher who was told of those that a view shows.
struct LeavingRows {
  SourceDifference sources;
  // What changed after this revision is left to the log, which says what it was before.
  std::int64_t told_revision = 0;
  // Rows behind this one were not told yet.
  std::int64_t last_row = std::numeric_limits<std::int64_t>::max();
};

// Immutable, so thread-safe. Shared by all who ask for the same.
class WatchView {
 public:
  virtual ~WatchView() = default;
  WatchView(const WatchView&) = delete;
  WatchView& operator=(const WatchView&) = delete;

  // Encodes what `revisions`, which begin with or before `from.revision`, tell
  // from `from` on. Stops at the size limit, then `next` is in their midst.
  // `ends_revision`: the last of them is all of its revision. Also stops, with no
  // message, behind a revision whose rest, from `from.index` > 0 on, has nothing
  // for the watcher. `watch_message.h` walks the log so: EncodeStretch.
  virtual EncodedChanges EncodeChanges(
      const std::vector<std::shared_ptr<const FeedRevision>>& revisions, LogPosition from,
      absl::string_view epoch, bool ends_revision) const = 0;

  // Encodes what `snapshot` shows behind `after`, which is 0 for the first part.
  // `progress`, which is of its revision, goes along with the last part.
  virtual EncodedInitial EncodeInitial(const Snapshot& snapshot, std::int64_t after,
                                       absl::string_view epoch,
                                       const v1::Progress& progress) const = 0;

  // Encodes as ADDED, or as open notices, what `snapshot` shows behind `after` of `sources`,
  // whatever `visible` says.
  virtual EncodedRows EncodeRows(const Snapshot& snapshot, std::int64_t after,
                                 const SourceDifference& sources) const = 0;

  // Encodes, by their uids alone, what leaves behind `after`. Names no more than the client
  // was told, unless it was told of a row in other words than the snapshot's.
  virtual EncodedRows EncodeGone(const Snapshot& snapshot, std::int64_t after,
                                 const LeavingRows& rows) const = 0;

  // The same view for those who may see `visible`, and were told before of `known`, which has
  // no fewer: see known().
  virtual std::shared_ptr<const WatchView> WithSources(SourceSet visible,
                                                       SourceSet known) const = 0;

  // Whether much of the log may be looked through for one message: never in a gRPC
  // thread then.
  virtual bool is_filtered() const = 0;

  // The id of the only source whose changes concern this view; empty: any may.
  const std::string& source() const { return source_; }

  // The sources that its watchers may see.
  const SourceSet& visible() const { return visible_; }
  // The sources of which they may hold rows. A change of one that is not visible is told as
  // the uid of what it was before: that row leaves.
  const SourceSet& known() const { return known_; }
  // What resume tokens say of these. While rows still leave, they fit nobody: the state that
  // they stand for is nobody's.
  std::uint64_t visible_hash() const { return visible_hash_; }

  // Says all that the bytes depend on; equal keys, equal bytes.
  const std::string& key() const { return key_; }
  // Whether the messages of one are those of the other.
  bool Equals(const WatchView& other) const { return key_ == other.key_; }

 protected:
  // `key` begins with the kind of view, so that two kinds have no equal ones.
  WatchView(std::string source, SourceSet visible, SourceSet known, const std::string& key)
      : source_(std::move(source)),
        visible_(std::move(visible)),
        known_(std::move(known)),
        visible_hash_(
            known_.Key() == visible_.Key()
                ? VisibleHash(visible_)
                : StableHash(absl::StrCat("leaving|", visible_.Key(), "|", known_.Key()))),
        key_(absl::StrCat(key, "\n", visible_.Key(), "\n", known_.Key())) {}
  WatchView(std::string source, const SourceSet& visible, const std::string& key)
      : WatchView(std::move(source), visible, visible, key) {}

 private:
  const std::string source_;
  const SourceSet visible_;
  const SourceSet known_;
  const std::uint64_t visible_hash_;
  const std::string key_;
};

}  // namespace tokeninventory
