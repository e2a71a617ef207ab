// ListTokens: which tokens, in which order, from where to where (AIP-132, 158, 160).
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "inventory/filter/filter.h"
#include "inventory/filter/order.h"
#include "inventory/snapshot.h"
#include "tokeninventory/internal/v1/cursor.pb.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory {

// A ListTokens request, checked.
struct ListPlan {
  ScanFilter scan;
  Filter filter;
  OrderBy order;
  // The order is one of the snapshot's indexes, and the page lies behind its cursor.
  const SortedIndex& (Snapshot::*index)() const = nullptr;
  bool index_descending = false;
  v1::TokenView view = v1::BASIC;
  int page_size = 0;
  std::int64_t skip = 0;
  bool is_first_page = false;
  std::uint64_t visible_hash = 0;  // VisibleHash of the caller's sources
  internal::v1::PageCursor cursor;

  // Looks at a page of tokens or little more; else the work belongs in a scan pool.
  bool is_cheap() const;
};

// Checks a request. INVALID_ARGUMENT names the field; NOT_FOUND when there is no
// such source. `now` is what the filter's `now` means on the first page.
absl::StatusOr<ListPlan> PlanList(const Snapshot& snapshot, const SourceSet& visible,
                                  absl::string_view epoch, const v1::ListTokensRequest& request,
                                  absl::Time now);

// The bytes of a ListTokensResponse.
std::string AnswerList(const Snapshot& snapshot, absl::string_view epoch, const ListPlan& plan);

// Both in one.
absl::StatusOr<std::string> ListTokens(const Snapshot& snapshot, const SourceSet& visible,
                                       absl::string_view epoch,
                                       const v1::ListTokensRequest& request, absl::Time now);

}  // namespace tokeninventory
