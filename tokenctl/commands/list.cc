// list, and expiring: a list that is ordered by its end.
#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "tokenctl/commands/commands.h"
#include "tokenctl/commands/requests.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/text/timeline.h"
#include "tokenctl/token_columns.h"
#include "tokenctl/token_printer.h"

namespace tokeninventory::tokenctl {
namespace {

absl::StatusOr<std::vector<TokenColumn>> ChooseColumns(const ListOptions& options) {
  if (!options.columns.empty()) return ParseColumns(options.columns);
  if (options.output == Output::kWide) return WideColumns();
  return options.output == Output::kCsv ? CsvColumns() : DefaultColumns();
}

v1::ListTokensRequest MakeRequest(const ListOptions& options) {
  v1::ListTokensRequest request;
  request.set_parent(SourceNameOf(options.source));
  request.set_filter(options.filter);
  request.set_order_by(options.order_by);
  request.set_show_deleted(options.show_deleted);
  return request;
}

// The filter of what people asked for, and `more`. OR binds tighter than AND: it needs no
// parentheses, and what the service says of its columns holds for what was written.
std::string AndFilter(const std::string& filter, const std::string& more) {
  return filter.empty() ? more : absl::StrCat(filter, " AND ", more);
}

// Under a table, for those who look at it.
void PrintCount(Session& session, std::int64_t shown, std::int64_t total) {
  if (!session.terminal.is_terminal) return;
  const std::string line = shown < total
                               ? absl::StrCat(shown, " of ", total, " tokens; --limit shows more")
                               : absl::StrCat(total, total == 1 ? " token" : " tokens");
  session.out << session.terminal.Paint(line, Style::kDim) << "\n";
}

int PrintList(Session& session, const ListOptions& options, v1::ListTokensRequest request) {
  const absl::StatusOr<std::vector<TokenColumn>> columns = ChooseColumns(options);
  if (!columns.ok()) return session.Fail(columns.status());
  const bool whole = options.output == Output::kJson || options.output == Output::kYaml;
  request.set_view(whole || NeedFullView(*columns) ? v1::FULL : v1::BASIC);
  TokenPrinter printer(options.output, *columns, session.terminal, session.times, session.out);
  std::int64_t shown = 0, total = 0;
  const grpc::Status status =
      ListPages(session, request, options.limit, [&](const v1::ListTokensResponse& page) {
        printer.Print(page.tokens());
        shown += page.tokens_size();
        if (shown == page.tokens_size()) total = page.total_size();
      });
  if (!status.ok()) {
    return session.Fail(status, {{"filter", options.filter}, {"order_by", options.order_by}});
  }
  printer.End();
  if (options.output == Output::kTable || options.output == Output::kWide) {
    PrintCount(session, shown, total);
  }
  return kOk;
}

int PrintTimeline(Session& session, const ExpiringOptions& options,
                  const v1::ListTokensRequest& request) {
  std::vector<TimelineEntry> entries;
  const grpc::Status status =
      ListPages(session, request, 0, [&](const v1::ListTokensResponse& page) {
        for (const v1::Token& token : page.tokens()) {
          entries.push_back({.end = FromProto(token.effective_expire_time()),
                             .name = TokenLabel(token),
                             .owner = PrincipalLabel(token.owner()),
                             .source = Printable(SourceId(token.source()))});
        }
      });
  if (!status.ok()) return session.Fail(status, {{"filter", options.list.filter}});
  const Terminal& terminal = session.terminal;
  const std::string within = DurationText(options.within);
  if (entries.empty()) {
    session.out << "No token ends within " << within << ".\n";
    return kOk;
  }
  session.out << terminal.Paint(absl::StrCat(entries.size(),
                                             entries.size() == 1 ? " token ends" : " tokens end",
                                             " within ", within),
                                Style::kBold)
              << ", the first "
              << terminal.Paint(session.times.Relative(entries.front().end),
                                UrgencyOf(entries.front().end, session.times.now))
              << ": " << entries.front().name << "\n\n"
              << RenderTimeline(entries, options.within, session.times, terminal);
  return kOk;
}

}  // namespace

int RunList(Session& session, const ListOptions& options) {
  return PrintList(session, options, MakeRequest(options));
}

int RunExpiring(Session& session, const ExpiringOptions& options) {
  v1::ListTokensRequest request = MakeRequest(options.list);
  request.set_order_by("effective_expire_time");
  request.set_filter(AndFilter(options.list.filter,
                               absl::StrCat("state = ACTIVE AND effective_expire_time < ",
                                            FormatRfc3339(session.times.now + options.within))));
  if (options.output == Output::kText) return PrintTimeline(session, options, request);
  ListOptions list = options.list;
  list.output = options.output;
  return PrintList(session, list, request);
}

}  // namespace tokeninventory::tokenctl
