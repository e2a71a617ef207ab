// Server reflection, v1 and v1alpha, on the callback API: gRPC 1.51's own
// serves v1alpha only, and its streams hold up a stop for its whole grace.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "base/mutex.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/access/gate.h"

namespace tokeninventory {

// Answers one version of the protocol from the descriptors in this binary.
// Thread-safe. Instantiated in reflection_service.cc for the two versions.
template <typename Service, typename Request, typename Response>
class ReflectionServiceOf final : public Service {
 public:
  // Full names of the services to list. `gate` outlives this.
  ReflectionServiceOf(std::vector<std::string> services, Gate& gate);

  // Ends all streams and refuses new ones.
  void Drain();

  grpc::ServerBidiReactor<Request, Response>* ServerReflectionInfo(
      grpc::CallbackServerContext* context) override;

 private:
  class Stream;

  void Answer(const Request& request, Response& response) const;

  const std::vector<std::string> services_;
  Gate& gate_;
  Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
};

using ReflectionV1 = ReflectionServiceOf<grpc::reflection::v1::ServerReflection::CallbackService,
                                         grpc::reflection::v1::ServerReflectionRequest,
                                         grpc::reflection::v1::ServerReflectionResponse>;
using ReflectionV1Alpha =
    ReflectionServiceOf<grpc::reflection::v1alpha::ServerReflection::CallbackService,
                        grpc::reflection::v1alpha::ServerReflectionRequest,
                        grpc::reflection::v1alpha::ServerReflectionResponse>;

}  // namespace tokeninventory
