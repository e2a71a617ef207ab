// The two containers that every vendor's store is made of: rows found by id, and orders over rows.
//
// A page is read by position, a cursor by binary search; no request does work for the whole table.
// Thread-compatible: guarded by their owner.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tests/vendor_sim/sim_time.h"
#include "tests/vendor_sim/uuid.h"

namespace tokeninventory::vendor_sim {

// Names a row of one table for as long as the row lives; an erased row's slot is used again.
using Slot = std::uint32_t;

// Rows of type Token, which has the members `id` and `created_at`.
template <typename Token>
class TokenTable {
 public:
  void Reserve(std::size_t count) {
    rows_.reserve(count);
    by_id_.reserve(count);
  }

  // Nothing when the id is taken.
  std::optional<Slot> Insert(Token token) {
    const Slot slot = free_.empty() ? static_cast<Slot>(rows_.size()) : free_.back();
    if (!by_id_.emplace(token.id, slot).second) return std::nullopt;
    if (free_.empty()) {
      rows_.push_back(std::move(token));
    } else {
      free_.pop_back();
      rows_[slot] = std::move(token);
    }
    return slot;
  }

  void Erase(Slot slot) {
    by_id_.erase(rows_[slot].id);
    rows_[slot] = Token();
    free_.push_back(slot);
  }

  std::optional<Slot> Find(const Uuid& id) const {
    const auto it = by_id_.find(id);
    if (it == by_id_.end()) return std::nullopt;
    return it->second;
  }

  // The caller must change neither `id` nor `created_at`.
  Token& operator[](Slot slot) { return rows_[slot]; }
  const Token& operator[](Slot slot) const { return rows_[slot]; }

  std::size_t size() const { return by_id_.size(); }

 private:
  std::vector<Token> rows_;
  std::vector<Slot> free_;
  std::unordered_map<Uuid, Slot> by_id_;
};

// Some rows of one table, oldest first; equal times in order of id. Refers to the table, which must
// outlive it.
template <typename Token>
class CreationOrder {
 public:
  explicit CreationOrder(const TokenTable<Token>* table) : table_(table) {}

  void Insert(Slot slot) {
    const Token& token = (*table_)[slot];
    // New tokens are the newest, so this is nearly always an append.
    slots_.insert(slots_.begin() + Offset(LowerBound(token.created_at, token.id)), slot);
  }

  // The row must be in this order, and still in the table.
  void Erase(Slot slot) {
    const Token& token = (*table_)[slot];
    slots_.erase(slots_.begin() + Offset(LowerBound(token.created_at, token.id)));
  }

  // The position of the first row that is not older than this.
  std::size_t LowerBound(TimePoint created_at, const Uuid& id) const {
    if (slots_.empty() || Older((*table_)[slots_.back()], created_at, id)) return slots_.size();
    const auto it = std::lower_bound(slots_.begin(), slots_.end(), 0,
                                     [this, created_at, &id](Slot candidate, int) {
                                       return Older((*table_)[candidate], created_at, id);
                                     });
    return static_cast<std::size_t>(it - slots_.begin());
  }

  const std::vector<Slot>& slots() const { return slots_; }
  std::size_t size() const { return slots_.size(); }
  const Token& operator[](std::size_t position) const { return (*table_)[slots_[position]]; }

  // Copies of all rows.
  std::vector<Token> Copy() const {
    std::vector<Token> tokens;
    tokens.reserve(slots_.size());
    for (Slot slot : slots_) tokens.push_back((*table_)[slot]);
    return tokens;
  }

 private:
  static bool Older(const Token& token, TimePoint created_at, const Uuid& id) {
    return token.created_at != created_at ? token.created_at < created_at : token.id < id;
  }
  static std::ptrdiff_t Offset(std::size_t position) {
    return static_cast<std::ptrdiff_t>(position);
  }

  const TokenTable<Token>* table_;
  std::vector<Slot> slots_;
};

}  // namespace tokeninventory::vendor_sim
