// The command line that all programs here share, and their results.
#pragma once

#include <string>
#include <vector>

#include "bench/lib/rounds.h"

namespace tokeninventory::bench {

// usage: PROGRAM [--quick] [--data DIR]
struct Setup {
  bool quick = false;
  int rounds = 15;
  // Where what is measured and its bar are too close for `rounds` to tell.
  int rounds_near_bars() const { return quick ? rounds : 4 * rounds + 1; }
  // Filled stores are kept here, to be used again.
  std::string data = "bench-data";
};
Setup ReadArguments(int argc, char** argv);

// What another program took for the same.
struct Compared {
  std::string name;
  std::vector<double> values;
};

// One line of the table. A bar is about the ratio to `limit` or `peer`, whichever is
// there, and about the value itself where there is neither.
struct Row {
  std::string name;
  std::string unit;
  std::vector<double> values;  // one a round
  Compared limit = {};
  Compared peer = {};
  Bar bar = {};
  bool more_is_better = false;
};

// Prints it as a line of JSON; bench/run makes the table of these.
void Print(const Row& row);

// What is going on, for people, on standard error.
void Note(const std::string& text);

}  // namespace tokeninventory::bench
