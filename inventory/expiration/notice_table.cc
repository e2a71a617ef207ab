#include "inventory/expiration/notice_table.h"

#include <limits>
#include <map>

#include "absl/time/time.h"

namespace tokeninventory {
namespace {

SortedEntry EntryOf(std::int64_t row, const Notice& notice) {
  SortedEntry entry;
  entry.key = notice.end == absl::InfinitePast() ? std::numeric_limits<std::int64_t>::min() + 1
                                                 : absl::ToUnixNanos(notice.end);
  entry.tie = notice.tie;
  entry.row = static_cast<std::uint32_t>(row);
  return entry;
}

}  // namespace

NoticeTable NoticeTable::With(const std::vector<Edit>& edits) const {
  NoticeTable next = *this;
  std::vector<SortedEntry> gone, come;
  // Each node and block is copied once.
  std::map<std::size_t, std::shared_ptr<Node>> nodes;
  std::map<std::size_t, std::shared_ptr<Block>> blocks;
  for (const auto& [row, notice] : edits) {
    const auto number = static_cast<std::size_t>(row);
    const std::size_t n = number / (kFan * kFan);
    const std::size_t b = number / kFan;
    if (n >= next.nodes_.size()) next.nodes_.resize(n + 1);
    std::shared_ptr<Node>& node = nodes[n];
    if (node == nullptr) {
      node = next.nodes_[n] == nullptr ? std::make_shared<Node>()
                                       : std::make_shared<Node>(*next.nodes_[n]);
      next.nodes_[n] = node;
    }
    std::shared_ptr<Block>& block = blocks[b];
    if (block == nullptr) {
      const std::shared_ptr<const Block>& old = node->blocks[b % kFan];
      block = old == nullptr ? std::make_shared<Block>() : std::make_shared<Block>(*old);
      node->blocks[b % kFan] = block;
    }
    std::shared_ptr<const Notice>& place = block->notices[number % kFan];
    if (place != nullptr) gone.push_back(EntryOf(row, *place));
    if (notice != nullptr) come.push_back(EntryOf(row, *notice));
    place = notice;
  }
  next.by_end_ = by_end_.With(std::move(gone), std::move(come));
  return next;
}

std::shared_ptr<const Notice> NoticeTable::Find(std::int64_t row) const {
  const auto number = static_cast<std::size_t>(row);
  const std::size_t n = number / (kFan * kFan);
  if (row < 0 || n >= nodes_.size() || nodes_[n] == nullptr) return nullptr;
  const Block* block = nodes_[n]->blocks[number / kFan % kFan].get();
  return block == nullptr ? nullptr : block->notices[number % kFan];
}

}  // namespace tokeninventory
