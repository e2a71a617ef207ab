#include "inventory/name_index.h"

#include <algorithm>
#include <bit>

#include "absl/hash/hash.h"

namespace tokeninventory {

NameIndex::NameIndex(std::size_t names)
    : slots_(std::bit_ceil(std::max<std::size_t>(64, names * 2))), mask_(slots_.size() - 1) {}

std::uint64_t NameIndex::HashOf(absl::string_view name) {
  return absl::Hash<absl::string_view>{}(name);
}

void NameIndex::Add(std::uint64_t hash, std::uint32_t row) {
  std::size_t i = hash & mask_;
  while (slots_[i].load(std::memory_order_relaxed) != 0) i = (i + 1) & mask_;
  slots_[i].store(((hash >> 32) << 32) | row, std::memory_order_release);
  ++used_;
}

}  // namespace tokeninventory
