// Changes, and how they come to many watchers.
#pragma once

#include <functional>

#include "absl/time/time.h"
#include "bench/lib/process.h"
#include "bench/lib/watch_client.h"
#include "tests/testing/temp_dir.h"

namespace tokeninventory::bench {

// WatchTokens from now on, FULL, over all sources.
WatchKind TokenWatch();

// watch-server on a store of its own, pinned to the server's core.
class WatchServer {
 public:
  WatchServer();

  // Has so many tokens change in so many commits. Does not wait.
  void Publish(int events, int commits);

  Process& process() { return process_; }
  int port() const { return port_; }

 private:
  const testing::TempDir folder_;
  Process process_;
  const int port_;
};

// What it cost to tell watchers, for each event that one of them was told of.
struct FanOutCost {
  double micros = 0;  // CPU of the server
  double per_second = 0;
};

using Publish = std::function<void(int events)>;

// So many events at once, again and again for a while; each time once all have them.
FanOutCost FanOut(const Process& server, WatchClient& client, int watchers, int at_once,
                  const Publish& publish, absl::Duration time);

}  // namespace tokeninventory::bench
