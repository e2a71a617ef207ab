#include "inventory/sorted_index.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tokeninventory {
namespace {

// A block is cut when it grows over the first, into pieces of about the second.
constexpr std::size_t kMostEntries = 1024;
constexpr std::size_t kPieceEntries = 512;

std::vector<SortedEntry> Without(const std::vector<SortedEntry>& entries,
                                 const std::vector<SortedEntry>& others) {
  std::vector<SortedEntry> left;
  std::set_difference(entries.begin(), entries.end(), others.begin(), others.end(),
                      std::back_inserter(left));
  return left;
}

}  // namespace

std::size_t SortedIndex::FindBlock(const SortedEntry& entry) const {
  const auto it = std::partition_point(
      blocks_.begin(), blocks_.end(),
      [&](const std::shared_ptr<const Block>& block) { return block->back() < entry; });
  return static_cast<std::size_t>(it - blocks_.begin());
}

SortedIndex SortedIndex::With(std::vector<SortedEntry> removed,
                              std::vector<SortedEntry> added) const {
  std::sort(removed.begin(), removed.end());
  std::sort(added.begin(), added.end());
  if (!removed.empty() && !added.empty()) {
    // Most changes of a token leave its place as it is.
    std::vector<SortedEntry> gone = Without(removed, added);
    added = Without(added, removed);
    removed = std::move(gone);
  }
  if (removed.empty() && added.empty()) return *this;
  SortedIndex next;
  next.blocks_.reserve(blocks_.size() + added.size() / kPieceEntries + 1);
  auto gone = removed.cbegin();
  auto come = added.cbegin();
  const auto append_pieces = [&](const Block& entries) {
    next.size_ += entries.size();
    const std::size_t pieces = (entries.size() + kPieceEntries - 1) / kPieceEntries;
    for (std::size_t i = 0; i < pieces; ++i) {
      const auto from = static_cast<std::ptrdiff_t>(entries.size() * i / pieces);
      const auto to = static_cast<std::ptrdiff_t>(entries.size() * (i + 1) / pieces);
      next.blocks_.push_back(
          std::make_shared<const Block>(entries.begin() + from, entries.begin() + to));
    }
  };
  const auto append = [&](Block entries) {
    if (entries.size() > kMostEntries) return append_pieces(entries);
    if (entries.empty()) return;
    next.size_ += entries.size();
    next.blocks_.push_back(std::make_shared<const Block>(std::move(entries)));
  };
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const Block& block = *blocks_[b];
    // What belongs here: up to this block's last entry, or all that is left.
    const bool is_last = b + 1 == blocks_.size();
    const auto end_of = [&](auto from, auto end) {
      return is_last ? end : std::upper_bound(from, end, block.back());
    };
    const auto gone_end = end_of(gone, removed.cend());
    const auto come_end = end_of(come, added.cend());
    if (gone == gone_end && come == come_end) {
      next.size_ += block.size();
      next.blocks_.push_back(blocks_[b]);
      continue;
    }
    // Not by push_back: a commit of many tokens touches most blocks.
    Block left;
    if (gone != gone_end) {
      left.resize(block.size());
      left.erase(std::set_difference(block.begin(), block.end(), gone, gone_end, left.begin()),
                 left.end());
    }
    const Block& kept = gone != gone_end ? left : block;
    Block merged(kept.size() + static_cast<std::size_t>(come_end - come));
    std::merge(kept.begin(), kept.end(), come, come_end, merged.begin());
    append(std::move(merged));
    gone = gone_end;
    come = come_end;
  }
  if (blocks_.empty()) append_pieces(added);
  return next;
}

}  // namespace tokeninventory
