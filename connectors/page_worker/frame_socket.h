// Messages over a stream socket, each behind its length in four bytes, the lowest
// first.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tokeninventory {

// Real time; max() for none.
using FrameDeadline = std::chrono::steady_clock::time_point;

// One end. Used by one thread at a time; the descriptor is the caller's.
class FrameSocket {
 public:
  explicit FrameSocket(int fd) : fd_(fd) {}

  // Blocks until all of it is on its way. UNAVAILABLE when the other end is gone,
  // DEADLINE_EXCEEDED.
  absl::Status Send(absl::string_view frame, FrameDeadline deadline);

  // Blocks until a whole message of at most `max_bytes` is there. UNAVAILABLE when
  // the other end is gone, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED when it is larger:
  // after any of them the socket is of no more use. Memory is taken as bytes come,
  // and not for what a length promises.
  absl::StatusOr<std::string> Receive(std::size_t max_bytes, FrameDeadline deadline);

 private:
  absl::Status Wait(short events, FrameDeadline deadline);
  absl::Status SendAll(absl::string_view bytes, FrameDeadline deadline);
  // Appends `count` bytes to `bytes`.
  absl::Status ReceiveMore(std::string& bytes, std::size_t count, FrameDeadline deadline);

  const int fd_;
};

}  // namespace tokeninventory
