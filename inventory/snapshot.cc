#include "inventory/snapshot.h"

#include <algorithm>
#include <utility>

#include "inventory/token_bytes.h"
#include "inventory/token_name.h"

namespace tokeninventory {
std::uint64_t UidTie(absl::string_view token) {
  std::uint64_t tie = 0;
  int digits = 0;
  for (const char c : ReadTokenFacts(token).uid) {
    if (c == '-' || digits == 16) continue;
    const int value = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    tie = (tie << 4) | static_cast<std::uint64_t>(value & 15);
    ++digits;
  }
  return tie;
}

Snapshot::Snapshot() : names_(std::make_shared<NameIndex>(0)) {}

int Snapshot::FindSource(absl::string_view id) const {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].id == id) return static_cast<int>(i);
  }
  return -1;
}

const Snapshot::Block* Snapshot::BlockOf(std::int64_t row) const {
  const auto block = static_cast<std::size_t>(row / kBlockRows);
  const std::size_t node = block / kNodeBlocks;
  if (row < 0 || node >= nodes_.size() || nodes_[node] == nullptr) return nullptr;
  return nodes_[node]->blocks[block % kNodeBlocks].get();
}

TokenRef Snapshot::At(std::int64_t row) const {
  const Block* block = BlockOf(row);
  if (block == nullptr) return TokenRef{};
  return RefOf(*block, static_cast<int>(row % kBlockRows), row);
}

void Snapshot::PrefetchAt(std::int64_t row) const {
  const Block* block = BlockOf(row);
  if (block == nullptr) return;
  __builtin_prefetch(block);
  __builtin_prefetch(&block->slots[static_cast<std::size_t>(row % kBlockRows)]);
}

TokenRef Snapshot::Find(absl::string_view name) const {
  TokenRef found;
  names_->Find(name, [&](std::uint32_t row) {
    const TokenRef token = At(row);
    if (token.full.empty() || ReadTokenName(token.full) != name) return false;
    found = token;
    return true;
  });
  return found;
}

std::vector<bool> Snapshot::Visible(const SourceSet& sources) const {
  std::vector<bool> visible;
  if (sources.all()) return visible;
  for (const SourceEntry& entry : sources_) visible.push_back(sources.Has(entry.id));
  // Empty would mean all.
  if (visible.empty()) visible.push_back(false);
  return visible;
}

std::vector<bool> Snapshot::Visible(const SourceDifference& sources) const {
  std::vector<bool> visible;
  if (sources.all()) return visible;
  for (const SourceEntry& entry : sources_) visible.push_back(sources.Has(entry.id));
  if (visible.empty()) visible.push_back(false);
  return visible;
}

std::int64_t Snapshot::Count(const ScanFilter& filter) const {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (!filter.LetsSource(static_cast<int>(i))) continue;
    count += filter.show_deleted ? sources_[i].rows : sources_[i].shown;
  }
  return count;
}

void SnapshotBuilder::PutSource(const std::string& id, std::shared_ptr<const v1::Source> status) {
  sources_[id] = std::move(status);
}

void SnapshotBuilder::PutToken(std::int64_t row, std::string token) {
  edits_[row / Snapshot::kBlockRows][row] = std::move(token);
}

void SnapshotBuilder::Purge(std::int64_t row) {
  edits_[row / Snapshot::kBlockRows][row] = std::string();
}

void SnapshotBuilder::PutNotice(std::int64_t row, std::shared_ptr<const Notice> notice) {
  notices_[row] = std::move(notice);
}

std::shared_ptr<const Snapshot> SnapshotBuilder::Build(std::int64_t revision) {
  auto next = std::make_shared<Snapshot>(base_);
  next->revision_ = revision;
  for (auto& [id, status] : sources_) {
    const int index = next->FindSource(id);
    if (index >= 0) {
      next->sources_[static_cast<std::size_t>(index)].status = std::move(status);
    } else {
      next->sources_.push_back(SourceEntry{id, std::move(status), 0, 0});
    }
  }
  std::vector<SortedEntry> expire_gone, expire_come, effective_gone, effective_come;
  // A node is copied once, by its first touched block.
  std::map<std::size_t, std::shared_ptr<Snapshot::Node>> touched;
  for (const auto& [block, edits] : edits_) {
    const auto node = static_cast<std::size_t>(block) / Snapshot::kNodeBlocks;
    if (node >= next->nodes_.size()) next->nodes_.resize(node + 1);
    auto& copy = touched[node];
    if (copy == nullptr) {
      copy = next->nodes_[node] == nullptr ? std::make_shared<Snapshot::Node>()
                                           : std::make_shared<Snapshot::Node>(*next->nodes_[node]);
      next->nodes_[node] = copy;
    }
    next->end_row_ = std::max(next->end_row_, edits.rbegin()->first + 1);
    auto& place = copy->blocks[static_cast<std::size_t>(block) % Snapshot::kNodeBlocks];
    if (place != nullptr) CollectEntries(*place, edits, expire_gone, effective_gone);
    place = RebuildBlock(*next, block, edits);
    CollectEntries(*place, edits, expire_come, effective_come);
  }
  next->by_expire_time_ =
      base_.by_expire_time_.With(std::move(expire_gone), std::move(expire_come));
  next->by_effective_expire_time_ =
      base_.by_effective_expire_time_.With(std::move(effective_gone), std::move(effective_come));
  if (!notices_.empty()) {
    next->notices_ = base_.notices_.With({notices_.begin(), notices_.end()});
  }
  // Names last: a reader of an older snapshot that meets a new row finds no
  // token in it and goes on.
  for (const auto& [block, edits] : edits_) {
    for (const auto& [row, token] : edits) {
      if (!token.empty()) AddName(*next, ReadTokenName(token), row);
    }
  }
  return next;
}

