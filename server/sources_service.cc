#include "server/sources_service.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "inventory/answers.h"
#include "inventory/token_name.h"
#include "server/raw_calls.h"
#include "server/sync_reactor.h"

namespace tokeninventory {
namespace {

// The id of a source that can be synced.
absl::StatusOr<std::string> FindSyncable(const Backend& backend,
                                         const v1::SyncSourceRequest& request) {
  v1::GetSourceRequest get;
  get.set_name(request.name());
  TI_ASSIGN_OR_RETURN(const v1::Source source, GetSource(*backend.inventory->Current(), get));
  if (source.state() == v1::Source::DETACHED) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "SOURCE_DETACHED",
                     absl::StrCat(request.name(), " is no longer in the configuration"));
  }
  return ParseSourceName(request.name(), "name", false);
}

}  // namespace

grpc::ServerUnaryReactor* SourcesService::ListSources(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* request,
                                                      grpc::ByteBuffer* response) {
  return AnswerUnary<v1::ListSourcesRequest>(
      backend_, context, request, response,
      [](const Backend& backend,
         const v1::ListSourcesRequest& parsed) -> absl::StatusOr<std::string> {
        TI_ASSIGN_OR_RETURN(
            const v1::ListSourcesResponse answer,
            tokeninventory::ListSources(*backend.inventory->Current(), backend.epoch, parsed));
        return answer.SerializeAsString();
      });
}

grpc::ServerUnaryReactor* SourcesService::GetSource(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request,
                                                    grpc::ByteBuffer* response) {
  return AnswerUnary<v1::GetSourceRequest>(
      backend_, context, request, response,
      [](const Backend& backend,
         const v1::GetSourceRequest& parsed) -> absl::StatusOr<std::string> {
        TI_ASSIGN_OR_RETURN(const v1::Source answer,
                            tokeninventory::GetSource(*backend.inventory->Current(), parsed));
        return answer.SerializeAsString();
      });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* SourcesService::SyncSource(
    grpc::CallbackServerContext*, const grpc::ByteBuffer* bytes) {
  v1::SyncSourceRequest request;
  const absl::Status status = ReadRequest(backend_, *bytes, request);
  if (!status.ok()) return new RefusedStream(status);
  const Backend& backend = *backend_.load();
  const absl::StatusOr<std::string> source = FindSyncable(backend, request);
  if (!source.ok()) return new RefusedStream(source.status());
  auto reactor = std::make_unique<SyncReactor>();
  const absl::Status opened = reactor->Open(*backend.poller, *source, request.fresh());
  if (!opened.ok()) {
    return new RefusedStream(RetryableError(absl::StatusCode::kUnavailable, "SYNC_UNAVAILABLE",
                                            opened.message(), absl::Seconds(1)));
  }
  return reactor.release();  // deletes itself when done
}

}  // namespace tokeninventory
