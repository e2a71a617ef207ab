#include "connectors/page_worker/page_server.h"

#include <malloc.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "connectors/digest.h"
#include "connectors/json_value.h"
#include "connectors/local_page_reader.h"
#include "connectors/manifest.h"
#include "connectors/page_worker/frame_socket.h"
#include "connectors/page_worker/page_cache.h"
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
  Worker(const WorkerLimits& limits, const std::function<void()>& before_page)
      : limits_(limits),
        before_page_(before_page),
        cache_(static_cast<std::size_t>(limits.max_cache_bytes)) {}

  // The reply to a call whose bytes have this digest, serialised.
  std::string Do(PageWorkerCall& call, const Digest& digest) {
    PageWorkerReply reply;
    absl::Status status = absl::InvalidArgumentError("no call");
    switch (call.call_case()) {
      case PageWorkerCall::kManifest:
        status = Load(call.manifest());
        break;
      case PageWorkerCall::kResponse:
        before_page_();
        status = Take(*call.mutable_response(), digest, reply);
        break;
      case PageWorkerCall::kReading:
        before_page_();
        return Read(call.reading());
      case PageWorkerCall::CALL_NOT_SET:
        break;
    }
    return Finished(status, reply);
  }

 private:
  absl::Status Load(const internal::v1::ManifestText& manifest) {
    ManifestReport report = ReadCheckedManifest(manifest.file(), manifest.text());
    if (!report.ok()) return absl::InvalidArgumentError(absl::StrJoin(report.problems, "; "));
    cache_.Clear();
    manifest_ = std::move(report.manifest);
    programs_ = manifest_->NewPrograms({});
    if (programs_ == nullptr) return absl::InvalidArgumentError("its programs do not compile");
    reader_ = std::make_unique<LocalPageReader>(manifest_.get(), programs_.get());
    return absl::OkStatus();
  }

  // Reads nothing yet of an answer that came before and could be read then.
  absl::Status Take(internal::v1::VendorResponse& response, const Digest& digest,
                    PageWorkerReply& reply) {
    if (reader_ == nullptr) return absl::FailedPreconditionError("no manifest");
    page_ = digest;
    is_good_ = cache_.Contains(digest);
    unread_.reset();
    if (is_good_) {
      unread_ = std::move(response);
      reply.mutable_verdict();
      return absl::OkStatus();
    }
    return TakeNow(response, *reply.mutable_verdict());
  }

  absl::Status TakeNow(internal::v1::VendorResponse& response, internal::v1::ResponseVerdict& out) {
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
    is_good_ = verdict.body.ok() && verdict.error_word.empty();
    out.set_error_word(verdict.error_word);
    if (!verdict.body.ok()) out.set_body_failure(std::string(verdict.body.message()));
    return absl::OkStatus();
  }

  std::string Read(internal::v1::PageReading reading) {
    PageWorkerReply reply;
    if (!page_) return Finished(absl::FailedPreconditionError("there is no page to read"), reply);
    const Digest page = *std::exchange(page_, std::nullopt);
    const std::int64_t pass = reading.pass_number();
    reading.clear_pass_number();
    const std::string key = reading.SerializeAsString();
    if (unread_) {
      if (const std::string* known = cache_.Find(page, key, pass)) {
        unread_.reset();
        reply.set_remembered(true);
        return absl::StrCat(*known, reply.SerializeAsString());
      }
    }
    const absl::Status status = ReadNow(reading, *reply.mutable_page());
    // What a look-up asks for differs from one to the next. A row that cannot be read
    // may be one whose program took too long.
    std::string bytes = Finished(status, reply);
    if (reply.has_page() && reply.page().bad_row_count() == 0 && is_good_ && !reading.fetched()) {
      cache_.Keep(page, key, bytes, pass);
    }
    return bytes;
  }

  absl::Status ReadNow(const internal::v1::PageReading& reading, internal::v1::ReadPage& page) {
    if (reader_ == nullptr) return absl::FailedPreconditionError("no manifest");
    if (unread_) {
      internal::v1::ResponseVerdict verdict;
      internal::v1::VendorResponse response = *std::exchange(unread_, std::nullopt);
      TI_RETURN_IF_ERROR(TakeNow(response, verdict));
    }
    const int index = manifest_->FindStream(reading.stream());
    if (index < 0) return absl::InvalidArgumentError("no such stream");
    const CompiledStream& stream = manifest_->streams[static_cast<std::size_t>(index)];
    MappingNotes notes;
    absl::StatusOr<PageContent> content =
        reading.fetched() ? reader_->ReadFetched(stream, notes)
                          : reader_->ReadPage(stream, reading.preceding_row_count(), notes);
    if (!content.ok()) return content.status();
    return EncodePage(*content, notes, page);
  }

  std::string Finished(absl::Status status, PageWorkerReply& reply) const {
    if (status.ok() && reply.ByteSizeLong() > MaxReplyBytes(limits_)) {
      status = absl::InvalidArgumentError("the page maps to more than can be taken");
    }
    if (!status.ok()) {
      reply.Clear();
      reply.set_failure(std::string(status.message()));
      reply.set_endless(status.code() == absl::StatusCode::kDeadlineExceeded);
    }
    return reply.SerializeAsString();
  }

  const WorkerLimits limits_;
  const std::function<void()>& before_page_;
  PageCache cache_;
  std::shared_ptr<const CompiledManifest> manifest_;
  std::unique_ptr<JqPrograms> programs_;
  std::unique_ptr<LocalPageReader> reader_;
  // Of the answer taken last, until it is read: its digest, whether it is a page without
  // an error, and the answer itself while the reader has not seen it.
  std::optional<Digest> page_;
  bool is_good_ = false;
  std::optional<internal::v1::VendorResponse> unread_;
};

}  // namespace

int ServePages(int fd, const WorkerLimits& limits, const std::function<void()>& before_page) {
  FrameSocket socket(fd);
  Worker worker(limits, before_page);
  for (;;) {
    absl::StatusOr<std::string> frame = socket.Receive(MaxCallBytes(limits), FrameDeadline::max());
    if (!frame.ok()) {
      return frame.status().code() == absl::StatusCode::kUnavailable ? kWorkerDone : kWorkerBadCall;
    }
    PageWorkerCall call;
    if (!call.ParseFromString(*frame)) return kWorkerBadCall;
    const Digest digest = DigestOf(*frame);
    frame->clear();
    frame->shrink_to_fit();
    std::string reply = worker.Do(call, digest);
    call.Clear();
    if (!socket.Send(reply, FrameDeadline::max()).ok()) return kWorkerDone;
    if (reply.size() > kLargeReply) {
      reply = std::string();
      malloc_trim(0);
    }
  }
}

}  // namespace tokeninventory
