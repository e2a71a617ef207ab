// Every fault that has a name. Each can be put on any list of any vendor.
//
// Thread-safe: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/vendor_sim/fault_plan.h"

namespace tokeninventory::vendor_sim {

// Whether a client that reads one answer, or reads all pages, can tell that something is wrong. A
// test says with it what it expects.
enum class FaultKind {
  kFailure,    // there is no answer that could be used
  kWrong,      // an answer that contradicts itself, or what a list can be
  kShort,      // shows less than there is; nothing in it says so, but a total where there is one
  kPlausible,  // may be true, or true enough
};

struct NamedFault {
  std::string name;
  std::string what;  // for people, in a few words
  FaultKind kind = FaultKind::kFailure;
  Fault fault;  // one request, any target
};

// In the order in which people read them.
const std::vector<NamedFault>& FaultCatalogue();

std::optional<NamedFault> FindFault(const std::string& name);

// Stands in every body that the catalogue makes up: no client may show it anywhere.
inline constexpr char kPlantedText[] = "planted-in-a-body";

}  // namespace tokeninventory::vendor_sim
