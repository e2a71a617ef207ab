#include "inventory/expiration/lead_rules.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace tokeninventory {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

std::vector<absl::Duration> DefaultLeads() {
  return {kDay, 3 * kDay, 7 * kDay, 14 * kDay, 30 * kDay};
}

}  // namespace

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
  }
  return made;
}

std::vector<absl::Duration> LeadRules::LeadsFor(const FilterRow& token, absl::Duration life) const {
  const auto rule = std::find_if(rules_.begin(), rules_.end(), [&](const Rule& candidate) {
    return candidate.filter.matches_all() || candidate.filter.Matches(token);
  });
  std::vector<absl::Duration> leads = rule == rules_.end() ? DefaultLeads() : rule->leads;
  if (leads.empty()) return leads;
  leads.erase(std::lower_bound(leads.begin(), leads.end(), life), leads.end());
  if (leads.empty() && life > absl::ZeroDuration()) leads.push_back(life / 3);
  return leads;
}

absl::Duration LeadRules::widest() const {
  absl::Duration widest = DefaultLeads().back();
  for (const Rule& rule : rules_) {
    if (!rule.leads.empty()) widest = std::max(widest, rule.leads.back());
  }
  return widest;
}

}  // namespace tokeninventory
