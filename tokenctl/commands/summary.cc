// summary: how many tokens of each sort.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/proto_time.h"
#include "base/yaml_proto.h"
#include "tokenctl/commands/commands.h"
#include "tokenctl/commands/requests.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/text/table.h"
#include "tokenctl/text/timeline.h"
#include "tokenctl/token_columns.h"

namespace tokeninventory::tokenctl {
namespace {

using Request = v1::SummarizeTokensRequest;

constexpr int kBarWidth = 24;

// `owner,state`, in the enum's own names but for the case.
absl::Status ParseDimensions(const std::string& by, Request& request) {
  std::vector<std::string> names;
  const auto* dimensions = Request::Dimension_descriptor();
  for (int i = 1; i < dimensions->value_count(); ++i) {  // without UNSPECIFIED
    names.push_back(absl::AsciiStrToLower(dimensions->value(i)->name()));
  }
  for (const absl::string_view part : absl::StrSplit(by, ',', absl::SkipWhitespace())) {
    const std::string word = absl::AsciiStrToLower(absl::StripAsciiWhitespace(part));
    Request::Dimension dimension = Request::DIMENSION_UNSPECIFIED;
    if (!Request::Dimension_Parse(absl::AsciiStrToUpper(word), &dimension)) {
      const std::string nearest = NearestName(word, names);
      return absl::InvalidArgumentError(
          absl::StrCat("--by: no '", word, "'",
                       nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?"),
                       " (there are ", absl::StrJoin(names, ", "), ")"));
    }
    request.add_group_by(dimension);
  }
  return absl::OkStatus();
}

std::string ValueLabel(Request::Dimension dimension, const std::string& value) {
  if (value.empty() || absl::EndsWith(value, "_UNSPECIFIED")) return "(not told)";
  return Printable(dimension == Request::SOURCE ? SourceId(value) : absl::string_view(value));
}

void PrintTable(Session& session, const Request& request,
                const v1::SummarizeTokensResponse& response) {
  std::vector<Column> columns;
  for (const int dimension : request.group_by()) {
    columns.push_back(
        {.title = absl::StrReplaceAll(
             Request::Dimension_Name(static_cast<Request::Dimension>(dimension)), {{"_", " "}}),
         .cut_to = 10});
  }
  columns.push_back({.title = "TOKENS", .right = true});
  columns.push_back({.title = "", .optional = true});
  columns.push_back({.title = "NEXT TO END"});
  std::int64_t most = 0;
  for (const v1::TokenGroup& group : response.groups()) most = std::max(most, group.count());
  std::vector<Row> rows;
  for (const v1::TokenGroup& group : response.groups()) {
    Row row;
    for (int i = 0; i < group.values_size(); ++i) {
      row.emplace_back(ValueLabel(request.group_by(i), group.values(i)));
    }
    row.emplace_back(absl::StrCat(group.count()));
    row.emplace_back(Bar(group.count(), most, kBarWidth, session.terminal), Style::kAccent,
                     Bar(group.count(), most, kBarWidth / 3, session.terminal));
    if (group.has_soonest_expire_time()) {
      const absl::Time soonest = FromProto(group.soonest_expire_time());
      const std::string relative = session.times.Relative(soonest);
      row.emplace_back(absl::StrCat(session.times.Minute(soonest), "  ", relative),
                       UrgencyOf(soonest, session.times.now), relative);
    } else {
      row.emplace_back("-", Style::kDim);
    }
    rows.push_back(std::move(row));
  }
  session.out << Table(columns, session.terminal).Render(rows);
  if (session.terminal.is_terminal) {
    session.out << session.terminal.Paint(absl::StrCat(response.total_count(), " tokens in ",
                                                       response.groups_size(), " groups"),
                                          Style::kDim)
                << "\n";
  }
}

void PrintCsv(Session& session, const Request& request,
              const v1::SummarizeTokensResponse& response) {
  std::vector<std::string> head;
  for (const int dimension : request.group_by()) {
    head.push_back(
        absl::AsciiStrToLower(Request::Dimension_Name(static_cast<Request::Dimension>(dimension))));
  }
  head.insert(head.end(), {"count", "soonest_expire_time"});
  session.out << CsvLine(head);
  for (const v1::TokenGroup& group : response.groups()) {
    std::vector<std::string> values(group.values().begin(), group.values().end());
    values.push_back(absl::StrCat(group.count()));
    values.push_back(group.has_soonest_expire_time()
                         ? FormatRfc3339(FromProto(group.soonest_expire_time()))
                         : "");
    session.out << CsvLine(values);
  }
}

}  // namespace

int RunSummary(Session& session, const SummaryOptions& options) {
  Request request;
  request.set_parent(SourceNameOf(options.source));
  request.set_filter(options.filter);
  request.set_show_deleted(options.show_deleted);
  if (absl::Status status = ParseDimensions(options.by, request); !status.ok()) {
    return session.Fail(status);
  }
  v1::SummarizeTokensResponse response;
  const auto context = session.connection.NewCall();
  const grpc::Status status =
      session.connection.tokens().SummarizeTokens(context.get(), request, &response);
  if (!status.ok()) return session.Fail(status, {{"filter", options.filter}});
  TellUnreachable(session, response.unreachable());
  switch (options.output) {
    case Output::kJson:
      session.out << ToJson(response) << "\n";
      break;
    case Output::kYaml:
      session.out << JsonToYaml(ToJson(response));
      break;
    case Output::kCsv:
      PrintCsv(session, request, response);
      break;
    default:
      PrintTable(session, request, response);
  }
  return kOk;
}

}  // namespace tokeninventory::tokenctl
