// How many of the outside cases are run. A case that is switched on, or that
// comes in, changes a figure here.
#include "tests/watch_trace/case_file.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tokeninventory::testing {
namespace {

struct Figures {
  int run = 0;
  int covered_by = 0;
  int not_applicable = 0;

  friend bool operator==(const Figures&, const Figures&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Figures& figures) {
    return out << figures.run << " run here, " << figures.covered_by << " elsewhere, "
               << figures.not_applicable << " not applicable";
  }
};

Figures Count(const std::string& file) {
  Figures figures;
  std::set<std::string> ids;
  for (const WatchCase& watch_case : ReadWatchCases(file)) {
    EXPECT_TRUE(ids.insert(watch_case.id).second) << watch_case.id;
    const int reasons = static_cast<int>(watch_case.json.count("covered_by") +
                                         watch_case.json.count("not_applicable"));
    EXPECT_LE(reasons, 1) << watch_case;
    for (const char* key : {"covered_by", "not_applicable"}) {
      EXPECT_NE(watch_case.json.value(key, "a reason"), "") << watch_case;
    }
    if (watch_case.json.contains("covered_by")) {
      ++figures.covered_by;
    } else if (watch_case.json.contains("not_applicable")) {
      ++figures.not_applicable;
    } else {
      ++figures.run;
    }
  }
  return figures;
}

TEST(CaseFileTest, EachCaseIsRunOrHasItsReason) {
  EXPECT_EQ(Count("etcd_watch_scenarios.json"), (Figures{71, 2, 29}));
  EXPECT_EQ(Count("k8s_watch_cases.json"), (Figures{106, 0, 20}));
  EXPECT_EQ(Count("watch_other_anchors.json"), (Figures{25, 1, 5}));
}

}  // namespace
}  // namespace tokeninventory::testing
