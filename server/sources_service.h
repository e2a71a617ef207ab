// The Sources service.
#pragma once

#include "server/backend.h"
#include "tokeninventory/v1/sources.grpc.pb.h"

namespace tokeninventory {

using RawSources =
    v1::Sources::WithRawCallbackMethod_ListSources<v1::Sources::WithRawCallbackMethod_GetSource<
        v1::Sources::WithRawCallbackMethod_SyncSource<v1::Sources::Service>>>;

// Thread-safe.
class SourcesService final : public RawSources {
 public:
  // `backend` lives longer than the server.
  explicit SourcesService(const BackendPointer& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* ListSources(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetSource(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* SyncSource(grpc::CallbackServerContext* context,
                                                         const grpc::ByteBuffer* request) override;

 private:
  const BackendPointer& backend_;
};

}  // namespace tokeninventory
