// What filters, orders and summaries mostly ask, beside the serialised tokens:
// one TokenColumns per block of rows, value after value, so that a scan over
// one field reads 1 to 8 bytes a token (measured: bench/scan.cc).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/strings/string_view.h"
#include "inventory/filter/text_numbers.h"

namespace tokeninventory {

struct TokenFacts;

// The columns of 64 rows, about 107 bytes a row. Copyable: the Ledger copies a block's
// columns with the block. Thread-compatible: const methods may run together.
class TokenColumns {
 public:
  static constexpr int kRows = 64;

  enum Time : std::uint8_t {
    kCreateTime,
    kExpireTime,
    kLastUsedTime,
    kInactivityDeadline,
    kEffectiveExpireTime,
    kFirstSeenTime,
    kUpdateTime,
    kDeleteTime,
    kTimes,
  };
  // Enum fields, by number.
  enum Enum : std::uint8_t {
    kAccessLevel,
    kExpiry,
    kExpireTimePrecision,
    kLastUse,
    kState,
    kPresence,
    kDeleteCause,
    kOwnerKind,
    kEnums,
  };
  // Strings of which there are few: TextNumbers.
  enum Text : std::uint8_t { kSource, kProvider, kKind, kRole, kProviderState, kTexts };
  // Strings of which each token has another: 16-bit hashes.
  enum Hashed : std::uint8_t {
    kName,
    kUid,
    kProviderTokenId,
    kDisplayName,
    kHint,
    kOwnerId,
    kOwnerDisplayName,
    kOwnerEmail,
    kHashes,
  };

  // Nanoseconds since the epoch; absent; or not within int64 (before 1678, after
  // 2262): then the bytes tell.
  static constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::max();
  static constexpr std::int64_t kTimeInBytes = std::numeric_limits<std::int64_t>::min();
  // No owner; not within a byte.
  static constexpr std::uint8_t kNoEnum = 254;
  static constexpr std::uint8_t kEnumInBytes = 255;
  // The string has no number.
  static constexpr TextNumbers::Number kTextInBytes = TextNumbers::kNone;
  // No owner; the empty string, and no other.
  static constexpr std::uint16_t kNoHash = 0;
  static constexpr std::uint16_t kEmptyHash = 1;

  TokenColumns();

  // Sets a row from its serialised token, and returns what ReadTokenFacts would: one
  // walk for both. ~0.2 µs.
  TokenFacts Set(int row, absl::string_view token);

  // Empties a row.
  void Clear(int row);

  std::int64_t time(Time column, int row) const { return times_[column][Index(row)]; }
  std::int64_t revision(int row) const { return revisions_[Index(row)]; }
  std::uint8_t enumerator(Enum column, int row) const { return enums_[column][Index(row)]; }
  std::uint16_t hash(Hashed column, int row) const { return hashes_[column][Index(row)]; }
  bool has_owner(int row) const { return hash(kOwnerId, row) != kNoHash; }

  // kTextInBytes, or a number of texts().
  TextNumbers::Number text_number(Text column, int row) const {
    return text_numbers_[column][Index(row)];
  }
  // The strings of a column, of all blocks.
  static const TextNumbers& texts(Text column) { return TextsOf(column); }

  // Has the processor fetch a column of all rows.
  void Prefetch(Time column) const;
  void Prefetch(Enum column) const;
  void Prefetch(Text column) const;
  void Prefetch(Hashed column) const;

  // Of a hashed column. May become another one: not for storing.
  static std::uint16_t HashOf(absl::string_view text);

 private:
  template <typename Value>
  using Column = std::array<Value, kRows>;

  static std::size_t Index(int row) { return static_cast<std::size_t>(row); }
  static TextNumbers& TextsOf(Text column);
  void SetOwner(std::size_t row, absl::string_view owner);

  std::array<Column<std::int64_t>, kTimes> times_;
  Column<std::int64_t> revisions_;
  std::array<Column<std::uint16_t>, kHashes> hashes_;
  std::array<Column<std::uint8_t>, kEnums> enums_;
  std::array<Column<TextNumbers::Number>, kTexts> text_numbers_;
};

static_assert(sizeof(TokenColumns) <= 112 * TokenColumns::kRows);

}  // namespace tokeninventory
