// A SyncSource stream: a pass' newest progress, then its result.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "connectors/poller.h"
#include "connectors/sync_observer.h"
#include "server/access/gate.h"
#include "server/metrics/rpc_meter.h"

namespace tokeninventory {

// Between the pass' thread and gRPC's. Progress that the client is too slow for
// is replaced by newer. Thread-safe; outlives the reactor in the poller's hands.
class SyncStream final : public SyncObserver {
 public:
  SyncStream(const RpcMeter::Call& call, grpc::ServerWriteReactor<grpc::ByteBuffer>* reactor)
      : call_(call), reactor_(reactor) {}

  // SyncObserver.
  void OnProgress(const v1::SyncProgress& progress) override;
  void OnEnd(const absl::StatusOr<v1::SyncResult>& result) override;

  // From the reactor.

  // Ends the stream before anything else is sent.
  void End(const absl::Status& status);
  void OnWriteDone(bool ok);
  void OnCancel();

 private:
  void PumpLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteLocked(const v1::SyncSourceResponse& response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const RpcMeter::Call call_;
  Mutex mutex_;
  // Null once finished.
  grpc::ServerWriteReactor<grpc::ByteBuffer>* reactor_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::SyncProgress> progress_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::SyncResult> result_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ByteBuffer message_ ABSL_GUARDED_BY(mutex_);  // under way
};

// Deletes itself when gRPC is done with it.
class SyncReactor final : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public GuardedStream {
 public:
  SyncReactor(const RpcMeter::Call& call, std::string source,
              std::unique_ptr<CallMeter::Ticket> ticket)
      : source_(std::move(source)),
        ticket_(std::move(ticket)),
        stream_(std::make_shared<SyncStream>(call, this)) {}

  // Joins or starts a pass. Call once, before the method returns.
  absl::Status Open(Poller& poller, bool fresh);
  // Call after Open, before the method returns.
  void Guard(Gate& gate, const grpc::CallbackServerContext& context);

  // GuardedStream.
  void OnPolicy(const absl::StatusOr<Caller>& caller) override;

  void OnWriteDone(bool ok) override { stream_->OnWriteDone(ok); }
  void OnCancel() override { stream_->OnCancel(); }
  void OnDone() override { delete this; }

 private:
  const std::string source_;
  const std::unique_ptr<CallMeter::Ticket> ticket_;
  const std::shared_ptr<SyncStream> stream_;
  Poller::Subscription subscription_;
  std::unique_ptr<OpenStreams::Place> place_;
};

}  // namespace tokeninventory
