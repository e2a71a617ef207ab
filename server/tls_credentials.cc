#include "server/tls_credentials.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"

namespace tokeninventory {
namespace {

// A certificate that ends soon is told about this often.
constexpr absl::Duration kReminder = absl::Hours(24);

// Changes whenever a file is written or replaced, link or not.
std::string Fingerprint(const TlsFiles& files) {
  std::string all;
  for (const std::string& path : {files.certificate_file, files.key_file, files.client_ca_file}) {
    std::error_code error;
    const auto time = std::filesystem::last_write_time(path, error);
    absl::StrAppend(&all, error ? 0 : time.time_since_epoch().count(), "|");
    absl::StrAppend(&all, std::filesystem::canonical(path, error).string(), "|");
  }
  return all;
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeTlsCredentials(const TlsFiles& files) {
  auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.key_file, files.certificate_file, files.client_ca_file,
      static_cast<unsigned>(absl::ToInt64Seconds(kTlsRefresh)));
  grpc::experimental::TlsServerCredentialsOptions options(std::move(provider));
  options.watch_identity_key_cert_pairs();
  if (!files.client_ca_file.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(files.client_may_be_unknown
                                      ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                                      : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

TlsFilesMonitor::TlsFilesMonitor(TlsFiles files, Clock* clock)
    : files_(std::move(files)),
      clock_(clock),
      expire_time_(CheckTlsFiles(files_, clock_->Now()).expire_time),
      thread_([this] { Run(); }) {}

TlsFilesMonitor::~TlsFilesMonitor() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

void TlsFilesMonitor::Run() {
  std::string known = Fingerprint(files_);
  absl::Time remind = clock_->Now() + kReminder;
  for (;;) {
    {
      MutexLock lock(mutex_);
      const absl::Time next = clock_->Now() + kTlsRefresh;
      while (!stopping_ && clock_->Now() < next) clock_->WaitUntil(mutex_, wake_, next);
      if (stopping_) return;
    }
    const absl::Time now = clock_->Now();
    std::string seen = Fingerprint(files_);
    const bool changed = seen != known;
    if (!changed && now < remind) continue;
    known = std::move(seen);
    remind = now + kReminder;
    const TlsReport report = CheckTlsFiles(files_, now);
    if (!report.problems.empty()) {
      LogError("new TLS connections fail until this is mended",
               {{"problems", absl::StrJoin(report.problems, "; ", absl::PairFormatter(": "))}});
    } else if (changed) {
      expire_time_ = report.expire_time;
      LogInfo("TLS files changed; new connections use them",
              {{"expire_time", absl::FormatTime(report.expire_time)}});
    }
    for (const std::string& warning : report.warnings) LogWarning(warning);
  }
}

}  // namespace tokeninventory
