#include "bench/lib/load_client.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace tokeninventory::bench {

// A call under way; used again for the next one.
struct LoadClient::Slot {
  std::optional<grpc::ClientContext> context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  grpc::ByteBuffer answer;
  grpc::Status status;
  std::int64_t begin = 0;
};

std::shared_ptr<grpc::Channel> ConnectTo(int port) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port),
                                   grpc::InsecureChannelCredentials(), arguments);
}

grpc::ByteBuffer ToByteBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) Fail("an answer without bytes");
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

LoadClient::LoadClient(int port) : stub_(ConnectTo(port)) {}

LoadClient::~LoadClient() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void LoadClient::Begin(const std::string& method, const grpc::ByteBuffer& request, Slot& slot) {
  slot.answer.Clear();
  slot.reader = nullptr;
  slot.context.emplace();
  slot.context->set_wait_for_ready(true);
  slot.begin = absl::GetCurrentTimeNanos();
  slot.reader = stub_.PrepareUnaryCall(&*slot.context, method, request, &queue_);
  slot.reader->StartCall();
  slot.reader->Finish(&slot.answer, &slot.status, &slot);
}

std::string LoadClient::Call(const std::string& method, const std::string& request) {
  Slot slot;
  Begin(method, ToByteBuffer(request), slot);
  void* tag = nullptr;
  bool ok = false;
  queue_.Next(&tag, &ok);
  if (!slot.status.ok()) Fail(absl::StrCat(method, ": ", slot.status.error_message()));
  return ToString(slot.answer);
}

LoadResult LoadClient::RunWhile(const Calls& calls, const std::function<bool()>& go_on) {
  std::vector<grpc::ByteBuffer> requests;
  for (const std::string& request : calls.requests) requests.push_back(ToByteBuffer(request));
  std::vector<Slot> slots(static_cast<std::size_t>(calls.at_once));
  LoadResult result;
  const std::int64_t begin = absl::GetCurrentTimeNanos();
  int under_way = 0;
  const auto start = [&](Slot& slot) {
    Begin(calls.method, requests[next_++ % requests.size()], slot);
    ++under_way;
  };
  for (Slot& slot : slots) {
    if (go_on()) start(slot);
  }
  while (under_way > 0) {
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
    Slot& slot = *static_cast<Slot*>(tag);
    --under_way;
    if (!slot.status.ok()) Fail(absl::StrCat(calls.method, ": ", slot.status.error_message()));
    ++result.calls;
    result.bytes += static_cast<std::int64_t>(slot.answer.Length());
    result.micros.push_back(static_cast<double>(absl::GetCurrentTimeNanos() - slot.begin) / 1e3);
    if (go_on()) start(slot);
  }
  result.time = absl::Nanoseconds(absl::GetCurrentTimeNanos() - begin);
  return result;
}

LoadResult LoadClient::Run(const Calls& calls, absl::Duration time) {
  std::int64_t end = 0;  // counted from the first call: to make many requests takes a while
  return RunWhile(calls, [&] {
    const std::int64_t now = absl::GetCurrentTimeNanos();
    if (end == 0) end = now + absl::ToInt64Nanoseconds(time);
    return now < end;
  });
}

LoadResult LoadClient::RunOnce(const Calls& calls) {
  next_ = 0;
  return RunWhile(calls, [&] { return next_ < calls.requests.size(); });
}

double CpuMicrosPerCall(const Process& server, LoadClient& client, const Calls& calls,
                        absl::Duration time) {
  const double before = server.CpuSeconds();
  const LoadResult result = client.Run(calls, time);
  return (server.CpuSeconds() - before) * 1e6 / static_cast<double>(result.calls);
}

}  // namespace tokeninventory::bench
