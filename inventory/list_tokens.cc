#include "inventory/list_tokens.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/prefetch.h"
#include "base/proto_time.h"
#include "base/status_macros.h"
#include "inventory/answers.h"
#include "inventory/cursor.h"
#include "inventory/errors.h"
#include "inventory/wire.h"

namespace tokeninventory {
namespace {

// The page and what is around it.
struct Page {
  std::vector<TokenRef> tokens;
  bool more = false;  // behind it, or before it for a backward page
};

bool Matches(const ListPlan& plan, const TokenRef& token) {
  return plan.filter.matches_all() || plan.filter.Matches(token.filter_row());
}

// Cuts what was found, nearest to the cursor first, down to the page.
Page CutPage(const ListPlan& plan, std::vector<TokenRef> found) {
  Page page;
  const auto skip = static_cast<std::size_t>(
      std::min<std::int64_t>(plan.skip, static_cast<std::int64_t>(found.size())));
  std::size_t bytes = 0;
  std::size_t end = skip;
  while (end < found.size() && end - skip < static_cast<std::size_t>(plan.page_size) &&
         bytes < kMaxPageBytes) {
    bytes += found[end++].bytes(plan.view).size();
  }
  page.more = end < found.size();
  found.resize(end);
  found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(skip));
  page.tokens = std::move(found);
  if (plan.cursor.backward()) std::reverse(page.tokens.begin(), page.tokens.end());
  return page;
}

// How many tokens decide the page: those skipped, those shown, and one that tells
// whether there are more.
std::size_t Wanted(const ListPlan& plan) {
  return static_cast<std::size_t>(plan.skip) + static_cast<std::size_t>(plan.page_size) + 1;
}

Page FindInStorageOrder(const Snapshot& snapshot, const ListPlan& plan) {
  std::vector<TokenRef> found;
  const std::size_t wanted = Wanted(plan);
  found.reserve(std::min<std::size_t>(wanted, kMaxPageSize + 1));
  if (plan.cursor.backward()) {
    snapshot.Scan(0, plan.scan, plan.filter, [&](const TokenRef& token) {
      if (token.row >= plan.cursor.after()) return false;
      found.push_back(token);
      // Only the last ones count.
      if (found.size() >= 2 * wanted) {
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(wanted));
      }
      return true;
    });
    std::reverse(found.begin(), found.end());
  } else {
    snapshot.Scan(plan.cursor.after(), plan.scan, plan.filter, [&](const TokenRef& token) {
      found.push_back(token);
      return found.size() < wanted;
    });
  }
  return CutPage(plan, std::move(found));
}

// By an index that has the order already.
Page FindByIndex(const Snapshot& snapshot, const ListPlan& plan) {
  const SortedIndex& index = (snapshot.*plan.index)();
  std::vector<TokenRef> found;
  const std::size_t wanted = Wanted(plan);
  found.reserve(std::min<std::size_t>(wanted, kMaxPageSize + 1));
  const auto visit = [&](const SortedEntry& entry) {
    const TokenRef token = snapshot.At(entry.row);
    if (token.full.empty() || !plan.scan.Lets(token) || !Matches(plan, token)) return true;
    found.push_back(token);
    return found.size() < wanted;
  };
  const auto prepare = [&](const SortedEntry& entry) { snapshot.PrefetchAt(entry.row); };
  constexpr std::int64_t kMissing = TokenColumns::kNoTime;
  SortedEntry after{std::numeric_limits<std::int64_t>::min(), 0, 0};
  if (!plan.is_first_page) {
    after = SortedEntry{plan.cursor.index_key(), plan.cursor.index_tie(),
                        static_cast<std::uint32_t>(plan.cursor.after())};
  }
  if (!plan.index_descending) {
    index.Scan(after, visit, prepare);
    return CutPage(plan, std::move(found));
  }
  bool go_on = true;
  if (plan.is_first_page) {
    go_on = index.ScanDown(kMissing, visit);
  } else if (after.key != kMissing) {
    // The rest of the cursor's own key comes first.
    index.Scan(after, [&](const SortedEntry& entry) {
      go_on = entry.key == after.key && visit(entry);
      return go_on;
    });
    go_on = found.size() < wanted && index.ScanDown(after.key, visit);
  }
  if (go_on) {
    const bool in_missing = !plan.is_first_page && after.key == kMissing;
    index.Scan(in_missing ? after : SortedEntry{kMissing, 0, 0}, visit);
  }
  return CutPage(plan, std::move(found));
}

