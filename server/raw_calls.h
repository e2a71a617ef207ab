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

namespace tokeninventory {

// What stands between a call and its answer.
struct Entrance {
  const BackendPointer& backend;
  Gate& gate;
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

// Ends a unary call.
inline void Answer(grpc::ServerUnaryReactor* reactor, grpc::ByteBuffer* response,
                   absl::StatusOr<std::string> answer) {
  if (answer.ok()) *response = ToByteBuffer(*std::move(answer));
  reactor->Finish(ToGrpcStatus(answer.status()));
}

// A unary call of a READER that `answer(const Backend&, const SourceSet& visible, const
// Request&)` answers at once.
template <typename Request, typename AnswerFunction>
grpc::ServerUnaryReactor* AnswerUnary(const Entrance& entrance,
                                      grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* bytes, grpc::ByteBuffer* response,
                                      AnswerFunction answer) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  Request request;
  const absl::StatusOr<Caller> caller =
      ReadRequest(entrance, *context, v1::PrincipalConfig::READER, *bytes, request);
  Answer(reactor, response,
         caller.ok() ? answer(*entrance.backend.load(), (*caller)->visible, request)
                     : absl::StatusOr<std::string>(caller.status()));
  return reactor;
}

// A stream that ends at once.
class RefusedStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  explicit RefusedStream(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace tokeninventory
