// What became of the requests of one source.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace tokeninventory {

// Shared by all that send requests for a source: passes, and look-ups of single tokens.
// Thread-safe.
class RequestMeter {
 public:
  // An answer came, with this HTTP status.
  void CountAnswer(int status);
  // None came: no connection, no answer in time, or a broken one.
  void CountNoAnswer();
  // The request that was sent is not the first try of it.
  void CountRetry();

  struct Reading {
    // By status: those that say something by themselves (`401`), others by class (`4xx`), and
    // `none`. At most 15; those that never came are left out.
    std::map<std::string, std::int64_t> by_code;
    std::int64_t retries = 0;
  };
  Reading Read() const;

 private:
  static constexpr std::size_t kCodes = 15;

  std::array<std::atomic<std::int64_t>, kCodes> counts_{};
  std::atomic<std::int64_t> retries_{0};
};

}  // namespace tokeninventory
