#include "inventory/answers.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "base/status_macros.h"
#include "inventory/cursor.h"
#include "inventory/errors.h"
#include "inventory/token_bytes.h"
#include "inventory/token_name.h"
#include "inventory/wire.h"

namespace tokeninventory {
namespace {

constexpr absl::string_view kAnySource = "-";

absl::Status NoSuchToken(absl::string_view name) {
  return MakeError(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND",
                   absl::StrCat(name, " is not a token of this inventory"),
                   {{"token", std::string(name)}});
}

// What its tokens say may be old or incomplete.
bool IsUnreachable(const v1::Source& source) {
  return source.state() != v1::Source::OK && source.state() != v1::Source::DETACHED;
}

internal::v1::PageCursor MakeCursor(absl::string_view epoch, std::uint64_t request_hash,
                                    std::int64_t after) {
  internal::v1::PageCursor cursor;
  cursor.set_epoch(std::string(epoch));
  cursor.set_request_hash(request_hash);
  cursor.set_after(after);
  return cursor;
}

}  // namespace

absl::Status NoSuchSource(absl::string_view name) {
  return MakeError(absl::StatusCode::kNotFound, "SOURCE_NOT_FOUND",
                   absl::StrCat(name, " is not a source of this inventory"),
                   {{"source", std::string(name)}});
}

absl::StatusOr<int> EffectivePageSize(std::int32_t page_size) {
  if (page_size < 0) {
    return FieldError("page_size", "INVALID_PAGE_SIZE",
                      absl::StrCat("must not be negative; 0 means ", kDefaultPageSize));
  }
  return page_size == 0 ? kDefaultPageSize : std::min<int>(page_size, kMaxPageSize);
}

absl::StatusOr<v1::TokenView> EffectiveView(v1::TokenView view, v1::TokenView unspecified) {
  if (!v1::TokenView_IsValid(view)) {
    return FieldError("view", "INVALID_VIEW", "must be BASIC or FULL");
  }
  return view == v1::TOKEN_VIEW_UNSPECIFIED ? unspecified : view;
}

absl::Status CheckVisible(const SourceSet& visible, absl::string_view source) {
  if (visible.Has(source)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kPermissionDenied, "SOURCE_FORBIDDEN",
                   absl::StrCat("the caller may not see ", SourceName(source)),
                   {{"source", SourceName(source)}});
}

absl::Status CheckTokenVisible(const SourceSet& visible, absl::string_view token_name) {
  const absl::string_view path = SourceIdOf(token_name);
  return CheckVisible(visible, path.substr(0, path.find('/')));
}

absl::StatusOr<ScanFilter> FindParent(const Snapshot& snapshot, const SourceSet& visible,
                                      absl::string_view parent) {
  TI_ASSIGN_OR_RETURN(const std::string id, ParseSourceName(parent, "parent", true));
  ScanFilter scan;
  if (id == kAnySource) {
    scan.visible = snapshot.Visible(visible);
    return scan;
  }
  TI_RETURN_IF_ERROR(CheckVisible(visible, id));
  scan.source = snapshot.FindSource(id);
  if (scan.source < 0) return NoSuchSource(parent);
  return scan;
}

absl::StatusOr<std::string> GetToken(const Snapshot& snapshot, const SourceSet& visible,
                                     const v1::GetTokenRequest& request) {
  TI_ASSIGN_OR_RETURN(const v1::TokenView view, EffectiveView(request.view(), v1::FULL));
  const TokenRef token = snapshot.Find(request.name());
  // What is found has a good name.
  if (token.full.empty()) TI_RETURN_IF_ERROR(CheckTokenName(request.name(), "name"));
  TI_RETURN_IF_ERROR(CheckTokenVisible(visible, request.name()));
  if (token.full.empty()) return NoSuchToken(request.name());
  return std::string(token.bytes(view));
}

absl::StatusOr<std::string> BatchGetTokens(const Snapshot& snapshot, const SourceSet& visible,
                                           const v1::BatchGetTokensRequest& request) {
  TI_ASSIGN_OR_RETURN(const v1::TokenView view, EffectiveView(request.view(), v1::BASIC));
  std::string prefix;
  if (!request.parent().empty()) {
    TI_ASSIGN_OR_RETURN(const std::string id, ParseSourceName(request.parent(), "parent", true));
    if (id != kAnySource) prefix = absl::StrCat(request.parent(), "/tokens/");
  }
  if (request.names().empty()) {
    return FieldError("names", "MISSING_NAMES", "must hold at least one name");
  }
  if (request.names_size() > kMaxBatchGet) {
    return FieldError(
        "names", "TOO_MANY_NAMES",
        absl::StrCat("must hold at most ", kMaxBatchGet, " names, holds ", request.names_size()));
  }
  std::string answer;
  v1::BatchGetTokensResponse rest;
  for (int i = 0; i < request.names_size(); ++i) {
    const std::string& name = request.names(i);
    const std::string field = absl::StrCat("names[", i, "]");
    TI_RETURN_IF_ERROR(CheckTokenName(name, field));
    TI_RETURN_IF_ERROR(CheckTokenVisible(visible, name));
    if (!absl::StartsWith(name, prefix)) {
      return FieldError(field, "NAME_OUTSIDE_PARENT",
                        absl::StrCat("is not under ", request.parent()));
    }
    const TokenRef token = snapshot.Find(name);
    if (token.full.empty()) {
      rest.add_missing_names(name);
      continue;
    }
    wire::AppendBytesField(answer, v1::BatchGetTokensResponse::kTokensFieldNumber,
                           token.bytes(view));
    if (answer.size() > kMaxPageBytes) {
      return MakeError(absl::StatusCode::kResourceExhausted, "ANSWER_TOO_LARGE",
                       "these tokens are over 3 MiB together: ask for fewer at once");
    }
  }
  rest.AppendToString(&answer);
  return answer;
}

std::vector<std::string> UnreachableSources(const Snapshot& snapshot, const ScanFilter& scan) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < snapshot.sources().size(); ++i) {
    const SourceEntry& entry = snapshot.sources()[i];
    if (!scan.LetsSource(static_cast<int>(i))) continue;
    if (IsUnreachable(*entry.status)) names.push_back(SourceName(entry.id));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<HistoryQuery> ParseHistoryQuery(const Snapshot& snapshot, const SourceSet& visible,
                                               absl::string_view epoch,
                                               const v1::ListTokenChangesRequest& request) {
  HistoryQuery query;
  TI_ASSIGN_OR_RETURN(query.limit, EffectivePageSize(request.page_size()));
  TI_ASSIGN_OR_RETURN(query.view, EffectiveView(request.view(), v1::BASIC));
  TI_RETURN_IF_ERROR(CheckTokenName(request.parent(), "parent"));
  TI_RETURN_IF_ERROR(CheckTokenVisible(visible, request.parent()));
  const TokenRef token = snapshot.Find(request.parent());
  if (token.full.empty()) return NoSuchToken(request.parent());
  query.row = token.row;
  query.request_hash = StableHash(
      absl::StrCat("ListTokenChanges|", request.parent(), "|", static_cast<int>(query.view)));
  query.before_revision = std::numeric_limits<std::int64_t>::max();
  if (!request.page_token().empty()) {
    TI_ASSIGN_OR_RETURN(const internal::v1::PageCursor cursor,
                        DecodePageToken(request.page_token(), epoch, query.request_hash));
    query.before_revision = cursor.after();
  }
  return query;
}

v1::ListTokenChangesResponse MakeHistoryPage(const HistoryQuery& query, absl::string_view epoch,
                                             const std::vector<LogEntry>& entries) {
  v1::ListTokenChangesResponse response;
  const auto parse = [&](absl::string_view full, v1::Token* token) {
    const std::size_t size = query.view == v1::FULL ? full.size() : ReadTokenFacts(full).basic_size;
    token->ParseFromArray(full.data(), static_cast<int>(size));
  };
  std::size_t bytes = 0;
  for (const LogEntry& entry : entries) {
    if (response.token_changes_size() == query.limit || bytes >= kMaxPageBytes) {
      response.set_next_page_token(EncodePageToken(
          MakeCursor(epoch, query.request_hash, response.token_changes().rbegin()->revision())));
      break;
    }
    v1::TokenChange& change = *response.add_token_changes();
    change.set_revision(entry.revision);
    ToProto(entry.commit_time, change.mutable_commit_time());
    change.set_cause(entry.change.cause);
    const std::string& before = entry.change.before;
    const std::string& after = entry.change.after;
    if (!before.empty()) parse(before, change.mutable_old_token());
    if (!after.empty()) parse(after, change.mutable_new_token());
    if (!before.empty() && !after.empty()) {
      for (std::string& path : FieldNames(ChangedFields(before, after))) {
        change.mutable_changed_fields()->add_paths(std::move(path));
      }
    }
    bytes += before.size() + after.size();
  }
  return response;
}

v1::Source MakeSource(const SourceEntry& entry) {
  v1::Source source = *entry.status;
  source.set_token_count(entry.shown);
  return source;
}

absl::StatusOr<v1::Source> GetSource(const Snapshot& snapshot, const SourceSet& visible,
                                     const v1::GetSourceRequest& request) {
  TI_ASSIGN_OR_RETURN(const std::string id, ParseSourceName(request.name(), "name", false));
  TI_RETURN_IF_ERROR(CheckVisible(visible, id));
  const int index = snapshot.FindSource(id);
  if (index < 0) return NoSuchSource(request.name());
  const SourceEntry& entry = snapshot.sources()[static_cast<std::size_t>(index)];
  if (entry.is_forgotten()) return NoSuchSource(request.name());
  return MakeSource(entry);
}

absl::StatusOr<v1::ListSourcesResponse> ListSources(const Snapshot& snapshot,
                                                    const SourceSet& visible,
                                                    absl::string_view epoch,
                                                    const v1::ListSourcesRequest& request) {
  TI_ASSIGN_OR_RETURN(const int page_size, EffectivePageSize(request.page_size()));
  const std::uint64_t request_hash = StableHash(absl::StrCat("ListSources", VisiblePart(visible)));
  internal::v1::PageCursor cursor = MakeCursor(epoch, request_hash, 0);
  if (!request.page_token().empty()) {
    TI_ASSIGN_OR_RETURN(cursor, DecodePageToken(request.page_token(), epoch, request_hash));
  }
  std::vector<const SourceEntry*> entries;
  for (const SourceEntry& entry : snapshot.sources()) {
    if (entry.id > cursor.after_name() && !entry.is_forgotten() && visible.Has(entry.id)) {
      entries.push_back(&entry);
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const SourceEntry* a, const SourceEntry* b) { return a->id < b->id; });
  v1::ListSourcesResponse response;
  for (const SourceEntry* entry : entries) {
    if (response.sources_size() == page_size) {
      response.set_next_page_token(EncodePageToken(cursor));
      break;
    }
    *response.add_sources() = MakeSource(*entry);
    cursor.set_after_name(entry->id);
  }
  return response;
}

}  // namespace tokeninventory
