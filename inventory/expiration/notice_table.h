// The notices of a snapshot, by row and by the end that they are about. A change
// copies the blocks that it touches and shares the rest, as Snapshot does with rows.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "inventory/expiration/notice.h"
#include "inventory/sorted_index.h"

namespace tokeninventory {

// Immutable, so thread-safe; copying shares the blocks.
class NoticeTable {
 public:
  using Edit = std::pair<std::int64_t, std::shared_ptr<const Notice>>;  // null: removed

  // This with `edits`, each row at most once.
  NoticeTable With(const std::vector<Edit>& edits) const;

  // The notice of a row, or null.
  std::shared_ptr<const Notice> Find(std::int64_t row) const;

  // All notices: those about sources first, then by end.
  const SortedIndex& by_end() const { return by_end_; }

  std::size_t size() const { return by_end_.size(); }

  // Calls `visit(row, const std::shared_ptr<const Notice>&)` for each notice behind
  // row `after`, by rising row, until it returns false.
  template <typename Visit>
  void Scan(std::int64_t after, Visit visit) const {
    for (std::size_t n = static_cast<std::size_t>((after + 1) / kNodeRows); n < nodes_.size();
         ++n) {
      if (nodes_[n] == nullptr) continue;
      for (std::size_t b = 0; b < kFan; ++b) {
        const Block* block = nodes_[n]->blocks[b].get();
        if (block == nullptr) continue;
        for (std::size_t i = 0; i < kFan; ++i) {
          const auto row = static_cast<std::int64_t>((n * kFan + b) * kFan + i);
          if (row <= after || block->notices[i] == nullptr) continue;
          if (!visit(row, block->notices[i])) return;
        }
      }
    }
  }

 private:
  static constexpr std::size_t kFan = 64;
  static constexpr std::int64_t kNodeRows = kFan * kFan;
  struct Block {
    std::array<std::shared_ptr<const Notice>, kFan> notices;
  };
  struct Node {
    std::array<std::shared_ptr<const Block>, kFan> blocks;
  };

  std::vector<std::shared_ptr<const Node>> nodes_;
  SortedIndex by_end_;
};

}  // namespace tokeninventory
