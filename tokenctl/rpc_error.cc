#include "tokenctl/rpc_error.h"

#include <google/protobuf/any.pb.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/proto_time.h"
#include "google/rpc/error_details.pb.h"
#include "tokenctl/text/printable.h"
#include "tokenctl/text/times.h"

namespace tokeninventory::tokenctl {
namespace {

template <typename Detail>
Detail DetailOf(const grpc::Status& status) {
  google::rpc::Status wire;
  Detail detail;
  if (!wire.ParseFromString(status.error_details())) return detail;
  for (const google::protobuf::Any& any : wire.details()) {
    if (any.Is<Detail>() && any.UnpackTo(&detail)) break;
  }
  return detail;
}

// What gRPC says of a connection that could not be made, without its repetitions.
std::string WhyUnreachable(const std::string& message) {
  static constexpr struct {
    const char* said;
    const char* told;
  } kWords[] = {
      {"Connection refused", "connection refused"},
      {"No such file", "no such socket"},
      {"Permission denied", "permission denied"},
      {"DNS resolution failed", "no such host"},
      {"Domain name not found", "no such host"},
      {"CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted"},
      {"No match found for server name", "its certificate is for another name"},
      {"WRONG_VERSION_NUMBER", "it does not speak TLS"},
      {"handshake", "the TLS handshake failed"},
      {"Handshake", "the TLS handshake failed"},
      {"timed out", "no answer"},
      {"Timeout", "no answer"},
  };
  for (const auto& word : kWords) {
    if (absl::StrContains(message, word.said)) return word.told;
  }
  return message;
}

std::string DescribeUnreachable(const grpc::Status& status, const CallFacts& facts) {
  const std::string why = WhyUnreachable(status.error_message());
  std::string next = "start the service, or say where it is with --server or TOKENCTL_SERVER";
  if (absl::StrContains(why, "certificate")) {
    next = "name its authority with --ca-file, or its name with --tls-server-name";
  } else if (absl::StrContains(why, "TLS") && facts.tls) {
    next = "does it serve TLS, and ask for a client certificate (--cert-file, --key-file)?";
  } else if (!facts.tls &&
             (absl::StrContains(why, "ocket closed") || absl::StrContains(why, "reset"))) {
    next = "if it serves TLS, connect with --tls";
  }
  return absl::StrCat("cannot reach ", facts.server, ": ", why, "; ", next);
}

// The place in one of the request's texts that the error speaks of: "filter: column 9: …".
std::string Marked(const grpc::Status& status, const CallFacts& facts) {
  const auto bad = DetailOf<google::rpc::BadRequest>(status);
  if (bad.field_violations().empty()) return "";
  const auto& violation = bad.field_violations(0);
  const auto text = facts.texts.find(violation.field());
  absl::string_view description = violation.description();
  int column = 0;
  if (text == facts.texts.end() || !absl::ConsumePrefix(&description, "column ") ||
      !absl::SimpleAtoi(description.substr(0, description.find(':')), &column) || column < 1) {
    return "";
  }
  // Columns count characters; where it stands on the screen depends on those before it.
  std::size_t end = 0;
  for (int seen = 1; end < text->second.size(); ++end) {
    const bool begins = (static_cast<unsigned char>(text->second[end]) & 0xc0) != 0x80;
    if (begins && seen++ == column) break;
  }
  const int before = DisplayWidth(Printable(absl::string_view(text->second).substr(0, end)));
  return absl::StrCat("\n  ", Printable(text->second), "\n  ",
                      std::string(static_cast<std::size_t>(before), ' '), "^");
}

std::string NextStep(const grpc::Status& status, const CallFacts& facts) {
  const absl::Duration delay = RetryDelayOf(status);
  switch (status.error_code()) {
    case grpc::StatusCode::UNAUTHENTICATED:
      return facts.has_token
                 ? "; the service does not know this token: see --token-file"
                 : "; show who you are with --token-file, TOKENCTL_TOKEN or --cert-file";
    case grpc::StatusCode::PERMISSION_DENIED:
      return "; the service's `access` decides that, ask who runs it";
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return "; give it longer with --timeout";
    default:
      break;
  }
  if (ReasonOf(status) == "REFRESH_UNSUPPORTED") return "; `tokenctl sync` reads the whole source";
  if (delay > absl::ZeroDuration()) return absl::StrCat("; try again in ", DurationText(delay));
  return "";
}

}  // namespace

std::string ReasonOf(const grpc::Status& status) {
  return DetailOf<google::rpc::ErrorInfo>(status).reason();
}

absl::Duration RetryDelayOf(const grpc::Status& status) {
  return FromProto(DetailOf<google::rpc::RetryInfo>(status).retry_delay());
}

std::string DescribeError(const grpc::Status& status, const CallFacts& facts) {
  // The service's own errors have details; without, the call did not reach it.
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && status.error_details().empty()) {
    return Printable(DescribeUnreachable(status, facts));
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED &&
      status.error_details().empty()) {
    return Printable(
        absl::StrCat(facts.server, " gave no answer in time", NextStep(status, facts)));
  }
  std::string message = status.error_message();
  if (message.empty())
    message = absl::StrCat("gRPC status ", static_cast<int>(status.error_code()));
  return Printable(absl::StrCat(message, NextStep(status, facts))) + Marked(status, facts);
}

ExitCode ExitCodeOf(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return kOk;
    case grpc::StatusCode::INVALID_ARGUMENT:
      return kUsage;
    case grpc::StatusCode::UNAVAILABLE:
      return ReasonOf(status) == "REFRESH_FAILED" ? kFailed : kUnavailable;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return kUnavailable;
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
      return kRefused;
    case grpc::StatusCode::NOT_FOUND:
      return kNotFound;
    default:
      return kFailed;
  }
}

}  // namespace tokeninventory::tokenctl
