// TLS as gRPC wants it, with files that are read again when they change.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "server/tls_files.h"

namespace tokeninventory {

// How often the files are looked at.
inline constexpr absl::Duration kTlsRefresh = absl::Seconds(1);

// `files` must have been checked.
std::shared_ptr<grpc::ServerCredentials> MakeTlsCredentials(const TlsFiles& files);

// Tells the log what becomes of the files: that others are in use, that those there now
// cannot be used, that the certificate ends soon. gRPC reads them by itself and says nothing.
class TlsFilesMonitor {
 public:
  TlsFilesMonitor(TlsFiles files, Clock* clock);
  ~TlsFilesMonitor();
  TlsFilesMonitor(const TlsFilesMonitor&) = delete;
  TlsFilesMonitor& operator=(const TlsFilesMonitor&) = delete;

  // When the certificate ends that new connections use. By any thread.
  absl::Time expire_time() const { return expire_time_.load(); }

 private:
  void Run();

  const TlsFiles files_;
  Clock* const clock_;
  std::atomic<absl::Time> expire_time_;
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace tokeninventory
