#include "server/token_inventory_service.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "inventory/answers.h"
#include "inventory/expiration/list_expirations.h"
#include "inventory/list_tokens.h"
#include "inventory/summarize_tokens.h"
#include "inventory/token_name.h"
#include "server/raw_calls.h"
#include "server/watch_reactor.h"
#include "server/watch_requests.h"

namespace tokeninventory {
namespace {

// How long a read waits for its `min_revision`.
constexpr absl::Duration kRevisionWait = absl::Seconds(5);
constexpr Role kReader = v1::PrincipalConfig::READER;

// A read under way.
template <typename Request>
struct Read {
  const Backend& backend;
  Caller caller;
  Request request;
  UnaryCall call;

  void Finish(absl::StatusOr<std::string> answer) const { call.Finish(std::move(answer)); }
};

// Calls `then(std::shared_ptr<Read<Request>>)` once the snapshot has the request's
// min_revision.
template <typename Request, typename Then>
grpc::ServerUnaryReactor* AtRevision(const Entrance& entrance, RpcMethod method,
                                     grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* bytes, grpc::ByteBuffer* response,
                                     Then then) {
  const UnaryCall call(entrance, method, context, response);
  Request request;
  absl::StatusOr<Caller> caller = ReadRequest(entrance, *context, kReader, *bytes, request);
  if (!caller.ok()) {
    call.Finish(caller.status());
    return call.reactor();
  }
  const std::int64_t revision = request.min_revision();
  if (revision < 0) {
    call.Finish(FieldError("min_revision", "INVALID_MIN_REVISION", "must not be negative"));
    return call.reactor();
  }
  const Backend& backend = *entrance.backend.load();
  const auto read = std::make_shared<Read<Request>>(
      Read<Request>{backend, *std::move(caller), std::move(request), call});
  const auto answer = [read, then, revision](bool reached) {
    if (reached) {
      then(read);
      return;
    }
    read->Finish(RetryableError(
        absl::StatusCode::kUnavailable, "REVISION_NOT_REACHED",
        absl::StrCat("min_revision: ", revision, " is not reached yet; this store is at ",
                     read->backend.inventory->Current()->revision()),
        absl::Seconds(1)));
  };
  if (revision == 0) {
    answer(true);
  } else {
    backend.inventory->WhenRevision(revision, backend.clock->Now() + kRevisionWait, answer);
  }
  return call.reactor();
}

// Has a read answered on the scan pool.
template <typename Request, typename AnswerFunction>
void AnswerOnScanPool(const std::shared_ptr<Read<Request>>& read, AnswerFunction answer) {
  const bool accepted = read->backend.hub->RunScan([read, answer] { read->Finish(answer()); });
  if (!accepted) {
    read->Finish(RetryableError(absl::StatusCode::kResourceExhausted, "SCANS_BUSY",
                                "too many filtered or ordered reads at once", absl::Seconds(1)));
  }
}

// A stream of changes.
template <typename Request>
grpc::ServerWriteReactor<grpc::ByteBuffer>* OpenStream(const Entrance& entrance, RpcMethod method,
                                                       SharedByteBuffer& buffer,
                                                       grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* bytes) {
  const RpcMeter::Call call(entrance.meter, method);
  Request request;
  const absl::StatusOr<Caller> caller = ReadRequest(entrance, *context, kReader, *bytes, request);
  if (!caller.ok()) return new RefusedStream(call, caller.status());
  const Backend& backend = *entrance.backend.load();
  absl::StatusOr<WatchSession::Options> options =
      ReadWatchOptions(backend, (*caller)->visible, request);
  if (!options.ok()) return new RefusedStream(call, options.status());
  auto ticket = entrance.gate.OpenStream(*caller);
  if (!ticket.ok()) return new RefusedStream(call, ticket.status());
  auto reactor = std::make_unique<WatchReactor>(context, call, *std::move(ticket), buffer);
  const absl::Status opened = reactor->Open(*backend.hub, entrance.gate, *std::move(options));
  if (!opened.ok()) return new RefusedStream(call, opened);
  return reactor.release();  // deletes itself when done
}

}  // namespace

grpc::ServerUnaryReactor* TokenInventoryService::GetToken(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request,
                                                          grpc::ByteBuffer* response) {
  using Call = std::shared_ptr<Read<v1::GetTokenRequest>>;
  return AtRevision<v1::GetTokenRequest>(
      entrance_, RpcMethod::kGetToken, context, request, response, [](const Call& read) {
        read->Finish(tokeninventory::GetToken(*read->backend.inventory->Current(),
                                              read->caller->visible, read->request));
      });
}

grpc::ServerUnaryReactor* TokenInventoryService::BatchGetTokens(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  using Call = std::shared_ptr<Read<v1::BatchGetTokensRequest>>;
  return AtRevision<v1::BatchGetTokensRequest>(
      entrance_, RpcMethod::kBatchGetTokens, context, request, response, [](const Call& read) {
        read->Finish(tokeninventory::BatchGetTokens(*read->backend.inventory->Current(),
                                                    read->caller->visible, read->request));
      });
}

grpc::ServerUnaryReactor* TokenInventoryService::ListTokens(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request,
                                                            grpc::ByteBuffer* response) {
  using Call = std::shared_ptr<Read<v1::ListTokensRequest>>;
  return AtRevision<v1::ListTokensRequest>(
      entrance_, RpcMethod::kListTokens, context, request, response, [](const Call& read) {
        const Backend& backend = read->backend;
        const std::shared_ptr<const Snapshot> snapshot = backend.inventory->Current();
        const absl::StatusOr<ListPlan> plan = PlanList(
            *snapshot, read->caller->visible, backend.epoch, read->request, backend.clock->Now());
        if (!plan.ok()) {
          read->Finish(plan.status());
        } else if (plan->is_cheap()) {
          read->Finish(AnswerList(*snapshot, backend.epoch, *plan));
        } else {
          AnswerOnScanPool(read, [snapshot, &backend, plan = *plan] {
            return AnswerList(*snapshot, backend.epoch, plan);
          });
        }
      });
}

grpc::ServerUnaryReactor* TokenInventoryService::SummarizeTokens(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  using Call = std::shared_ptr<Read<v1::SummarizeTokensRequest>>;
  return AtRevision<v1::SummarizeTokensRequest>(
      entrance_, RpcMethod::kSummarizeTokens, context, request, response, [](const Call& read) {
        const std::shared_ptr<const Snapshot> snapshot = read->backend.inventory->Current();
        const absl::StatusOr<SummaryPlan> plan = PlanSummary(
            *snapshot, read->caller->visible, read->request, read->backend.clock->Now());
        if (!plan.ok()) {
          read->Finish(plan.status());
          return;
        }
        AnswerOnScanPool(read, [snapshot, plan = *plan]() -> absl::StatusOr<std::string> {
          TI_ASSIGN_OR_RETURN(const v1::SummarizeTokensResponse answer,
                              AnswerSummary(*snapshot, plan));
          return answer.SerializeAsString();
        });
      });
}

grpc::ServerUnaryReactor* TokenInventoryService::RefreshToken(grpc::CallbackServerContext* context,
                                                              const grpc::ByteBuffer* bytes,
                                                              grpc::ByteBuffer* response) {
  const UnaryCall call(entrance_, RpcMethod::kRefreshToken, context, response);
  v1::RefreshTokenRequest request;
  const absl::StatusOr<Caller> caller =
      ReadRequest(entrance_, *context, v1::PrincipalConfig::OPERATOR, *bytes, request);
  absl::Status status = caller.status();
  if (status.ok()) status = CheckTokenName(request.name(), "name");
  if (status.ok()) status = CheckTokenVisible((*caller)->visible, request.name());
  if (status.ok()) status = EffectiveView(request.view(), v1::FULL).status();
  if (!status.ok()) {
    Audit(*context, caller, "RefreshToken", request.name(), status);
    call.Finish(status);
    return call.reactor();
  }
  const Backend& backend = *entrance_.backend.load();
  v1::GetTokenRequest get;
  get.set_name(request.name());
  get.set_view(request.view());
  backend.refresher->Refresh(request.name(), [&backend, context, caller, call,
                                              get](const absl::StatusOr<std::int64_t>& revision) {
    Audit(*context, caller, "RefreshToken", get.name(), revision.status());
    // The Ledger published before it answered: the snapshot shows it.
    call.Finish(revision.ok() ? tokeninventory::GetToken(*backend.inventory->Current(),
                                                         (*caller)->visible, get)
                              : absl::StatusOr<std::string>(revision.status()));
  });
  return call.reactor();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* TokenInventoryService::WatchTokens(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return OpenStream<v1::WatchTokensRequest>(entrance_, RpcMethod::kWatchTokens, stream_buffer_,
                                            context, request);
}

grpc::ServerUnaryReactor* TokenInventoryService::ListExpirations(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  using Call = std::shared_ptr<Read<v1::ListExpirationsRequest>>;
  return AtRevision<v1::ListExpirationsRequest>(
      entrance_, RpcMethod::kListExpirations, context, request, response, [](const Call& read) {
        const Backend& backend = read->backend;
        const std::shared_ptr<const Snapshot> snapshot = backend.inventory->Current();
        const absl::StatusOr<ExpirationPlan> plan = PlanExpirations(
            *snapshot, read->caller->visible, backend.epoch, read->request, backend.clock->Now());
        if (!plan.ok()) {
          read->Finish(plan.status());
          return;
        }
        AnswerOnScanPool(read, [snapshot, &backend, plan = *plan] {
          return AnswerExpirations(*snapshot, backend.epoch, plan);
        });
      });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* TokenInventoryService::WatchExpirations(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return OpenStream<v1::WatchExpirationsRequest>(entrance_, RpcMethod::kWatchExpirations,
                                                 stream_buffer_, context, request);
}

grpc::ServerUnaryReactor* TokenInventoryService::ListTokenChanges(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes,
    grpc::ByteBuffer* response) {
  const UnaryCall call(entrance_, RpcMethod::kListTokenChanges, context, response);
  v1::ListTokenChangesRequest request;
  const absl::StatusOr<Caller> caller = ReadRequest(entrance_, *context, kReader, *bytes, request);
  if (!caller.ok()) {
    call.Finish(caller.status());
    return call.reactor();
  }
  const Backend& backend = *entrance_.backend.load();
  const absl::StatusOr<HistoryQuery> query =
      ParseHistoryQuery(*backend.inventory->Current(), (*caller)->visible, backend.epoch, request);
  if (!query.ok()) {
    call.Finish(query.status());
    return call.reactor();
  }
  // The log is in the store: another thread reads it.
  const bool accepted =
      backend.hub->RunOnLogReader([&backend, call, query = *query](TokenStore& store) {
        // One more tells whether there is a next page.
        const absl::StatusOr<std::vector<LogEntry>> entries =
            store.ReadHistory(query.row, query.before_revision, query.limit + 1);
        if (!entries.ok()) {
          call.Finish(RetryableError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                                     "the change log cannot be read now", absl::Seconds(5)));
          return;
        }
        call.Finish(MakeHistoryPage(query, backend.epoch, *entries).SerializeAsString());
      });
  if (!accepted) {
    call.Finish(RetryableError(absl::StatusCode::kResourceExhausted, "LOG_READER_BUSY",
                               "too many reads of the change log at once", absl::Seconds(1)));
  }
  return call.reactor();
}

}  // namespace tokeninventory
