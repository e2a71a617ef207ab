// An independent reading of the filter language: conditions that know their text
// and decide about a parsed token by reflection, written without a look at speed.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tokeninventory/v1/token.pb.h"

namespace tokeninventory::filter::testing {

// A token whose values come from a small vocabulary, so that filters of the same
// vocabulary match some of them. Odd times included.
v1::Token RandomFilterToken(std::mt19937_64& random, int number);

// A random condition over the fields of Token.
class Condition {
 public:
  virtual ~Condition() = default;
  // In parentheses where it needs some.
  virtual std::string Text() const = 0;
  virtual bool Holds(const v1::Token& token) const = 0;
};
std::unique_ptr<Condition> RandomCondition(std::mt19937_64& random, int levels);

}  // namespace tokeninventory::filter::testing
