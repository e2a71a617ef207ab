// Lists the tokens that expire soon, then follows the notices of those that do.
//
// What is told comes at least once: the resume token is saved only after the work is done, so a
// crash between the two tells an event again, with the same event_id.
#include <absl/status/status.h>
#include <fcntl.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include "tokeninventory/v1/token_inventory.grpc.pb.h"

using google::protobuf::util::TimeUtil;
namespace v1 = tokeninventory::v1;

namespace {

using Milliseconds = std::chrono::milliseconds;

std::map<std::string, std::string> flags = {
    {"server", "127.0.0.1:50051"},
    {"ca", ""},         // use TLS, and trust the authorities in this PEM file
    {"within", "30d"},  // how soon is soon
    {"filter", ""},     // only these tokens (docs/filter.md)
    {"state", ""},      // follow, and keep the resume token in this file
};

// Empty when there is no such file.
std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<grpc::Channel> Connect() {
  grpc::ChannelArguments arguments;
  // A dead connection is noticed within 40 s; the service allows a ping each 10 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  const char* token = std::getenv("TOKEN_INVENTORY_TOKEN");
  auto credentials = grpc::InsecureChannelCredentials();
  if (!flags["ca"].empty()) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = Read(flags["ca"]);
    credentials = grpc::SslCredentials(options);
    // Sent as `authorization: Bearer …`.
    if (token) {
      credentials =
          grpc::CompositeChannelCredentials(credentials, grpc::AccessTokenCredentials(token));
    }
  } else if (token) {
    throw std::runtime_error("TOKEN_INVENTORY_TOKEN needs --ca: it would travel in plain text");
  }
  return grpc::CreateCustomChannel(flags["server"], credentials, arguments);
}

struct Why {
  std::string reason;    // for programs
  Milliseconds wait{0};  // what the service asks for
};

Why ReadError(const grpc::Status& error) {
  Why why;
  google::rpc::Status status;
  status.ParseFromString(error.error_details());
  for (const auto& detail : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&info)) why.reason = info.reason();
    if (detail.UnpackTo(&retry)) {
      why.wait = Milliseconds(TimeUtil::DurationToMilliseconds(retry.retry_delay()));
    }
  }
  return why;
}

void ShowError(const grpc::Status& error) {
  const auto code = static_cast<absl::StatusCode>(error.error_code());  // the same numbers
  std::cerr << absl::StatusCodeToString(code) << ' ' << ReadError(error).reason << ": "
            << error.error_message() << std::endl;
}

std::string Utc(const google::protobuf::Timestamp& time) {
  return TimeUtil::ToString(TimeUtil::SecondsToTimestamp(time.seconds()));
}

