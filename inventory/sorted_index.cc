#include "inventory/sorted_index.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <numeric>
#include <utility>

#include "absl/types/span.h"

namespace tokeninventory {
namespace {

// A block is cut when it grows over the first, into pieces of about the second.
constexpr std::size_t kMostEntries = 1024;
constexpr std::size_t kPieceEntries = 512;

// Keys, and ties, as numbers of their order.
std::uint64_t KeyDigits(const SortedEntry& entry) {
  return static_cast<std::uint64_t>(entry.key) ^ std::uint64_t{1} << 63;
}
std::uint64_t TieDigits(const SortedEntry& entry) { return entry.tie; }

int WidthOf(std::uint64_t number) { return static_cast<int>(std::bit_width(number)); }

// Deals entries out by the leading bits in which they differ, then each heap likewise, until
// few are left. `room` is as long as `entries`. The rounds are bounded: each takes at least
// four bits of what differs in a heap.
void DealOut(absl::Span<SortedEntry> entries, absl::Span<SortedEntry> room) {
  constexpr std::size_t kFew = 64;
  constexpr int kMostBits = 11;
  if (entries.size() <= kFew) return std::sort(entries.begin(), entries.end());
  auto* digits = &KeyDigits;
  const auto less = [&](const SortedEntry& a, const SortedEntry& b) {
    return digits(a) < digits(b);
  };
  auto ends = std::minmax_element(entries.begin(), entries.end(), less);
  if (digits(*ends.first) == digits(*ends.second)) {
    digits = &TieDigits;
    ends = std::minmax_element(entries.begin(), entries.end(), less);
  }
  const std::uint64_t low = digits(*ends.first);
  const std::uint64_t range = digits(*ends.second) - low;
  if (range == 0) return std::sort(entries.begin(), entries.end());
  const int bits = std::min(kMostBits, WidthOf(entries.size()) - 3);
  const int shift = std::max(0, WidthOf(range) - bits);
  std::vector<std::size_t> begins((range >> shift) + 2);
  for (const SortedEntry& entry : entries) ++begins[((digits(entry) - low) >> shift) + 1];
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  std::vector<std::size_t> next(begins.begin(), begins.end() - 1);
  for (const SortedEntry& entry : entries) room[next[(digits(entry) - low) >> shift]++] = entry;
  std::copy(room.begin(), room.end(), entries.begin());
  for (std::size_t heap = 0; heap + 1 < begins.size(); ++heap) {
    const std::size_t size = begins[heap + 1] - begins[heap];
    if (size > 1) DealOut(entries.subspan(begins[heap], size), room.subspan(begins[heap], size));
  }
}

// Comparing is mostly guessing wrong: of a million entries, dealing out takes a fraction.
void Sort(std::vector<SortedEntry>& entries) {
  constexpr std::size_t kMany = 10'000;
  if (entries.size() < kMany) return std::sort(entries.begin(), entries.end());
  std::vector<SortedEntry> room(entries.size());
  DealOut(absl::MakeSpan(entries), absl::MakeSpan(room));
}

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
  Sort(removed);
  Sort(added);
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
