// grpc.health.v1 on the callback API. Not gRPC's own: that one's Watch streams
// hold up a stop for its whole grace, and its descriptor is not in the binary,
// so that reflection clients stumble over it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "base/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/access/gate.h"

namespace tokeninventory {

// Thread-safe.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // The names that Check knows beside the empty one, which stands for all services:
  // those of services, and of components that they can do without for a while.
  // `gate` outlives this.
  HealthService(absl::flat_hash_set<std::string> services,
                absl::flat_hash_set<std::string> components, Gate& gate);

  // What all names answer from now on. NOT_SERVING at first.
  void SetServing(bool serving);

  // A component that does not work is NOT_SERVING while the services go on.
  void SetWorking(const std::string& component, bool working);

  // Whether Check answers SERVING to this name, which it knows.
  bool IsServing(const std::string& name);
  // The same of all services together, as `service`, and of each component. The service is ready
  // when all are true.
  std::vector<std::pair<std::string, bool>> Readiness();

  // Ends all Watch streams; later ones end after their first message.
  void Drain();

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  class Watcher;

  bool Knows(const std::string& service) const;
  grpc::health::v1::HealthCheckResponse::ServingStatus StatusLocked(const std::string& name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(Watcher* watcher);

  const absl::flat_hash_set<std::string> services_;
  const absl::flat_hash_set<std::string> components_;
  Gate& gate_;
  Mutex mutex_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<std::string> broken_ ABSL_GUARDED_BY(mutex_);  // components
  absl::flat_hash_set<Watcher*> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tokeninventory