// Prints every page; `resume_token` is then where to watch from to miss nothing since the first.
grpc::Status ListExpiring(v1::TokenInventory::Stub& stub, std::string& resume_token) {
  v1::ListTokensRequest request;
  request.set_parent("sources/-");
  request.set_filter("state = ACTIVE AND effective_expire_time < now+" + flags["within"]);
  if (!flags["filter"].empty()) {
    request.set_filter("(" + flags["filter"] + ") AND " + request.filter());
  }
  request.set_order_by("effective_expire_time");
  request.set_page_size(100);
  do {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    v1::ListTokensResponse page;
    if (auto status = stub.ListTokens(&context, request, &page); !status.ok()) return status;
    for (const auto& token : page.tokens()) {
      std::cout << Utc(token.effective_expire_time()) << "  " << token.name() << "  "
                << token.display_name() << std::endl;
    }
    resume_token = page.resume_token();
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return grpc::Status::OK;
}

void Tell(const v1::Expiration& notice) {
  std::string what = v1::Expiration::Kind_Name(notice.kind());
  if (notice.state() == v1::Expiration::RESOLVED && notice.has_resolution()) {
    what = "RESOLVED " + v1::Expiration::Resolution::Cause_Name(notice.resolution().cause());
  }
  // Some are about a source; of what the caller may no longer see, only the uid is told.
  std::string subject = notice.token().name();
  if (subject.empty()) subject = notice.source();
  if (subject.empty()) subject = notice.uid();
  std::cout << notice.event_id() << "  " << what << "  "
            << (notice.has_effective_expire_time() ? Utc(notice.effective_expire_time()) : "-")
            << "  " << subject << "  " << notice.token().display_name() << std::endl;
}

// Whole or not at all, also when the power fails.
void Save(const std::string& resume_token) {
  const std::string next = flags["state"] + ".new";
  const int file = open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  const bool written = file >= 0 &&
                       write(file, resume_token.data(), resume_token.size()) ==
                           static_cast<ssize_t>(resume_token.size()) &&
                       fsync(file) == 0;
  if (file >= 0) close(file);
  if (!written) throw std::runtime_error("cannot write " + next);
  std::filesystem::rename(next, flags["state"]);
}

// Read in this order: reset, batches, synced, resume_token.
void Handle(const v1::WatchExpirationsResponse& message) {
  if (message.has_reset()) {
    // Too long away, or another store. All notices that are open follow; who keeps a copy forgets
    // it here.
    std::cerr << "reset: " << v1::WatchReset::Reason_Name(message.reset().reason()) << std::endl;
  }
  for (const auto& batch : message.batches()) {
    for (const auto& notice : batch.expirations()) Tell(notice);
  }
  if (message.has_synced()) std::cerr << "synced: these are all that are open" << std::endl;
  // Last, after the work. Empty in the midst of a revision: the one before stays.
  if (!message.resume_token().empty()) Save(message.resume_token());
}

// Whether waiting helps. Everything else needs a person.
bool TryAgain(grpc::StatusCode code) {
  return code == grpc::UNAVAILABLE || code == grpc::RESOURCE_EXHAUSTED || code == grpc::CANCELLED ||
         code == grpc::DEADLINE_EXCEEDED || code == grpc::INTERNAL;
}

// Returns when waiting does not help.
grpc::Status Follow(v1::TokenInventory::Stub& stub) {
  constexpr Milliseconds kShortest{500}, kLongest{30'000};
  std::mt19937 random{std::random_device()()};
  Milliseconds delay = kShortest;
  while (true) {
    v1::WatchExpirationsRequest request;
    request.set_parent("sources/-");
    request.set_filter(flags["filter"]);
    request.set_resume_token(Read(flags["state"]));
    request.set_on_gap(v1::RESYNC);
    grpc::ClientContext context;
    const auto stream = stub.WatchExpirations(&context, request);
    v1::WatchExpirationsResponse message;
    while (stream->Read(&message)) {
      Handle(message);
      delay = kShortest;
    }
    const grpc::Status status = stream->Finish();
    if (!TryAgain(status.error_code())) return status;
    ShowError(status);
    const Milliseconds jittered{
        std::uniform_int_distribution<long>(delay.count() / 2, delay.count())(random)};
    std::this_thread::sleep_for(std::max(ReadError(status).wait, jittered));
    delay = std::min(delay * 2, kLongest);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc || name.substr(0, 2) != "--" || !flags.count(name.substr(2))) {
      std::cerr << "usage: expiring [--server HOST:PORT] [--ca FILE.pem] [--within 30d]"
                   " [--filter FILTER] [--state FILE]\n";
      return 2;
    }
    flags[name.substr(2)] = argv[i + 1];
  }
  v1::TokenInventory::Stub stub(Connect());
  std::string resume_token;
  grpc::Status status = ListExpiring(stub, resume_token);
  if (status.ok() && !flags["state"].empty()) {
    if (Read(flags["state"]).empty()) Save(resume_token);
    status = Follow(stub);
  }
  if (status.ok()) return 0;
  ShowError(status);
  return 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
