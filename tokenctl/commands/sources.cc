// sources: how fresh is what we know?
#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "tokenctl/commands/commands.h"
#include "tokenctl/commands/list_sources.h"
#include "tokenctl/commands/requests.h"
#include "tokenctl/source_text.h"
#include "tokenctl/text/facts.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/text/table.h"
#include "tokenctl/token_columns.h"

namespace tokeninventory::tokenctl {
namespace {

Cell NextCell(const v1::Source& source, const TimeFormat& times) {
  if (source.syncing()) return {"running", Style::kAccent};
  if (!source.has_next_sync_time()) return {"-", Style::kDim};
  const absl::Time next = FromProto(source.next_sync_time());
  return next <= times.now ? std::string("due") : times.Relative(next);
}

Cell FreshnessCell(const v1::Source& source, const TimeFormat& times) {
  if (!source.has_last_complete_time()) return {"never", Style::kDim};
  const bool stale =
      JudgeSource(source, absl::ZeroDuration(), times.now).level == SourceHealth::kStale;
  return {times.Relative(FromProto(source.last_complete_time())),
          stale ? Style::kBad : Style::kPlain};
}

void PrintTable(Session& session, const std::vector<v1::Source>& sources, bool whole) {
  std::vector<Column> columns = {{.title = "SOURCE", .cut_to = whole ? 0 : 10},
                                 {.title = "STATE"},
                                 {.title = "TOKENS", .right = true},
                                 {.title = "READ WHOLE"},
                                 {.title = "NEXT"},
                                 {.title = "REQS LEFT", .right = true, .optional = !whole},
                                 {.title = "VENDOR", .optional = !whole}};
  const bool errors =
      absl::c_any_of(sources, [](const v1::Source& source) { return !source.error().empty(); });
  if (errors) columns.push_back({.title = "ERROR", .cut_to = whole ? 0 : 12});
  std::vector<Row> rows;
  for (const v1::Source& source : sources) {
    const std::string left = RequestsLeft(source.rate_limits());
    rows.push_back({Printable(SourceId(source.name())),
                    {v1::Source::State_Name(source.state()), StyleOf(source.state())},
                    absl::StrCat(source.token_count()),
                    FreshnessCell(source, session.times),
                    NextCell(source, session.times),
                    left.empty() ? Cell("-", Style::kDim) : Cell(left),
                    Printable(source.provider())});
    if (errors) rows.back().emplace_back(Printable(source.error()), Style::kWarning);
  }
  session.out << Table(columns, session.terminal).Render(rows);
}

void PrintOne(Session& session, const v1::Source& source) {
  const TimeFormat& times = session.times;
  Facts facts;
  facts.Add("Source", Printable(SourceId(source.name())), Style::kBold);
  facts.Add("Vendor", Printable(source.display_name()));
  facts.Add("State", v1::Source::State_Name(source.state()), StyleOf(source.state()));
  if (source.has_state_time()) facts.Add("Since", times.Full(FromProto(source.state_time())));
  facts.Add("Error", Printable(source.error()), Style::kWarning);
  facts.Add("Tokens", absl::StrCat(source.token_count()));
  facts.Add("Read whole", source.has_last_complete_time()
                              ? times.Full(FromProto(source.last_complete_time()))
                              : "never");
  facts.Add("Next pass", NextCell(source, times).text);
  facts.Add("Interval", DurationText(FromProto(source.sync_interval())));
  if (source.has_last_sync_stats()) facts.Add("Last pass", StatsText(source.last_sync_stats()));
  for (const v1::RateLimit& limit : source.rate_limits()) {
    facts.Add("Requests left",
              absl::StrCat(
                  limit.remaining(), " (", Printable(limit.name()),
                  limit.has_reset_time()
                      ? absl::StrCat(", full again ", times.Relative(FromProto(limit.reset_time())))
                      : "",
                  ")"));
  }
  for (const v1::IncompleteScope& scope : source.incomplete_scopes()) {
    facts.Add("Not read",
              Printable(absl::StrCat(scope.stream(), " ", scope.scope(), ": ", scope.reason())),
              Style::kWarning);
  }
  if (source.has_hold()) {
    facts.Add(
        "Held back",
        absl::StrCat(source.hold().token_count(), " tokens that the vendor shows no longer, hold ",
                     Printable(source.hold().id())),
        Style::kBad);
  }
  facts.Add("Not covered", Printable(source.coverage()));
  facts.Add("Documentation", Printable(source.documentation_uri()));
  session.out << facts.Render(session.terminal);
}

int PrintOneOf(Session& session, const SourcesOptions& options) {
  v1::GetSourceRequest request;
  request.set_name(SourceNameOf(options.source));
  v1::Source source;
  const auto context = session.connection.NewCall();
  const grpc::Status status =
      session.connection.sources().GetSource(context.get(), request, &source);
  if (!status.ok()) return session.Fail(status);
  if (options.output == Output::kJson) {
    session.out << ToJson(source) << "\n";
  } else if (options.output == Output::kYaml) {
    session.out << JsonToYaml(ToJson(source));
  } else {
    PrintOne(session, source);
  }
  return kOk;
}

}  // namespace

grpc::Status ListSources(Session& session, std::vector<v1::Source>& sources) {
  v1::ListSourcesRequest request;
  request.set_page_size(1000);
  do {
    v1::ListSourcesResponse response;
    const auto context = session.connection.NewCall();
    const grpc::Status status =
        session.connection.sources().ListSources(context.get(), request, &response);
    if (!status.ok()) return status;
    sources.insert(sources.end(), response.sources().begin(), response.sources().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return grpc::Status::OK;
}

int RunSources(Session& session, const SourcesOptions& options) {
  if (!options.source.empty()) return PrintOneOf(session, options);
  std::vector<v1::Source> sources;
  if (const grpc::Status status = ListSources(session, sources); !status.ok()) {
    return session.Fail(status);
  }
  if (options.output == Output::kJson || options.output == Output::kYaml) {
    PrintMessages(options.output, sources, session.out);
  } else {
    PrintTable(session, sources, options.output == Output::kWide);
  }
  return kOk;
}

}  // namespace tokeninventory::tokenctl
