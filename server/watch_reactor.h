// A WatchTokens stream on gRPC's side: carries a WatchSession's messages.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "inventory/watch_hub.h"
#include "server/access/gate.h"
#include "server/byte_messages.h"
#include "server/metrics/rpc_meter.h"

namespace tokeninventory {

// Deletes itself when gRPC is done with it. gRPC's reactions begin after the
// method has returned the reactor, so `session_` is set before any of them.
class WatchReactor final : public WatchSink,
                           public GuardedStream,
                           public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // `buffer`: for all streams of a service, which it outlives.
  WatchReactor(grpc::CallbackServerContext* context, const RpcMeter::Call& call,
               std::unique_ptr<CallMeter::Ticket> ticket, SharedByteBuffer& buffer)
      : buffer_(buffer), context_(context), call_(call), ticket_(std::move(ticket)) {}

  // Call once, before the method returns; on an error the reactor was not used.
  absl::Status Open(WatchHub& hub, Gate& gate, WatchSession::Options options);

  // WatchSink.
  void Write(const WatchMessage& message) override;
  void Finish(const absl::Status& status) override;
  void Abort() override;

  // GuardedStream.
  void OnPolicy(const absl::StatusOr<Caller>& caller) override;

  // gRPC's reactions.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // First what each message needs, as in WatchSession.
  SharedByteBuffer& buffer_;
  std::shared_ptr<const grpc::ByteBuffer> message_;  // under way
  std::shared_ptr<WatchSession> session_;

  grpc::CallbackServerContext* const context_;
  const RpcMeter::Call call_;
  const std::unique_ptr<CallMeter::Ticket> ticket_;
  std::string source_;  // the only one that it is about; empty: all
  std::unique_ptr<OpenStreams::Place> place_;
};

}  // namespace tokeninventory
