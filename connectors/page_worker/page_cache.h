// What a worker has read of pages, for when they come again as they were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "connectors/digest.h"

namespace tokeninventory {

// Replies to readings of listings' pages, by the digest of all that the answer and its
// context hold: of a page itself nothing is kept. A listing is read from its front to
// its end, so what was used last is what comes last again: when it is full, nothing is
// dropped for a new page but what neither this pass nor the one before it used. Used by
// one thread.
class PageCache {
 public:
  // Bounds what the replies take.
  explicit PageCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // The reply to `reading` of the page, null when it is not known. Valid until Keep.
  const std::string* Find(const Digest& page, absl::string_view reading, std::int64_t pass);

  // Whether Find could know of any reading.
  bool Contains(const Digest& page) const { return replies_.contains(page); }

  // Keeps a reply, one for each page, if there is room.
  void Keep(const Digest& page, std::string reading, std::string reply, std::int64_t pass);

  void Clear();

 private:
  struct Reply {
    std::string reading;
    std::string reply;
    std::int64_t pass = 0;  // that used it last
  };

  static std::size_t SizeOf(const Reply& reply);
  void BeginPass(std::int64_t pass);
  void DropStale();

  const std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::int64_t pass_ = 0;
  std::int64_t pass_before_ = 0;
  bool dropped_stale_ = false;  // in this pass
  absl::flat_hash_map<Digest, Reply> replies_;
};

}  // namespace tokeninventory
