#include "inventory/filter/filter.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/status_macros.h"
#include "inventory/filter/checker.h"
#include "inventory/filter/parser.h"
#include "inventory/filter/program.h"

namespace tokeninventory {

absl::StatusOr<Filter> Filter::Compile(absl::string_view text, const FilterOptions& options) {
  TI_ASSIGN_OR_RETURN(const std::unique_ptr<filter::Node> tree, filter::Parse(text));
  if (tree == nullptr) return Filter();
  TI_ASSIGN_OR_RETURN(filter::Program program, filter::Check(text, *tree, options));
  return Filter(std::make_shared<const filter::Program>(std::move(program)));
}

bool Filter::Matches(const FilterRow& row) const {
  if (program_ == nullptr) return true;
  int next = program_->start;
  while (next >= 0) {
    const filter::Instruction& at = program_->instructions[static_cast<std::size_t>(next)];
    next = at.term.Matches(row) ? at.if_true : at.if_false;
  }
  return next == filter::kAccept;
}

std::uint64_t Filter::MatchRows(const TokenColumns& columns, std::uint64_t rows,
                                RowSource row_of) const {
  if (program_ == nullptr) return rows;
  // Jumps lead to lower indices only, so that one sweep moves all rows to an end.
  std::array<std::uint64_t, filter::kMaxTerms> waiting{};
  std::uint64_t accepted = 0;
  const auto move = [&](std::uint64_t which, int to) {
    if (to >= 0) waiting[static_cast<std::size_t>(to)] |= which;
    if (to == filter::kAccept) accepted |= which;
  };
  move(rows, program_->start);
  for (int i = program_->start; i >= 0; --i) {
    const std::uint64_t here = waiting[static_cast<std::size_t>(i)];
    if (here == 0) continue;
    const filter::Instruction& at = program_->instructions[static_cast<std::size_t>(i)];
    const std::uint64_t matching = at.term.MatchRows(columns, here, row_of);
    move(matching, at.if_true);
    move(here & ~matching, at.if_false);
  }
  return accepted;
}

void Filter::Prefetch(const TokenColumns& columns) const {
  if (program_ == nullptr) return;
  for (const filter::Instruction& at : program_->instructions) at.term.Prefetch(columns);
}

bool Filter::uses_now() const { return program_ != nullptr && program_->uses_now; }

bool Filter::reads_bytes() const {
  if (program_ == nullptr) return false;
  return std::any_of(program_->instructions.begin(), program_->instructions.end(),
                     [](const filter::Instruction& at) {
                       return at.term.column.kind == filter::ColumnRef::Kind::kNone ||
                              at.term.column.kind == filter::ColumnRef::Kind::kHash;
                     });
}

}  // namespace tokeninventory
