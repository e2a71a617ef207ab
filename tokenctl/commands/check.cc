// check: one line and an exit code, as monitoring plugins (Nagios, Icinga) have them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/proto_time.h"
#include "tokenctl/commands/commands.h"
#include "tokenctl/commands/list_sources.h"
#include "tokenctl/source_text.h"

namespace tokeninventory::tokenctl {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

grpc::Status AskHealth(Session& session, const std::string& name, bool& serving) {
  HealthCheckRequest request;
  request.set_service(name);
  HealthCheckResponse response;
  const auto context = session.connection.NewCall();
  const grpc::Status status = session.connection.health().Check(context.get(), request, &response);
  serving = response.status() == HealthCheckResponse::SERVING;
  return status;
}

int Say(Session& session, CheckCode code, const std::string& what,
        const std::string& figures = "") {
  static constexpr struct {
    const char* word;
    Style style;
  } kWords[] = {{"OK", Style::kGood},
                {"WARNING", Style::kWarning},
                {"CRITICAL", Style::kBad},
                {"UNKNOWN", Style::kWarning}};
  session.out << session.terminal.Paint(kWords[code].word, kWords[code].style) << " - "
              << absl::StrReplaceAll(what, {{"|", "/"}});  // figures follow a bar
  if (!figures.empty()) session.out << " | " << figures;
  session.out << "\n";
  return code;
}

// A service that cannot be asked is down; one that does not let us ask says nothing of its health.
int SayFailed(Session& session, const grpc::Status& status) {
  const CheckCode code = ExitCodeOf(status) == kUnavailable ? kCheckCritical : kCheckUnknown;
  return Say(session, code, DescribeError(status, session.Facts()));
}

}  // namespace

int RunCheck(Session& session, const CheckOptions& options) {
  bool serving = false, store = false;
  for (const auto& [name, answer] : {std::pair{"", &serving}, std::pair{"store", &store}}) {
    if (const grpc::Status status = AskHealth(session, name, *answer); !status.ok()) {
      return SayFailed(session, status);
    }
  }
  if (!serving)
    return Say(session, kCheckCritical, "the service does not serve (starting or stopping)");
  std::vector<v1::Source> sources;
  if (const grpc::Status status = ListSources(session, sources); !status.ok()) {
    return SayFailed(session, status);
  }
  CheckCode code = kCheckOk;
  std::vector<std::string> troubles;
  std::int64_t tokens = 0, fresh = 0, watched = 0;
  absl::Duration oldest;
  if (!store) {
    code = kCheckCritical;
    troubles.push_back("the store cannot be written");
  }
  for (const v1::Source& source : sources) {
    tokens += source.token_count();
    if (source.state() == v1::Source::DETACHED) continue;
    ++watched;
    if (source.has_last_complete_time()) {
      oldest = std::max(oldest, session.times.now - FromProto(source.last_complete_time()));
    }
    const SourceHealth health = JudgeSource(source, options.max_age, session.times.now);
    fresh += health.level == SourceHealth::kStale ? 0 : 1;
    if (health.level == SourceHealth::kFresh) continue;
    troubles.push_back(health.why);
    code = std::max(code, health.level == SourceHealth::kStale ? kCheckCritical : kCheckWarning);
  }
  const std::string figures =
      absl::StrCat("sources=", watched, " fresh=", fresh, " tokens=", tokens,
                   " oldest=", absl::ToInt64Seconds(oldest), "s");
  if (troubles.empty()) {
    troubles.push_back(
        absl::StrCat("serving ", tokens, " tokens, ", fresh, " of ", watched, " sources fresh"));
  }
  return Say(session, code, absl::StrJoin(troubles, "; "), figures);
}

}  // namespace tokeninventory::tokenctl
