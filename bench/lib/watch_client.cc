#include "bench/lib/watch_client.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include "absl/strings/str_cat.h"
#include "bench/lib/load_client.h"
#include "bench/lib/wire.h"

namespace tokeninventory::bench {
namespace {

constexpr int kStreamsPerConnection = 100;

}  // namespace

// Its tag is itself: one operation is under way at a time.
struct WatchClient::Stream {
  enum class Step { kStart, kRequest, kHalfClose, kRead };
  Step step = Step::kStart;
  bool has_begun = false;
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
  grpc::ByteBuffer message;
};

WatchClient::WatchClient(int port, WatchKind kind, int watchers) : kind_(std::move(kind)) {
  std::shared_ptr<grpc::Channel> channel;
  for (int i = 0; i < watchers; ++i) {
    if (i % kStreamsPerConnection == 0) channel = ConnectTo(port);
    auto stream = std::make_unique<Stream>();
    stream->context.set_wait_for_ready(true);
    stream->call = grpc::GenericStub(channel).PrepareCall(&stream->context, kind_.method, &queue_);
    stream->call->StartCall(stream.get());
    streams_.push_back(std::move(stream));
  }
  while (started_ < watchers) HandleNext();
}

WatchClient::~WatchClient() {
  for (const auto& stream : streams_) stream->context.TryCancel();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void WatchClient::HandleNext() {
  void* tag = nullptr;
  bool ok = false;
  queue_.Next(&tag, &ok);
  Stream& stream = *static_cast<Stream*>(tag);
  if (!ok) {
    grpc::Status status;
    stream.call->Finish(&status, nullptr);
    while (tag != nullptr) queue_.Next(&tag, &ok);  // what other streams have done comes before
    Fail(absl::StrCat(kind_.method, ": a stream ended: ", status.error_message()));
  }
  switch (stream.step) {
    case Stream::Step::kStart:
      stream.step = Stream::Step::kRequest;
      stream.call->Write(ToByteBuffer(kind_.request), tag);
      return;
    case Stream::Step::kRequest:
      if (!kind_.keep_open) {
        stream.step = Stream::Step::kHalfClose;
        stream.call->WritesDone(tag);
        return;
      }
      break;
    case Stream::Step::kHalfClose:
      break;
    case Stream::Step::kRead: {
      if (!stream.has_begun) ++started_;
      stream.has_begun = true;
      grpc::Slice slice;
      if (stream.message.TrySingleSlice(&slice).ok() ||
          stream.message.DumpToSingleSlice(&slice).ok()) {
        events_ += kind_.count(
            absl::string_view(reinterpret_cast<const char*>(slice.begin()), slice.size()));
      }
      stream.message.Clear();
      break;
    }
  }
  stream.step = Stream::Step::kRead;
  stream.call->Read(&stream.message, tag);
}

void WatchClient::Await(std::int64_t events) {
  while (events_ < events) HandleNext();
  events_ -= events;
}

int CountTokenEvents(absl::string_view message) {
  int events = 0;
  ForEachField(message, [&](int field, absl::string_view batch) {
    if (field != 2) return;  // WatchTokensResponse.batches
    ForEachField(batch, [&](int of_batch, absl::string_view) {
      events += of_batch == 5 ? 1 : 0;  // TokenEventBatch.events
    });
  });
  return events;
}

}  // namespace tokeninventory::bench
