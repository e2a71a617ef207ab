// Where every call is let in or refused. Identity is looked at in the handlers'
// first line: an interceptor of gRPC 1.51 cannot refuse a call, and its metadata
// processors do not exist without TLS.
#pragma once

#include <grpcpp/server_context.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "server/access/access_policy.h"
#include "server/access/call_meter.h"
#include "server/access/open_streams.h"

namespace tokeninventory {

// Thread-safe.
class Gate {
 public:
  Gate(std::shared_ptr<const AccessPolicy> policy, Clock* clock)
      : clock_(clock), policy_(std::move(policy)) {}

  // Who calls, if it may do what needs `needed` and has not called too often.
  // UNAUTHENTICATED as AccessPolicy says; PERMISSION_DENIED (ROLE_REQUIRED);
  // RESOURCE_EXHAUSTED as CallMeter says. The last two name the principal.
  absl::StatusOr<Caller> Admit(const grpc::CallbackServerContext& context, Role needed);

  // The same for calls that may be open to everybody.
  absl::Status AdmitHealth(const grpc::CallbackServerContext& context);
  absl::Status AdmitReflection(const grpc::CallbackServerContext& context);

  absl::StatusOr<std::unique_ptr<CallMeter::Ticket>> OpenStream(const Caller& caller) {
    return meter_.OpenStream(*caller);
  }

  // Keeps a stream that was let in under the eyes of every later policy, as OpenStreams says:
  // its caller must be known, and may do what needs `needed`.
  std::unique_ptr<OpenStreams::Place> Guard(const grpc::CallbackServerContext& context, Role needed,
                                            GuardedStream& stream);
  // The same for what may be open to everybody; `caller` is then null.
  std::unique_ptr<OpenStreams::Place> GuardHealth(const grpc::CallbackServerContext& context,
                                                  GuardedStream& stream);
  std::unique_ptr<OpenStreams::Place> GuardReflection(const grpc::CallbackServerContext& context,
                                                      GuardedStream& stream);

  // Another policy: for the calls that come, and, when this returns, for all streams that are
  // open. What a principal's calls and streams came to counts on; streams beyond a lower
  // max_streams stay.
  void SetPolicy(std::shared_ptr<const AccessPolicy> policy);

 private:
  std::shared_ptr<const AccessPolicy> Policy();
  // Who calls, if it may do what needs `needed`.
  absl::StatusOr<Caller> Identify(const grpc::CallbackServerContext& context, Role needed);

  Clock* const clock_;
  CallMeter meter_;
  OpenStreams streams_;
  Mutex mutex_;
  std::shared_ptr<const AccessPolicy> policy_ ABSL_GUARDED_BY(mutex_);
};

// One line of the log for a call that asked a vendor or changed something, or wanted to:
// who (empty when not known), from where, what, and what came of it. Of a resource that is
// not known to be there, or may not be seen, only the source stands there.
void Audit(const grpc::CallbackServerContext& context, const absl::StatusOr<Caller>& caller,
           absl::string_view method, const std::string& resource, const absl::Status& outcome);

}  // namespace tokeninventory
