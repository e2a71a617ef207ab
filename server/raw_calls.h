// What all raw methods share: reading the request, answering, refusing.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "inventory/errors.h"
#include "server/access/gate.h"
#include "server/backend.h"
#include "server/byte_messages.h"
#include "server/grpc_status.h"
#include "server/metrics/rpc_meter.h"

namespace tokeninventory {

// What stands between a call and its answer.
struct Entrance {
  const BackendPointer& backend;
  Gate& gate;
  RpcMeter& meter;
};

// Who calls, and `request`; or why there is no answer to it.
template <typename Request>
absl::StatusOr<Caller> ReadRequest(const Entrance& entrance,
                                   const grpc::CallbackServerContext& context, Role needed,
                                   const grpc::ByteBuffer& bytes, Request& request) {
  absl::StatusOr<Caller> caller = entrance.gate.Admit(context, needed);
  if (!caller.ok()) {
    // For the audit: what somebody who is known was refused.
    if (absl::IsPermissionDenied(caller.status())) ParseByteBuffer(bytes, request);
    return caller;
  }
  if (entrance.backend.load() == nullptr) return StillLoadingError();
  if (!ParseByteBuffer(bytes, request)) {
    return MakeError(absl::StatusCode::kInvalidArgument, "MALFORMED_REQUEST",
                     "the request is no serialised message of this method");
  }
  return caller;
}

// A unary call under way. Copies are of the same call.
class UnaryCall {
 public:
  UnaryCall(const Entrance& entrance, RpcMethod method, grpc::CallbackServerContext* context,
            grpc::ByteBuffer* response)
      : counted_(entrance.meter, method),
        reactor_(context->DefaultReactor()),
        response_(response) {}

  // What the handler returns.
  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

  // Ends it, once.
  void Finish(absl::StatusOr<std::string> answer) const {
    if (answer.ok()) {
      grpc::ByteBuffer bytes = ToByteBuffer(*std::move(answer));
      response_->Swap(&bytes);  // to assign it would be to copy it
    }
    counted_.End(answer.status().code());
    reactor_->Finish(ToGrpcStatus(answer.status()));
  }

 private:
  RpcMeter::Call counted_;
  grpc::ServerUnaryReactor* reactor_;
  grpc::ByteBuffer* response_;
};

// A unary call of a READER that `answer(const Backend&, const SourceSet& visible, const
// Request&)` answers at once.
template <typename Request, typename AnswerFunction>
grpc::ServerUnaryReactor* AnswerUnary(const Entrance& entrance, RpcMethod method,
                                      grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* bytes, grpc::ByteBuffer* response,
                                      AnswerFunction answer) {
  const UnaryCall call(entrance, method, context, response);
  Request request;
  const absl::StatusOr<Caller> caller =
      ReadRequest(entrance, *context, v1::PrincipalConfig::READER, *bytes, request);
  call.Finish(caller.ok() ? answer(*entrance.backend.load(), (*caller)->visible, request)
                          : absl::StatusOr<std::string>(caller.status()));
  return call.reactor();
}

// A stream that ends at once.
class RefusedStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  RefusedStream(const RpcMeter::Call& call, const absl::Status& status) {
    call.End(status.code());
    Finish(ToGrpcStatus(status));
  }
  void OnDone() override { delete this; }
};

}  // namespace tokeninventory
