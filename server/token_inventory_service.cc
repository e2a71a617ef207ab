#include "server/token_inventory_service.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/proto_time.h"
#include "base/status_macros.h"
#include "inventory/answers.h"
#include "inventory/cursor.h"
#include "inventory/token_name.h"
#include "server/raw_calls.h"
#include "server/watch_reactor.h"

namespace tokeninventory {
namespace {

// How long a read waits for its `min_revision`.
constexpr absl::Duration kRevisionWait = absl::Seconds(5);
constexpr absl::Duration kDefaultProgressInterval = absl::Seconds(15);
constexpr absl::Duration kShortestProgressInterval = absl::Seconds(1);
constexpr absl::Duration kLongestProgressInterval = absl::Minutes(5);

// Answers once the snapshot has the request's min_revision.
template <typename Request, typename AnswerFunction>
grpc::ServerUnaryReactor* AnswerAtRevision(const BackendPointer& pointer,
                                           grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* bytes,
                                           grpc::ByteBuffer* response, AnswerFunction answer) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto request = std::make_shared<Request>();
  const absl::Status status = ReadRequest(pointer, *bytes, *request);
  if (!status.ok()) {
    Answer(reactor, response, status);
    return reactor;
  }
  const Backend& backend = *pointer.load();
  const std::int64_t revision = request->min_revision();
  if (revision < 0) {
    Answer(reactor, response,
           FieldError("min_revision", "INVALID_MIN_REVISION", "must not be negative"));
    return reactor;
  }
  const absl::Time deadline = backend.clock->Now() + kRevisionWait;
  backend.inventory->WhenRevision(
      revision, deadline, [&backend, request, reactor, response, answer, revision](bool reached) {
        if (reached) {
          Answer(reactor, response, answer(*backend.inventory->Current(), backend, *request));
          return;
        }
        Answer(reactor, response,
               RetryableError(absl::StatusCode::kUnavailable, "REVISION_NOT_REACHED",
                              absl::StrCat("min_revision: ", revision,
                                           " is not reached yet; this store is at ",
                                           backend.inventory->Current()->revision()),
                              absl::Seconds(1)));
      });
  return reactor;
}

absl::StatusOr<WatchSession::Options> ReadWatchOptions(const Backend& backend,
                                                       const v1::WatchTokensRequest& request) {
  WatchSession::Options options;
  TI_ASSIGN_OR_RETURN(options.scope.view, EffectiveView(request.view(), v1::BASIC));
  TI_ASSIGN_OR_RETURN(const int source,
                      FindParentSource(*backend.inventory->Current(), request.parent()));
  if (source != ScanFilter::kAllSources) {
    TI_ASSIGN_OR_RETURN(options.scope.source, ParseSourceName(request.parent(), "parent", false));
  }
  options.progress_interval = kDefaultProgressInterval;
  if (request.has_progress_interval()) {
    options.progress_interval = FromProto(request.progress_interval());
    if (options.progress_interval < kShortestProgressInterval ||
        options.progress_interval > kLongestProgressInterval) {
      return FieldError("progress_interval", "INVALID_PROGRESS_INTERVAL",
                        "must be between 1 s and 5 min");
    }
  }
  switch (request.start_case()) {
    case v1::WatchTokensRequest::kInitialState:
      options.start = WatchSession::Start::kInitialState;
      break;
    case v1::WatchTokensRequest::kNow:
      options.start = WatchSession::Start::kNow;
      break;
    case v1::WatchTokensRequest::kResumeToken: {
      options.start = WatchSession::Start::kAfterRevision;
      TI_ASSIGN_OR_RETURN(options.after_revision,
                          DecodeResumeToken(request.resume_token(), backend.epoch));
      break;
    }
    case v1::WatchTokensRequest::START_NOT_SET:
      return FieldError("start", "MISSING_START", "set one of initial_state, now and resume_token");
  }
  return options;
}

}  // namespace

grpc::ServerUnaryReactor* TokenInventoryService::GetToken(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* request,
                                                          grpc::ByteBuffer* response) {
  return AnswerAtRevision<v1::GetTokenRequest>(
      backend_, context, request, response,
      [](const Snapshot& snapshot, const Backend&, const v1::GetTokenRequest& parsed) {
        return tokeninventory::GetToken(snapshot, parsed);
      });
}

grpc::ServerUnaryReactor* TokenInventoryService::BatchGetTokens(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return AnswerAtRevision<v1::BatchGetTokensRequest>(
      backend_, context, request, response,
      [](const Snapshot& snapshot, const Backend&, const v1::BatchGetTokensRequest& parsed) {
        return tokeninventory::BatchGetTokens(snapshot, parsed);
      });
}

grpc::ServerUnaryReactor* TokenInventoryService::ListTokens(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request,
                                                            grpc::ByteBuffer* response) {
  return AnswerAtRevision<v1::ListTokensRequest>(
      backend_, context, request, response,
      [](const Snapshot& snapshot, const Backend& backend, const v1::ListTokensRequest& parsed) {
        return tokeninventory::ListTokens(snapshot, backend.epoch, parsed);
      });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* TokenInventoryService::WatchTokens(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes) {
  v1::WatchTokensRequest request;
  const absl::Status status = ReadRequest(backend_, *bytes, request);
  if (!status.ok()) return new RefusedStream(status);
  const Backend& backend = *backend_.load();
  absl::StatusOr<WatchSession::Options> options = ReadWatchOptions(backend, request);
  if (!options.ok()) return new RefusedStream(options.status());
  auto reactor = std::make_unique<WatchReactor>(context);
  const absl::Status opened = reactor->Open(*backend.hub, *std::move(options));
  if (!opened.ok()) return new RefusedStream(opened);
  return reactor.release();  // deletes itself when done
}

grpc::ServerUnaryReactor* TokenInventoryService::ListTokenChanges(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* bytes,
    grpc::ByteBuffer* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  v1::ListTokenChangesRequest request;
  const absl::Status status = ReadRequest(backend_, *bytes, request);
  if (!status.ok()) {
    Answer(reactor, response, status);
    return reactor;
  }
  const Backend& backend = *backend_.load();
  const absl::StatusOr<HistoryQuery> query =
      ParseHistoryQuery(*backend.inventory->Current(), backend.epoch, request);
  if (!query.ok()) {
    Answer(reactor, response, query.status());
    return reactor;
  }
  // The log is in the store: another thread reads it.
  const bool accepted = backend.hub->RunOnLogReader([&backend, reactor, response,
                                                     query = *query](TokenStore& store) {
    // One more tells whether there is a next page.
    const absl::StatusOr<std::vector<LogEntry>> entries =
        store.ReadHistory(query.row, query.before_revision, query.limit + 1);
    if (!entries.ok()) {
      Answer(reactor, response,
             RetryableError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                            "the change log cannot be read now", absl::Seconds(5)));
      return;
    }
    Answer(reactor, response, MakeHistoryPage(query, backend.epoch, *entries).SerializeAsString());
  });
  if (!accepted) {
    Answer(reactor, response,
           RetryableError(absl::StatusCode::kResourceExhausted, "LOG_READER_BUSY",
                          "too many reads of the change log at once", absl::Seconds(1)));
  }
  return reactor;
}

}  // namespace tokeninventory
