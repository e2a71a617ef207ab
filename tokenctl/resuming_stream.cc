#include "tokenctl/resuming_stream.h"

namespace tokeninventory::tokenctl {

bool IsWorthRetrying(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::ABORTED:
    // A client that was too slow to read is cut off with this.
    case grpc::StatusCode::CANCELLED:
    // What gRPC makes of a connection that broke in the midst of something.
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNKNOWN:
      return true;
    default:
      return false;
  }
}

}  // namespace tokeninventory::tokenctl
