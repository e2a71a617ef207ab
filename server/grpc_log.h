// gRPC's own log lines in ours.
#pragma once

namespace tokeninventory {

// For the whole process: what gRPC would write to stderr in a format of its own becomes a
// structured line; its errors are warnings here, because a caller can cause them (a failed
// handshake). Call it before the first server.
void TakeGrpcLog();

}  // namespace tokeninventory
