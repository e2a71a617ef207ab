#include "tokenctl/session.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tokeninventory::tokenctl {

void Session::Tell(const std::string& line, Style style) {
  out.flush();
  err << err_terminal.Paint(absl::StrCat("tokenctl: ", line), style) << std::endl;
}

CallFacts Session::Facts() const {
  return {
      .server = connection.server(), .tls = connection.tls(), .has_token = has_token, .texts = {}};
}

ExitCode Session::Fail(const grpc::Status& status, std::map<std::string, std::string> texts) {
  CallFacts facts = Facts();
  facts.texts = std::move(texts);
  Tell(DescribeError(status, facts));
  return ExitCodeOf(status);
}

ExitCode Session::Fail(const absl::Status& usage) {
  Tell(std::string(usage.message()));
  return kUsage;
}

}  // namespace tokeninventory::tokenctl
