// The one place where an absl::Status becomes what gRPC sends.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace tokeninventory {

// Keeps code, message and `google.rpc` details. A status without ErrorInfo (ours
// by mistake) gets one: clients always find a reason.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace tokeninventory
