// The inventory at one revision: an immutable tree over blocks of rows. The
// Ledger copies the blocks that a commit touches and shares the rest; a reader
// keeps one Snapshot for a page, a scan or an initial state, without any lock.
//
// A block holds the serialised tokens of 64 rows back to back, each with the tag and
// length that it has in an answer, so a page in storage order is copied in few pieces, and
// there is nothing to compact: what no snapshot shows is freed with its block
// (docs/adr/0002-blocks.md).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/numeric/bits.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "inventory/expiration/notice_table.h"
#include "inventory/filter/columns.h"
#include "inventory/filter/filter.h"
#include "inventory/filter/filter_row.h"
#include "inventory/name_index.h"
#include "inventory/sorted_index.h"
#include "inventory/source_set.h"
#include "inventory/token_bytes.h"
#include "inventory/wire.h"
#include "tokeninventory/v1/source.pb.h"
#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory {

// The field of answers that hold tokens: of ListTokensResponse and BatchGetTokensResponse.
inline constexpr int kTokensField = 1;

// A token in a Snapshot. The bytes live as long as the Snapshot.
struct TokenRef {
  std::int64_t row = 0;
  absl::string_view full;  // serialised v1::Token
  std::size_t basic_size = 0;
  std::uint16_t source = 0;  // index into Snapshot::sources()
  v1::Token::Presence presence = v1::Token::PRESENCE_UNSPECIFIED;
  const TokenColumns* columns = nullptr;
  int slot = 0;  // its row in `columns`

  // As filters and orders see it.
  FilterRow filter_row() const { return FilterRow{full, basic_size, columns, slot}; }

  absl::string_view bytes(v1::TokenView view) const {
    return view == v1::FULL ? full : full.substr(0, basic_size);
  }
  // `full`, which must not be empty, as field kTokensField: tag and length lie before it.
  absl::string_view field() const {
    const std::size_t size = wire::BytesFieldSize(kTokensField, full.size());
    return absl::string_view(full.data() + full.size() - size, size);
  }
};

// A source in a Snapshot.
struct SourceEntry {
  std::string id;
  std::shared_ptr<const v1::Source> status;  // `token_count` unset
  std::int64_t shown = 0;                    // tokens that List shows
  std::int64_t rows = 0;                     // tombstones and detached ones too
  std::int64_t tombstones = 0;

  // It left the configuration, and nothing of it is left but tombstones.
  bool is_forgotten() const {
    return status->state() == v1::Source::DETACHED && rows == tombstones;
  }
};

// Which tokens a scan visits.
struct ScanFilter {
  static constexpr int kAllSources = -1;
  int source = kAllSources;  // index, or kAllSources
  bool show_deleted = false;
  // By index, which of them may be seen at all; empty: all.
  std::vector<bool> visible = {};

  bool LetsSource(int index) const {
    return (source == kAllSources || index == source) &&
           (visible.empty() || visible[static_cast<std::size_t>(index)]);
  }
  bool Lets(const TokenRef& token) const {
    if (!LetsSource(token.source)) return false;
    return show_deleted || token.presence == v1::Token::LISTED ||
           token.presence == v1::Token::MISSING;
  }
};

// The first 64 bits of a serialised token's uid, in the order of its text.
std::uint64_t UidTie(absl::string_view token);

// Immutable, so thread-safe.
class Snapshot {
 public:
  Snapshot();

  std::int64_t revision() const { return revision_; }
  const std::vector<SourceEntry>& sources() const { return sources_; }
  // One more than the highest row.
  std::int64_t end_row() const { return end_row_; }
  // Bytes of all serialised tokens.
  std::int64_t token_bytes() const { return token_bytes_; }

  // The index of a source id, or -1.
  int FindSource(absl::string_view id) const;

  // For ScanFilter::visible, of this snapshot.
  std::vector<bool> Visible(const SourceSet& sources) const;
  std::vector<bool> Visible(const SourceDifference& sources) const;

  // The token of a row, or one with empty `full`.
  TokenRef At(std::int64_t row) const;
  // Has the processor fetch what At(row) reads.
  void PrefetchAt(std::int64_t row) const;

  // The token of a name, or one with empty `full`.
  TokenRef Find(absl::string_view name) const;

