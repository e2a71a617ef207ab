// A token as filters and orders see it.
#pragma once

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "inventory/filter/columns.h"

namespace tokeninventory {

// Nothing is owned.
struct FilterRow {
  // What SerializeToken wrote. Damaged bytes are no fault: fields that cannot
  // be read are absent.
  absl::string_view bytes;
  // Where the fields that only FULL has begin (TokenFacts::basic_size); 0: not
  // known, which costs terms on them some time.
  std::size_t full_offset = 0;
  // The columns of the same token, and its row there; null: not at hand.
  const TokenColumns* columns = nullptr;
  int row = 0;
};

// Gives row i of a block.
using RowSource = absl::FunctionRef<FilterRow(int)>;

}  // namespace tokeninventory
