#include "inventory/snapshot.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/prefault.h"
#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

std::uint64_t UidTieOf(absl::string_view uid) {
  std::uint64_t tie = 0;
  int digits = 0;
  for (const char c : uid) {
    if (c == '-') continue;
    if (digits == 16) break;
    // Of a digit the low half, of a letter nine more.
    const int value = (c & 15) + (c > '9' ? 9 : 0);
    tie = (tie << 4) | static_cast<std::uint64_t>(value & 15);
    ++digits;
  }
  return tie;
}

SortedEntry EntryOf(const TokenColumns& columns, TokenColumns::Time time, int slot,
                    std::int64_t row, std::uint64_t tie) {
  SortedEntry entry;
  entry.key = columns.time(time, slot);
  entry.tie = tie;
  entry.row = static_cast<std::uint32_t>(row);
  return entry;
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
  constexpr std::size_t kMostEdits = 4096;
  if (edits_.size() == kMostEdits) Flush();
  edits_.push_back({row, edit_bytes_.size(), token.size()});
  edit_bytes_.append(token.data(), token.size());
}

void SnapshotBuilder::Purge(std::int64_t row) {
  Edit edit;
  edit.row = row;
  edits_.push_back(edit);
}

absl::StatusOr<TokenRef> SnapshotBuilder::Append(std::int64_t row, absl::string_view token) {
  const auto damage = [row](absl::string_view what) {
    return absl::DataLossError(absl::StrCat("row ", row, ": ", what));
  };
  if (row < next_->end_row_) return damage("not behind the row before it");
  const std::int64_t number = row / Snapshot::kBlockRows;
  if (open_block_ == nullptr || number != open_number_) {
    CloseBlock();
    open_block_ = std::make_shared<Snapshot::Block>();
    open_number_ = number;
  }
  Snapshot::Block& block = *open_block_;
  const auto i = static_cast<int>(row % Snapshot::kBlockRows);
  const TokenFacts facts = block.columns.Set(i, token);
  if (!facts.valid) return damage("unreadable token");
  const int source = FindSource(SourceIdOf(facts.source));
  if (source < 0) return damage("token of no source");
  Enter(block, i, facts, source, token, open_bytes_);
  const std::uint64_t tie = UidTieOf(facts.uid);
  const SortedEntry by_expire = EntryOf(block.columns, TokenColumns::kExpireTime, i, row, tie);
  const SortedEntry by_effective =
      EntryOf(block.columns, TokenColumns::kEffectiveExpireTime, i, row, tie);
  expire_come_.push_back(by_expire);
  if (!(by_expire == by_effective)) {
    effective_gone_.push_back(by_expire);
    effective_come_.push_back(by_effective);
  }
  appended_.push_back({NameIndex::HashOf(facts.name), static_cast<std::uint32_t>(row)});
  next_->end_row_ = row + 1;
  TokenRef ref = Snapshot::RefOf(block, i, row);
  ref.full = absl::string_view(open_bytes_).substr(open_bytes_.size() - token.size());
  return ref;
}

void SnapshotBuilder::CloseBlock() {
  if (open_block_ == nullptr) return;
  open_block_->bytes.reserve(open_bytes_.size());
  Prefault(open_block_->bytes.data(), open_bytes_.size());
  open_block_->bytes.append(open_bytes_);
  open_bytes_.clear();
  OwnPlace(open_number_) = std::move(open_block_);
  open_block_ = nullptr;
}

void SnapshotBuilder::PutNotice(std::int64_t row, std::shared_ptr<const Notice> notice) {
  notices_[row] = std::move(notice);
}

