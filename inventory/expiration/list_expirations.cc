#include "inventory/expiration/list_expirations.h"

#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "base/status_macros.h"
#include "inventory/answers.h"
#include "inventory/cursor.h"
#include "inventory/errors.h"
#include "inventory/expiration/notice.h"
#include "inventory/token_bytes.h"

namespace tokeninventory {
namespace {

// A notice and its token as of now.
struct Found {
  std::shared_ptr<const Notice> notice;
  absl::string_view token;
  SortedEntry entry;
};

// False when the plan does not ask for it.
bool Find(const Snapshot& snapshot, const ExpirationPlan& plan, const SortedEntry& entry,
          Found& found) {
  found.entry = entry;
  found.notice = snapshot.notices().Find(entry.row);
  const Notice& notice = *found.notice;
  if (!notice.is_open() && !plan.show_resolved) return false;
  if (!notice.reaches(plan.max_lead)) return false;
  const int source = snapshot.FindSource(notice.source);
  if (source < 0 || !plan.scan.LetsSource(source)) return false;
  if (!notice.is_about_token()) return true;
  const TokenRef now = snapshot.At(entry.row);
  found.token = notice.token();
  // The row may hold another token since, under the same name.
  if (now.full.empty() || ReadTokenFacts(now.full).uid != ReadTokenFacts(found.token).uid) {
    const FilterRow row{found.token, ReadTokenFacts(found.token).basic_size, nullptr, 0};
    return plan.filter.matches_all() || plan.filter.Matches(row);
  }
  found.token = now.full;
  return plan.filter.matches_all() || plan.filter.Matches(now.filter_row());
}

}  // namespace

absl::StatusOr<absl::Duration> ParseMaxLead(bool is_set, const google::protobuf::Duration& lead) {
  if (!is_set) return absl::InfiniteDuration();
  if (lead.seconds() < 0 || lead.nanos() < 0 || lead.nanos() > 999'999'999) {
    return FieldError("max_lead", "INVALID_MAX_LEAD", "must be a duration that is not negative");
  }
  return FromProto(lead);
}

absl::StatusOr<ExpirationPlan> PlanExpirations(const Snapshot& snapshot, const SourceSet& visible,
                                               absl::string_view epoch,
                                               const v1::ListExpirationsRequest& request,
                                               absl::Time now) {
  ExpirationPlan plan;
  TI_ASSIGN_OR_RETURN(plan.page_size, EffectivePageSize(request.page_size()));
  TI_ASSIGN_OR_RETURN(plan.scan, FindParent(snapshot, visible, request.parent()));
  TI_ASSIGN_OR_RETURN(plan.max_lead, ParseMaxLead(request.has_max_lead(), request.max_lead()));
  plan.show_resolved = request.show_resolved();
  plan.is_first_page = request.page_token().empty();
  const std::uint64_t request_hash = StableHash(absl::StrCat(
      "ListExpirations|", request.parent(), "|", static_cast<int>(request.show_resolved()), "|",
      absl::FormatDuration(plan.max_lead), "|", request.filter(), VisiblePart(visible)));
  plan.visible_hash = VisibleHash(visible);
  TI_ASSIGN_OR_RETURN(
      plan.cursor, BeginPage(request.page_token(), epoch, request_hash, snapshot.revision(), now));
  FilterOptions options;
  options.now = FromProto(plan.cursor.now_time());
  TI_ASSIGN_OR_RETURN(plan.filter, Filter::Compile(request.filter(), options));
  return plan;
}

std::string AnswerExpirations(const Snapshot& snapshot, absl::string_view epoch,
                              const ExpirationPlan& plan) {
  SortedEntry after{std::numeric_limits<std::int64_t>::min(), 0, 0};
  if (!plan.is_first_page) {
    after = SortedEntry{plan.cursor.index_key(), plan.cursor.index_tie(),
                        static_cast<std::uint32_t>(plan.cursor.after())};
  }
  internal::v1::PageCursor cursor = plan.cursor;
  std::string answer;
  std::int64_t shown = 0;
  std::int64_t total = 0;
  SortedEntry last = after;
  bool more = false;
  snapshot.notices().by_end().Scan(after, [&](const SortedEntry& entry) {
    Found found;
    if (!Find(snapshot, plan, entry, found)) return true;
    ++total;
    if (more || shown == plan.page_size || answer.size() >= kMaxPageBytes) {
      more = true;
      return plan.is_first_page;  // which counts all
    }
    AppendNoticeMessage(answer, v1::ListExpirationsResponse::kExpirationsFieldNumber,
                        found.notice->head(), found.token);
    last = entry;
    ++shown;
    return true;
  });

  v1::ListExpirationsResponse rest;
  if (plan.is_first_page) {
    cursor.set_total_size(static_cast<std::int32_t>(
        std::min<std::int64_t>(total, std::numeric_limits<std::int32_t>::max())));
    for (std::string& name : UnreachableSources(snapshot, plan.scan)) {
      rest.add_unreachable(std::move(name));
    }
  }
  if (more) {
    cursor.set_after(last.row);
    cursor.set_index_key(last.key);
    cursor.set_index_tie(last.tie);
    rest.set_next_page_token(EncodePageToken(cursor));
  }
  rest.set_total_size(cursor.total_size());
  rest.set_resume_token(EncodeResumeToken(epoch, cursor.first_revision(), plan.visible_hash));
  rest.set_revision(snapshot.revision());
  rest.AppendToString(&answer);
  return answer;
}

}  // namespace tokeninventory
