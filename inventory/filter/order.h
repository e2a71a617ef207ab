// `order_by` of ListTokens (AIP-132): `expire_time, owner.email desc`.
//
// Fields: every string, number, boolean, enum, time and duration of Token, those
// of owner and creator too; not lists, `attributes`, whole messages. At most 8,
// each once; `asc` may be written out.
//
// Order: strings byte by byte, and by their first 1024 bytes divided by the number
// of fields; enums by number, which is the order of their declaration; false
// before true. What is missing comes last, `desc` or not: absent times, durations
// and messages, empty strings, UNSPECIFIED enums. Ties end in `uid`, ascending.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inventory/filter/field_path.h"
#include "inventory/filter/filter_row.h"

namespace tokeninventory {

// One field of an order, as it was written.
struct OrderTerm {
  std::string path;
  bool descending = false;
};

// The fields that `text` names, unchecked. ORDER_BY_SYNTAX, also for a field
// named twice and for more than 8.
absl::StatusOr<std::vector<OrderTerm>> ParseOrderBy(absl::string_view text);

// A compiled order. Immutable, so thread-safe.
class OrderBy {
 public:
  // By uid.
  OrderBy() = default;

  // INVALID_ARGUMENT for field `order_by` with one of the reasons ORDER_BY_SYNTAX,
  // ORDER_BY_UNKNOWN_FIELD, ORDER_BY_NOT_SORTABLE.
  static absl::StatusOr<OrderBy> Compile(absl::string_view text);

  // No field was named: the caller's default order applies.
  bool empty() const { return fields_.empty(); }

  // Less than, equal to, or greater than 0. Equal for the same token only.
  int Compare(const FilterRow& a, const FilterRow& b) const;

  // Bytes whose memcmp order is Compare's. At most 3 KiB for uids of the service.
  // Keys made with and without columns are the same.
  std::string SortKey(const FilterRow& row) const;

  // How often each field is answered from columns alone: with all, a row with
  // columns needs its bytes for the uid only.
  bool reads_bytes() const;

 private:
  struct Field {
    filter::FieldPath path;
    filter::ColumnRef column;
    bool descending = false;
  };
  struct Value;

  Value Read(const Field& field, const FilterRow& row) const;
  static int CompareValues(const Value& a, const Value& b, bool descending);

  std::vector<Field> fields_;
  std::size_t max_text_ = 0;
};

}  // namespace tokeninventory
