#include "connectors/page_worker/page_workers.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "connectors/page_worker/page_codec.h"

namespace tokeninventory {
namespace {

constexpr char kProgram[] = "token-inventory-page-worker";
// Not a page's: a machine under load takes its time.
constexpr absl::Duration kStartLimit = absl::Seconds(30);

WorkerLimits LimitsOf(const PageWorkers::Options& options) {
  WorkerLimits limits;
  limits.max_body_bytes = options.max_body_bytes;
  limits.max_cache_bytes = options.max_cache_bytes;
  const absl::Duration longest =
      options.page_time_limit * PageTimeFactor(options.max_body_bytes) + absl::Seconds(1);
  limits.page_cpu_seconds = static_cast<int>(absl::ToInt64Seconds(longest));
  return limits;
}

}  // namespace

// A reader over the worker that it has.
class PageWorkers::Reader final : public PageReader {
 public:
  Reader(std::shared_ptr<PageWorkers> pool, Idle worker, std::stop_token stop)
      : pool_(std::move(pool)), worker_(std::move(worker)), stop_(std::move(stop)) {}
  ~Reader() override { pool_->Return(std::move(worker_)); }

  absl::StatusOr<PageVerdict> Take(const HttpResponse& response, const JsonValue& request,
                                   const JqContext& context) override {
    has_page_ = false;
    limit_ = pool_->options_.page_time_limit *
             PageTimeFactor(static_cast<std::int64_t>(response.body.size()));
    time_left_ = limit_;
    if (worker_.process == nullptr || !worker_.process->IsRunning()) {
      TI_ASSIGN_OR_RETURN(worker_.process, pool_->StartWorker(*worker_.manifest, stop_));
    }
    internal::v1::PageWorkerCall call;
    internal::v1::VendorResponse& sent = *call.mutable_response();
    sent.set_status(response.status);
    for (const auto& [name, value] : response.headers) {
      // Also because most change with every answer (`date`), and what does is read anew.
      if (!worker_.manifest->ReadsHeader(name)) continue;
      internal::v1::VendorResponse::Header& header = *sent.add_headers();
      header.set_name(CleanName(name));
      header.set_value(value);
    }
    sent.set_body(response.body);
    sent.set_request_json(request.Dump());
    sent.set_param_json(context.param.Dump());
    sent.set_parent_json(context.parent.Dump());
    TI_ASSIGN_OR_RETURN(internal::v1::PageWorkerReply reply, Call(call));
    PageVerdict verdict;
    verdict.error_word = CleanReason(reply.verdict().error_word());
    if (!reply.verdict().body_failure().empty()) {
      verdict.body = absl::InvalidArgumentError(CleanReason(reply.verdict().body_failure()));
    }
    has_page_ = verdict.body.ok();
    return verdict;
  }

  absl::StatusOr<PageContent> ReadPage(const CompiledStream& stream, std::int64_t rows_before,
                                       MappingNotes& notes) override {
    return Read(stream, rows_before, /*fetched=*/false, notes);
  }
  absl::StatusOr<PageContent> ReadFetched(const CompiledStream& stream,
                                          MappingNotes& notes) override {
    return Read(stream, 0, /*fetched=*/true, notes);
  }

