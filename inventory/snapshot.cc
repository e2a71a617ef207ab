#include "inventory/snapshot.h"

#include <algorithm>
#include <utility>

#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

std::uint64_t UidTieOf(absl::string_view uid) {
  std::uint64_t tie = 0;
  int digits = 0;
  for (const char c : uid) {
    if (c == '-') continue;
    if (digits == 16) break;
    const int value = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    tie = (tie << 4) | static_cast<std::uint64_t>(value & 15);
    ++digits;
  }
  return tie;
}

}  // namespace

std::uint64_t UidTie(absl::string_view token) { return UidTieOf(ReadTokenFacts(token).uid); }

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
  const int index = next_->FindSource(id);
  if (index >= 0) {
    next_->sources_[static_cast<std::size_t>(index)].status = std::move(status);
  } else {
    next_->sources_.push_back(SourceEntry{id, std::move(status), 0, 0});
  }
}

void SnapshotBuilder::PutToken(std::int64_t row, absl::string_view token) {
  PutToken(row, token, ReadTokenFacts(token));
}

void SnapshotBuilder::PutToken(std::int64_t row, absl::string_view token, const TokenFacts& facts) {
  constexpr std::size_t kMostEdits = 4096;
  if (edits_.size() == kMostEdits) Flush();
  Edit edit;
  edit.row = row;
  edit.begin = edit_bytes_.size();
  edit.slot.size = static_cast<std::uint32_t>(token.size());
  edit.slot.basic_size = static_cast<std::uint32_t>(facts.basic_size);
  edit.slot.source = static_cast<std::uint16_t>(FindSource(SourceIdOf(facts.source)));
  edit.slot.presence = static_cast<std::uint8_t>(facts.presence);
  edit.tie = UidTieOf(facts.uid);
  edit_bytes_.append(token.data(), token.size());
  edits_.push_back(edit);
}

void SnapshotBuilder::Purge(std::int64_t row) {
  Edit edit;
  edit.row = row;
  edits_.push_back(edit);
}

void SnapshotBuilder::PutNotice(std::int64_t row, std::shared_ptr<const Notice> notice) {
  notices_[row] = std::move(notice);
}

std::shared_ptr<const Snapshot> SnapshotBuilder::Build(std::int64_t revision) {
  Flush();
  next_->revision_ = revision;
  next_->by_expire_time_ =
      base_.by_expire_time_.With(std::move(expire_gone_), std::move(expire_come_));
  next_->by_effective_expire_time_ =
      base_.by_effective_expire_time_.With(std::move(effective_gone_), std::move(effective_come_));
  if (!notices_.empty()) {
    next_->notices_ = base_.notices_.With({notices_.begin(), notices_.end()});
  }
  // Names last: a reader of an older snapshot that meets a new row finds no
  // token in it and goes on.
  AddNames();
  return std::move(next_);
}

void SnapshotBuilder::Flush() {
  const auto by_row = [](const Edit& a, const Edit& b) { return a.row < b.row; };
  if (!std::is_sorted(edits_.begin(), edits_.end(), by_row)) {
    std::stable_sort(edits_.begin(), edits_.end(), by_row);
  }
  const auto block_of = [](const Edit& edit) { return edit.row / Snapshot::kBlockRows; };
  for (auto begin = edits_.begin(); begin != edits_.end();) {
    const std::int64_t block = block_of(*begin);
    const auto end = std::find_if(begin, edits_.end(),
                                  [&](const Edit& edit) { return block_of(edit) != block; });
    const auto place = static_cast<std::size_t>(block);
    std::shared_ptr<const Snapshot::Block>& made =
        OwnNode(place / Snapshot::kNodeBlocks).blocks[place % Snapshot::kNodeBlocks];
    made = RebuildBlock(made.get(), Edits(&*begin, static_cast<std::size_t>(end - begin)));
    next_->end_row_ = std::max(next_->end_row_, (end - 1)->row + 1);
    begin = end;
  }
  edits_.clear();
  edit_bytes_.clear();
}

Snapshot::Node& SnapshotBuilder::OwnNode(std::size_t node) {
  if (node >= next_->nodes_.size()) next_->nodes_.resize(node + 1);
  if (node >= own_nodes_.size()) own_nodes_.resize(node + 1);
  std::shared_ptr<Snapshot::Node>& own = own_nodes_[node];
  if (own == nullptr) {
    const std::shared_ptr<const Snapshot::Node>& shared = next_->nodes_[node];
    own = shared == nullptr ? std::make_shared<Snapshot::Node>()
                            : std::make_shared<Snapshot::Node>(*shared);
    next_->nodes_[node] = own;
  }
  return *own;
}

