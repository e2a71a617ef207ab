// What every command is given: the service, and where its words go.
#pragma once

#include <grpcpp/support/status.h>

#include <map>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "tokenctl/connection.h"
#include "tokenctl/exit_codes.h"
#include "tokenctl/rpc_error.h"
#include "tokenctl/text/terminal.h"
#include "tokenctl/text/times.h"

namespace tokeninventory::tokenctl {

// Used by one thread.
struct Session {
  Connection& connection;
  std::ostream& out;
  std::ostream& err;
  Terminal terminal;      // of `out`
  Terminal err_terminal;  // of `err`
  TimeFormat times;
  bool has_token = false;

  // Tells a line for people on `err`.
  void Tell(const std::string& line, Style style = Style::kPlain);

  // Says why a call failed; the exit code. `texts`: see CallFacts.
  ExitCode Fail(const grpc::Status& status, std::map<std::string, std::string> texts = {});
  ExitCode Fail(const absl::Status& usage);

  // The facts that errors of this connection are told with.
  CallFacts Facts() const;

  // Brings `times.now` up to date.
  void Tick() { times.now = absl::Now(); }
};

}  // namespace tokeninventory::tokenctl
