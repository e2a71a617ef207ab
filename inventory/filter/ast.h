// What a filter says, before its names and values are checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "inventory/filter/lexer.h"

namespace tokeninventory::filter {

enum class Comparator : std::uint8_t {
  kNone,  // a bare word
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqual,
  kNotEqual,
  kHas,
};

struct Node;

// What stands alone or on one side of a comparator.
struct Operand {
  enum class Kind : std::uint8_t {
    kMember,  // `a`, `a.b`, `"text"`, `1.5`
    kCall,    // `f.g(…)`
    kGroup,   // `(x OR y)`, on the right side only
  };

  Kind kind = Kind::kMember;
  std::size_t offset = 0;
  std::vector<Word> words;         // kMember: between the dots; kCall: the function's name
  std::vector<Operand> arguments;  // kCall
  std::unique_ptr<Node> group;     // kGroup: its restrictions have no comparator
};

struct Node {
  enum class Kind : std::uint8_t {
    kAnd,       // `a AND b`
    kSequence,  // `a b`: means AND
    kOr,        // `a OR b`
    kNot,       // `NOT a`, `-a`
    kRestriction,
  };

  Kind kind = Kind::kRestriction;
  std::vector<std::unique_ptr<Node>> children;  // one for kNot, else two or more
  // kRestriction:
  Operand left;
  Comparator comparator = Comparator::kNone;
  Operand right;
};

}  // namespace tokeninventory::filter