 private:
  // Protobuf takes no text that is no UTF-8, which a name is not then either.
  static std::string CleanName(const std::string& name) {
    const bool ascii = std::all_of(name.begin(), name.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    return ascii ? name : std::string("?");
  }

  absl::StatusOr<PageContent> Read(const CompiledStream& stream, std::int64_t rows_before,
                                   bool fetched, MappingNotes& notes) {
    if (!std::exchange(has_page_, false)) {
      return absl::FailedPreconditionError("there is no page to read");
    }
    internal::v1::PageWorkerCall call;
    internal::v1::PageReading& reading = *call.mutable_reading();
    reading.set_stream(stream.spec->name());
    reading.set_preceding_row_count(rows_before);
    reading.set_fetched(fetched);
    reading.set_pass_number(worker_.leases);
    TI_ASSIGN_OR_RETURN(internal::v1::PageWorkerReply reply, Call(call));
    return DecodePage(*reply.mutable_page(), stream.spec->id_prefix(), notes);
  }

  // Within what is left of the page's time.
  absl::StatusOr<internal::v1::PageWorkerReply> Call(const internal::v1::PageWorkerCall& call) {
    const auto start = std::chrono::steady_clock::now();
    absl::StatusOr<internal::v1::PageWorkerReply> reply =
        worker_.process->Call(call, time_left_, stop_);
    time_left_ -= absl::FromChrono(std::chrono::steady_clock::now() - start);
    if (absl::IsDeadlineExceeded(reply.status())) {
      return absl::DeadlineExceededError(
          absl::StrCat("reading the page takes longer than ", absl::FormatDuration(limit_)));
    }
    if (!reply.ok() || reply->failure().empty()) return reply;
    const std::string reason = CleanReason(reply->failure());
    if (reply->endless()) return absl::DeadlineExceededError(reason);
    return absl::InvalidArgumentError(reason);
  }

  const std::shared_ptr<PageWorkers> pool_;
  Idle worker_;
  const std::stop_token stop_;
  bool has_page_ = false;
  absl::Duration limit_;  // of the answer taken last
  absl::Duration time_left_;
};

PageWorkers::PageWorkers(Options options)
    : options_(std::move(options)), limits_(LimitsOf(options_)) {}

PageWorkers::~PageWorkers() = default;

absl::StatusOr<std::unique_ptr<WorkerProcess>> PageWorkers::StartWorker(
    const CompiledManifest& manifest, const std::stop_token& stop) const {
  TI_ASSIGN_OR_RETURN(std::unique_ptr<WorkerProcess> process,
                      WorkerProcess::Start(options_.program, limits_));
  internal::v1::PageWorkerCall call;
  call.mutable_manifest()->set_file(manifest.file);
  call.mutable_manifest()->set_text(manifest.text);
  const absl::StatusOr<internal::v1::PageWorkerReply> reply =
      process->Call(call, kStartLimit, stop);
  if (absl::IsCancelled(reply.status())) return reply.status();
  const std::string why =
      reply.ok() ? CleanReason(reply->failure()) : std::string(reply.status().message());
  if (!why.empty()) {
    return absl::UnavailableError(absl::StrCat("no page worker could be started: ", why));
  }
  return process;
}

absl::StatusOr<std::unique_ptr<PageReader>> PageWorkers::Lease(
    const std::string& source, std::shared_ptr<const CompiledManifest> manifest,
    const std::stop_token& stop) {
  Idle worker{source, std::move(manifest), nullptr, 0};
  std::list<Idle> others;  // of a manifest that is no more; they end outside of the lock
  {
    MutexLock lock(mutex_);
    for (auto idle = idle_.begin(); idle != idle_.end() && worker.process == nullptr;) {
      const auto at = idle++;
      if (at->source != source) continue;
      if (at->manifest == worker.manifest) {
        worker.process = std::move(at->process);
        worker.leases = at->leases;
        idle_.erase(at);
      } else {
        others.splice(others.end(), idle_, at);
      }
    }
  }
  if (worker.process == nullptr || !worker.process->IsRunning()) {
    TI_ASSIGN_OR_RETURN(worker.process, StartWorker(*worker.manifest, stop));
  }
  ++worker.leases;
  return std::make_unique<Reader>(shared_from_this(), std::move(worker), stop);
}

void PageWorkers::Return(Idle worker) {
  if (worker.process == nullptr || !worker.process->IsRunning()) return;
  std::list<Idle> surplus;
  MutexLock lock(mutex_);
  idle_.push_front(std::move(worker));
  while (idle_.size() > options_.max_idle) {
    surplus.splice(surplus.end(), idle_, std::prev(idle_.end()));
  }
}

absl::Status CheckPageWorker(const std::string& program) {
  std::error_code error;
  if (std::filesystem::is_regular_file(program, error) && access(program.c_str(), X_OK) == 0) {
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat(program, ": there is no program that can be run"));
}

absl::StatusOr<std::string> FindPageWorker() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path here = self.parent_path();
  const std::string beside = (here / kProgram).string();
  if (CheckPageWorker(beside).ok()) return beside;
  const std::string installed =
      (here.parent_path() / "libexec" / "token-inventory" / kProgram).string();
  if (CheckPageWorker(installed).ok()) return installed;
  return absl::NotFoundError(
      absl::StrCat("the program that reads vendors' pages is missing: neither ", beside, " nor ",
                   installed, " can be run"));
}

}  // namespace tokeninventory
