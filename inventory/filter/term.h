// One condition of a compiled filter, and how it is tried on a token.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inventory/filter/field_path.h"
#include "inventory/filter/filter_row.h"
#include "inventory/filter/literals.h"
#include "inventory/filter/text_test.h"

namespace tokeninventory::filter {

// Which strings a bare word is looked for in.
struct SearchScope {
  std::uint64_t fields = 0;  // bit per field number, each below 64
  int source = 0;            // a field whose text counts from behind `sources/`
  int nested = 0;            // a message
  std::uint64_t nested_fields = 0;
  int last = 0;  // the highest of the numbers
};

// Immutable once compiled, so thread-safe.
struct Term {
  enum class Test : std::uint8_t {
    kAny,      // the field is there
    kInteger,  // also enums and booleans
    kReal,
    kText,
    kInstant,  // times and durations
    kDynamic,  // a value of any type in a Struct
    kSearch,
  };

  Test test = Test::kAny;
  OrderMask mask = 0;     // kInteger, kReal, kInstant, kDynamic
  bool fraction = false;  // kInteger: `integer` was rounded down
  // kDynamic:
  bool has = false;     // `:`
  bool any = false;     // `:*`
  bool quoted = false;  // the value was, so that it means a string
  ColumnRef column;
  std::uint16_t hash = 0;  // of the text that a hashed column is compared with
  // For time columns: which of their values match, all others if `times_negated`.
  std::int64_t first_time = 0;
  std::int64_t last_time = 0;
  bool times_negated = false;
  // For enum columns: what each of their values comes to.
  std::array<std::uint8_t, 256> enum_verdicts{};
  std::int64_t integer = 0;
  double real = 0;              // kReal; kDynamic with `number`
  bool number = false;          // kDynamic: the value may mean `real`
  std::optional<bool> boolean;  // kDynamic: the value may mean this
  Instant instant;
  TextTest text;  // kText, kDynamic, kSearch
  std::vector<Step> steps;
  std::vector<std::string> keys;  // kDynamic
  SearchScope search;

  // What trying it costs, roughly, in nanoseconds.
  int Cost() const;
  bool Matches(const FilterRow& row) const;
  // The bits of `rows` whose rows match; see Filter::MatchRows.
  std::uint64_t MatchRows(const TokenColumns& columns, std::uint64_t rows, RowSource row_of) const;
  // See Filter::Prefetch.
  void Prefetch(const TokenColumns& columns) const;

 private:
  bool IsFullOnly() const;
  bool MatchesBytes(const FilterRow& row) const;
  std::uint64_t MatchBytesOf(std::uint64_t rows, RowSource row_of) const;
};

// Sets what `term` needs for columns from its steps, test and values.
void BindColumn(Term& term);

}  // namespace tokeninventory::filter
