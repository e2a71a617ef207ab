// What was asked and how it was answered, for tests that count requests.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace tokeninventory::vendor_sim {

struct LoggedRequest {
  std::string method;
  // Path and query, as on the wire.
  std::string target;
  int status = 0;
};

class RequestLog {
 public:
  // Older requests are forgotten.
  static constexpr std::size_t kCapacity = 100000;

  void Add(LoggedRequest request);
  std::vector<LoggedRequest> Copy() const;
  void Clear();

 private:
  mutable std::mutex mutex_;
  std::deque<LoggedRequest> requests_;  // guarded by mutex_
};

}  // namespace tokeninventory::vendor_sim
