#include "tokenctl/rpc_error.h"

#include <google/protobuf/any.pb.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"

namespace tokeninventory::tokenctl {
namespace {

using grpc::StatusCode;

// A failure as the service sends it.
grpc::Status FromService(StatusCode code, const std::string& message, const std::string& reason,
                         const google::protobuf::Message* detail = nullptr) {
  google::rpc::Status wire;
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  wire.add_details()->PackFrom(info);
  if (detail != nullptr) wire.add_details()->PackFrom(*detail);
  return {code, message, wire.SerializeAsString()};
}

grpc::Status BadFilter(const std::string& description) {
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field("filter");
  violation->set_description(description);
  return FromService(StatusCode::INVALID_ARGUMENT, "filter: " + description, "FILTER_SYNTAX", &bad);
}

TEST(DescribeErrorTest, SaysWhatToDoNext) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(90);
  const CallFacts plain{.server = "h:1", .texts = {{"filter", "äö < x"}}};
  const CallFacts tls{.server = "h:1", .tls = true, .texts = {}};
  const CallFacts token{.server = "h:1", .has_token = true, .texts = {}};
  const struct {
    grpc::Status status;
    CallFacts facts;
    const char* want;
    ExitCode code;
  } kCases[] = {
      {{StatusCode::UNAVAILABLE, "failed to connect to all addresses; Connection refused"},
       plain,
       "cannot reach h:1: connection refused; start the service, or say where it is with --server "
       "or TOKENCTL_SERVER",
       kUnavailable},
      {{StatusCode::UNAVAILABLE, "Ssl handshake failed: CERTIFICATE_VERIFY_FAILED"},
       tls,
       "cannot reach h:1: its certificate is not trusted; name its authority with --ca-file, or "
       "its "
       "name with --tls-server-name",
       kUnavailable},
      {{StatusCode::UNAVAILABLE, "Socket closed"},
       plain,
       "cannot reach h:1: Socket closed; if it serves TLS, connect with --tls",
       kUnavailable},
      {FromService(StatusCode::UNAVAILABLE, "the store loads", "STORE_LOADING", &retry), plain,
       "the store loads; try again in 1m30s", kUnavailable},
      {FromService(StatusCode::UNAUTHENTICATED, "no", "NO_CREDENTIALS"), plain,
       "no; show who you are with --token-file, TOKENCTL_TOKEN or --cert-file", kRefused},
      {FromService(StatusCode::UNAUTHENTICATED, "no", "BAD_TOKEN"), token,
       "no; the service does not know this token: see --token-file", kRefused},
      {FromService(StatusCode::PERMISSION_DENIED, "for operators", "X"), token,
       "for operators; the service's `access` decides that, ask who runs it", kRefused},
      {FromService(StatusCode::NOT_FOUND, "no such token", "X"), plain, "no such token", kNotFound},
      {{StatusCode::DEADLINE_EXCEEDED, ""},
       plain,
       "h:1 gave no answer in time; give it longer with --timeout",
       kUnavailable},
      {FromService(StatusCode::UNAVAILABLE, "vendor down", "REFRESH_FAILED"), plain, "vendor down",
       kFailed},
      {FromService(StatusCode::INTERNAL, "bad \x1b[2J", "X"), plain, "bad \\x1b[2J", kFailed},
      // The column counts characters; the mark stands where the terminal shows it.
      {BadFilter("column 4: no"), plain, "filter: column 4: no\n  äö < x\n     ^", kUsage},
      {BadFilter("column 7: end"), plain, "filter: column 7: end\n  äö < x\n        ^", kUsage},
      {BadFilter("too long"), plain, "filter: too long", kUsage},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(DescribeError(c.status, c.facts), c.want);
    EXPECT_EQ(ExitCodeOf(c.status), c.code) << c.want;
  }
}

}  // namespace
}  // namespace tokeninventory::tokenctl
