// What became of calls, by method.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/duration_histogram.h"

namespace tokeninventory {

// The methods that are counted: all of the API's own.
enum class RpcMethod : std::uint8_t {
  kGetToken,
  kBatchGetTokens,
  kListTokens,
  kSummarizeTokens,
  kWatchTokens,
  kListExpirations,
  kWatchExpirations,
  kListTokenChanges,
  kRefreshToken,
  kListSources,
  kGetSource,
  kSyncSource,
  kApproveSync,
  kPurgeSource,
  kMethods,
};

// `TokenInventory/GetToken`.
absl::string_view NameOf(RpcMethod method);
// Whether it is a stream.
bool IsStream(RpcMethod method);

// Thread-safe, without a lock.
class RpcMeter {
 public:
  static constexpr int kCodes = 17;

  // A call from when its handler began until its status is given to gRPC. Copies are of the
  // same call: one of them ends it, once.
  class Call {
   public:
    Call(RpcMeter& meter, RpcMethod method);
    void End(absl::StatusCode code) const;

   private:
    RpcMeter* meter_;
    RpcMethod method_;
    std::chrono::steady_clock::time_point begin_;
  };

  struct Reading {
    std::array<std::int64_t, kCodes> by_code{};  // calls that ended, by absl::StatusCode
    std::int64_t open_streams = 0;               // of a streaming method
    DurationHistogram::Reading durations;        // of a unary method
  };
  Reading Read(RpcMethod method) const;

 private:
  // Of one method, away from the others': they are counted by different threads.
  struct alignas(64) Counts {
    std::array<std::atomic<std::int64_t>, kCodes> by_code{};
    std::atomic<std::int64_t> open_streams{0};
    DurationHistogram durations{
        absl::Microseconds(100), absl::Microseconds(250),  absl::Microseconds(500),
        absl::Milliseconds(1),   absl::Microseconds(2500), absl::Milliseconds(5),
        absl::Milliseconds(10),  absl::Milliseconds(25),   absl::Milliseconds(50),
        absl::Milliseconds(100), absl::Milliseconds(250),  absl::Seconds(1),
        absl::Seconds(5)};
  };

  Counts& Of(RpcMethod method) { return counts_[static_cast<std::size_t>(method)]; }

  std::array<Counts, static_cast<std::size_t>(RpcMethod::kMethods)> counts_;
};

}  // namespace tokeninventory
