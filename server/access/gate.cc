#include "server/access/gate.h"

#include <grpcpp/security/auth_context.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "google/rpc/error_details.pb.h"
#include "inventory/errors.h"
#include "inventory/token_name.h"

namespace tokeninventory {
namespace {

constexpr char kNames[] = "x509_subject_alternative_name";
constexpr char kErrorInfo[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kPrincipal[] = "principal";

// `status` with the name of whom it refused.
absl::Status Refuse(absl::Status status, const Principal& principal) {
  google::rpc::ErrorInfo info;
  if (const auto payload = status.GetPayload(kErrorInfo)) {
    info.ParseFromString(std::string(*payload));
  }
  (*info.mutable_metadata())[kPrincipal] = principal.id;
  status.SetPayload(kErrorInfo, absl::Cord(info.SerializeAsString()));
  return status;
}

// Who it was: one who was let in, or one who is known and was refused.
std::string PrincipalOf(const absl::StatusOr<Caller>& caller) {
  if (caller.ok()) return (*caller)->id;
  google::rpc::ErrorInfo info;
  const auto payload = caller.status().GetPayload(kErrorInfo);
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return std::string();
  const auto found = info.metadata().find(kPrincipal);
  return found == info.metadata().end() ? std::string() : found->second;
}

// Of the name that a caller sent, what may stand in a log: all of it once it is known to
// name something, else the source only. Whoever pastes a token where a name belongs does
// not find it there.
std::string LoggedResource(const std::string& name, absl::StatusCode outcome) {
  switch (outcome) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      break;
    default:
      return name;
  }
  constexpr absl::string_view kSources = "sources/";
  if (!absl::StartsWith(name, kSources)) return std::string();
  const absl::string_view rest = absl::string_view(name).substr(kSources.size());
  const absl::string_view id = rest.substr(0, rest.find('/'));
  return IsSourceId(id) ? absl::StrCat(kSources, id) : std::string();
}

}  // namespace

std::shared_ptr<const AccessPolicy> Gate::Policy() {
  MutexLock lock(mutex_);
  return policy_;
}

void Gate::SetPolicy(std::shared_ptr<const AccessPolicy> policy) {
  {
    MutexLock lock(mutex_);
    policy_.swap(policy);
  }
  streams_.AskAll();
}

absl::StatusOr<Caller> Gate::Admit(const grpc::CallbackServerContext& context, Role needed) {
  TI_ASSIGN_OR_RETURN(Caller caller, Identify(context, needed));
  if (absl::Status status = meter_.Begin(*caller, clock_->Now()); !status.ok()) {
    return Refuse(std::move(status), *caller);
  }
  return caller;
}

absl::StatusOr<Caller> Gate::Identify(const grpc::CallbackServerContext& context, Role needed) {
  const std::shared_ptr<const AccessPolicy> policy = Policy();
  CallerProof proof;
  absl::string_view authorization;
  if (!policy->is_open()) {
    const auto header = context.client_metadata().find("authorization");
    if (header != context.client_metadata().end()) {
      authorization = absl::string_view(header->second.data(), header->second.size());
      proof.authorization = &authorization;
    } else if (const auto peer = context.auth_context();
               peer != nullptr && peer->IsPeerAuthenticated()) {
      for (const grpc::string_ref& name : peer->FindPropertyValues(kNames)) {
        proof.certificate_names.emplace_back(name.data(), name.size());
      }
    }
  }
  TI_ASSIGN_OR_RETURN(const Principal* principal, policy->Identify(proof));
  if (!MayDo(principal->role, needed)) {
    return Refuse(MakeError(absl::StatusCode::kPermissionDenied, "ROLE_REQUIRED",
                            absl::StrCat(principal->id, " is ",
                                         v1::PrincipalConfig::Role_Name(principal->role),
                                         "; this needs ", v1::PrincipalConfig::Role_Name(needed)),
                            {{"role", v1::PrincipalConfig::Role_Name(needed)}}),
                  *principal);
  }
  return Caller(policy, principal);
}

absl::Status Gate::AdmitHealth(const grpc::CallbackServerContext& context) {
  if (Policy()->open_health()) return absl::OkStatus();
  return Admit(context, v1::PrincipalConfig::READER).status();
}

absl::Status Gate::AdmitReflection(const grpc::CallbackServerContext& context) {
  if (Policy()->open_reflection()) return absl::OkStatus();
  return Admit(context, v1::PrincipalConfig::READER).status();
}

std::unique_ptr<OpenStreams::Place> Gate::Guard(const grpc::CallbackServerContext& context,
                                                Role needed, GuardedStream& stream) {
  return streams_.Enter(
      context,
      [this, needed](const grpc::CallbackServerContext& call) { return Identify(call, needed); },
      stream);
}

std::unique_ptr<OpenStreams::Place> Gate::GuardHealth(const grpc::CallbackServerContext& context,
                                                      GuardedStream& stream) {
  return streams_.Enter(
      context,
      [this](const grpc::CallbackServerContext& call) {
        return Policy()->open_health() ? Caller() : Identify(call, v1::PrincipalConfig::READER);
      },
      stream);
}

std::unique_ptr<OpenStreams::Place> Gate::GuardReflection(
    const grpc::CallbackServerContext& context, GuardedStream& stream) {
  return streams_.Enter(
      context,
      [this](const grpc::CallbackServerContext& call) {
        return Policy()->open_reflection() ? Caller() : Identify(call, v1::PrincipalConfig::READER);
      },
      stream);
}

void Audit(const grpc::CallbackServerContext& context, const absl::StatusOr<Caller>& caller,
           absl::string_view method, const std::string& resource, const absl::Status& outcome) {
  LogInfo("audit", {{"principal", PrincipalOf(caller)},
                    {"peer", context.peer()},
                    {"method", std::string(method)},
                    {"resource", LoggedResource(resource, outcome.code())},
                    {"outcome", std::string(absl::StatusCodeToString(outcome.code()))}});
}

}  // namespace tokeninventory
