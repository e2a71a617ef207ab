// Case files from outside about watches (testdata/*.json, each with its `source`).
// A case that this service does not take over says why:
//   not_applicable  the design has no equivalent, or decided otherwise
//   covered_by      the test elsewhere that runs it
#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

namespace tokeninventory::testing {

struct WatchCase {
  std::string group;
  std::string id;        // of the case, or the group's name and its number; fits a test's name
  nlohmann::json json;   // the case
  nlohmann::json about;  // the group without its cases

  // It is not run here.
  bool is_set_aside() const {
    return json.contains("not_applicable") || json.contains("covered_by");
  }
};

std::ostream& operator<<(std::ostream& out, const WatchCase& watch_case);

// Every case of every group. Ends the program when the file cannot be read.
std::vector<WatchCase> ReadWatchCases(const std::string& file);

}  // namespace tokeninventory::testing