// By looking at all and keeping those nearest to the cursor.
Page FindBySorting(const Snapshot& snapshot, const ListPlan& plan) {
  struct Found {
    TokenRef token;
    std::string key;  // OrderBy::SortKey
  };
  std::vector<Found> found;
  const std::size_t wanted = Wanted(plan);
  const std::string& cursor = plan.cursor.after_key();
  const bool backward = plan.cursor.backward();
  const auto nearer = [backward](const Found& a, const Found& b) {
    return backward ? b.key < a.key : a.key < b.key;
  };
  const auto keep_nearest = [&] {
    std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(wanted) - 1,
                     found.end(), nearer);
    found.resize(wanted);
  };
  snapshot.Scan(0, plan.scan, plan.filter, [&](const TokenRef& token) {
    std::string key = plan.order.SortKey(token.filter_row());
    if (backward ? key >= cursor : (!plan.is_first_page && key <= cursor)) return true;
    found.push_back(Found{token, std::move(key)});
    if (found.size() >= 2 * wanted + 1024) keep_nearest();
    return true;
  });
  if (found.size() > wanted) keep_nearest();
  std::sort(found.begin(), found.end(), nearer);
  std::vector<TokenRef> tokens;
  tokens.reserve(found.size());
  for (const Found& each : found) tokens.push_back(each.token);
  return CutPage(plan, std::move(tokens));
}

std::int64_t CountMatches(const Snapshot& snapshot, const ListPlan& plan) {
  if (plan.filter.matches_all()) return snapshot.Count(plan.scan);
  std::int64_t count = 0;
  snapshot.Scan(0, plan.scan, plan.filter, [&](const TokenRef&) {
    ++count;
    return true;
  });
  return count;
}

// A cursor at a token of the page.
internal::v1::PageCursor CursorAt(const internal::v1::PageCursor& page, const ListPlan& plan,
                                  const TokenRef& token, bool backward) {
  internal::v1::PageCursor cursor = page;
  cursor.set_after(token.row);
  cursor.set_backward(backward);
  if (!plan.order.empty()) {
    const FilterRow row = token.filter_row();
    cursor.set_after_key(plan.order.SortKey(row));
    // For the index, should the next page come from there.
    const bool effective = plan.index == &Snapshot::by_effective_expire_time;
    cursor.set_index_key(row.columns->time(
        effective ? TokenColumns::kEffectiveExpireTime : TokenColumns::kExpireTime, row.row));
    cursor.set_index_tie(UidTie(token.full));
  }
  return cursor;
}

// Sets the index whose order this is, if there is one.
void ChooseIndex(const std::vector<OrderTerm>& terms, ListPlan& plan) {
  if (terms.size() != 1) return;
  if (terms[0].path == "expire_time") {
    plan.index = &Snapshot::by_expire_time;
  } else if (terms[0].path == "effective_expire_time") {
    plan.index = &Snapshot::by_effective_expire_time;
  }
  plan.index_descending = terms[0].descending;
}

// In any order but the rows' own, tokens lie too far apart for the processor to
// foresee what is read next.
constexpr std::size_t kAhead = 4;

static_assert(v1::ListTokensResponse::kTokensFieldNumber == kTokensField);

// Rows that follow each other lie in a block as they do in an answer: one copy for all.
void AppendFullTokens(const std::vector<TokenRef>& tokens, std::string& answer) {
  for (std::size_t i = 0; i < tokens.size();) {
    const char* const begin = tokens[i].field().data();
    const char* end = nullptr;
    do {
      end = tokens[i].full.data() + tokens[i].full.size();
      ++i;
    } while (i < tokens.size() && tokens[i].field().data() == end);
    if (i + kAhead <= tokens.size()) PrefetchBytes(tokens[i + kAhead - 1].full);
    answer.append(begin, end);
  }
}

void AppendBasicTokens(const std::vector<TokenRef>& tokens, std::string& answer) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i + kAhead < tokens.size()) PrefetchBytes(tokens[i + kAhead].bytes(v1::BASIC));
    wire::AppendBytesField(answer, kTokensField, tokens[i].bytes(v1::BASIC));
  }
}

}  // namespace

bool ListPlan::is_cheap() const {
  return filter.matches_all() && skip <= kMaxPageSize && !cursor.backward() &&
         scan.source == ScanFilter::kAllSources && scan.visible.empty() &&
         (order.empty() || index != nullptr);
}

