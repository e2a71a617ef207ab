// get and refresh: one token.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/proto_time.h"
#include "tokenctl/commands/commands.h"
#include "tokenctl/commands/requests.h"
#include "tokenctl/text/facts.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/text/table.h"
#include "tokenctl/text/timeline.h"
#include "tokenctl/token_columns.h"

namespace tokeninventory::tokenctl {
namespace {

std::string WholePrincipal(const v1::Principal& principal) {
  std::vector<std::string> parts;
  for (const std::string& part : {principal.display_name(), principal.email(), principal.id()}) {
    if (!part.empty()) parts.push_back(Printable(part));
  }
  if (principal.kind() != v1::Principal::KIND_UNSPECIFIED) {
    parts.push_back(absl::StrCat("(", v1::Principal::Kind_Name(principal.kind()), ")"));
  }
  return absl::StrJoin(parts, " ");
}

std::string TimeText(const google::protobuf::Timestamp& time, const TimeFormat& times) {
  return times.Full(FromProto(time));
}

std::string ExpiryText(const v1::Token& token, const TimeFormat& times) {
  switch (token.expiry()) {
    case v1::Token::AT:
      return TimeText(token.expire_time(), times);
    case v1::Token::NEVER:
      return "never, says the vendor";
    default:
      return "the vendor does not say";
  }
}

std::string UseText(const v1::Token& token, const TimeFormat& times) {
  switch (token.last_use()) {
    case v1::Token::USED:
      return TimeText(token.last_used_time(), times);
    case v1::Token::NEVER_USED:
      return "never, says the vendor";
    default:
      return "the vendor does not report use";
  }
}

std::string AccessText(const v1::Token& token) {
  std::string access = token.access_level() == v1::Token::ACCESS_LEVEL_UNSPECIFIED
                           ? ""
                           : v1::Token::AccessLevel_Name(token.access_level());
  if (!token.role().empty()) {
    absl::StrAppend(&access, access.empty() ? "" : ", ", "role ", Printable(token.role()));
  }
  return access;
}

std::string PresenceText(const v1::Token& token, const TimeFormat& times) {
  std::string text = v1::Token::Presence_Name(token.presence());
  if (token.presence() == v1::Token::DELETED) {
    absl::StrAppend(&text, " (", v1::DeleteCause_Name(token.delete_cause()), ") ",
                    TimeText(token.delete_time(), times));
  }
  return text;
}

void PrintToken(Session& session, const v1::Token& token) {
  const TimeFormat& times = session.times;
  const Terminal& terminal = session.terminal;
  Facts facts;
  facts.Add("Name", Printable(token.name()), Style::kBold);
  facts.Add("Display name", Printable(token.display_name()), Style::kBold);
  facts.Add("State", v1::Token::State_Name(token.state()), StyleOf(token.state()));
  facts.Add("Vendor's state", Printable(token.provider_state()));
  facts.Add("Presence", PresenceText(token, times),
            token.presence() == v1::Token::LISTED ? Style::kPlain : Style::kWarning);
  facts.Add("Vendor", Printable(token.provider()));
  facts.Add("Kind", Printable(token.kind()));
  facts.Add("Vendor's id", Printable(token.provider_token_id()));
  facts.Add("Hint", Printable(token.hint()));
  facts.Add("Owner", WholePrincipal(token.owner()));
  facts.Add("Creator", WholePrincipal(token.creator()));
  facts.Add("Access", AccessText(token));
  facts.Add("Scopes", Printable(FieldText(token, "scopes")));
  facts.Add("Permissions", Printable(absl::StrJoin(token.permissions(), ", ")));
  facts.Add("Expires", ExpiryText(token, times), EndCell(token, times).style);
  if (token.has_inactivity_deadline()) {
    facts.Add("Unused until", TimeText(token.inactivity_deadline(), times));
  }
  facts.Add("Last used", UseText(token, times));
  if (token.has_create_time()) facts.Add("Created", TimeText(token.create_time(), times));
  facts.Add("First seen", TimeText(token.first_seen_time(), times));
  facts.Add("Changed",
            absl::StrCat(TimeText(token.update_time(), times), ", revision ", token.revision()));
  facts.Add("Address", Printable(token.provider_uri()));
  if (token.has_attributes()) {
    for (const auto& [key, value] : token.attributes().fields()) {
      const std::string path = absl::StrCat("attributes.", key);
      facts.Add(Printable(path), Printable(FieldText(token, path)));
    }
  }
  session.out << facts.Render(terminal);
}

// What a change did to each field: `state: ACTIVE → EXPIRED`.
std::string ChangeText(const v1::TokenChange& change) {
  if (!change.has_old_token()) return "first seen";
  std::vector<std::string> parts;
  for (const std::string& path : change.changed_fields().paths()) {
    const std::string before = FieldText(change.old_token(), path);
    const std::string after = FieldText(change.new_token(), path);
    parts.push_back(absl::StrCat(path, ": ", before.empty() ? "-" : Printable(before), " -> ",
                                 after.empty() ? "-" : Printable(after)));
  }
  return absl::StrJoin(parts, ", ");
}

// The newest hundred changes, which is a page.
grpc::Status PrintHistory(Session& session, const std::string& name) {
  v1::ListTokenChangesRequest request;
  request.set_parent(name);
  request.set_view(v1::FULL);
  v1::ListTokenChangesResponse response;
  const auto context = session.connection.NewCall();
  const grpc::Status status =
      session.connection.tokens().ListTokenChanges(context.get(), request, &response);
  if (!status.ok()) return status;
  Table table({{.title = "WHEN"}, {.title = "CAUSE"}, {.title = "CHANGE", .cut_to = 20}},
              session.terminal);
  std::vector<Row> rows;
  for (const v1::TokenChange& change : response.token_changes()) {
    const absl::Time when = FromProto(change.commit_time());
    rows.push_back({{absl::StrCat(session.times.Minute(when), "  ", session.times.Relative(when)),
                     Style::kPlain, session.times.Relative(when)},
                    v1::TokenChange::Cause_Name(change.cause()),
                    ChangeText(change)});
  }
  session.out << "\n" << table.Render(rows);
  if (!response.next_page_token().empty()) session.out << "older changes are not shown\n";
  return grpc::Status::OK;
}

int Print(Session& session, const v1::Token& token, const GetOptions& options) {
  if (options.output == Output::kJson) {
    session.out << ToJson(token) << "\n";
    return kOk;
  }
  if (options.output == Output::kYaml) {
    session.out << JsonToYaml(ToJson(token));
    return kOk;
  }
  PrintToken(session, token);
  if (!options.history) return kOk;
  const grpc::Status status = PrintHistory(session, token.name());
  return status.ok() ? kOk : session.Fail(status);
}

}  // namespace

int RunGet(Session& session, const GetOptions& options) {
  v1::GetTokenRequest request;
  ExitCode code = kOk;
  if (!FindTokenName(session, options.token, *request.mutable_name(), code)) return code;
  v1::Token token;
  const auto context = session.connection.NewCall();
  const grpc::Status status = session.connection.tokens().GetToken(context.get(), request, &token);
  return status.ok() ? Print(session, token, options) : session.Fail(status);
}

int RunRefresh(Session& session, const GetOptions& options) {
  v1::RefreshTokenRequest request;
  ExitCode code = kOk;
  if (!FindTokenName(session, options.token, *request.mutable_name(), code)) return code;
  v1::Token token;
  const auto context = session.connection.NewCall();
  const grpc::Status status =
      session.connection.tokens().RefreshToken(context.get(), request, &token);
  return status.ok() ? Print(session, token, options) : session.Fail(status);
}

}  // namespace tokeninventory::tokenctl
