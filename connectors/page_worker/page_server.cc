#include "connectors/page_worker/page_server.h"

#include <malloc.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "connectors/json_value.h"
#include "connectors/local_page_reader.h"
#include "connectors/manifest.h"
#include "connectors/page_worker/frame_socket.h"
#include "connectors/page_worker/page_codec.h"
#include "tokeninventory/internal/v1/page_worker.pb.h"

namespace tokeninventory {
namespace {

using internal::v1::PageWorkerCall;
using internal::v1::PageWorkerReply;

// A worker waits for long between pages: what larger ones took goes back.
constexpr std::size_t kLargeReply = std::size_t{2} << 20;

// Does the calls. Used by one thread.
class Worker {
 public:
  explicit Worker(const std::function<void()>& before_page) : before_page_(before_page) {}

  absl::Status Do(PageWorkerCall& call, PageWorkerReply& reply) {
    switch (call.call_case()) {
      case PageWorkerCall::kManifest:
        return Load(call.manifest());
      case PageWorkerCall::kResponse:
        before_page_();
        return Take(*call.mutable_response(), reply);
      case PageWorkerCall::kReading:
        before_page_();
        return Read(call.reading(), reply);
      case PageWorkerCall::CALL_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError("no call");
  }

 private:
  absl::Status Load(const internal::v1::ManifestText& manifest) {
    ManifestReport report = ReadCheckedManifest(manifest.file(), manifest.text());
    if (!report.ok()) return absl::InvalidArgumentError(absl::StrJoin(report.problems, "; "));
    manifest_ = std::move(report.manifest);
    programs_ = manifest_->NewPrograms({});
    if (programs_ == nullptr) return absl::InvalidArgumentError("its programs do not compile");
    reader_ = std::make_unique<LocalPageReader>(manifest_.get(), programs_.get());
    return absl::OkStatus();
  }

  absl::Status Take(internal::v1::VendorResponse& response, PageWorkerReply& reply) {
    if (reader_ == nullptr) return absl::FailedPreconditionError("no manifest");
    HttpResponse http;
    http.status = response.status();
    for (auto& header : *response.mutable_headers()) {
      http.headers.emplace_back(std::move(*header.mutable_name()),
                                std::move(*header.mutable_value()));
    }
    http.body = std::move(*response.mutable_body());
    TI_ASSIGN_OR_RETURN(const JsonValue request, JsonValue::Parse(response.request_json()));
    JqContext context;
    TI_ASSIGN_OR_RETURN(context.param, JsonValue::Parse(response.param_json()));
    TI_ASSIGN_OR_RETURN(context.parent, JsonValue::Parse(response.parent_json()));
    TI_ASSIGN_OR_RETURN(const PageVerdict verdict, reader_->Take(http, request, context));
    reply.mutable_verdict()->set_error_word(verdict.error_word);
    if (!verdict.body.ok()) {
      reply.mutable_verdict()->set_body_failure(std::string(verdict.body.message()));
    }
    return absl::OkStatus();
  }

  absl::Status Read(const internal::v1::PageReading& reading, PageWorkerReply& reply) {
    if (reader_ == nullptr) return absl::FailedPreconditionError("no manifest");
    const int index = manifest_->FindStream(reading.stream());
    if (index < 0) return absl::InvalidArgumentError("no such stream");
    const CompiledStream& stream = manifest_->streams[static_cast<std::size_t>(index)];
    MappingNotes notes;
    absl::StatusOr<PageContent> content =
        reading.fetched() ? reader_->ReadFetched(stream, notes)
                          : reader_->ReadPage(stream, reading.preceding_row_count(), notes);
    if (!content.ok()) return content.status();
    return EncodePage(*content, notes, *reply.mutable_page());
  }

  const std::function<void()>& before_page_;
  std::shared_ptr<const CompiledManifest> manifest_;
  std::unique_ptr<JqPrograms> programs_;
  std::unique_ptr<LocalPageReader> reader_;
};

}  // namespace

int ServePages(int fd, const WorkerLimits& limits, const std::function<void()>& before_page) {
  FrameSocket socket(fd);
  Worker worker(before_page);
  for (;;) {
    absl::StatusOr<std::string> frame = socket.Receive(MaxCallBytes(limits), FrameDeadline::max());
    if (!frame.ok()) {
      return frame.status().code() == absl::StatusCode::kUnavailable ? kWorkerDone : kWorkerBadCall;
    }
    PageWorkerCall call;
    if (!call.ParseFromString(*frame)) return kWorkerBadCall;
    frame->clear();
    frame->shrink_to_fit();

    PageWorkerReply reply;
    const auto fail = [&reply](const absl::Status& status) {
      reply.Clear();
      reply.set_failure(std::string(status.message()));
      reply.set_endless(status.code() == absl::StatusCode::kDeadlineExceeded);
    };
    if (const absl::Status status = worker.Do(call, reply); !status.ok()) fail(status);
    call.Clear();
    if (reply.ByteSizeLong() > MaxReplyBytes(limits)) {
      fail(absl::InvalidArgumentError("the page maps to more than can be taken"));
    }
    const std::size_t size = reply.ByteSizeLong();
    if (!socket.Send(reply.SerializeAsString(), FrameDeadline::max()).ok()) return kWorkerDone;
    reply = PageWorkerReply();
    if (size > kLargeReply) malloc_trim(0);
  }
}

}  // namespace tokeninventory
