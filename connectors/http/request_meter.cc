#include "connectors/http/request_meter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tokeninventory {
namespace {

// What is counted by itself; then the classes 2xx to 5xx, all else, and no answer. A vendor can
// send any number: the metrics must not grow with that.
constexpr std::array<int, 9> kKnown = {400, 401, 403, 404, 422, 429, 500, 502, 503};
constexpr std::size_t kClasses = kKnown.size();
constexpr std::size_t kOther = kClasses + 4;
constexpr std::size_t kNone = kOther + 1;

std::size_t IndexOf(int status) {
  const auto known = std::find(kKnown.begin(), kKnown.end(), status);
  if (known != kKnown.end()) return static_cast<std::size_t>(known - kKnown.begin());
  if (status < 200 || status > 599) return kOther;
  return kClasses + static_cast<std::size_t>(status / 100 - 2);
}

std::string NameOf(std::size_t index) {
  if (index < kClasses) return absl::StrCat(kKnown[index]);
  if (index < kOther) return absl::StrCat(index - kClasses + 2, "xx");
  return index == kOther ? "other" : "none";
}

}  // namespace

void RequestMeter::CountAnswer(int status) {
  counts_[IndexOf(status)].fetch_add(1, std::memory_order_relaxed);
}

void RequestMeter::CountNoAnswer() {
  static_assert(kNone + 1 == kCodes);
  counts_[kNone].fetch_add(1, std::memory_order_relaxed);
}

void RequestMeter::CountRetry() { retries_.fetch_add(1, std::memory_order_relaxed); }

RequestMeter::Reading RequestMeter::Read() const {
  Reading reading;
  for (std::size_t i = 0; i < kCodes; ++i) {
    const std::int64_t count = counts_[i].load(std::memory_order_relaxed);
    if (count > 0) reading.by_code[NameOf(i)] = count;
  }
  reading.retries = retries_.load(std::memory_order_relaxed);
  return reading;
}

}  // namespace tokeninventory
