#include "server/metrics/rpc_meter.h"

namespace tokeninventory {
namespace {

struct MethodInfo {
  const char* name;
  bool is_stream;
};

// In the order of RpcMethod.
constexpr std::array<MethodInfo, static_cast<std::size_t>(RpcMethod::kMethods)> kMethods = {{
    {"TokenInventory/GetToken", false},
    {"TokenInventory/BatchGetTokens", false},
    {"TokenInventory/ListTokens", false},
    {"TokenInventory/SummarizeTokens", false},
    {"TokenInventory/WatchTokens", true},
    {"TokenInventory/ListExpirations", false},
    {"TokenInventory/WatchExpirations", true},
    {"TokenInventory/ListTokenChanges", false},
    {"TokenInventory/RefreshToken", false},
    {"Sources/ListSources", false},
    {"Sources/GetSource", false},
    {"Sources/SyncSource", true},
    {"Sources/ApproveSync", false},
    {"Sources/PurgeSource", false},
}};

}  // namespace

absl::string_view NameOf(RpcMethod method) {
  return kMethods[static_cast<std::size_t>(method)].name;
}

bool IsStream(RpcMethod method) { return kMethods[static_cast<std::size_t>(method)].is_stream; }

RpcMeter::Call::Call(RpcMeter& meter, RpcMethod method)
    : meter_(&meter), method_(method), begin_(std::chrono::steady_clock::now()) {
  if (IsStream(method)) meter.Of(method).open_streams.fetch_add(1, std::memory_order_relaxed);
}

void RpcMeter::Call::End(absl::StatusCode code) const {
  Counts& counts = meter_->Of(method_);
  const auto index = static_cast<std::size_t>(code);
  counts.by_code[index < kCodes ? index : static_cast<std::size_t>(absl::StatusCode::kUnknown)]
      .fetch_add(1, std::memory_order_relaxed);
  if (IsStream(method_)) {
    counts.open_streams.fetch_sub(1, std::memory_order_relaxed);
  } else {
    counts.durations.Observe(absl::FromChrono(std::chrono::steady_clock::now() - begin_));
  }
}

RpcMeter::Reading RpcMeter::Read(RpcMethod method) const {
  const Counts& counts = counts_[static_cast<std::size_t>(method)];
  Reading reading;
  for (std::size_t i = 0; i < reading.by_code.size(); ++i) {
    reading.by_code[i] = counts.by_code[i].load(std::memory_order_relaxed);
  }
  reading.open_streams = counts.open_streams.load(std::memory_order_relaxed);
  reading.durations = counts.durations.Read();
  return reading;
}

}  // namespace tokeninventory
