// Answers to reads, as the bytes that go on the wire. They come from one
// Snapshot each; nothing here waits or looks at the store.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inventory/snapshot.h"
#include "inventory/token_store.h"
#include "tokeninventory/v1/sources.pb.h"
#include "tokeninventory/v1/token_inventory.pb.h"

namespace tokeninventory {

inline constexpr int kDefaultPageSize = 100;
inline constexpr int kMaxPageSize = 1000;
inline constexpr int kMaxBatchGet = 1000;
// A page ends when it has this many bytes, below gRPC's default limit of 4 MiB.
inline constexpr std::size_t kMaxPageBytes = std::size_t{3} << 20;

// A page size as clients give it: 0 is the default, too large is the most.
// INVALID_ARGUMENT when negative.
absl::StatusOr<int> EffectivePageSize(std::int32_t page_size);

// The view that unspecified stands for; INVALID_ARGUMENT for an unknown number.
absl::StatusOr<v1::TokenView> EffectiveView(v1::TokenView view, v1::TokenView unspecified);

// What a scan visits of a `parent` that must be `sources/{source}` or `sources/-`, for a
// caller who may see `visible`. PERMISSION_DENIED (SOURCE_FORBIDDEN) for another source,
// whether it is there or not; NOT_FOUND when there is no such source.
absl::StatusOr<ScanFilter> FindParent(const Snapshot& snapshot, const SourceSet& visible,
                                      absl::string_view parent);

// PERMISSION_DENIED (SOURCE_FORBIDDEN) unless `visible` has the source of this id.
absl::Status CheckVisible(const SourceSet& visible, absl::string_view source);
// The same for the source of a token's name.
absl::Status CheckTokenVisible(const SourceSet& visible, absl::string_view token_name);

// The bytes of GetToken's answer. NOT_FOUND (TOKEN_NOT_FOUND).
absl::StatusOr<std::string> GetToken(const Snapshot& snapshot, const SourceSet& visible,
                                     const v1::GetTokenRequest& request);

// The bytes of a BatchGetTokensResponse.
absl::StatusOr<std::string> BatchGetTokens(const Snapshot& snapshot, const SourceSet& visible,
                                           const v1::BatchGetTokensRequest& request);

// The sources of a scan whose tokens may be out of date or incomplete:
// `sources/{source}`, sorted.
std::vector<std::string> UnreachableSources(const Snapshot& snapshot, const ScanFilter& scan);

// A ListTokenChanges request, checked.
struct HistoryQuery {
  std::int64_t row = 0;
  std::int64_t before_revision = 0;
  int limit = 0;
  v1::TokenView view = v1::BASIC;
  std::uint64_t request_hash = 0;
};
absl::StatusOr<HistoryQuery> ParseHistoryQuery(const Snapshot& snapshot, const SourceSet& visible,
                                               absl::string_view epoch,
                                               const v1::ListTokenChangesRequest& request);

// The answer, from `query.limit + 1` entries or fewer, newest first.
v1::ListTokenChangesResponse MakeHistoryPage(const HistoryQuery& query, absl::string_view epoch,
                                             const std::vector<LogEntry>& entries);

// NOT_FOUND (SOURCE_NOT_FOUND); `name` is `sources/{source}`.
absl::Status NoSuchSource(absl::string_view name);

// A source with all that is known of it now.
v1::Source MakeSource(const SourceEntry& entry);

absl::StatusOr<v1::Source> GetSource(const Snapshot& snapshot, const SourceSet& visible,
                                     const v1::GetSourceRequest& request);
absl::StatusOr<v1::ListSourcesResponse> ListSources(const Snapshot& snapshot,
                                                    const SourceSet& visible,
                                                    absl::string_view epoch,
                                                    const v1::ListSourcesRequest& request);

}  // namespace tokeninventory
