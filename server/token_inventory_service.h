// The TokenInventory service on gRPC's callback API. A handler never blocks: it
// answers from memory at once, or hands over and finishes from there.
#pragma once

#include "server/byte_messages.h"
#include "server/raw_calls.h"
#include "tokeninventory/v1/token_inventory.grpc.pb.h"

namespace tokeninventory {

// Every method is raw: answers are bytes that are already serialised.
using RawTokenInventory = v1::TokenInventory::WithRawCallbackMethod_GetToken<
    v1::TokenInventory::WithRawCallbackMethod_BatchGetTokens<
        v1::TokenInventory::WithRawCallbackMethod_ListTokens<
            v1::TokenInventory::WithRawCallbackMethod_WatchTokens<
                v1::TokenInventory::WithRawCallbackMethod_ListTokenChanges<
                    v1::TokenInventory::WithRawCallbackMethod_SummarizeTokens<
                        v1::TokenInventory::WithRawCallbackMethod_RefreshToken<
                            v1::TokenInventory::WithRawCallbackMethod_ListExpirations<
                                v1::TokenInventory::WithRawCallbackMethod_WatchExpirations<
                                    v1::TokenInventory::Service>>>>>>>>>;

// Thread-safe.
class TokenInventoryService final : public RawTokenInventory {
 public:
  // What `entrance` refers to lives longer than the server.
  explicit TokenInventoryService(const Entrance& entrance) : entrance_(entrance) {}

  grpc::ServerUnaryReactor* GetToken(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* BatchGetTokens(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListTokens(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchTokens(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* ListTokenChanges(grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* request,
                                             grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListExpirations(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchExpirations(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* SummarizeTokens(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* RefreshToken(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;

 private:
  const Entrance entrance_;
  SharedByteBuffer stream_buffer_;
};

}  // namespace tokeninventory