  // Tokens that a scan with this filter visits in all.
  std::int64_t Count(const ScanFilter& filter) const;

  // All rows, in the order of one of their times; those without it last.
  const SortedIndex& by_expire_time() const { return by_expire_time_; }
  const SortedIndex& by_effective_expire_time() const { return by_effective_expire_time_; }

  // What was said last of each token's end, by the token's row, and of sources.
  const NoticeTable& notices() const { return notices_; }

  // Calls `visit(const TokenRef&)` for each token behind row `after` that the
  // filter lets pass, by rising row, until it returns false.
  template <typename Visit>
  void Scan(std::int64_t after, const ScanFilter& filter, Visit visit) const {
    Scan(after, filter, Filter(), visit);
  }

  // The same for those that `matching` lets pass, too: a block at a time, which is
  // much faster than to ask it for each token.
  template <typename Visit>
  void Scan(std::int64_t after, const ScanFilter& filter, const Filter& matching,
            Visit visit) const;

 private:
  friend class SnapshotBuilder;

  static constexpr int kBlockRows = TokenColumns::kRows;
  static constexpr int kNodeBlocks = 64;

  struct Slot {
    std::uint32_t offset = 0;  // of the token; its tag and length are before it
    std::uint32_t size = 0;    // 0: no token
    std::uint32_t basic_size = 0;
    std::uint16_t source = 0;
    std::uint8_t presence = 0;
  };
  struct Block {
    // Bit `source % 64` is set for each source that has a token here.
    std::uint64_t source_bits = 0;
    // Bit i is set when slot i has a token; when it is neither DELETED nor DETACHED.
    std::uint64_t there = 0;
    std::uint64_t shown = 0;
    // Tokens as fields, by row. Up here, beside what a look at any row reads.
    std::string bytes;
    std::array<Slot, kBlockRows> slots;
    TokenColumns columns;
  };
  struct Node {
    std::array<std::shared_ptr<const Block>, kNodeBlocks> blocks;
  };

  const Block* BlockOf(std::int64_t row) const;
  static TokenRef RefOf(const Block& block, int slot, std::int64_t row);

  std::int64_t revision_ = 0;
  std::int64_t end_row_ = 1;
  std::int64_t token_bytes_ = 0;
  std::vector<std::shared_ptr<const Node>> nodes_;
  std::shared_ptr<NameIndex> names_;  // written by the builder only
  SortedIndex by_expire_time_;
  SortedIndex by_effective_expire_time_;
  std::vector<SourceEntry> sources_;
  NoticeTable notices_;
};

// Makes the next Snapshot from one. Used by the Ledger's thread only: the name
// index is shared by all snapshots, and has one writer.
class SnapshotBuilder {
 public:
  explicit SnapshotBuilder(const Snapshot& base)
      : base_(base), next_(std::make_shared<Snapshot>(base)) {}

  // Sets what a source says; a new id gets the next index.
  void PutSource(const std::string& id, std::shared_ptr<const v1::Source> status);

  // The index of a source, those that were put included, or -1.
  int FindSource(absl::string_view id) const { return next_->FindSource(id); }

  // Sets the token of a row. Its source must be known, its bytes valid. Where
  // two rows have the same name (a reused id's old token is kept in a higher
  // row), the row that was put first keeps being found by it.
  void PutToken(std::int64_t row, absl::string_view token);

  // For loading, in place of PutToken: sets the token of a row that is higher than all
  // before it, in a snapshot that had no tokens. Returns how readers will see it; bytes
  // and columns live until the next call. DATA_LOSS when it is no token, one of no source,
  // or not behind the last row; the builder is then of no further use.
  absl::StatusOr<TokenRef> Append(std::int64_t row, absl::string_view token);

  // Empties a row.
  void Purge(std::int64_t row);

  // Sets the notice of a row; null removes it.
  void PutNotice(std::int64_t row, std::shared_ptr<const Notice> notice);

  // Once only.
  std::shared_ptr<const Snapshot> Build(std::int64_t revision);

 private:
  // What becomes of a row.
  struct Edit {
    std::int64_t row = 0;
    std::size_t begin = 0;  // of its token in edit_bytes_
    std::size_t size = 0;   // 0: purged
  };
  using Edits = absl::Span<const Edit>;

