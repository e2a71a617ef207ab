// How long before its end a token is warned about: the configuration's rules.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "inventory/filter/filter.h"

namespace tokeninventory {

// Bounds on a rule's leads.
inline constexpr absl::Duration kShortestLead = absl::Seconds(1);
inline constexpr absl::Duration kLongestLead = absl::Hours(24 * 3660);
inline constexpr std::size_t kMaxLeads = 20;

// One rule as the configuration has it.
struct LeadRule {
  std::string filter;  // AIP-160, without `now`; empty: all tokens
  std::vector<absl::Duration> leads;
};

// Immutable, so thread-safe; cheap to copy.
class LeadRules {
 public:
  // No rules: every token has the default leads, 30, 14, 7, 3 and 1 days.
  LeadRules();

  // INVALID_ARGUMENT for a bad filter (as Filter::Compile) or bad leads (outside of
  // the bounds above, too many, twice the same); the first problem only.
  static absl::StatusOr<LeadRules> Make(const std::vector<LeadRule>& rules);

  // What is wrong with the leads of a rule; empty when nothing is.
  static std::string ProblemWith(const std::vector<absl::Duration>& leads);

  // The leads of the first rule that matches a token, the tightest first. Left out
  // are those that are not shorter than `life` (InfiniteDuration when it is not
  // known); where none remains of some, a third of `life` stands in.
  std::vector<absl::Duration> LeadsFor(const FilterRow& token, absl::Duration life) const;

  // No lead of any rule is longer.
  absl::Duration widest() const { return widest_; }

 private:
  struct Rule {
    Filter filter;
    std::vector<absl::Duration> leads;  // rising
  };
  std::vector<Rule> rules_;
  absl::Duration widest_;
};

}  // namespace tokeninventory
