#include "connectors/page_worker/frame_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>

#include "base/status_macros.h"

namespace tokeninventory {
namespace {

constexpr std::size_t kHeaderBytes = 4;
// The most memory that is taken before bytes for it have come.
constexpr std::size_t kStepBytes = std::size_t{1} << 20;

absl::Status Gone() { return absl::UnavailableError("the other end is gone"); }

// For poll: -1 for none, rounded up so that it does not spin at the end.
int MillisUntil(FrameDeadline deadline) {
  if (deadline == FrameDeadline::max()) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
          .count();
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, kMost));
}

}  // namespace

absl::Status FrameSocket::Wait(short events, FrameDeadline deadline) {
  for (;;) {
    pollfd entry{fd_, events, 0};
    const int ready = poll(&entry, 1, MillisUntil(deadline));
    // Errors and the end are told by the call that follows.
    if (ready > 0) return absl::OkStatus();
    if (ready == 0) return absl::DeadlineExceededError("out of time");
    if (errno != EINTR) return Gone();
  }
}

absl::Status FrameSocket::SendAll(absl::string_view bytes, FrameDeadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      TI_RETURN_IF_ERROR(Wait(POLLOUT, deadline));
    } else if (errno != EINTR) {
      return Gone();
    }
  }
  return absl::OkStatus();
}

absl::Status FrameSocket::Send(absl::string_view frame, FrameDeadline deadline) {
  if (frame.size() > std::numeric_limits<std::uint32_t>::max()) {
    return absl::ResourceExhaustedError("too large for a frame");
  }
  char header[kHeaderBytes];
  for (std::size_t i = 0; i < kHeaderBytes; ++i) {
    header[i] = static_cast<char>((frame.size() >> (8 * i)) & 0xFF);
  }
  TI_RETURN_IF_ERROR(SendAll(absl::string_view(header, kHeaderBytes), deadline));
  return SendAll(frame, deadline);
}

absl::Status FrameSocket::ReceiveMore(std::string& bytes, std::size_t count,
                                      FrameDeadline deadline) {
  const std::size_t end = bytes.size() + count;
  std::size_t have = bytes.size();
  while (have < end) {
    if (have == bytes.size()) bytes.resize(std::min(end, have + kStepBytes));
    const ssize_t got = recv(fd_, bytes.data() + have, bytes.size() - have, MSG_DONTWAIT);
    if (got > 0) {
      have += static_cast<std::size_t>(got);
    } else if (got == 0) {
      return Gone();
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      TI_RETURN_IF_ERROR(Wait(POLLIN, deadline));
    } else if (errno != EINTR) {
      return Gone();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> FrameSocket::Receive(std::size_t max_bytes, FrameDeadline deadline) {
  std::string header;
  TI_RETURN_IF_ERROR(ReceiveMore(header, kHeaderBytes, deadline));
  std::size_t size = 0;
  for (std::size_t i = 0; i < kHeaderBytes; ++i) {
    size |= std::size_t{static_cast<unsigned char>(header[i])} << (8 * i);
  }
  if (size > max_bytes) return absl::ResourceExhaustedError("larger than it may be");
  std::string frame;
  TI_RETURN_IF_ERROR(ReceiveMore(frame, size, deadline));
  return frame;
}

}  // namespace tokeninventory
