// Rows in the order of a time, as part of an immutable snapshot: pages by expiry
// need no sort.
//
// A sorted sequence cut into blocks; a change copies the blocks that it touches
// and shares the rest, as Snapshot does with rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace tokeninventory {

// A row and what it is ordered by.
struct SortedEntry {
  std::int64_t key = 0;
  std::uint64_t tie = 0;  // the first 64 bits of the token's uid
  std::uint32_t row = 0;

  friend bool operator==(const SortedEntry&, const SortedEntry&) = default;
  friend bool operator<(const SortedEntry& a, const SortedEntry& b) {
    if (a.key != b.key) return a.key < b.key;
    if (a.tie != b.tie) return a.tie < b.tie;
    return a.row < b.row;
  }
};

// Immutable, so thread-safe; copying shares the blocks.
class SortedIndex {
 public:
  std::size_t size() const { return size_; }

  // This without `removed` and with `added`, neither in any order. An entry that
  // is to be removed and is not there is ignored; one that is both removed and added
  // stays as it is.
  SortedIndex With(std::vector<SortedEntry> removed, std::vector<SortedEntry> added) const;

  // Calls `visit(const SortedEntry&)` for each entry behind `after`, in order,
  // until it returns false; returns whether it never did.
  template <typename Visit>
  bool Scan(const SortedEntry& after, Visit visit) const {
    return Scan(after, visit, [](const SortedEntry&) {});
  }

  // The same, and calls `prepare(const SortedEntry&)` for an entry some time before it
  // is visited, if at all.
  template <typename Visit, typename Prepare>
  bool Scan(const SortedEntry& after, Visit visit, Prepare prepare) const {
    constexpr std::size_t kAhead = 8;
    for (std::size_t b = FindBlock(after); b < blocks_.size(); ++b) {
      const Block& block = *blocks_[b];
      auto i = static_cast<std::size_t>(std::upper_bound(block.begin(), block.end(), after) -
                                        block.begin());
      for (; i < block.size(); ++i) {
        if (i + kAhead < block.size()) prepare(block[i + kAhead]);
        if (!visit(block[i])) return false;
      }
    }
    return true;
  }

  // The same for the entries whose key is less than `key`, by falling key; entries
  // of one key still by rising tie.
  template <typename Visit>
  bool ScanDown(std::int64_t key, Visit visit) const {
    Block group;  // of one key, found backwards
    const auto visit_group = [&] {
      for (auto it = group.rbegin(); it != group.rend(); ++it) {
        if (!visit(*it)) return false;
      }
      group.clear();
      return true;
    };
    const std::size_t first = FindBlock(SortedEntry{key, 0, 0});
    for (std::size_t b = std::min(first + 1, blocks_.size()); b-- > 0;) {
      const Block& block = *blocks_[b];
      for (auto it = block.rbegin(); it != block.rend(); ++it) {
        if (it->key >= key) continue;
        if (!group.empty() && group.back().key != it->key && !visit_group()) return false;
        group.push_back(*it);
      }
    }
    return visit_group();
  }

 private:
  using Block = std::vector<SortedEntry>;

  // The first block that may hold what is not before `entry`.
  std::size_t FindBlock(const SortedEntry& entry) const;

  std::vector<std::shared_ptr<const Block>> blocks_;  // none empty
  std::size_t size_ = 0;
};

}  // namespace tokeninventory
