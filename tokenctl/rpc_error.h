// A failed call in one line: what is wrong, and what to do next.
#pragma once

#include <grpcpp/support/status.h>

#include <map>
#include <string>

#include "absl/time/time.h"
#include "tokenctl/exit_codes.h"

namespace tokeninventory::tokenctl {

// What the caller knows of a call that failed.
struct CallFacts {
  std::string server;
  bool tls = false;
  bool has_token = false;
  // Fields of the request that people wrote, such as `filter`: an error that tells a column of one
  // is shown under its text.
  std::map<std::string, std::string> texts;
};

// One line, without line feed, and behind it perhaps a text with a mark under what is wrong
// with it. Printable.
std::string DescribeError(const grpc::Status& status, const CallFacts& facts);

ExitCode ExitCodeOf(const grpc::Status& status);

// The reason of its google.rpc.ErrorInfo; empty when there is none.
std::string ReasonOf(const grpc::Status& status);

// How long its google.rpc.RetryInfo asks to wait; zero when there is none.
absl::Duration RetryDelayOf(const grpc::Status& status);

}  // namespace tokeninventory::tokenctl
