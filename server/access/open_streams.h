// The streams that are open, so that another policy reaches them.
#pragma once

#include <grpcpp/server_context.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "server/access/access_policy.h"

namespace tokeninventory {

// A caller who was let in. Keeps its policy alive.
using Caller = std::shared_ptr<const Principal>;

// A stream as a change of the policy sees it.
class GuardedStream {
 public:
  virtual ~GuardedStream() = default;
  // Who its caller is now, which may be somebody else than before, or why nobody: then the
  // stream ends before anything else is sent. Must not block, nor let go of its Place.
  virtual void OnPolicy(const absl::StatusOr<Caller>& caller) = 0;
};

// Thread-safe.
class OpenStreams {
 public:
  // Says who the caller of a stream is by the newest policy. The call itself is asked: gRPC
  // keeps what it came with, and nothing here has a copy of it.
  using Identify = std::function<absl::StatusOr<Caller>(const grpc::CallbackServerContext&)>;

  // A stream's place among them, until it is let go. Then the stream is asked no more.
  class Place {
   public:
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    friend class OpenStreams;
    struct Entry {
      Mutex mutex;
      GuardedStream* stream ABSL_GUARDED_BY(mutex) = nullptr;  // null once let go
      const grpc::CallbackServerContext* context = nullptr;
      Identify identify;
    };
    Place(OpenStreams& streams, std::shared_ptr<Entry> entry)
        : streams_(streams), entry_(std::move(entry)) {}
    OpenStreams& streams_;
    const std::shared_ptr<Entry> entry_;
  };

  // Enters a stream, which is ready for OnPolicy, and asks it at once: the policy that let it in
  // may be an old one by now. `context` lives as long as the place; this, longer.
  std::unique_ptr<Place> Enter(const grpc::CallbackServerContext& context, Identify identify,
                               GuardedStream& stream);

  // Asks all that are open. When it returns, each has been told of the newest policy.
  void AskAll();

 private:
  static void Ask(Place::Entry& entry);

  Mutex mutex_;
  absl::flat_hash_set<std::shared_ptr<Place::Entry>> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory
