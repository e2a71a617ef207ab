// A compiled filter: terms with jumps between them.
#pragma once

#include <vector>

#include "inventory/filter/term.h"

namespace tokeninventory::filter {

// Where a jump ends: an index into Program::terms, or one of these.
inline constexpr int kAccept = -1;
inline constexpr int kReject = -2;

struct Instruction {
  Term term;
  int if_true = kAccept;
  int if_false = kReject;
};

struct Program {
  std::vector<Instruction> instructions;
  int start = kAccept;
  bool uses_now = false;
};

}  // namespace tokeninventory::filter
