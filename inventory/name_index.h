// From a token's name to its row, for readers that take no lock.
//
// A slot holds 32 bits of the name's hash and the row; the name itself is not
// kept: a candidate is confirmed by looking at the row's token. 8 bytes a slot.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace tokeninventory {

// One writer, any number of readers at the same time. Grows by being made anew,
// larger, which the writer then publishes.
class NameIndex {
 public:
  // Room for at least `names` entries.
  explicit NameIndex(std::size_t names);

  // Whether so many more entries would leave it quick; if not, grow first. Writer only.
  bool HasRoomFor(std::size_t names) const { return (used_ + names) * 10 <= slots_.size() * 6; }

  // Differs from process to process: not for storing.
  static std::uint64_t HashOf(absl::string_view name);

  // Adds an entry by its name's hash. Needs HasRoomFor(1). The caller sees to it that the
  // name is not there yet. Writer only.
  void Add(std::uint64_t hash, std::uint32_t row);

  // Has the processor fetch what Add and Find look at first.
  void Prefetch(std::uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }

  // Calls `is_it(row)` for each row that may have `name` until it returns true;
  // returns that row, or 0.
  template <typename Predicate>
  std::uint32_t Find(absl::string_view name, Predicate is_it) const {
    const std::uint64_t hash = HashOf(name);
    for (std::size_t i = hash & mask_;; i = (i + 1) & mask_) {
      const std::uint64_t slot = slots_[i].load(std::memory_order_acquire);
      if (slot == 0) return 0;
      const auto row = static_cast<std::uint32_t>(slot);
      if ((slot >> 32) == (hash >> 32) && is_it(row)) return row;
    }
  }

 private:
  std::vector<std::atomic<std::uint64_t>> slots_;
  std::size_t mask_;
  std::size_t used_ = 0;
};

}  // namespace tokeninventory
