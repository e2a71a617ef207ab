// SummarizeTokens: counts and soonest expiry by groups.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "inventory/filter/filter.h"
#include "inventory/snapshot.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory {

inline constexpr int kMaxDimensions = 4;
inline constexpr std::size_t kMaxGroups = 10'000;

// A SummarizeTokens request, checked.
struct SummaryPlan {
  ScanFilter scan;
  Filter filter;
  std::vector<v1::SummarizeTokensRequest::Dimension> dimensions;
  absl::Time now;
};

// INVALID_ARGUMENT names the field; NOT_FOUND when there is no such source.
absl::StatusOr<SummaryPlan> PlanSummary(const Snapshot& snapshot, const SourceSet& visible,
                                        const v1::SummarizeTokensRequest& request, absl::Time now);

// Looks at every token: for a scan pool. RESOURCE_EXHAUSTED (TOO_MANY_GROUPS).
absl::StatusOr<v1::SummarizeTokensResponse> AnswerSummary(const Snapshot& snapshot,
                                                          const SummaryPlan& plan);

}  // namespace tokeninventory
