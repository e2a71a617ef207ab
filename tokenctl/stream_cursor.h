// What of a stream may be shown, and where it goes on when it breaks.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tokeninventory::tokenctl {

// Follows WatchTokens or WatchExpirations over several streams, so that each event is shown once:
// a revision is held back until a resume token covers it, since the next stream tells it again
// from its beginning. An initial state is shown as it comes: when it breaks before its
// end, a reset says that it begins anew.
//
// Thread-compatible.
template <typename Response>
class StreamCursor {
 public:
  // `resume_token`: after which the first stream begins; empty when it begins otherwise.
  explicit StreamCursor(std::string resume_token = "") : resume_token_(std::move(resume_token)) {}

  // Takes the next message; what may be shown now, in order.
  std::vector<Response> Take(Response message) {
    if (!message.resume_token().empty()) {
      resume_token_ = message.resume_token();
      held_.push_back(std::move(message));
      told_part_of_state_ = false;
      return std::exchange(held_, {});
    }
    bool initial = message.has_reset();
    for (const auto& batch : message.batches()) initial = initial || batch.initial();
    if (initial && held_.empty()) {
      told_part_of_state_ = true;
      return {std::move(message)};
    }
    held_.push_back(std::move(message));
    return {};
  }

  // The stream ended. What is to be shown of that: a reset, or nothing.
  std::vector<Response> Break() {
    held_.clear();
    std::vector<Response> shown;
    // With a resume token the service itself says whether the view starts anew.
    if (std::exchange(told_part_of_state_, false) && resume_token_.empty()) {
      shown.emplace_back().mutable_reset();
    }
    return shown;
  }

  // Where the next stream begins; empty: as the first one.
  const std::string& resume_token() const { return resume_token_; }

 private:
  std::string resume_token_;
  std::vector<Response> held_;
  bool told_part_of_state_ = false;
};

}  // namespace tokeninventory::tokenctl
