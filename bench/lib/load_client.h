// A closed loop of gRPC calls: so many are under way at any time, and the next one
// begins when one ends. It sends and receives bytes, so it costs the same whoever
// answers.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "bench/lib/process.h"

namespace tokeninventory::bench {

// What calls go out, in turn.
struct Calls {
  std::string method;  // "/package.Service/Method"
  std::vector<std::string> requests;
  int at_once = 1;
};

struct LoadResult {
  std::int64_t calls = 0;
  std::int64_t bytes = 0;  // of all answers
  absl::Duration time;
  std::vector<double> micros;  // each call's
};

// A channel of its own to a server on this machine.
std::shared_ptr<grpc::Channel> ConnectTo(int port);
grpc::ByteBuffer ToByteBuffer(const std::string& bytes);
std::string ToString(const grpc::ByteBuffer& buffer);

// One connection. Used by one thread. A call that fails ends the program.
class LoadClient {
 public:
  explicit LoadClient(int port);
  ~LoadClient();

  // One call; its answer.
  std::string Call(const std::string& method, const std::string& request);
  // Calls for so long.
  LoadResult Run(const Calls& calls, absl::Duration time);
  // As long as `go_on` says so.
  LoadResult RunWhile(const Calls& calls, const std::function<bool()>& go_on);
  // Each request once.
  LoadResult RunOnce(const Calls& calls);

 private:
  struct Slot;
  void Begin(const std::string& method, const grpc::ByteBuffer& request, Slot& slot);

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  std::size_t next_ = 0;
};

// The server's CPU time for a call, in microseconds, over calls for so long.
double CpuMicrosPerCall(const Process& server, LoadClient& client, const Calls& calls,
                        absl::Duration time);

}  // namespace tokeninventory::bench
