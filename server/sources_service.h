// The Sources service.
#pragma once

#include <memory>
#include <stop_token>

#include "base/thread_pool.h"
#include "server/raw_calls.h"
#include "server/sync_reactor.h"
#include "tokeninventory/v1/sources.grpc.pb.h"

namespace tokeninventory {

using RawSources = v1::Sources::WithRawCallbackMethod_ListSources<
    v1::Sources::WithRawCallbackMethod_GetSource<v1::Sources::WithRawCallbackMethod_SyncSource<
        v1::Sources::WithRawCallbackMethod_ApproveSync<
            v1::Sources::WithRawCallbackMethod_PurgeSource<v1::Sources::Service>>>>>;

// Thread-safe.
class SourcesService final : public RawSources {
 public:
  // What `entrance` refers to lives longer than the server.
  explicit SourcesService(const Entrance& entrance);

  grpc::ServerUnaryReactor* ListSources(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetSource(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* SyncSource(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* ApproveSync(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* PurgeSource(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;

  // Interrupts purges.
  void Stop() { stop_.request_stop(); }

 private:
  // Reads the request and runs `answer(Ledger&, source id, request)` on a thread of
  // its own: it waits for commits.
  template <typename Request, typename AnswerFunction>
  grpc::ServerUnaryReactor* AnswerFromLedger(RpcMethod rpc, grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* bytes,
                                             grpc::ByteBuffer* response, absl::string_view method,
                                             AnswerFunction answer);
  absl::StatusOr<std::unique_ptr<SyncReactor>> Open(const grpc::CallbackServerContext& context,
                                                    const RpcMeter::Call& call,
                                                    const Caller& caller,
                                                    const v1::SyncSourceRequest& request);

  const Entrance entrance_;
  std::stop_source stop_;
  ThreadPool operators_;
};

}  // namespace tokeninventory
