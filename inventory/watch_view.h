// What a stream shows, as the streams' machinery sees it: WatchSession and
// WatchHub know a position in the log and bytes, and nothing of what these say.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "inventory/change_feed.h"
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

  // Whether much of the log may be looked through for one message: never in a gRPC
  // thread then.
  virtual bool is_filtered() const = 0;

  // The id of the only source whose changes concern this view; empty: any may.
  const std::string& source() const { return source_; }

  // The sources that its watchers may see.
  const SourceSet& visible() const { return visible_; }

  // Says all that the bytes depend on; equal keys, equal bytes.
  const std::string& key() const { return key_; }
  // Whether the messages of one are those of the other.
  bool Equals(const WatchView& other) const { return key_ == other.key_; }

 protected:
  // `key` begins with the kind of view, so that two kinds have no equal ones.
  WatchView(std::string source, SourceSet visible, const std::string& key)
      : source_(std::move(source)),
        visible_(std::move(visible)),
        key_(absl::StrCat(key, "\n", visible_.Key())) {}

 private:
  const std::string source_;
  const SourceSet visible_;
  const std::string key_;
};

}  // namespace tokeninventory