  // A token that was appended.
  struct Appended {
    std::uint64_t name_hash = 0;
    std::uint32_t row = 0;
  };

  // Makes the blocks that edits wait for. Any number of times, so that many edits are
  // not held twice.
  void Flush();
  // A block that nobody shares yet. `edits` are of its rows, rising.
  std::shared_ptr<const Snapshot::Block> RebuildBlock(const Snapshot::Block* old, Edits edits);
  Snapshot::Node& OwnNode(std::size_t node);
  // The place of a block of rows.
  std::shared_ptr<const Snapshot::Block>& OwnPlace(std::int64_t block);
  // Ends the block that Append fills.
  void CloseBlock();
  // Notes in a block what a slot of it holds.
  static void Occupy(Snapshot::Block& block, int slot, const Snapshot::Slot& content);
  // The same for a new token, whose bytes come to the end of `bytes`. Its columns are set.
  void Enter(Snapshot::Block& block, int slot, const TokenFacts& facts, int source,
             absl::string_view token, std::string& bytes);
  void CountSlot(const Snapshot::Slot& slot, int sign);
  void AddNames();
  void AddAppendedTo(NameIndex& names) const;

  const Snapshot& base_;
  std::shared_ptr<Snapshot> next_;
  std::vector<Edit> edits_;
  std::string edit_bytes_;
  std::vector<std::shared_ptr<Snapshot::Node>> own_nodes_;  // by place; null: still shared
  // What leaves the indexes and what comes into them. Of appended tokens `effective_…` is
  // the difference to the other index: most have the same time in both.
  std::vector<SortedEntry> expire_gone_, expire_come_, effective_gone_, effective_come_;
  std::vector<std::int64_t> named_rows_;  // put ones, whose name may not be in the index
  std::vector<Appended> appended_;
  // The block that Append fills, its number, and its bytes, whose memory serves them all.
  std::shared_ptr<Snapshot::Block> open_block_;
  std::int64_t open_number_ = 0;
  std::string open_bytes_;
  std::map<std::int64_t, std::shared_ptr<const Notice>> notices_;
};

inline TokenRef Snapshot::RefOf(const Block& block, int slot, std::int64_t row) {
  const Slot& s = block.slots[static_cast<std::size_t>(slot)];
  TokenRef token;
  token.row = row;
  token.full = absl::string_view(block.bytes.data() + s.offset, s.size);
  token.basic_size = s.basic_size;
  token.source = s.source;
  token.presence = static_cast<v1::Token::Presence>(s.presence);
  token.columns = &block.columns;
  token.slot = slot;
  return token;
}

template <typename Visit>
void Snapshot::Scan(std::int64_t after, const ScanFilter& filter, const Filter& matching,
                    Visit visit) const {
  if (after >= end_row_) return;  // the largest row has no next one
  for (std::int64_t row = after + 1; row < end_row_;) {
    const Block* block = BlockOf(row);
    const std::int64_t begin = row / kBlockRows * kBlockRows;
    const int first = static_cast<int>(row - begin);
    row = begin + kBlockRows;
    if (const Block* const ahead = BlockOf(row + kBlockRows); ahead != nullptr) {
      __builtin_prefetch(ahead);
      matching.Prefetch(ahead->columns);
    }
    if (block == nullptr || (filter.source != ScanFilter::kAllSources &&
                             (block->source_bits >> (filter.source % 64) & 1) == 0)) {
      continue;
    }
    std::uint64_t slots = (filter.show_deleted ? block->there : block->shown) >> first << first;
    if (filter.source != ScanFilter::kAllSources || !filter.visible.empty()) {
      for (std::uint64_t left = slots; left != 0; left &= left - 1) {
        const int slot = absl::countr_zero(left);
        if (!filter.LetsSource(block->slots[static_cast<std::size_t>(slot)].source)) {
          slots &= ~(std::uint64_t{1} << slot);
        }
      }
    }
    slots = matching.MatchRows(block->columns, slots, [&](int slot) {
      return RefOf(*block, slot, begin + slot).filter_row();
    });
    for (; slots != 0; slots &= slots - 1) {
      const int slot = absl::countr_zero(slots);
      if (!visit(RefOf(*block, slot, begin + slot))) return;
    }
  }
}

}  // namespace tokeninventory