std::shared_ptr<const Snapshot> SnapshotBuilder::Build(std::int64_t revision) {
  Flush();
  CloseBlock();
  next_->revision_ = revision;
  next_->by_expire_time_ =
      base_.by_expire_time_.With(std::move(expire_gone_), std::move(expire_come_));
  const SortedIndex& effective_base =
      appended_.empty() ? base_.by_effective_expire_time_ : next_->by_expire_time_;
  next_->by_effective_expire_time_ =
      effective_base.With(std::move(effective_gone_), std::move(effective_come_));
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
    std::shared_ptr<const Snapshot::Block>& made = OwnPlace(block);
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

std::shared_ptr<const Snapshot::Block>& SnapshotBuilder::OwnPlace(std::int64_t block) {
  const auto place = static_cast<std::size_t>(block);
  return OwnNode(place / Snapshot::kNodeBlocks).blocks[place % Snapshot::kNodeBlocks];
}

std::shared_ptr<const Snapshot::Block> SnapshotBuilder::RebuildBlock(const Snapshot::Block* old,
                                                                     Edits edits) {
  auto made = std::make_shared<Snapshot::Block>();
  if (old != nullptr) made->columns = old->columns;
  std::size_t size = old == nullptr ? 0 : old->bytes.size();
  for (const Edit& edit : edits) size += wire::BytesFieldSize(kTokensField, edit.size);
  made->bytes.reserve(size);
  const std::int64_t first_row = edits.front().row / Snapshot::kBlockRows * Snapshot::kBlockRows;
  auto next = edits.begin();
  for (int i = 0; i < Snapshot::kBlockRows; ++i) {
    const std::int64_t row = first_row + i;
    const Edit* edit = nullptr;  // the last one of a row counts
    for (; next != edits.end() && next->row == row; ++next) edit = next;
    const Snapshot::Slot before =
        old == nullptr ? Snapshot::Slot{} : old->slots[static_cast<std::size_t>(i)];
    if (edit == nullptr) {
      if (before.size == 0) continue;
      Snapshot::Slot kept = before;
      const absl::string_view field = Snapshot::RefOf(*old, i, row).field();
      made->bytes.append(field.data(), field.size());
      kept.offset = static_cast<std::uint32_t>(made->bytes.size() - before.size);
      Occupy(*made, i, kept);
      continue;
    }
    absl::string_view old_name;
    if (before.size != 0) {
      const TokenFacts facts = ReadTokenFacts(Snapshot::RefOf(*old, i, row).full);
      old_name = facts.name;
      const std::uint64_t tie = UidTieOf(facts.uid);
      expire_gone_.push_back(EntryOf(old->columns, TokenColumns::kExpireTime, i, row, tie));
      effective_gone_.push_back(
          EntryOf(old->columns, TokenColumns::kEffectiveExpireTime, i, row, tie));
      CountSlot(before, -1);
    }
    if (edit->size == 0) {
      made->columns.Clear(i);
      continue;
    }
    const absl::string_view token = absl::string_view(edit_bytes_).substr(edit->begin, edit->size);
    const TokenFacts facts = made->columns.Set(i, token);
    Enter(*made, i, facts, FindSource(SourceIdOf(facts.source)), token, made->bytes);
    const std::uint64_t tie = UidTieOf(facts.uid);
    expire_come_.push_back(EntryOf(made->columns, TokenColumns::kExpireTime, i, row, tie));
    effective_come_.push_back(
        EntryOf(made->columns, TokenColumns::kEffectiveExpireTime, i, row, tie));
    if (facts.name != old_name) named_rows_.push_back(row);
  }
  made->bytes.shrink_to_fit();
  return made;
}

void SnapshotBuilder::Occupy(Snapshot::Block& block, int slot, const Snapshot::Slot& content) {
  const std::uint64_t bit = std::uint64_t{1} << slot;
  block.slots[static_cast<std::size_t>(slot)] = content;
  block.source_bits |= std::uint64_t{1} << (content.source % 64);
  block.there |= bit;
  if (IsShown(static_cast<v1::Token::Presence>(content.presence))) block.shown |= bit;
}

void SnapshotBuilder::Enter(Snapshot::Block& block, int slot, const TokenFacts& facts, int source,
                            absl::string_view token, std::string& bytes) {
  wire::AppendBytesField(bytes, kTokensField, token);
  Snapshot::Slot content;
  content.offset = static_cast<std::uint32_t>(bytes.size() - token.size());
  content.size = static_cast<std::uint32_t>(token.size());
  content.basic_size = static_cast<std::uint32_t>(facts.basic_size);
  content.source = static_cast<std::uint16_t>(source);
  content.presence = static_cast<std::uint8_t>(facts.presence);
  Occupy(block, slot, content);
  CountSlot(content, +1);
}

void SnapshotBuilder::CountSlot(const Snapshot::Slot& slot, int sign) {
  SourceEntry& source = next_->sources_[slot.source];
  source.rows += sign;
  if (slot.presence == static_cast<std::uint8_t>(v1::Token::DELETED)) source.tombstones += sign;
  if (IsShown(static_cast<v1::Token::Presence>(slot.presence))) source.shown += sign;
  next_->token_bytes_ += sign * static_cast<std::int64_t>(slot.size);
}

void SnapshotBuilder::AddNames() {
  if (!next_->names_->HasRoomFor(named_rows_.size() + appended_.size())) {
    const ScanFilter all{.source = ScanFilter::kAllSources, .show_deleted = true};
    auto larger = std::make_shared<NameIndex>(static_cast<std::size_t>(next_->Count(all)));
    // In row order: of two rows of a name, the lower one is found.
    if (appended_.empty()) {
      next_->Scan(0, all, [&](const TokenRef& token) {
        const std::uint64_t hash = NameIndex::HashOf(ReadTokenName(token.full));
        larger->Add(hash, static_cast<std::uint32_t>(token.row));
        return true;
      });
    }
    AddAppendedTo(*larger);
    next_->names_ = std::move(larger);
    return;
  }
  AddAppendedTo(*next_->names_);
  for (const std::int64_t row : named_rows_) {
    const auto number = static_cast<std::uint32_t>(row);
    const absl::string_view name = ReadTokenName(next_->At(row).full);
    // It may have had this name before it was purged.
    const bool known =
        next_->names_->Find(name, [number](std::uint32_t other) { return other == number; }) != 0;
    if (!known && !name.empty()) next_->names_->Add(NameIndex::HashOf(name), number);
  }
}

void SnapshotBuilder::AddAppendedTo(NameIndex& names) const {
  constexpr std::size_t kAhead = 16;
  for (std::size_t i = 0; i < appended_.size(); ++i) {
    if (i + kAhead < appended_.size()) names.Prefetch(appended_[i + kAhead].name_hash);
    names.Add(appended_[i].name_hash, appended_[i].row);
  }
}

}  // namespace tokeninventory