std::shared_ptr<const Snapshot::Block> SnapshotBuilder::RebuildBlock(const Snapshot::Block* old,
                                                                     Edits edits) {
  auto made = std::make_shared<Snapshot::Block>();
  if (old != nullptr) made->columns = old->columns;
  std::size_t size = old == nullptr ? 0 : old->bytes.size();
  for (const Edit& edit : edits) size += edit.slot.size;
  made->bytes.reserve(size);
  const std::int64_t first_row = edits.front().row / Snapshot::kBlockRows * Snapshot::kBlockRows;
  auto next = edits.begin();
  for (int i = 0; i < Snapshot::kBlockRows; ++i) {
    const std::int64_t row = first_row + i;
    const Edit* edit = nullptr;  // the last one of a row counts
    for (; next != edits.end() && next->row == row; ++next) edit = next;
    const auto index = static_cast<std::size_t>(i);
    Snapshot::Slot& slot = made->slots[index];
    const Snapshot::Slot before = old == nullptr ? Snapshot::Slot{} : old->slots[index];
    if (edit == nullptr) {
      if (before.size == 0) continue;
      slot = before;
      slot.offset = static_cast<std::uint32_t>(made->bytes.size());
      made->bytes.append(old->bytes, before.offset, before.size);
    } else {
      absl::string_view old_name;
      if (before.size != 0) {
        const absl::string_view old_token = Snapshot::RefOf(*old, i, row).full;
        old_name = ReadTokenName(old_token);
        NoteEntries(*old, i, row, UidTie(old_token), expire_gone_, effective_gone_);
        CountSlot(before, -1);
      }
      const absl::string_view token =
          absl::string_view(edit_bytes_).substr(edit->begin, edit->slot.size);
      if (token.empty()) {
        made->columns.Clear(i);
        continue;
      }
      slot = edit->slot;
      slot.offset = static_cast<std::uint32_t>(made->bytes.size());
      made->bytes.append(token.data(), token.size());
      made->columns.Set(i, token);
      NoteEntries(*made, i, row, edit->tie, expire_come_, effective_come_);
      CountSlot(slot, +1);
      if (ReadTokenName(token) != old_name) named_rows_.push_back(row);
    }
    made->source_bits |= std::uint64_t{1} << (slot.source % 64);
    made->there |= std::uint64_t{1} << i;
    if (IsShown(static_cast<v1::Token::Presence>(slot.presence))) {
      made->shown |= std::uint64_t{1} << i;
    }
  }
  made->bytes.shrink_to_fit();
  return made;
}

void SnapshotBuilder::NoteEntries(const Snapshot::Block& block, int slot, std::int64_t row,
                                  std::uint64_t tie, std::vector<SortedEntry>& by_expire,
                                  std::vector<SortedEntry>& by_effective) {
  SortedEntry entry;
  entry.tie = tie;
  entry.row = static_cast<std::uint32_t>(row);
  entry.key = block.columns.time(TokenColumns::kExpireTime, slot);
  by_expire.push_back(entry);
  entry.key = block.columns.time(TokenColumns::kEffectiveExpireTime, slot);
  by_effective.push_back(entry);
}

void SnapshotBuilder::CountSlot(const Snapshot::Slot& slot, int sign) {
  SourceEntry& source = next_->sources_[slot.source];
  source.rows += sign;
  if (slot.presence == static_cast<std::uint8_t>(v1::Token::DELETED)) source.tombstones += sign;
  if (IsShown(static_cast<v1::Token::Presence>(slot.presence))) source.shown += sign;
  next_->token_bytes_ += sign * static_cast<std::int64_t>(slot.size);
}

void SnapshotBuilder::AddNames() {
  if (!next_->names_->HasRoomFor(named_rows_.size())) {
    const ScanFilter all{.source = ScanFilter::kAllSources, .show_deleted = true};
    auto larger = std::make_shared<NameIndex>(static_cast<std::size_t>(next_->Count(all)));
    // In row order: of two rows of a name, the lower one is found.
    next_->Scan(0, all, [&](const TokenRef& token) {
      larger->Add(ReadTokenName(token.full), static_cast<std::uint32_t>(token.row));
      return true;
    });
    next_->names_ = std::move(larger);
    return;
  }
  for (const std::int64_t row : named_rows_) {
    const auto number = static_cast<std::uint32_t>(row);
    const absl::string_view name = ReadTokenName(next_->At(row).full);
    // It may have had this name before it was purged.
    const bool known =
        next_->names_->Find(name, [number](std::uint32_t other) { return other == number; }) != 0;
    if (!known && !name.empty()) next_->names_->Add(name, number);
  }
}

}  // namespace tokeninventory