void SnapshotBuilder::CollectEntries(const Snapshot::Block& block, const Edits& edits,
                                     std::vector<SortedEntry>& by_expire,
                                     std::vector<SortedEntry>& by_effective) const {
  for (const auto& [row, token] : edits) {
    const auto slot = static_cast<int>(row % Snapshot::kBlockRows);
    const Snapshot::Slot& s = block.slots[static_cast<std::size_t>(slot)];
    if (s.size == 0) continue;
    const absl::string_view bytes = absl::string_view(block.bytes).substr(s.offset, s.size);
    SortedEntry entry;
    entry.tie = UidTie(bytes);
    entry.row = static_cast<std::uint32_t>(row);
    entry.key = block.columns.time(TokenColumns::kExpireTime, slot);
    by_expire.push_back(entry);
    entry.key = block.columns.time(TokenColumns::kEffectiveExpireTime, slot);
    by_effective.push_back(entry);
  }
}

void SnapshotBuilder::CountSlot(Snapshot& next, const Snapshot::Slot& slot, int sign) {
  if (slot.size == 0) return;
  SourceEntry& source = next.sources_[slot.source];
  source.rows += sign;
  if (slot.presence == static_cast<std::uint8_t>(v1::Token::DELETED)) source.tombstones += sign;
  if (IsShown(static_cast<v1::Token::Presence>(slot.presence))) source.shown += sign;
  next.token_bytes_ += sign * static_cast<std::int64_t>(slot.size);
}

std::shared_ptr<const Snapshot::Block> SnapshotBuilder::RebuildBlock(Snapshot& next,
                                                                     std::int64_t block,
                                                                     const Edits& edits) {
  const std::int64_t first_row = block * Snapshot::kBlockRows;
  const Snapshot::Block* old = next.BlockOf(first_row);
  auto made = std::make_shared<Snapshot::Block>();
  if (old != nullptr) made->columns = old->columns;
  std::size_t size = old == nullptr ? 0 : old->bytes.size();
  for (const auto& [row, token] : edits) size += token.size();
  made->bytes.reserve(size);
  auto edit = edits.begin();
  for (int i = 0; i < Snapshot::kBlockRows; ++i) {
    const auto slot_index = static_cast<std::size_t>(i);
    Snapshot::Slot& slot = made->slots[slot_index];
    const bool edited = edit != edits.end() && edit->first == first_row + i;
    if (old != nullptr) {
      const Snapshot::Slot& before = old->slots[slot_index];
      if (edited) {
        CountSlot(next, before, -1);
      } else if (before.size != 0) {
        slot = before;
        slot.offset = static_cast<std::uint32_t>(made->bytes.size());
        made->bytes.append(old->bytes, before.offset, before.size);
      }
    }
    if (edited) {
      const std::string& token = edit->second;
      if (!token.empty()) {
        const TokenFacts facts = ReadTokenFacts(token);
        slot.offset = static_cast<std::uint32_t>(made->bytes.size());
        slot.size = static_cast<std::uint32_t>(token.size());
        slot.basic_size = static_cast<std::uint32_t>(facts.basic_size);
        slot.source = static_cast<std::uint16_t>(next.FindSource(SourceIdOf(facts.source)));
        slot.presence = static_cast<std::uint8_t>(facts.presence);
        made->bytes += token;
        made->columns.Set(i, token);
        CountSlot(next, slot, +1);
      } else {
        made->columns.Clear(i);
      }
      ++edit;
    }
    if (slot.size == 0) continue;
    made->source_bits |= std::uint64_t{1} << (slot.source % 64);
    made->there |= std::uint64_t{1} << i;
    if (IsShown(static_cast<v1::Token::Presence>(slot.presence))) {
      made->shown |= std::uint64_t{1} << i;
    }
  }
  made->bytes.shrink_to_fit();
  return made;
}

void SnapshotBuilder::AddName(Snapshot& next, absl::string_view name, std::int64_t row) {
  const bool known = next.names_->Find(name, [row](std::uint32_t other) {
    return static_cast<std::int64_t>(other) == row;
  }) != 0;
  if (known) return;
  if (!next.names_->HasRoom()) {
    auto larger = std::make_shared<NameIndex>(
        static_cast<std::size_t>(
            next.Count({.source = ScanFilter::kAllSources, .show_deleted = true})) *
        2);
    // In row order: of two rows of a name, the lower one is found.
    next.Scan(0, {.source = ScanFilter::kAllSources, .show_deleted = true},
              [&](const TokenRef& token) {
                larger->Add(ReadTokenName(token.full), static_cast<std::uint32_t>(token.row));
                return true;
              });
    next.names_ = std::move(larger);
    return;  // `row` was among them
  }
  next.names_->Add(name, static_cast<std::uint32_t>(row));
}

}  // namespace tokeninventory
