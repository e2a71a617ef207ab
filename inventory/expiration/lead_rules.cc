#include "inventory/expiration/lead_rules.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace tokeninventory {
namespace {

// Rising.
constexpr absl::Duration kDefaultLeads[] = {absl::Hours(24), absl::Hours(24 * 3),
                                            absl::Hours(24 * 7), absl::Hours(24 * 14),
                                            absl::Hours(24 * 30)};

}  // namespace

LeadRules::LeadRules() : widest_(std::end(kDefaultLeads)[-1]) {}

std::string LeadRules::ProblemWith(const std::vector<absl::Duration>& leads) {
  if (leads.size() > kMaxLeads) {
    return absl::StrCat("at most ", kMaxLeads, " leads, there are ", leads.size());
  }
  for (auto it = leads.begin(); it != leads.end(); ++it) {
    if (*it < kShortestLead || *it > kLongestLead) {
      return absl::StrCat("a lead must be between ", absl::FormatDuration(kShortestLead), " and ",
                          absl::FormatDuration(kLongestLead), ", is ", absl::FormatDuration(*it));
    }
    if (std::find(leads.begin(), it, *it) != it) {
      return absl::StrCat("the lead ", absl::FormatDuration(*it), " stands there twice");
    }
  }
  return std::string();
}

absl::StatusOr<LeadRules> LeadRules::Make(const std::vector<LeadRule>& rules) {
  LeadRules made;
  for (const LeadRule& rule : rules) {
    const std::string problem = ProblemWith(rule.leads);
    if (!problem.empty()) return absl::InvalidArgumentError(problem);
    FilterOptions options;
    options.allow_now = false;  // the leads are what depends on time
    Rule& compiled = made.rules_.emplace_back();
    TI_ASSIGN_OR_RETURN(compiled.filter, Filter::Compile(rule.filter, options));
    compiled.leads = rule.leads;
    std::sort(compiled.leads.begin(), compiled.leads.end());
    if (!compiled.leads.empty()) made.widest_ = std::max(made.widest_, compiled.leads.back());
  }
  return made;
}

std::vector<absl::Duration> LeadRules::LeadsFor(const FilterRow& token, absl::Duration life) const {
  const auto rule = std::find_if(rules_.begin(), rules_.end(), [&](const Rule& candidate) {
    return candidate.filter.matches_all() || candidate.filter.Matches(token);
  });
  std::vector<absl::Duration> leads =
      rule == rules_.end()
          ? std::vector<absl::Duration>(std::begin(kDefaultLeads), std::end(kDefaultLeads))
          : rule->leads;
  if (leads.empty()) return leads;
  leads.erase(std::lower_bound(leads.begin(), leads.end(), life), leads.end());
  if (leads.empty() && life > absl::ZeroDuration()) leads.push_back(life / 3);
  return leads;
}

}  // namespace tokeninventory
