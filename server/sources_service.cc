#include "server/sources_service.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "inventory/answers.h"
#include "inventory/token_name.h"
#include "server/raw_calls.h"
#include "server/sync_reactor.h"

namespace tokeninventory {
namespace {

// Operators are few.
constexpr std::size_t kOperatorThreads = 1;
constexpr std::size_t kOperatorQueue = 16;
constexpr Role kOperator = v1::PrincipalConfig::OPERATOR;

// The id of a source that can be synced.
absl::StatusOr<std::string> FindSyncable(const Backend& backend, const SourceSet& visible,
                                         const v1::SyncSourceRequest& request) {
  v1::GetSourceRequest get;
  get.set_name(request.name());
  TI_ASSIGN_OR_RETURN(const v1::Source source,
                      GetSource(*backend.inventory->Current(), visible, get));
  if (source.state() == v1::Source::DETACHED) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "SOURCE_DETACHED",
                     absl::StrCat(request.name(), " is no longer in the configuration"));
  }
  return ParseSourceName(request.name(), "name", false);
}

}  // namespace

SourcesService::SourcesService(const Entrance& entrance)
    : entrance_(entrance), operators_(kOperatorThreads, kOperatorQueue) {}

template <typename Request, typename AnswerFunction>
grpc::ServerUnaryReactor* SourcesService::AnswerFromLedger(
    RpcMethod rpc, grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes,
    grpc::ByteBuffer* response, absl::string_view method, AnswerFunction answer) {
  const UnaryCall call(entrance_, rpc, context, response);
  Request request;
  const absl::StatusOr<Caller> caller =
      ReadRequest(entrance_, *context, kOperator, *bytes, request);
  absl::Status status = caller.status();
  absl::StatusOr<std::string> source;
  if (status.ok()) {
    source = ParseSourceName(request.name(), "name", false);
    status = source.ok() ? CheckVisible((*caller)->visible, *source) : source.status();
  }
  const auto finish = [=](const absl::StatusOr<std::string>& outcome) {
    Audit(*context, caller, method, request.name(), outcome.status());
    call.Finish(outcome);
  };
  if (!status.ok()) {
    finish(status);
    return call.reactor();
  }
  Ledger& ledger = *entrance_.backend.load()->ledger;
  if (!operators_.TryRun([finish, answer, request, id = *source, &ledger] {
        finish(answer(ledger, id, request));
      })) {
    finish(RetryableError(absl::StatusCode::kResourceExhausted, "TOO_MANY_OPERATIONS",
                          "too many approvals and purges wait already", absl::Seconds(5)));
  }
  return call.reactor();
}

grpc::ServerUnaryReactor* SourcesService::ApproveSync(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* bytes,
                                                      grpc::ByteBuffer* response) {
  return AnswerFromLedger<v1::ApproveSyncRequest>(
      RpcMethod::kApproveSync, context, bytes, response, "ApproveSync",
      [](Ledger& ledger, const std::string& source,
         const v1::ApproveSyncRequest& request) -> absl::StatusOr<std::string> {
        if (request.hold_id().empty()) {
          return FieldError("hold_id", "FIELD_REQUIRED",
                            "must be `hold.id` of the source: what is approved is what was seen");
        }
        TI_ASSIGN_OR_RETURN(const v1::ApproveSyncResponse answer,
                            ledger.ApproveSync(source, request.hold_id()));
        LogWarning("losses approved", {{"source", source},
                                       {"hold", request.hold_id()},
                                       {"missing", absl::StrCat(answer.tokens_missing())},
                                       {"deleted", absl::StrCat(answer.tokens_deleted())}});
        return answer.SerializeAsString();
      });
}

grpc::ServerUnaryReactor* SourcesService::PurgeSource(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* bytes,
                                                      grpc::ByteBuffer* response) {
  return AnswerFromLedger<v1::PurgeSourceRequest>(
      RpcMethod::kPurgeSource, context, bytes, response, "PurgeSource",
      [stop = stop_.get_token()](
          Ledger& ledger, const std::string& source,
          const v1::PurgeSourceRequest& request) -> absl::StatusOr<std::string> {
        TI_ASSIGN_OR_RETURN(const v1::PurgeSourceResponse answer,
                            ledger.PurgeSource(source, request.force(), stop));
        if (request.force()) {
          LogWarning("source purged",
                     {{"source", source}, {"tokens", absl::StrCat(answer.purge_count())}});
        }
        return answer.SerializeAsString();
      });
}

grpc::ServerUnaryReactor* SourcesService::ListSources(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* request,
                                                      grpc::ByteBuffer* response) {
  return AnswerUnary<v1::ListSourcesRequest>(
      entrance_, RpcMethod::kListSources, context, request, response,
      [](const Backend& backend, const SourceSet& visible,
         const v1::ListSourcesRequest& parsed) -> absl::StatusOr<std::string> {
        TI_ASSIGN_OR_RETURN(const v1::ListSourcesResponse answer,
                            tokeninventory::ListSources(*backend.inventory->Current(), visible,
                                                        backend.epoch, parsed));
        return answer.SerializeAsString();
      });
}

grpc::ServerUnaryReactor* SourcesService::GetSource(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request,
                                                    grpc::ByteBuffer* response) {
  return AnswerUnary<v1::GetSourceRequest>(
      entrance_, RpcMethod::kGetSource, context, request, response,
      [](const Backend& backend, const SourceSet& visible,
         const v1::GetSourceRequest& parsed) -> absl::StatusOr<std::string> {
        TI_ASSIGN_OR_RETURN(
            const v1::Source answer,
            tokeninventory::GetSource(*backend.inventory->Current(), visible, parsed));
        return answer.SerializeAsString();
      });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* SourcesService::SyncSource(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes) {
  const RpcMeter::Call call(entrance_.meter, RpcMethod::kSyncSource);
  v1::SyncSourceRequest request;
  const absl::StatusOr<Caller> caller =
      ReadRequest(entrance_, *context, kOperator, *bytes, request);
  absl::StatusOr<std::unique_ptr<SyncReactor>> reactor =
      caller.ok() ? Open(*context, call, *caller, request) : caller.status();
  Audit(*context, caller, "SyncSource", request.name(), reactor.status());
  if (!reactor.ok()) return new RefusedStream(call, reactor.status());
  return reactor->release();  // deletes itself when done
}

absl::StatusOr<std::unique_ptr<SyncReactor>> SourcesService::Open(
    const grpc::CallbackServerContext& context, const RpcMeter::Call& call, const Caller& caller,
    const v1::SyncSourceRequest& request) {
  const Backend& backend = *entrance_.backend.load();
  TI_ASSIGN_OR_RETURN(std::string source, FindSyncable(backend, caller->visible, request));
  TI_ASSIGN_OR_RETURN(auto ticket, entrance_.gate.OpenStream(caller));
  auto reactor = std::make_unique<SyncReactor>(call, std::move(source), std::move(ticket));
  const absl::Status opened = reactor->Open(*backend.poller, request.fresh());
  if (!opened.ok()) {
    return RetryableError(absl::StatusCode::kUnavailable, "SYNC_UNAVAILABLE", opened.message(),
                          absl::Seconds(1));
  }
  reactor->Guard(entrance_.gate, context);
  return reactor;
}

}  // namespace tokeninventory
