#include "tests/watch_trace/case_file.h"

#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tokeninventory::testing {

std::ostream& operator<<(std::ostream& out, const WatchCase& watch_case) {
  return out << watch_case.json;
}

std::vector<WatchCase> ReadWatchCases(const std::string& file) {
  std::ifstream stream(TI_WATCH_TESTDATA + file);
  const nlohmann::json groups = nlohmann::json::parse(stream);
  std::vector<WatchCase> cases;
  for (const auto& [name, group] : groups.items()) {
    if (!group.is_object() || !group.contains("cases")) continue;
    nlohmann::json about = group;
    about.erase("cases");
    for (const auto& json : group["cases"]) {
      WatchCase watch_case{name, json.value("id", ""), json, about};
      if (watch_case.id.empty()) watch_case.id = absl::StrCat(name, "_", cases.size());
      for (char& c : watch_case.id) {
        if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '_';
      }
      cases.push_back(std::move(watch_case));
    }
  }
  return cases;
}

}  // namespace tokeninventory::testing