absl::StatusOr<ListPlan> PlanList(const Snapshot& snapshot, const SourceSet& visible,
                                  absl::string_view epoch, const v1::ListTokensRequest& request,
                                  absl::Time now) {
  ListPlan plan;
  TI_ASSIGN_OR_RETURN(plan.page_size, EffectivePageSize(request.page_size()));
  TI_ASSIGN_OR_RETURN(plan.view, EffectiveView(request.view(), v1::BASIC));
  TI_ASSIGN_OR_RETURN(plan.scan, FindParent(snapshot, visible, request.parent()));
  plan.scan.show_deleted = request.show_deleted();
  if (request.skip() < 0) {
    return FieldError("skip", "INVALID_SKIP", "must not be negative");
  }
  plan.skip = request.skip();
  plan.is_first_page = request.page_token().empty();
  const std::uint64_t request_hash = StableHash(
      absl::StrCat("ListTokens|", request.parent(), "|", static_cast<int>(request.show_deleted()),
                   "|", static_cast<int>(plan.view), "|", request.filter().size(), "|",
                   request.filter(), "|", request.order_by(), VisiblePart(visible)));
  plan.visible_hash = VisibleHash(visible);
  TI_ASSIGN_OR_RETURN(
      plan.cursor, BeginPage(request.page_token(), epoch, request_hash, snapshot.revision(), now));
  FilterOptions options;
  options.now = FromProto(plan.cursor.now_time());
  TI_ASSIGN_OR_RETURN(plan.filter, Filter::Compile(request.filter(), options));
  TI_ASSIGN_OR_RETURN(plan.order, OrderBy::Compile(request.order_by()));
  if (!plan.order.empty()) {
    TI_ASSIGN_OR_RETURN(const std::vector<OrderTerm> terms, ParseOrderBy(request.order_by()));
    ChooseIndex(terms, plan);
  }
  return plan;
}

std::string AnswerList(const Snapshot& snapshot, absl::string_view epoch, const ListPlan& plan) {
  internal::v1::PageCursor cursor = plan.cursor;
  if (plan.is_first_page) {
    cursor.set_total_size(static_cast<std::int32_t>(std::min<std::int64_t>(
        CountMatches(snapshot, plan), std::numeric_limits<std::int32_t>::max())));
  }
  const Page page = plan.order.empty() ? FindInStorageOrder(snapshot, plan)
                    : plan.index != nullptr && !plan.cursor.backward()
                        ? FindByIndex(snapshot, plan)
                        : FindBySorting(snapshot, plan);

  std::string answer;
  std::size_t bytes = 1024;
  for (const TokenRef& token : page.tokens) bytes += token.bytes(plan.view).size() + 8;
  answer.reserve(bytes);
  if (plan.view == v1::FULL) {
    AppendFullTokens(page.tokens, answer);
  } else {
    AppendBasicTokens(page.tokens, answer);
  }

  v1::ListTokensResponse rest;
  const bool backward = plan.cursor.backward();
  if (page.tokens.empty()) {
    // What was there is gone meanwhile; the way back is still open.
    if (!plan.is_first_page) {
      cursor.set_backward(!backward);
      const std::string back = EncodePageToken(cursor);
      backward ? rest.set_next_page_token(back) : rest.set_previous_page_token(back);
    }
  } else {
    const bool has_next = backward || page.more;
    const bool has_previous = backward ? page.more : !plan.is_first_page || plan.skip > 0;
    if (has_next) {
      rest.set_next_page_token(
          EncodePageToken(CursorAt(cursor, plan, page.tokens.back(), /*backward=*/false)));
    }
    if (has_previous) {
      rest.set_previous_page_token(
          EncodePageToken(CursorAt(cursor, plan, page.tokens.front(), /*backward=*/true)));
    }
  }
  rest.set_total_size(cursor.total_size());
  rest.set_resume_token(EncodeResumeToken(epoch, cursor.first_revision(), plan.visible_hash));
  rest.set_revision(snapshot.revision());
  if (plan.is_first_page) {
    for (std::string& name : UnreachableSources(snapshot, plan.scan)) {
      rest.add_unreachable(std::move(name));
    }
  }
  rest.AppendToString(&answer);
  return answer;
}

absl::StatusOr<std::string> ListTokens(const Snapshot& snapshot, const SourceSet& visible,
                                       absl::string_view epoch,
                                       const v1::ListTokensRequest& request, absl::Time now) {
  TI_ASSIGN_OR_RETURN(const ListPlan plan, PlanList(snapshot, visible, epoch, request, now));
  return AnswerList(snapshot, epoch, plan);
}

}  // namespace tokeninventory
