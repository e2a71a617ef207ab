// ListExpirations: the notices, those about sources first, then by end.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "inventory/filter/filter.h"
#include "inventory/snapshot.h"
#include "tokeninventory/internal/v1/cursor.pb.h"
#include "tokeninventory/v1/expiration.pb.h"

namespace tokeninventory {

// A ListExpirations request, checked.
struct ExpirationPlan {
  ScanFilter scan;  // whose notices
  Filter filter;
  absl::Duration max_lead = absl::InfiniteDuration();
  bool show_resolved = false;
  int page_size = 0;
  bool is_first_page = false;
  std::uint64_t visible_hash = 0;  // VisibleHash of the caller's sources
  internal::v1::PageCursor cursor;
};

// Of `max_lead`, which may be unset. INVALID_ARGUMENT when negative or no duration.
absl::StatusOr<absl::Duration> ParseMaxLead(bool is_set, const google::protobuf::Duration& lead);

// Checks a request, as PlanList. `now` is what the filter's `now` means on the first
// page.
absl::StatusOr<ExpirationPlan> PlanExpirations(const Snapshot& snapshot, const SourceSet& visible,
                                               absl::string_view epoch,
                                               const v1::ListExpirationsRequest& request,
                                               absl::Time now);

// The bytes of a ListExpirationsResponse. Looks at every notice for the first page:
// work for a scan pool.
std::string AnswerExpirations(const Snapshot& snapshot, absl::string_view epoch,
                              const ExpirationPlan& plan);

}  // namespace tokeninventory
