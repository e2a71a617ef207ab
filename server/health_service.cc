#include "server/health_service.h"

#include <utility>

#include "server/grpc_status.h"

namespace tokeninventory {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One stream; all its state is under the service's lock.
class HealthService::Watcher final : public grpc::ServerWriteReactor<HealthCheckResponse>,
                                     public GuardedStream {
 public:
  Watcher(HealthService& service, std::string name, const absl::Status& admitted)
      : service_(service), name_(std::move(name)), known_(service.Knows(name_)) {
    MutexLock lock(service_.mutex_);
    if (!admitted.ok()) {
      finished_ = true;
      Finish(ToGrpcStatus(admitted));
      return;
    }
    service_.watchers_.insert(this);
    PumpLocked();
  }

  // Not under the service's lock: it asks back.
  void Guard(const grpc::CallbackServerContext& context) {
    place_ = service_.gate_.GuardHealth(context, *this);
  }
  void OnPolicy(const absl::StatusOr<Caller>& caller) override {
    if (caller.ok()) return;
    MutexLock lock(service_.mutex_);
    if (ending_.ok()) ending_ = caller.status();
    PumpLocked();
  }

  void PumpLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(service_.mutex_) {
    if (finished_ || writing_) return;
    if (!ending_.ok()) {
      finished_ = true;
      Finish(ToGrpcStatus(ending_));
      return;
    }
    const auto status =
        known_ ? service_.StatusLocked(name_) : HealthCheckResponse::SERVICE_UNKNOWN;
    if (!cancelled_ && status != sent_) {
      sent_ = status;
      response_.set_status(status);
      writing_ = true;
      StartWrite(&response_);
    } else if (cancelled_ || service_.draining_) {
      finished_ = true;
      Finish(cancelled_ ? grpc::Status::CANCELLED
                        : grpc::Status(grpc::StatusCode::UNAVAILABLE, "the service stops"));
    }
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(service_.mutex_);
    writing_ = false;
    cancelled_ = cancelled_ || !ok;
    PumpLocked();
  }
  void OnCancel() override {
    MutexLock lock(service_.mutex_);
    cancelled_ = true;
    PumpLocked();
  }
  void OnDone() override {
    service_.Remove(this);
    delete this;
  }

 private:
  HealthService& service_;
  const std::string name_;
  const bool known_;
  bool writing_ = false;
  bool cancelled_ = false;
  bool finished_ = false;
  absl::Status ending_;  // why the caller is not let in any more
  HealthCheckResponse::ServingStatus sent_ = HealthCheckResponse::UNKNOWN;
  HealthCheckResponse response_;
  std::unique_ptr<OpenStreams::Place> place_;
};

HealthService::HealthService(absl::flat_hash_set<std::string> services,
                             absl::flat_hash_set<std::string> components, Gate& gate)
    : services_(std::move(services)), components_(std::move(components)), gate_(gate) {}

bool HealthService::Knows(const std::string& service) const {
  return service.empty() || services_.contains(service) || components_.contains(service);
}

HealthCheckResponse::ServingStatus HealthService::StatusLocked(const std::string& name) const {
  return serving_ && !broken_.contains(name) ? HealthCheckResponse::SERVING
                                             : HealthCheckResponse::NOT_SERVING;
}

void HealthService::SetWorking(const std::string& component, bool working) {
  MutexLock lock(mutex_);
  if (working) {
    broken_.erase(component);
  } else {
    broken_.insert(component);
  }
  for (Watcher* watcher : watchers_) watcher->PumpLocked();
}

void HealthService::SetServing(bool serving) {
  MutexLock lock(mutex_);
  serving_ = serving;
  for (Watcher* watcher : watchers_) watcher->PumpLocked();
}

bool HealthService::IsServing(const std::string& name) {
  MutexLock lock(mutex_);
  return StatusLocked(name) == HealthCheckResponse::SERVING;
}

std::vector<std::pair<std::string, bool>> HealthService::Readiness() {
  std::vector<std::pair<std::string, bool>> names = {{"service", IsServing("")}};
  for (const std::string& component : components_) {
    names.emplace_back(component, IsServing(component));
  }
  return names;
}

void HealthService::Drain() {
  MutexLock lock(mutex_);
  draining_ = true;
  for (Watcher* watcher : watchers_) watcher->PumpLocked();
}

void HealthService::Remove(Watcher* watcher) {
  MutexLock lock(mutex_);
  watchers_.erase(watcher);
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (const absl::Status admitted = gate_.AdmitHealth(*context); !admitted.ok()) {
    reactor->Finish(ToGrpcStatus(admitted));
    return reactor;
  }
  if (!Knows(request->service())) {
    reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "no such service"));
    return reactor;
  }
  {
    MutexLock lock(mutex_);
    response->set_status(StatusLocked(request->service()));
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext* context, const HealthCheckRequest* request) {
  const absl::Status admitted = gate_.AdmitHealth(*context);
  auto* const watcher = new Watcher(*this, request->service(), admitted);
  if (admitted.ok()) watcher->Guard(*context);
  return watcher;
}

}  // namespace tokeninventory
