// The limit: what gRPC's callback API costs by itself. Answers TokenInventory's
// GetToken, ListTokens and WatchTokens with bytes that are ready, whatever is asked.
//
// usage: bare-server TOKENS_FILE
// Standard input: `publish EVENTS MESSAGES` sends so many events, in so many messages,
// to every stream.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <deque>
#include <iostream>
#include <mutex>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/proto_time.h"
#include "bench/lib/filled_store.h"
#include "bench/lib/load_client.h"
#include "server/byte_messages.h"
#include "tokeninventory/v1/token_inventory.grpc.pb.h"

namespace tokeninventory::bench {
namespace {

using Base = v1::TokenInventory::WithRawCallbackMethod_GetToken<
    v1::TokenInventory::WithRawCallbackMethod_ListTokens<
        v1::TokenInventory::WithRawCallbackMethod_WatchTokens<v1::TokenInventory::Service>>>;

// What all streams are sent, in order. Thread-safe.
class Messages {
 public:
  void Add(grpc::ByteBuffer message) {
    std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
  }
  // Null when there is no such message yet. It stays where it is.
  const grpc::ByteBuffer* At(std::size_t index) {
    std::lock_guard lock(mutex_);
    return index < messages_.size() ? &messages_[index] : nullptr;
  }
  std::size_t size() {
    std::lock_guard lock(mutex_);
    return messages_.size();
  }

 private:
  std::mutex mutex_;
  std::deque<grpc::ByteBuffer> messages_;
};

class BareServer final : public Base {
 public:
  explicit BareServer(const std::string& tokens_file) : tokens_(tokens_file) {
    // One of middling size stands for all.
    std::vector<absl::string_view> by_size = tokens_.tokens();
    const auto middle = by_size.begin() + static_cast<std::ptrdiff_t>(by_size.size() / 2);
    std::nth_element(by_size.begin(), middle, by_size.end(),
                     [](auto a, auto b) { return a.size() < b.size(); });
    token_ = grpc::Slice(middle->data(), middle->size());
  }

  grpc::ServerUnaryReactor* GetToken(grpc::CallbackServerContext* context, const grpc::ByteBuffer*,
                                     grpc::ByteBuffer* response) override {
    *response = grpc::ByteBuffer(&token_, 1);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* ListTokens(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* bytes,
                                       grpc::ByteBuffer* response) override {
    v1::ListTokensRequest request;
    ParseByteBuffer(*bytes, request);
    const auto count = static_cast<std::size_t>(request.page_size());
    const std::size_t first = place_.fetch_add(count) % (tokens_.tokens().size() - count + 1);
    const grpc::Slice page(tokens_.Frames(first, count).size());
    auto* to = const_cast<std::uint8_t*>(page.begin());
    for (std::size_t i = first; i < first + count; ++i) {
      const absl::string_view frame = tokens_.Frame(i);
      std::memcpy(to, frame.data(), frame.size());
      to += frame.size();
    }
    *response = grpc::ByteBuffer(&page, 1);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchTokens(grpc::CallbackServerContext*,
                                                          const grpc::ByteBuffer*) override {
    auto* const stream = new Stream(messages_);
    std::lock_guard lock(mutex_);
    streams_.push_back(stream);
    return stream;
  }

  void Publish(int events, int messages) {
    for (int i = 0; i < messages; ++i) messages_.Add(MakeMessage(events / messages));
    std::lock_guard lock(mutex_);
    for (Stream* stream : streams_) stream->Wake();
  }

 private:
  // One write under way. Never freed: those that ended stay quiet.
  class Stream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
   public:
    explicit Stream(Messages& messages) : messages_(messages), next_(messages.size()) {
      StartWrite(&hello_);  // so that a client knows that it is there
    }
    void Wake() { WriteNext(false); }
    void OnWriteDone(bool ok) override {
      if (ok) WriteNext(true);
    }
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override {}

   private:
    // Not under the lock: the write may be done, and OnWriteDone called by another thread, before
    // StartWrite has returned.
    void WriteNext(bool is_done) {
      const grpc::ByteBuffer* message = nullptr;
      {
        std::lock_guard lock(mutex_);
        if (is_done) writing_ = false;
        if (writing_) return;
        message = messages_.At(next_);
        if (message == nullptr) return;
        ++next_;
        writing_ = true;
      }
      StartWrite(message);
    }

    Messages& messages_;
    const grpc::ByteBuffer hello_ = bench::ToByteBuffer("");
    std::mutex mutex_;
    std::size_t next_;
    bool writing_ = true;
  };

  // As the service tells that the tokens of one revision changed.
  grpc::ByteBuffer MakeMessage(int events) {
    v1::WatchTokensResponse message;
    v1::TokenEventBatch& batch = *message.add_batches();
    batch.set_revision(1'000'000);
    ToProto(absl::Now(), batch.mutable_commit_time());
    for (int i = 0; i < events; ++i) {
      const absl::string_view bytes = tokens_.tokens()[place_++ % tokens_.tokens().size()];
      v1::TokenEvent& event = *batch.add_events();
      event.set_type(v1::TokenEvent::MODIFIED);
      event.mutable_token()->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
      event.set_uid(event.token().uid());
      event.mutable_changed_fields()->add_paths("role");
    }
    message.set_resume_token(std::string(40, 'r'));
    return bench::ToByteBuffer(message.SerializeAsString());
  }

  const TokenFile tokens_;
  grpc::Slice token_;
  std::atomic<std::size_t> place_{0};
  Messages messages_;
  std::mutex mutex_;
  std::vector<Stream*> streams_;
};

int Run(const std::string& tokens_file) {
  BareServer service(tokens_file);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  std::cout << "port " << port << " serving" << std::endl;
  std::string command;
  for (int events = 0, messages = 0; std::cin >> command >> events >> messages;) {
    service.Publish(events, messages);
  }
  std::_Exit(0);
}

}  // namespace
}  // namespace tokeninventory::bench

int main(int argc, char** argv) { return argc == 2 ? tokeninventory::bench::Run(argv[1]) : 2; }
