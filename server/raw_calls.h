// What all raw methods share: reading the request, answering, refusing.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "inventory/errors.h"
#include "server/backend.h"
#include "server/byte_messages.h"
#include "server/grpc_status.h"

namespace tokeninventory {

// The request, or why there is no answer to it.
template <typename Request>
absl::Status ReadRequest(const BackendPointer& backend, const grpc::ByteBuffer& bytes,
                         Request& request) {
  if (backend.load() == nullptr) return StillLoadingError();
  if (!ParseByteBuffer(bytes, request)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "MALFORMED_REQUEST",
                     "the request is no serialised message of this method");
  }
  return absl::OkStatus();
}

// Ends a unary call.
inline void Answer(grpc::ServerUnaryReactor* reactor, grpc::ByteBuffer* response,
                   absl::StatusOr<std::string> answer) {
  if (answer.ok()) *response = ToByteBuffer(*std::move(answer));
  reactor->Finish(ToGrpcStatus(answer.status()));
}

// A unary call that `answer(const Backend&, const Request&)` answers at once.
template <typename Request, typename AnswerFunction>
grpc::ServerUnaryReactor* AnswerUnary(const BackendPointer& backend,
                                      grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* bytes, grpc::ByteBuffer* response,
                                      AnswerFunction answer) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  Request request;
  const absl::Status status = ReadRequest(backend, *bytes, request);
  Answer(reactor, response,
         status.ok() ? answer(*backend.load(), request) : absl::StatusOr<std::string>(status));
  return reactor;
}

// A stream that ends at once.
class RefusedStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  explicit RefusedStream(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace tokeninventory
