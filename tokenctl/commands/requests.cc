#include "tokenctl/commands/requests.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/token_columns.h"

namespace tokeninventory::tokenctl {
namespace {

constexpr int kPageSize = 1000;  // the most that the service gives
constexpr int kShownMatches = 5;

// `text` in a filter, where it stands for itself.
std::string Quoted(absl::string_view text) {
  return absl::StrCat(
      "\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}, {"*", "\\*"}}), "\"");
}

}  // namespace

std::string SourceNameOf(absl::string_view source) {
  if (source.empty()) return "sources/-";
  return absl::StartsWith(source, "sources/") ? std::string(source)
                                              : absl::StrCat("sources/", source);
}

bool FindTokenName(Session& session, const std::string& text, std::string& name, ExitCode& code) {
  if (absl::StartsWith(text, "sources/")) {
    name = text;
    return true;
  }
  if (const std::size_t slash = text.find('/'); slash != std::string::npos) {
    name = absl::StrCat("sources/", text.substr(0, slash), "/tokens/", text.substr(slash + 1));
    return true;
  }
  v1::ListTokensRequest request;
  request.set_parent("sources/-");
  request.set_page_size(kShownMatches);
  const std::string value = Quoted(text);
  request.set_filter(absl::StrCat("uid = ", value, " OR provider_token_id = ", value,
                                  " OR display_name = ", value));
  v1::ListTokensResponse response;
  const auto context = session.connection.NewCall();
  const grpc::Status status =
      session.connection.tokens().ListTokens(context.get(), request, &response);
  if (!status.ok()) {
    code = session.Fail(status);
    return false;
  }
  if (response.total_size() == 1) {
    name = response.tokens(0).name();
    return true;
  }
  code = kNotFound;
  if (response.total_size() == 0) {
    session.Tell(absl::StrCat("no token is called ", Printable(text), "; `tokenctl list --filter ",
                              Printable(text), "` searches"));
    return false;
  }
  code = kUsage;
  session.Tell(absl::StrCat(response.total_size(), " tokens are called ", Printable(text),
                            "; say which by its name:"));
  for (const v1::Token& token : response.tokens()) {
    session.err << "  " << Printable(token.name()) << "\n";
  }
  return false;
}

grpc::Status ListPages(Session& session, v1::ListTokensRequest request, std::int64_t limit,
                       const std::function<void(const v1::ListTokensResponse&)>& each) {
  for (std::int64_t left = limit;;) {
    // Bigger pages for a whole list; the limit's own size when that is less.
    request.set_page_size(limit == 0 ? kPageSize
                                     : static_cast<int>(std::min<std::int64_t>(left, kPageSize)));
    v1::ListTokensResponse response;
    const auto context = session.connection.NewCall();
    const grpc::Status status =
        session.connection.tokens().ListTokens(context.get(), request, &response);
    if (!status.ok()) return status;
    if (request.page_token().empty()) TellUnreachable(session, response.unreachable());
    each(response);
    left -= response.tokens_size();
    if (response.next_page_token().empty() || (limit > 0 && left <= 0)) return grpc::Status::OK;
    request.set_page_token(response.next_page_token());
  }
}

void TellUnreachable(Session& session,
                     const google::protobuf::RepeatedPtrField<std::string>& sources) {
  if (sources.empty()) return;
  const std::string names =
      absl::StrJoin(sources, ", ", [](std::string* out, const std::string& name) {
        absl::StrAppend(out, Printable(SourceId(name)));
      });
  session.Tell(
      absl::StrCat("may be out of date or incomplete: ", names, "; `tokenctl sources` says why"),
      Style::kWarning);
}

}  // namespace tokeninventory::tokenctl
