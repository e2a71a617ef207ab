// Many streams from one server, whose events are counted and thrown away.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tokeninventory::bench {

// What every stream asks for, and how its messages are read.
struct WatchKind {
  std::string method;
  std::string request;
  // The events in a message.
  std::function<int(absl::string_view message)> count;
  // The client does not half-close: etcd ends a stream then.
  bool keep_open = false;
};

// One queue, one thread, 100 streams a connection. A stream that ends ends the program.
class WatchClient {
 public:
  // Returns when each of so many streams has had its first message.
  WatchClient(int port, WatchKind kind, int watchers);
  ~WatchClient();

  // Returns when all streams together have had so many events more.
  void Await(std::int64_t events);

 private:
  struct Stream;
  void HandleNext();

  const WatchKind kind_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Stream>> streams_;
  int started_ = 0;
  std::int64_t events_ = 0;
};

// Of a WatchTokensResponse.
int CountTokenEvents(absl::string_view message);

}  // namespace tokeninventory::bench
